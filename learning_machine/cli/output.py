"""What is printed: to standard output what was asked for, to standard error what is said about it.

Stored text and what models write may hold anything. All of it goes through `safe_text`, and never through markup.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Joiners: scripts and emoji need them, and they do nothing to a terminal.
_JOINERS = "\u200c\u200d"
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
#: As wide as output gets where nobody looks at it in a window: long enough that nothing wraps.
_PIPE_WIDTH = 2_000


def safe_text(text: str, *, keep: str = "") -> str:
    """The text without what could move the cursor, change colours or reorder a line. White space becomes a space."""
    return "".join(
        character if _is_visible(character) or character in keep else " " if character.isspace() else "�"
        for character in text.replace("\r\n", "\n")
    )


def _is_visible(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) not in _UNSEEN


def shorten(text: str, length: int) -> str:
    """The text on one line, and no longer than this."""
    line = " ".join(safe_text(text).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def number_of(count: int, noun: str) -> str:
    """`1 turn`, `2 turns`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def local_time(moment: datetime | None) -> str:
    """A moment in the time of this machine, to the minute."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if moment is not None else ""


def console(*, notes: bool = False) -> Console:
    """Standard output, or with `notes` standard error. It obeys NO_COLOR, and shows text as it is."""
    from rich.console import Console

    found = Console(stderr=notes, markup=False, highlight=False, emoji=False, soft_wrap=False)
    if not found.is_terminal:
        found.width = _PIPE_WIDTH
    return found


def print_note(text: str, *, style: str = "dim") -> None:
    """A line about what happens, on standard error."""
    notes = console(notes=True)
    notes.print(text, style=style, soft_wrap=not notes.is_terminal)


def print_table(out: Console, table: Table) -> None:
    """The table, without the spaces that fill its last column where they would only be noise."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_json(value: Any) -> None:
    """JSON that a program reads back exactly, with nothing in it that a terminal would obey."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=_as_json)
    print(_escaped(text))


def print_json_line(value: Any) -> None:
    """The same on one line, at once."""
    print(_escaped(json.dumps(value, ensure_ascii=False, default=_as_json)), flush=True)


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _escaped(text: str) -> str:
    """Only strings hold characters that are not seen, so they can be written as escapes. Line ends stay."""
    return re.sub(r"[^\n -~]", lambda found: found[0] if _is_visible(found[0]) else _escape(found[0]), text)


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1] if ord(character) != 0x7F else "\\u007f"


@contextmanager
def working(what: str) -> Iterator[None]:
    """A sign of life on a terminal while something takes long."""
    notes = console(notes=True)
    if notes.is_terminal:
        with notes.status(what, spinner="dots"):
            yield
    else:
        yield
