"""What people bring along from elsewhere: one module a format, each from a file to what it holds, without a database."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any, TextIO

from learning_machine.errors import InvalidInput
from learning_machine.stores.importing import agno, chatgpt, claude, langgraph_items, markdown, mem0, own
from learning_machine.stores.importing.found import Finding, Problem
from learning_machine.stores.importing.streaming import values

#: The formats by name, in the order in which a file is asked whether it is one.
FORMATS: dict[str, ModuleType] = {
    "learning-machine": own,
    "chatgpt": chatgpt,
    "claude": claude,
    "agno": agno,
    "langgraph": langgraph_items,
    "mem0": mem0,
    "markdown": markdown,
}
#: Values looked at to tell a format.
_LOOKED_AT = 20


def reader(format: str) -> Callable[[TextIO], Finding]:
    """The parser of a format."""
    if format not in FORMATS:
        raise InvalidInput(f"{format!r} is no format that can be read. Use one of {', '.join(FORMATS)}.")
    read: Callable[[TextIO], Finding] = FORMATS[format].read
    return read


def detect(file: TextIO, name: str = "") -> str:
    """The format of a file, told by its name or its first values. Leaves the file where it was."""
    if name.lower().endswith((".md", ".markdown", ".mdc")):
        return "markdown"
    start = file.tell()
    try:
        first = file.readline()
        with suppress(ValueError):
            if own.recognises(json.loads(first)):
                return "learning-machine"
        file.seek(start)
        return _by_values(file)
    finally:
        file.seek(start)


def _by_values(file: TextIO) -> str:
    with suppress(InvalidInput):
        keys = ("results", "memories", "relations", "items", "learnings", "rows")
        for _, found in zip(range(_LOOKED_AT), values(file, *keys), strict=False):
            if not isinstance(found, Problem) and (format := _format_of(found[1])) is not None:
                return format
    raise InvalidInput(f"The file's format is not recognised. Name it: one of {', '.join(FORMATS)}.")


def _format_of(value: Any) -> str | None:
    inner = value.get("results") if isinstance(value, dict) else None
    value = inner[0] if isinstance(inner, list) and inner else value
    return next((name for name, module in FORMATS.items() if name != "markdown" and module.recognises(value)), None)
