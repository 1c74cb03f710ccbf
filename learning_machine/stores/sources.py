"""Which file what came from, so that all that came from it can be taken out again."""

from __future__ import annotations

from uuid import UUID

from learning_machine.state.scope import Scope
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.spaces import access_of, own_space


def note_import(database: Database, scope: Scope, batch: UUID, source: str) -> None:
    """Keep which file a batch came from."""
    own = own_space(scope)
    if own is not None and source:
        with database.transaction(access_of(scope)) as transaction:
            params = {"space": transaction.space(own), "batch": batch, "source": source}
            transaction.run("erase.note_import", params)


def note_turns(database: Database, scope: Scope, batch: UUID) -> None:
    """Keep which batch brought the turns of a conversation, where none has before."""
    own = own_space(scope)
    if own is not None:
        with database.transaction(access_of(scope)) as transaction:
            params = {"space": transaction.space(own), "session": scope.session_id or "", "batch": batch}
            transaction.run("erase.note_turns", params)
