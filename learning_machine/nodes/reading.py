"""Reading a model's answer: every change that can be made out, however the answer is written. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import json_repair
from langchain_core.messages import AIMessage
from pydantic import BaseModel, ValidationError

from learning_machine.errors import ExtractionFailed
from learning_machine.state.extraction import ExtractedChange

Items: TypeAlias = list[Any]

#: By one of these an object is told to be a change and not something around changes.
_MARKS = ("store", "action")
#: So deep objects and JSON in strings are looked into, and so many places of a text are tried.
_DEPTH, _TRIES = 8, 2_000
_THINKING = re.compile(r"<(think|thinking|reasoning|scratchpad)>.*?</\1>", re.DOTALL | re.IGNORECASE)
#: A value in quotes that JSON does not know, between its colon and what follows.
_QUOTED = re.compile(r'(":\s*)[„“”«`]([^„“”«»`"\n]*)[“”»`](\s*[,}])')
_OPENING = re.compile(r"[{\[]")
_RUN = re.compile(r"(?:[{\[]\s*)+")


def read_reply(raw: Any) -> list[ExtractedChange]:
    """Every valid item of the model's answer, wherever in it the JSON stands. Raises when there is no JSON at all."""
    for candidate in candidates(raw):
        items = items_in(candidate)
        if items is not None:
            return [change for item in items if (change := read_item(item)) is not None]
    raise ExtractionFailed("The model's answer held no JSON. The batch will be tried again.")


def candidates(raw: Any) -> list[Any]:
    """The places an answer may stand in: tool calls, broken tool calls, text."""
    if not isinstance(raw, AIMessage):
        return [raw]
    calls = [call["args"] for call in raw.tool_calls] + [call.get("args") for call in raw.invalid_tool_calls]
    return [*calls, raw.text]


def items_in(candidate: Any, depth: int = _DEPTH) -> Items | None:
    """The changes in a candidate, in order; `None` when nothing in it says that it holds any."""
    if depth < 0:
        return None
    if isinstance(candidate, BaseModel):
        candidate = candidate.model_dump()
    if isinstance(candidate, str):
        return items_in_text(candidate, depth)
    if isinstance(candidate, list):
        return joined(items_in(one, depth - 1) for one in candidate) if candidate else []
    return items_under(candidate, depth) if isinstance(candidate, dict) else None


def items_under(found: dict[str, Any], depth: int) -> Items | None:
    """The changes in an object: under their name, or under names that the model made up; or the object is one."""
    named = next((value for name, value in found.items() if str(name).lower() == "changes"), ...)
    if named is not ...:
        return items_of(named, depth - 1)
    if any(mark in found for mark in _MARKS):
        return [found]
    if found and all(value == [] for value in found.values()):
        return []
    inside = (value for value in found.values() if isinstance(value, dict | list) or looks_like_json(value))
    return joined(items_in(value, depth - 1) for value in inside if value != [])


def items_of(changes: Any, depth: int) -> Items:
    """What stands under the name for changes. Every object there is one, unless it is something around changes."""
    if isinstance(changes, dict):
        changes = [changes] if set(changes) & set(ExtractedChange.model_fields) else list(changes.values())
    if not isinstance(changes, list):
        return items_in(changes, depth) or []
    items: Items = []
    for one in changes:
        own = isinstance(one, dict) and (not one or set(one) & set(ExtractedChange.model_fields))
        items += [one] if own else items_in(one, depth - 1) or []
    return items


def joined(parts: Iterator[Items | None]) -> Items | None:
    """All that several places hold; a list that was found before is the same answer once more."""
    found: list[Items] = []
    for part in parts:
        if part is not None and (not part or part not in found):
            found.append(part)
    return [item for part in found for item in part] if found else None


# --- text -------------------------------------------------------------------------------------------------------------


def items_in_text(text: str, depth: int) -> Items | None:
    """The changes in a text: as it stands if it is JSON, else by the way of reading it that makes out most of them."""
    spoken = _THINKING.sub("", text)
    for plain in (text, spoken):
        value = parsed(plain)
        if value is not ...:
            return items_in(value, depth - 1) if isinstance(value, dict | list) or looks_like_json(value) else None
    best: Items | None = None
    for items in readings(spoken if _OPENING.search(spoken) else text, depth - 1):
        if items is not None and (best is None or len(items) > len(best)):
            best = items
    return best


def readings(text: str, depth: int) -> Iterator[Items | None]:
    """What different ways of reading a text that is no JSON make out, the most faithful first."""
    yield joined(items_in(value, depth) for value in values_in(text))
    mended = _QUOTED.sub(r'\1"\2"\3', text)
    yield repaired(mended, depth)
    if mended != text:
        yield repaired(text, depth)
    lines = [line[line.index("{") :] for line in text.splitlines() if "{" in line]
    if len(lines) > 1:
        yield joined(repaired(line, depth) for line in lines)
    if "\\n" in text or '\\"' in text:
        yield repaired(text.replace("\\n", "\n").replace('\\"', '"'), depth)


def repaired(text: str, depth: int) -> Items | None:
    """The changes in a text after its JSON was mended."""
    try:
        found: Any = json_repair.loads(text)
    except (ValueError, RecursionError):
        return None
    return items_in(found, depth) if isinstance(found, dict | list) else None


def values_in(text: str) -> Iterator[Any]:
    """Every whole JSON object or list in a text, from left to right; in one that is broken, those inside it."""
    place, tries = 0, 0
    while (opening := _OPENING.search(text, place)) is not None and tries < _TRIES:
        try:
            value, place = _DECODER.raw_decode(text, opening.start())
        except ValueError:
            place, tries = opening.start() + 1, tries + 1
        except RecursionError:
            # Nobody answers as deeply as this: what is left of the brackets at its end may be an answer.
            run = _RUN.match(text, opening.start())
            place, tries = max(opening.start() + 1, run.end() - _DEPTH if run else 0), tries + 1
        else:
            yield value


def parsed(text: str) -> Any:
    """The text's value, when nothing in it but JSON is; else `...`."""
    try:
        return _DECODER.decode(text.strip("\ufeff \t\r\n"))
    except (ValueError, RecursionError):
        return ...


def looks_like_json(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip("\ufeff \t\r\n")[:1] in ('"', "{", "[", "`")


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. Of a name given twice the last value counts, but lists of changes count together."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        both = isinstance(value, list) and isinstance(found.get(name), list)
        found[name] = [*found[name], *value] if both else value
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=object_of, strict=False)


# --- one change -------------------------------------------------------------------------------------------------------


def read_item(item: Any) -> ExtractedChange | None:
    """One change, or `None` when it is none. A field of the wrong type is dropped, not the item."""
    if not isinstance(item, dict):
        return None
    try:
        return ExtractedChange.model_validate(item)
    except ValidationError as error:
        wrong = {entry["loc"][0] for entry in error.errors() if entry["loc"]}
        try:
            return ExtractedChange.model_validate({name: value for name, value in item.items() if name not in wrong})
        except ValidationError:
            return None
