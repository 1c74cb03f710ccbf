"""A learning as a store reads it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from learning_machine.state.handles import handle_of

#: Instead of a text that still says what was taken back.
WITHHELD = "withheld, because it rests on something that was taken back"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing learned that holds now."""

    id: int
    handle: str
    store: str
    kind: str
    name: str
    subject: str
    slot: str
    value: Any
    text: str
    origin: str
    known_from: datetime
    target: str = ""
    true_from: datetime | None = None
    about: str = ""
    trust: int = 0
    true_to: datetime | None = None
    #: Something it was derived from no longer holds.
    stale: bool = False
    #: Claims that wait beside it, newest first: `id`, `text`, `origin`, `known_from` of each.
    challenges: tuple[Mapping[str, Any], ...] = ()
    #: How much of it is left by now, between 0 and 1, as curation reckons: what is stronger is shown first.
    strength: float = 1.0

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        names = (
            "id",
            "store",
            "kind",
            "name",
            "subject",
            "target",
            "slot",
            "value",
            "text",
            "origin",
            "known_from",
            "true_from",
        )
        more: dict[str, Any] = {
            "about": row.get("about") or "",
            "trust": row.get("trust") or 0,
            "true_to": row.get("true_to"),
            "stale": bool(row.get("stale")),
            "challenges": tuple(row.get("challenges") or ()),
            "strength": 1.0 if row.get("strength") is None else float(row["strength"]),
        }
        said = {name: row[name] for name in names}
        if more["stale"] and tells(row["text"], row.get("taken_back") or ()):
            said |= {"text": WITHHELD, "value": WITHHELD if isinstance(row["value"], str) else None}
        return cls(handle=handle_of(row["id"]), **more, **said)


def tells(text: str, taken_back: Iterable[str]) -> bool:
    """Whether a text still says what was taken back."""
    folded = text.casefold()
    return any(words and words.casefold() in folded for words in taken_back)


class Items(tuple[Item, ...]):
    """Items that were read, how many more there are, and the names of the slots whose value is no longer known."""

    hidden: int = 0
    gone: tuple[str, ...] = ()

    @classmethod
    def of(cls, items: Iterable[Item], hidden: int = 0, gone: Iterable[str] = ()) -> Self:
        found = cls(items)
        found.hidden, found.gone = hidden, tuple(gone)
        return found
