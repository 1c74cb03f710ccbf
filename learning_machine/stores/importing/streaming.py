"""JSON read piece by piece, so that a file of any size fits: the values of a long list, or of lines, one at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from learning_machine.errors import InvalidInput
from learning_machine.state.messages import clean_value
from learning_machine.stores.importing.found import Problem

#: How much is read at once, in characters, and how long one value may be.
CHUNK, LONGEST = 1 << 16, 1 << 28
_MARK = re.compile(r'["\\\[\]{},:]')

Value = tuple[str, Any] | Problem


def values(file: TextIO, *keys: str) -> Iterator[Value]:
    """The values of the file with their places: elements of a list, also of one under one of `keys`, or of JSON lines.

    What is broken is a `Problem`, and the rest is read.
    """
    start = file.read(CHUNK).removeprefix("\ufeff")
    plain = start.lstrip()
    if plain.startswith("["):
        yield from _elements(_Text(file, start))
    elif _begins_with_list(plain, keys):
        yield from _members(_Text(file, plain), keys)
    elif plain.startswith("{"):
        yield from _objects(_Text(file, start))
    else:
        raise InvalidInput("The file holds no JSON. Name its format with --format, or check that it is the right file.")


def lines(file: TextIO) -> Iterator[tuple[int, str]]:
    """The lines that hold something, by number."""
    return ((number, line) for number, line in enumerate(file, 1) if line.strip())


def parsed(where: str, text: str) -> Value:
    """The value of a piece of JSON, or why there is none."""
    try:
        return where, clean_value(json.loads(text))
    except json.JSONDecodeError as error:
        return Problem(where, f"not valid JSON ({error.msg}, {error.pos} characters in)")
    except (ValueError, RecursionError):
        return Problem(where, "not readable as JSON (a number is too long or the nesting too deep)")


def _begins_with_list(text: str, keys: tuple[str, ...]) -> bool:
    """Whether the first key of the outermost object is one of these and holds a list."""
    match = re.match(r'\{\s*"(\w+)"\s*:\s*\[', text)
    return match is not None and match[1] in keys


class _Text:
    """The characters of a file from some place on, read as they are needed, and forgotten when they were used."""

    def __init__(self, file: TextIO, start: str) -> None:
        self.file, self.buffer = file, start

    def mark(self, at: int) -> re.Match[str] | None:
        """The next character that means something to JSON, from a place in the buffer on."""
        while (found := _MARK.search(self.buffer, at)) is None or found.end() == len(self.buffer):
            if not self.more():
                return found
        return found

    def more(self) -> bool:
        if len(self.buffer) > LONGEST:
            raise InvalidInput("One value of the file is longer than can be read. Check that it is the right file.")
        chunk = self.file.read(CHUNK)
        self.buffer += chunk
        return bool(chunk)

    def next(self) -> str:
        """The next character that is no space."""
        while not self.buffer.lstrip() and self.more():
            pass
        return self.buffer.lstrip()[:1]

    def forget(self, upto: int) -> None:
        self.buffer = self.buffer[upto:]


def _members(text: _Text, keys: tuple[str, ...]) -> Iterator[Value]:
    """The elements of the lists that an object holds under some keys. What else it holds is passed over."""
    text.forget(text.buffer.index("{") + 1)
    closed: str | None = ","
    while closed == ",":
        key, colon = _piece(text, ":}")
        if colon != ":":
            return
        if key.strip().strip('"') in keys and text.next() == "[":
            yield from _elements(text, key.strip().strip('"'))
            _, closed = _piece(text, ",}")
        else:
            _, closed = _piece(text, ",}")
    if closed is None:
        yield Problem("the end", "the file ends in the middle")


def _elements(text: _Text, name: str = "") -> Iterator[Value]:
    """The elements of the list that begins here."""
    text.forget(text.buffer.index("[") + 1)
    number, closed = 0, ","
    while closed == ",":
        piece, end = _piece(text, ",]")
        where = f"{name}[{number}]"
        if piece.strip():
            yield parsed(where, piece)
        elif end == "," or number:
            yield Problem(where, "nothing stands here")
        if end is None:
            yield Problem(where, "the file ends in the middle")
        number, closed = number + 1, end or ""


def _objects(text: _Text) -> Iterator[Value]:
    """Objects one after another, a line each or over several lines; a line that is broken costs no other."""
    number = 0
    for number, line in enumerate(_lines(text), 1):
        if not line.strip():
            continue
        found = parsed(f"line {number}", line)
        if number == 1 and isinstance(found, Problem) and not line.rstrip().endswith("}"):
            rest = line + "\n" + "\n".join(_lines(text))
            yield parsed("[0]", rest)
            return
        yield found


def _lines(text: _Text) -> Iterator[str]:
    while True:
        line, newline, rest = text.buffer.partition("\n")
        if newline:
            text.buffer = rest
            yield line
        elif not text.more():
            if text.buffer:
                last, text.buffer = text.buffer, ""
                yield last
            return


def _piece(text: _Text, ends: str) -> tuple[str, str | None]:
    """What stands up to the next of `ends` that is not inside a string or a nested value, and which one that was."""
    depth, at, quoted = 0, 0, False
    while (found := text.mark(at)) is not None:
        mark, at = found[0], found.end()
        if quoted:
            quoted, at = mark != '"', at + (mark == "\\")
        elif mark == '"':
            quoted = True
        elif depth == 0 and mark in ends:
            piece = text.buffer[: at - 1]
            text.forget(at)
            return piece, mark
        else:
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(mark, 0)
    piece = text.buffer
    text.forget(len(piece))
    return piece, None
