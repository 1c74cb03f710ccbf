"""The part of an export that was said: turns and messages on their way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from psycopg.types.json import Jsonb

from learning_machine.state.messages import clean_value
from learning_machine.state.scope import Scope
from learning_machine.stores.indexing import MESSAGES, Vectors, index
from learning_machine.stores.postgres.transactions import Row, Space, Transaction
from learning_machine.stores.restoring.progress import Placed, Progress, mark_of, searched
from learning_machine.stores.tombstones import erased


class Run(Protocol):
    """The file whose records are brought back."""

    scope: Scope
    own_place: Space
    given_spaces: dict[int, Space | None]
    progress: Progress


class Said:
    """Some records in one transaction: what was said."""

    def __init__(self, run: Run, transaction: Transaction, vectors: Vectors, batch: object, taken: Row) -> None:
        self.run, self.transaction, self.vectors, self.batch, self.taken = run, transaction, vectors, batch, taken
        self.progress = run.progress
        self.own = transaction.space(run.own_place)
        self.spaces = {
            number: self.own if place == run.own_place else transaction.space(place)
            for number, place in run.given_spaces.items()
            if place is not None
        }
        self.given_own = next((number for number, place in run.given_spaces.items() if place == run.own_place), None)
        transaction.all("audit.lock", {"spaces": sorted({self.own, *self.spaces.values()})})
        transaction.all("export.hold", {"space": self.own})

    def _kept(self, placed: Sequence[Placed]) -> list[Placed]:
        """The records without those that were erased, which are refused."""
        gone = erased(self.transaction, self.run.scope, [mark_of(record) for _, record in placed])
        kept = [one for one in placed if mark_of(one[1]) not in gone]
        if len(kept) < len(placed):
            self.progress.count("refused", placed[0][1]["record"], len(placed) - len(kept))
        return kept

    def _whose(self) -> Row:
        return {} if self.run.scope.user_id is None else {"user_id": self.run.scope.user_id}

    def _turn(self, placed: list[Placed]) -> None:
        rows = [{**record, "scope": {**record["scope"], **self._whose()}} for _, record in self._kept(placed)]
        ids = {"space": self.own, "ids": [row["id"] for row in rows]}
        there = {str(row["id"]) for row in self.transaction.all("export.turns_there", ids)}
        fresh = [row for row in rows if row["id"] not in there]
        params = {"space": self.own, "rows": Jsonb(clean_value(fresh))}
        self.transaction.run("export.save_turns", {**params, "batch": self.batch})
        self.transaction.run("export.save_watermarks", params)
        self.progress.count("restored", "turn", len(fresh))
        self.progress.count("known", "turn", len(rows) - len(fresh))

    def _message(self, placed: list[Placed]) -> None:
        rows = [record for _, record in self._kept(placed)]
        saved = self.transaction.all("export.save_messages", {"space": self.own, "rows": Jsonb(clean_value(rows))})
        found_by = {(row["turn"], row["key"]): text for row in rows if (text := searched(row)) is not None}
        for row in saved:
            if (text := found_by.get((str(row["turn"]), row["key"]))) is not None:
                index(self.transaction, self.own, MESSAGES, row["id"], text, self.vectors)
        self.progress.count("restored", "message", len(saved))
        self.progress.count("known", "message", len(rows) - len(saved))
