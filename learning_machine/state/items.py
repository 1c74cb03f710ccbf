"""A learning as a store reads it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from learning_machine.state.handles import handle_of


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
        more: dict[str, Any] = {"about": row.get("about") or "", "trust": row.get("trust") or 0}
        return cls(handle=handle_of(row["id"]), **more, **{name: row[name] for name in names})


class Items(tuple[Item, ...]):
    """Items that were read, and how many more there are."""

    hidden: int = 0

    @classmethod
    def of(cls, items: Iterable[Item], hidden: int = 0) -> Self:
        found = cls(items)
        found.hidden = hidden
        return found
