"""Pinning: what a person wants kept is neither archived nor merged away, however old it grows."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from learning_machine.errors import LearningNotFound, NotAllowed
from learning_machine.state.changes import Origin, Receipt
from learning_machine.state.handles import handle_of
from learning_machine.stores.explaining import number_of
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import Access, Row


def pin(
    database: Database,
    handle: str | int,
    *,
    pinned: bool,
    by: str | None,
    access: Access,
    may: Callable[[Row], str | None],
) -> Receipt:
    """Pin a learning, or let it go: `saved`, or `known` when it was so already. On record, and undone like any change."""
    with database.transaction(access) as transaction:
        row = transaction.one("curation.pinnable", {"id": number_of(handle)})
        if row is None:
            raise LearningNotFound(
                f"There is no learning {handle!r} here that holds. List them with machine.history(...)."
            )
        reason = may(row)
        if reason is not None:
            raise NotAllowed(f"{by!r} may not pin {handle_of(row['id'])}: {reason}.")
        transaction.all("audit.lock", {"spaces": [row["space"]]})
        said = {"by": by, "origin": Origin.REVIEWER.value, "batch": uuid4()}
        done = transaction.run("curation.pin", {"space": row["space"], "id": row["id"], "pinned": pinned, **said})
    return Receipt(
        status="saved" if done else "known", store=row["store"], handle=handle_of(row["id"]), text=row["text"]
    )
