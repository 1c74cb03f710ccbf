"""The offline model's answer to the extraction call: the changes its patterns find, in the reply's public schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from learning_machine.offline.sentences import Fact, sentences, steps_in, told
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.messages import text_of
from learning_machine.state.tokens import truncate

_STORE = re.compile(r"^`(\w+)`:", re.MULTILINE)
_HEADERS = re.compile(r"^Already known:.*?^New messages:", re.MULTILINE | re.DOTALL)
_ENDED = re.compile(r"\b(?:no longer|any\s?more|stopped|forget)\b", re.IGNORECASE)
_MOST_SENTENCES, _MOST_TOKENS = 5, 40


@dataclass(frozen=True)
class Request:
    """What an extraction call asks: the stores' instructions, what is known, and what was said as (role, text)."""

    instructions: str
    stores: frozenset[str]
    known: list[dict[str, Any]]
    said: list[tuple[str, str]]

    @property
    def user_texts(self) -> list[str]:
        return [text for role, text in self.said if role == "user"]


def read_request(messages: Sequence[BaseMessage]) -> Request | None:
    """The extraction call in these messages, or `None` when they are a conversation."""
    instructions = "\n".join(text_of(message) for message in messages if isinstance(message, SystemMessage))
    text = text_of(messages[-1]) if messages and isinstance(messages[-1], HumanMessage) else ""
    stores = frozenset(_STORE.findall(instructions))
    if not stores or not _HEADERS.search(text):
        return None
    rows = [row for line in text.split("\n") if line.startswith("{") and isinstance(row := _json(line), dict)]
    said = [(str(row["role"]), str(row.get("text") or "")) for row in rows if "role" in row]
    return Request(instructions, stores, [row for row in rows if "handle" in row], said)


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def extract(request: Request) -> dict[str, Any]:
    """The reply: every change the patterns find, none that is known already."""
    known = [(str(row.get("name")), str(row.get("value"))) for row in request.known]
    # What a correction corrects often stands in an earlier batch; the summary shows what was spoken of last.
    summary = next((str(row.get("value")) for row in request.known if row.get("kind") == "summary"), "")
    facts = [fact for message in told([("user", summary), *request.said], known)[1:] for fact in message]
    placed = [_place(fact, request) for fact in facts]
    changes = _settled([*(change for change in placed if change), *_session(request, summary)], request)
    touched = {change.handle for change in changes}
    changes += [change for change in _retired(request) if change.handle not in touched]
    return {"changes": [change.model_dump() for change in changes]}


def _place(fact: Fact, request: Request) -> ExtractedChange | None:
    """The fact as a change for the store it belongs to, if that store is among those asked."""
    about_user = re.match(r"(?:I|my|we|our)\b", fact.value, re.IGNORECASE)
    if fact.field in ("fact", "relationship"):
        return _change(request, fact, "entity_memory", fact.field, fact.name)
    if fact.field == "insight" or (
        fact.field == "remembered" and not about_user and "learned_knowledge" in request.stores
    ):
        return _change(request, fact, "learned_knowledge", "insight", " ".join(fact.value.split()[:6]))
    if fact.field == "goal":
        return _change(request, fact, "session_context", "goal") if '"goal"' in request.instructions else None
    if fact.name and _offers(request, fact.name):
        return _change(request, fact, "user_profile", "field", fact.name, fact.value)
    if _offers(request, fact.field):
        return _change(request, fact, "user_profile", "field", fact.field)
    return _change(request, fact, "user_profile", "observation", text=fact.quote)


def _offers(request: Request, field: str) -> bool:
    """Whether the instructions list this profile field, at the start of a line."""
    return bool(re.search(rf"^\W*{re.escape(field)}\b", request.instructions, re.MULTILINE))


def _change(
    request: Request, fact: Fact, store: str, kind: str, name: str = "", text: str = ""
) -> ExtractedChange | None:
    if store not in request.stores:
        return None
    change = ExtractedChange(store=store, kind=kind, name=name or None, value=text or fact.text, quote=fact.quote)
    return change.model_copy(update={"subject": fact.subject or None, "target": fact.target or None})


def _slot(change: ExtractedChange, request: Request) -> tuple[str, ...]:
    """What only one learning can fill; of what may be many, each fills a slot of its own."""
    place = (change.store, change.kind or "")
    if change.kind in ("summary", "goal") or (change.kind == "field" and not _is_list(request, change.name or "")):
        return (*place, change.name or "")
    return (*place, "", _folded(change.value))


def _is_list(request: Request, field: str) -> bool:
    listed = re.search(rf"^\W*{re.escape(field)} \(list\)", request.instructions, re.MULTILINE)
    return field == "preferences" or bool(listed)


def _folded(value: Any) -> str:
    return " ".join(str(value).casefold().split())


def _settled(changes: Sequence[ExtractedChange], request: Request) -> list[ExtractedChange]:
    """Of each slot the last value; nothing that is known, and a revision where the slot holds something else."""
    known = {_slot(held, request): held for held in map(_held, request.known)}
    settled = []
    for slot, change in {_slot(change, request): change for change in changes}.items():
        held = known.get(slot)
        if held is None:
            settled.append(change)
        elif _folded(held.value) != _folded(change.value):
            settled.append(change.model_copy(update={"action": "revise", "handle": held.handle}))
    return settled


def _held(row: dict[str, Any]) -> ExtractedChange:
    """An entry of "Already known", in the form of a change."""
    texts = {key: str(row[key]) for key in ("kind", "name", "subject", "target", "handle") if row.get(key) is not None}
    return ExtractedChange(store=str(row.get("store")), value=row.get("value")).model_copy(update=texts)


def _session(request: Request, summary: str) -> list[ExtractedChange]:
    """The summary: the user's own sentences, the first and the newest. With planning also the steps of a plan."""
    earlier = _lines([summary])
    lines = list(dict.fromkeys([*earlier, *_lines(request.user_texts)]))
    changes = []
    if len(lines) > len(earlier):
        kept = lines if len(lines) <= _MOST_SENTENCES else [lines[0], *lines[1 - _MOST_SENTENCES :]]
        changes.append(ExtractedChange(store="session_context", kind="summary", value=" ".join(kept)))
    for step in (step for text in request.user_texts for step in steps_in(text) if '"step"' in request.instructions):
        changes.append(ExtractedChange(store="session_context", kind="step", name="open", value=step, quote=step))
    return changes if "session_context" in request.stores else []


def _lines(texts: Iterable[str]) -> list[str]:
    """The sentences that say more than a word, shortened."""
    spoken = [found for text in texts for found in sentences(text) if " " in found[0]]
    return [truncate(words, _MOST_TOKENS) + (mark.strip()[:1] or ".") for words, mark in spoken]


def _retired(request: Request) -> list[ExtractedChange]:
    """What the user takes back, naming the value: "I no longer work at Acme", "forget that I live in Lisbon"."""
    said = [words for text in request.user_texts for words, mark in sentences(text) if "?" not in mark]
    retired = {}
    for words in filter(_ENDED.search, said):
        for held in (_held(row) for row in request.known if row.get("store") == "user_profile"):
            if _folded(held.value) and _folded(held.value) in _folded(words):
                retired[held.handle] = held.model_copy(update={"action": "retire", "value": None, "quote": words})
    return list(retired.values())
