"""An export of this library, line by line; and its learnings as things to learn, for files that are not simply believed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TextIO

from learning_machine.errors import InvalidInput
from learning_machine.state.extraction import ExtractedChange
from learning_machine.stores.exporting import FORMAT, RECORDS, VERSION
from learning_machine.stores.importing import shapes
from learning_machine.stores.importing.found import SESSION, Finding, Learned, Problem
from learning_machine.stores.importing.streaming import lines, parsed


def recognises(value: Any) -> bool:
    return isinstance(value, dict) and value.get("record") == "header" and value.get("format") == FORMAT


def header_of(line: str) -> dict[str, Any]:
    """The first line of an export. Raises `InvalidInput` where it is none, or one of a later version."""
    found = parsed("line 1", line)
    if isinstance(found, Problem) or not recognises(found[1]):
        raise InvalidInput(
            "The file is no export of a learning machine: its first line is no header. Name its --format."
        )
    header: dict[str, Any] = found[1]
    if header.get("version") != VERSION:
        raise InvalidInput(
            f"The file is of version {header.get('version')!r} and this code reads {VERSION}. Use the version that wrote it, "
            "or a newer one."
        )
    if not shapes.are_spaces(header.get("spaces")):
        raise InvalidInput(
            "The file's first line does not say which spaces it is about. Export anew, or name its --format."
        )
    return header


def records(file: TextIO) -> Iterator[tuple[str, dict[str, Any]] | Problem]:
    """The records after the header with their lines, checked for what they need. A file that was cut off says so."""
    ended = False
    for number, line in lines(file):
        where = f"line {number + 1}"
        found = parsed(where, line)
        if isinstance(found, Problem):
            yield found
            continue
        record = found[1]
        if not isinstance(record, dict) or not isinstance(record.get("record"), str):
            yield Problem(where, "it is no record")
        elif record["record"] == "end":
            ended = True
        elif record["record"] not in RECORDS:
            yield Problem(where, "its kind of record is not known")
        elif problem := shapes.problem_of(record):
            yield Problem(where, problem)
        else:
            yield where, record
    if not ended:
        yield Problem("the end", "the last line is missing, so the file was cut off")


def read(file: TextIO) -> Finding:
    """What held when it was exported, as things to learn. The rest of the file is history that only a restore brings back."""
    header_of(file.readline())
    things: dict[str, tuple[str, dict[str, Any]]] = {}
    for found in records(file):
        if isinstance(found, Problem):
            yield found
            continue
        where, record = found
        if record["record"] != "learning" or record["status"] != "active" or record.get("known_to"):
            continue
        if record["kind"] == "entity":
            things[record["slot"]] = (str(record.get("name")), _object(record))
        yield from _learned(record, where, things)


def _learned(record: dict[str, Any], where: str, things: dict[str, tuple[str, dict[str, Any]]]) -> Finding:
    value: Any = record.get("value") if record.get("value") is not None else record["text"]
    more: dict[str, Any] = {}
    if record["store"] == "entity_memory" and record["kind"] != "entity":
        ends = {name: _label(things.get(str(record.get(name)))) for name in ("subject", "target")}
        if ends["subject"] is None:
            yield Problem(where, "it is about a thing that the file does not name before it")
            return
        more, value = ends, record["text"]
    elif record["kind"] == "entity":
        more, value = {"subject": _label(things[record["slot"]])}, record["text"]
    elif isinstance(value, dict):
        context = value.get("context")
        more, value = {"subject": context if isinstance(context, str) else None}, record["text"]
    kind, name = record["kind"], record.get("name")
    if record["store"] == SESSION and kind == "step":
        name = _object(record).get("status")
    change = ExtractedChange(
        store=record["store"], kind=kind, name=name, value=value, when=record.get("true_from"), **more
    )
    aliases = _texts(things[record["slot"]][1].get("aliases")) if kind == "entity" else ()
    session = record.get("subject") if record["store"] == SESSION else None
    yield Learned(change, where, session=session, tags=_texts(_object(record).get("tags")), aliases=aliases)


def _object(record: dict[str, Any]) -> dict[str, Any]:
    """What a learning holds beside its text, if it is more than that."""
    return value if isinstance(value := record.get("value"), dict) else {}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _label(thing: tuple[str, dict[str, Any]] | None) -> str | None:
    if thing is None:
        return None
    return f"{thing[0]} ({thing[1]['type']})" if thing[1].get("type") else thing[0]
