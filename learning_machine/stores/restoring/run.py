"""One export on its way back, batch by batch, so that it can be stopped and run again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg

from learning_machine.errors import MissingScope
from learning_machine.state.changes import Origin
from learning_machine.state.scope import Scope
from learning_machine.stores.importing.found import Problem
from learning_machine.stores.indexing import Vectors
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import Access, Row, Space
from learning_machine.stores.restoring.batch import Batch
from learning_machine.stores.restoring.progress import Placed, Progress, searched
from learning_machine.stores.spaces import access_of, own_space

#: Vectors for texts that will be searched for.
Embed = Callable[[list[str]], Vectors]

_STATES = ("active", "retired", "challenge", "archived", "past")
#: A batch may take as long as its vectors do.
TIMEOUT_MS = 120_000


class Restoring:
    """One file on its way back. `progress` says what became of its records."""

    def __init__(self, database: Database, scope: Scope, header: Row, embed: Embed) -> None:
        own = own_space(scope)
        if own is None:
            raise MissingScope()
        self.database, self.scope, self.embed, self.own_place = database, scope, embed, own
        self.given_spaces: dict[int, Space | None] = {
            int(number): self._place(one) for number, one in dict(header.get("spaces") or {}).items()
        }
        self.batch: UUID = uuid4()
        self.progress = Progress()

    def _place(self, one: Row) -> Space | None:
        if one.get("kind") in ("user", "session"):
            return self.own_place
        if one.get("kind") == "global":
            return Space("global")
        return Space("group", str(one["group"])) if one.get("group") in self.scope.groups else None

    def keep_spaces(self) -> None:
        """Give the spaces the numbers they had, where these are free."""
        with self.database.transaction(Access(admin=True)) as transaction:
            for number, place in self.given_spaces.items():
                if place is not None:
                    transaction.all("export.keep_space", {"id": number, **place.params()})

    # --- batches ------------------------------------------------------------------------------------------------------

    def write(self, placed: Sequence[Placed]) -> None:
        """Bring back some records, in one transaction. What cannot be is listed, and the rest is."""
        fitting = [one for one in placed if self._fits(*one)]
        vectors = self.embed([text for _, record in fitting if (text := searched(record))])
        ids = self._fresh_ids([record for _, record in fitting])
        if self._try(fitting, vectors, ids) is not None:
            # The one that is wrong is found, and the others are kept.
            for one in fitting:
                error = self._try([one], vectors, ids)
                if error is not None:
                    reason = f"the database does not take it ({type(error).__name__})"
                    self.progress.problems.append(Problem(one[0], reason))

    def _try(self, placed: Sequence[Placed], vectors: Vectors, ids: Row) -> psycopg.Error | None:
        """Write records in one transaction; why none of them was written, if so."""
        before = self.progress.copy()
        try:
            with self._transaction() as transaction:
                Batch(self, transaction, vectors, self.batch, ids).write(placed)
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.RaiseException) as error:
            self.progress.go_back(before)
            return error
        return None

    def finish(self) -> None:
        """Account for the end of what was closed by something that the file does not hold."""
        left = [place for places in self.progress.waiting.values() for place in places]
        if left:
            with self._transaction() as transaction:
                batch = Batch(self, transaction, Vectors(), self.batch, {})
                for space, id in left:
                    batch.note_end(space, id)

    def _transaction(self) -> Any:
        return self.database.transaction(access_of(self.scope, timeout_ms=TIMEOUT_MS))

    def _fits(self, where: str, record: Row) -> bool:
        """Whether a record can be brought back here; if not, it is listed."""
        reason = self._misfit(record)
        if reason is not None:
            self.progress.problems.append(Problem(where, reason))
        return reason is None

    def _misfit(self, record: Row) -> str | None:
        for name in ("space", "learning_space", "source_space"):
            number = record.get(name)
            if number is not None and self.given_spaces.get(number) is None:
                return "its namespace is none of this scope's; name the group it belongs to"
        if record["record"] == "learning" and (
            record["origin"] not in [origin.value for origin in Origin] or record["status"] not in _STATES
        ):
            return "its origin or status is not known"
        return None

    # --- ids ----------------------------------------------------------------------------------------------------------

    def _fresh_ids(self, records: Sequence[Row]) -> Row:
        """Which ids of the file others have; ids that will be kept are not given out again."""
        found: Row = {}
        with self.database.transaction(Access(admin=True, timeout_ms=TIMEOUT_MS)) as transaction:
            for kind in ("learning", "proposal", "message"):
                ids = [record["id"] for record in records if record["record"] == kind]
                if not ids:
                    continue
                if kind != "message":
                    found[kind] = {row["id"] for row in transaction.all(f"export.taken_{kind}s", {"ids": ids})}
                transaction.all(f"export.raise_{kind}_ids", {"id": max(ids)})
        return found
