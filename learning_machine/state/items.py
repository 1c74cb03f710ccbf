"""A learning as a store reads it back."""

from __future__ import annotations

from collections.abc import Mapping
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
        return cls(handle=handle_of(row["id"]), about=row.get("about") or "", **{name: row[name] for name in names})
