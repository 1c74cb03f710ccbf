"""Undo: any change, or all that one batch changed, is taken back by one call, and the record shows both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from learning_machine.errors import NotAllowed, UndoConflict
from learning_machine.state.changes import Origin
from learning_machine.state.handles import handle_of, id_of
from learning_machine.stores.deciding import lock_key
from learning_machine.stores.indexing import Vectors, index, index_names, unindex
from learning_machine.stores.ledger import failed
from learning_machine.stores.naming import ENTITY
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import Access, Row, Transaction
from learning_machine.stores.resolving import index_keys

#: What a learning's fate consists of; all else of it is content, and never changes.
_FATE = ("status", "known_to", "true_to", "superseded_by", "pinned", "expires_at")
#: Changes that made a row of their own, and may have closed another.
_MADE = ("save", "retire", "challenge")


@dataclass
class Undone:
    """What an undo did. `status`: `undone`, `already undone`, or `nothing` when there was nothing of that name.

    `changes`: handle, text and action of each; `left`: what could not be undone, with the reason; `batch`: the undo's own,
    by which it is undone itself; `by` and `at`: whose undo it was.
    """

    status: str = "nothing"
    batch: UUID | None = None
    changes: list[Row] = field(default_factory=list)
    left: list[Row] = field(default_factory=list)
    by: str | None = None
    at: datetime | None = None

    def __str__(self) -> str:
        count = len(self.changes)
        what = "1 change" if count == 1 else f"{count} changes"
        more = f"; {len(self.left)} left as they are" if self.left else ""
        match self.status:
            case "undone":
                return f"undone: {what}{more}"
            case "already undone":
                return (
                    f"already undone by {self.by or 'nobody known'}{f', {self.at:%Y-%m-%d %H:%M}' if self.at else ''}"
                )
            case _:
                return "there is nothing to undo by that name"


#: Whether somebody may undo a change, as `(change) -> reason why not`.
May = Callable[[Row], str | None]


def undo(
    database: Database,
    target: str | UUID,
    *,
    by: str | None,
    access: Access,
    may: May,
    vectors: Callable[[Sequence[str]], Vectors] = lambda texts: Vectors(),
    partly: bool = False,
) -> Undone:
    """Undo the last change of the learning with this handle, or all that a batch changed. One transaction.

    What was changed again since is in the way: `UndoConflict` names it. With `partly` the rest is undone and that is left.
    """
    batch, number = batch_of(target), id_of(str(target)) if not isinstance(target, UUID) else None
    try:
        made = vectors(_texts(database, access, batch, number))
        with database.transaction(access) as transaction:
            found = (
                transaction.all("undo.batch", {"batch": batch})
                if batch is not None
                else transaction.all("undo.last", {"id": number})
                if number is not None
                else []
            )
            return Undoing(transaction, found, by, may, made, partly).run(number, batch)
    except psycopg.Error as error:
        raise failed(error) from error


def batch_of(target: str | UUID) -> UUID | None:
    """The batch or turn that is meant; `None` for a handle."""
    try:
        return target if isinstance(target, UUID) else UUID(target)
    except ValueError:
        return None


def _texts(database: Database, access: Access, batch: UUID | None, number: int | None) -> list[str]:
    """What will have to be found again. Asked for before the transaction, because a model may be slow."""
    with database.transaction(access) as transaction:
        return [row["found_by"] for row in transaction.all("undo.texts", {"batch": batch, "id": number})]


class Undoing:
    """One undo, inside its transaction."""

    def __init__(
        self, transaction: Transaction, changes: Sequence[Row], by: str | None, may: May, vectors: Vectors, partly: bool
    ) -> None:
        self.transaction, self.changes, self.by, self.may = transaction, changes, by, may
        self.vectors, self.partly = vectors, partly
        self.done = Undone(batch=uuid4(), by=by)

    def run(self, number: int | None, batch: UUID | None) -> Undone:
        if not self.changes:
            return self._only_words(batch)
        for change in self.changes:
            reason = self.may(change)
            if reason is not None:
                raise NotAllowed(f"{self.by!r} may not undo {handle_of(change['learning'])}: {reason}.")
        self._lock()
        outcomes = [self._undo(change, number) for change in self.changes]
        if "undone" in outcomes:
            self._withdraw(number, batch)
            self.done.status = "undone"
        elif not self.done.left:
            return self._already(self.changes[0])
        return self.done

    def _only_words(self, batch: UUID | None) -> Undone:
        """Of what changed no learning, the words it brought to what was known count no longer."""
        words = self.transaction.all("undo.words", {"batch": batch}) if batch is not None else []
        standing = [row for row in words if row["withdrawn_at"] is None]
        for of in {row["batch"] for row in standing}:
            self.transaction.run("undo.withdraw", {"of": of, "learning": None, "again": False})
        if not standing:
            return Undone("already undone", at=words[-1]["withdrawn_at"]) if words else Undone()
        brought = [{"handle": handle_of(row["id"]), "text": row["text"], "action": "words"} for row in standing]
        return Undone("undone", changes=brought, by=self.by)

    def _lock(self) -> None:
        """Chains first, then slots, as every writer takes them."""
        self.transaction.all("audit.lock", {"spaces": sorted({change["space"] for change in self.changes})})
        rows = [(change["space"], row) for change in self.changes if (row := change["after"] or change["before"])]
        keys = {lock_key(space, row["store"], row["subject"], row["slot"]) for space, row in rows}
        self.transaction.all("ledger.lock", {"keys": sorted(keys)})

    def _already(self, change: Row) -> Undone:
        row = self.transaction.one("undo.undone", {"space": change["space"], "id": change["learning"]})
        found = row or {"batch": None, "actor": None, "at": None}
        return Undone("already undone", found["batch"], by=found["actor"], at=found["at"])

    def _undo(self, change: Row, number: int | None) -> str:
        """One change: what it made is taken out, and what it closed is opened; what it altered is as before."""
        if number is not None and change["learning"] != number:
            return self._in_the_way(number, f"it was replaced by {handle_of(change['learning'])}; undo that first")
        if change["action"] in _MADE:
            return self._unmake(change)
        row = self._row(change, change["learning"], left=change["after"], was=change["before"])
        if isinstance(row, str):
            return row
        self._restore(row, {name: change["before"][name] for name in _FATE})
        return self._did(change, row)

    def _unmake(self, change: Row) -> str:
        closed = change["before"]
        row = self._row(change, change["learning"], left=change["after"], was=None)
        if isinstance(row, str):
            return row
        before = self._row(change, closed["id"], left=closed, was=None) if closed else None
        if isinstance(before, str):
            return before
        now = self.transaction.connection.execute("select clock_timestamp() as now").fetchone()
        ended = {"status": "undone", "known_to": (now or {})["now"].isoformat()}
        self._restore(row, {**{name: as_json(row[name]) for name in _FATE}, **ended})
        if before is not None:
            opened = {"known_to": None, "superseded_by": None, "true_to": as_json(before["holds_to"])}
            self._restore(before, {**{name: as_json(before[name]) for name in _FATE}, **opened})
            if change["action"] == "retire":
                again = {"space": before["space"], "id": before["id"], "at": change["at"]}
                self.transaction.run("undo.flag_again", again)
        return self._did(change, row)

    def _row(self, change: Row, id: int, *, left: Row | None, was: Row | None) -> Row | str:
        """The row if it is as the change left it; else what that means."""
        params = {"space": change["space"], "id": id, "left": Jsonb(left or {}), "was": Jsonb(was or {})}
        row = self.transaction.one("undo.touched", params)
        if row is None:
            return self._in_the_way(id, "it was deleted for good")
        if row["as_left"]:
            return row
        if row["as_before"]:
            return "already"
        later = handle_of(row["superseded_by"]) if row["superseded_by"] else ""
        return self._in_the_way(id, f"it was replaced by {later}; undo that first" if later else "it was changed again")

    def _in_the_way(self, id: int, reason: str) -> str:
        if not self.partly:
            raise UndoConflict(f"{handle_of(id)} cannot be undone: {reason}. Or undo what can be, with partly=True.")
        self.done.left.append({"handle": handle_of(id), "reason": reason})
        return "left"

    def _restore(self, row: Row, fate: Row) -> None:
        place = {"space": row["space"], "id": row["id"], "to": Jsonb(fate)}
        more = {"by": self.by, "origin": Origin.REVIEWER.value, "batch": self.done.batch}
        self.transaction.run("undo.restore", {**place, **more})
        self.transaction.run("undo.apply", place)
        # Search finds what holds, and only that.
        unindex(self.transaction, row["space"], row["store"], row["id"])
        if fate["status"] == "active" and fate["known_to"] is None:
            self._index(row)

    def _index(self, row: Row) -> None:
        if row["found_by"]:
            index(self.transaction, row["space"], row["store"], row["id"], row["found_by"], self.vectors)
        if row["kind"] == ENTITY:
            names = [row["name"], *(row["value"] or {}).get("aliases", ())]
            index_names(self.transaction, row["space"], row["id"], index_keys(names))

    def _did(self, change: Row, row: Row) -> str:
        self.done.changes.append({"handle": handle_of(row["id"]), "text": row["text"], "action": change["action"]})
        return "undone"

    def _withdraw(self, number: int | None, batch: UUID | None) -> None:
        """The words that came with what is undone; those of an undo that is itself undone count again."""
        again = self.changes[0]["action"] == "undo"
        for change in self.changes if again or batch is None else self.changes[:1]:
            of = change["after"]["batch"] if again else change["batch"]
            learning = change["learning"] if again or batch is None else None
            self.transaction.run("undo.withdraw", {"of": of, "learning": learning, "again": again})


def as_json(value: Any) -> Any:
    """A column's value as it stands in the record."""
    return value.isoformat() if isinstance(value, datetime) else value
