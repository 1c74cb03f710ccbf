"""The one write gate: changes go in, receipts come out, in one transaction.

Whoever learns, by extraction, tool, API or import, writes through `Ledger.write`. It binds the origin, checks quotes,
keeps one open row a slot, never lets a less trusted claim close a more trusted one, and tells the truth about the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psycopg

from learning_machine.errors import DatabaseUnavailable, Erased, WriteFailed
from learning_machine.state.changes import Change, Receipt, Refused
from learning_machine.state.messages import map_text
from learning_machine.state.scope import Scope
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import WRITE_TIMEOUT_MS, Transaction
from learning_machine.stores.spaces import access_of
from learning_machine.stores.writing import Source, Writing
from learning_machine.telemetry import count_changes, fields, step

log = logging.getLogger(__name__)

Guard = Callable[[Transaction], None]


class Ledger:
    """What has been learned, in one database. Safe with many threads, tasks, processes and machines."""

    def __init__(
        self, database: Database, *, redact: Callable[[str], str] = str, ready: Callable[[], None] = lambda: None
    ) -> None:
        self.database, self.redact, self.ready = database, redact, ready

    def write(self, changes: Sequence[Change | Refused], *, scope: Scope, source: Source) -> list[Receipt]:
        """Write changes, one receipt each, in order. A failure is a `failed` receipt for each and leaves nothing behind."""
        try:
            return self.write_all(changes, scope=scope, source=source)
        except (WriteFailed, DatabaseUnavailable) as error:
            return [Receipt(status="failed", store=change.store, reason=str(error)) for change in changes]

    @step("write")
    def write_all(
        self, changes: Sequence[Change | Refused], *, scope: Scope, source: Source, guard: Guard = lambda _: None
    ) -> list[Receipt]:
        """Like `write`, but a failure raises `WriteFailed`, so that a job can try the whole batch again.

        `guard` looks first, in the same transaction, and raises if nothing may be written.
        """
        try:
            return self._write(changes, scope, source, guard)
        except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            # The locks make this rare; what is left is settled by doing it once more with what the others wrote.
            return self._second_try(changes, scope, source, guard)
        except psycopg.errors.ForeignKeyViolation as error:
            # A space or a turn that everything written here needs has gone: erasure took it.
            raise Erased() from error
        except psycopg.Error as error:
            raise failed(error) from error

    def _second_try(
        self, changes: Sequence[Change | Refused], scope: Scope, source: Source, guard: Guard
    ) -> list[Receipt]:
        try:
            return self._write(changes, scope, source, guard)
        except psycopg.errors.ForeignKeyViolation as error:
            raise Erased() from error
        except psycopg.Error as error:
            raise failed(error) from error

    def _write(self, changes: Sequence[Change | Refused], scope: Scope, source: Source, guard: Guard) -> list[Receipt]:
        with self.database.transaction(access_of(scope, timeout_ms=WRITE_TIMEOUT_MS)) as transaction:
            guard(transaction)
            receipts = Writing(transaction, scope, source).run([self._redacted(change, scope) for change in changes])
        count_changes(receipts)
        return receipts

    def _redacted(self, change: Change | Refused, scope: Scope) -> Change | Refused:
        """The change with secrets taken out of everything that would be stored. The scope's own ids are not text."""
        fields: dict[str, Any] = {
            name: map_text(self.redact, getattr(change, name))
            for name in ("text", "value", "quote", "name", "subject", "target", "index")
            if getattr(change, name, None) not in (None, "", scope.user_id, scope.session_id)
        }
        for name in ("about", "towards"):
            if ref := getattr(change, name, None):
                aliases = tuple(self.redact(alias) for alias in ref.aliases)
                fields[name] = replace(ref, name=self.redact(ref.name), aliases=aliases)
        return replace(change, **fields) if fields else change


def failed(error: psycopg.Error) -> WriteFailed:
    """What went wrong by its SQLSTATE. Postgres' own text could hold what a person said, so it is left out."""
    kind = type(error).__name__
    log.warning(
        "a write to the ledger failed: %s (%s)", kind, error.sqlstate, extra=fields(error=kind, sqlstate=error.sqlstate)
    )
    return WriteFailed(
        f"The ledger could not be written ({type(error).__name__}), so nothing was saved. It is safe to try again."
    )
