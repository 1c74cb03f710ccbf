"""Ten processes that start on one database at the same moment. `python starters.py URL` prints what each came to."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from typing import Any

from learning_machine.state.changes import Add
from learning_machine.state.scope import Scope
from learning_machine.stores.ledger import Ledger
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.migrate import prepare
from learning_machine.stores.writing import Source

PROCESSES = 10


def start(url: str, number: int, barrier: Any, results: Any) -> None:
    """Migrate, or wait until another has, and work at once."""
    database = Database(url, max_size=2)
    barrier.wait(60)
    try:
        prepare(database)
        change = Add(store="notes", kind="note", text=f"note {number}")
        [receipt] = Ledger(database).write([change], scope=Scope(user_id="alice"), source=Source())
        results.put(receipt.status)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the result
        results.put(repr(error))


def main(url: str) -> None:
    # Forked before anything connects or starts a thread, so that ten processes cost the imports once.
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(PROCESSES), context.Queue()
    processes = [context.Process(target=start, args=(url, number, barrier, results)) for number in range(PROCESSES)]
    for process in processes:
        process.start()
    print(json.dumps([results.get(timeout=120) for _ in processes]), flush=True)
    for process in processes:
        process.join(30)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
