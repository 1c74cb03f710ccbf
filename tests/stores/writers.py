"""Twenty writers at once: what each of them writes, and as a script, twenty processes that do.

`python writers.py URL REPEATS` prints, as JSON, how many writes came to which end, and how many had to be tried again.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections import Counter
from typing import Any

from pydantic import BaseModel, create_model

from learning_machine.state.config import UserProfileConfig
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.scope import Scope
from learning_machine.stores.ledger import Ledger
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.migrate import prepare
from learning_machine.stores.user_profile import UserProfileStore
from learning_machine.stores.writing import Source

WRITERS = 20
KINDS = ("fields", "observations", "elements", "slot")
FIELDS: Any = {f"field{number}": (str | None, None) for number in range(WRITERS)} | {
    "tags": (list[str], []),
    "hot": (str | None, None),
}
Schema: type[BaseModel] = create_model("Schema", **FIELDS)


class CountingLedger(Ledger):
    """Counts what had to be written a second time."""

    retries = 0

    def _second_try(self, *arguments: Any) -> Any:
        self.retries += 1
        return super()._second_try(*arguments)


def store_on(database: Database) -> UserProfileStore:
    """A profile of twenty fields, a list and one field that everybody wants."""
    return UserProfileStore(UserProfileConfig(schema=Schema), ledger=CountingLedger(database))


def item(kind: str, number: int) -> dict[str, Any]:
    """What one writer learns."""
    value = f"value {number}"
    return {
        "fields": {"kind": "field", "name": f"field{number}", "value": value},
        "observations": {"kind": "observation", "value": value},
        "elements": {"kind": "field", "name": "tags", "value": value},
        "slot": {"kind": "field", "name": "hot", "value": value},
    }[kind] | {"action": "add", "store": "user_profile"}


def write(store: UserProfileStore, user: str, kind: str, number: int) -> str:
    """Write it; what became of it."""
    scope = Scope(user_id=user)
    changes = store.changes([ExtractedChange(**item(kind, number))], scope, None)
    return store.ledger.write(changes, scope=scope, source=Source())[0].status


def run(url: str, repeats: int, number: int, barrier: Any, results: Any) -> None:
    """One process: every kind of write, every repeat, all twenty at the same moment."""
    database = Database(url, max_size=2)
    prepare(database)
    store, statuses = store_on(database), Counter[str]()
    for repeat in range(repeats):
        for kind in KINDS:
            barrier.wait(60)
            statuses[write(store, f"{kind} {repeat}", kind, number)] += 1
    database.close()
    results.put((dict(statuses), store.ledger.retries))  # type: ignore[attr-defined]


def main(url: str, repeats: int) -> None:
    # Forked before anything connects or starts a thread, so that twenty processes cost the imports once.
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(WRITERS), context.Queue()
    processes = [
        context.Process(target=run, args=(url, repeats, number, barrier, results)) for number in range(WRITERS)
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(30)
    statuses = sum((Counter(one) for one, _ in found), Counter[str]())
    print(json.dumps({"statuses": statuses, "retries": sum(retries for _, retries in found)}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
