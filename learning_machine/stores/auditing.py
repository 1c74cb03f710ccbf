"""The record of every change, and whether it is whole."""

from __future__ import annotations

from typing import Any

from learning_machine.state.handles import LEARNING, PROPOSAL, handle_of
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import Access

#: Recomputing every chain may take a while.
TIMEOUT_MS = 600_000


def verify(database: Database) -> dict[str, Any]:
    """Recompute all chains: `whole`, how many `changes` in how many `spaces`, and what does not hold.

    `breaks` are rows of a chain that are missing or altered; `strangers` are learnings and proposals that are not as the
    chain says, with what is strange about each; `erasures` are receipts that the record does not bear out, and the other way.
    """
    with database.transaction(Access(admin=True, timeout_ms=TIMEOUT_MS)) as transaction:
        size = transaction.one("audit.size") or {"changes": 0, "spaces": 0}
        breaks = transaction.all("audit.breaks")
        strangers = [
            {"space": row["space"], "handle": handle_of(row["id"], letter), "problem": row["problem"]}
            for query, letter in (("audit.strangers", LEARNING), ("audit.strange_proposals", PROPOSAL))
            for row in transaction.all(query)
        ]
        faults = transaction.all("erase.faults")
    whole = not breaks and not strangers and not faults
    return {"whole": whole, **size, "breaks": breaks, "strangers": strangers, "erasures": faults}
