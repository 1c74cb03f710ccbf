"""How far an export is on its way back: what was brought, under which ids, and what waits for what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from learning_machine.state.messages import clean_text
from learning_machine.stores.importing.found import Problem
from learning_machine.stores.indexing import message_text
from learning_machine.stores.postgres.transactions import Row
from learning_machine.stores.tombstones import Mark, learned_mark, message_mark

#: A record with its place in the file.
Placed = tuple[str, Row]


@dataclass
class Progress:
    """What became of a file's records so far. A transaction that fails takes its part back."""

    #: How many records, by what became of them and their kind.
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    #: Ids in the file to ids here, of learnings and of proposals; and the slots of things that are known here.
    learnings: dict[int, tuple[int, int]] = field(default_factory=dict)
    proposals: dict[int, int] = field(default_factory=dict)
    slots: dict[tuple[int, str], str] = field(default_factory=dict)
    #: What waits for the row that closed it, by that row's id in the file.
    waiting: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def copy(self) -> Progress:
        waiting = {id: list(places) for id, places in self.waiting.items()}
        kept = (list(self.problems), dict(self.learnings), dict(self.proposals), dict(self.slots))
        return Progress(Counter(self.counts), *kept, waiting)

    def go_back(self, to: Progress) -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(to, one.name))

    def count(self, what: str, kind: str, number: int = 1) -> None:
        if number:
            self.counts[what, kind] += number


def mark_of(record: Row) -> Mark:
    """What a tombstone would remember of a record."""
    if record["record"] == "learning":
        return learned_mark(record["store"], record["kind"], record["text"])
    if record["record"] == "proposal":
        return learned_mark(record["store"], record["kind"], (record.get("shown") or {}).get("text") or "")
    if record["record"] == "turn":
        return "turn", str(record["id"])
    key = {"message": "key", "evidence": "message", "root": "anchor"}[record["record"]]
    return message_mark(str(record.get("session") or ""), str(record.get(key) or ""))


def searched(record: Row) -> str | None:
    """What search finds a record by, if it does."""
    if not record.get("indexed"):
        return None
    if record["record"] == "message":
        return message_text(record["role"], moment(record["said_at"]), record["content"])
    return clean_text(record.get("found_by") or "") or None


def moment(value: Any) -> datetime:
    return datetime.fromisoformat(str(value))
