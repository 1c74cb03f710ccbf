"""The receipt: how much of what was removed, what was kept, and what this library cannot reach. It names nobody."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from learning_machine.stores.erasing.wanted import Gone, Threads, Wanted
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import Access, Row, Transaction

#: What this library cannot reach, said on every receipt.
BEYOND = (
    "backups and replicas of the database, its write-ahead log, and what its files hold of removed rows until VACUUM",
    "traces, such as LangSmith's, and logs of the application, the database and the models' providers",
    "exports that were made before, and whatever was copied elsewhere",
    "what others were told or said themselves in conversations of their own",
)


def receipt_of(
    wanted: Wanted, gone: Gone, removed: Counter[str], kept: Counter[str], record: Row, server: Threads
) -> Row:
    """The receipt. `record`: how many payloads of which space lost their words."""
    return {
        "what": wanted.kind(),
        "at": datetime.now(UTC).isoformat(),
        "removed": {name: number for name, number in sorted(removed.items()) if number},
        "kept": {name: number for name, number in sorted(kept.items()) if number},
        "spaces": [] if wanted.part else gone.spaces,
        "record": record,
        "out_of_reach": [*BEYOND, *_more_beyond(gone, server)],
    }


def _more_beyond(gone: Gone, server: Threads) -> list[str]:
    beyond = []
    if not server.asked:
        beyond.append("threads on a LangGraph server: no client for it was given")
    if server.left:
        beyond.append(f"{len(server.left)} threads on the LangGraph server, which did not delete them")
    if server.shared:
        beyond.append(f"{server.shared} threads on the LangGraph server in which others spoke too")
    if gone.turns or gone.mentions:
        beyond.append("checkpoints of conversations that were not recorded, or kept by another checkpointer")
    return beyond


def save(transaction: Transaction, id: UUID, receipt: Row) -> None:
    """Keep the receipt, and note it in the record of every space that it speaks of, which `audit verify` compares."""
    for space, payloads in receipt["record"].items():
        after = Jsonb({"payloads": payloads, "what": receipt["what"]})
        note = {"space": int(space), "after": after, "actor": "operator", "batch": id}
        transaction.run("erase.note_erasure", note)
    transaction.run("erase.save_receipt", {"id": id, "receipt": json.dumps(receipt)})


def receipts(database: Database) -> list[Row]:
    """The receipts of all erasures, oldest first."""
    with database.transaction(Access(admin=True)) as transaction:
        rows = transaction.all("erase.receipts")
    return [{"id": str(row["id"]), **row["receipt"]} for row in rows]
