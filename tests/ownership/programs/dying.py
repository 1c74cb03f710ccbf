"""Does one thing to a machine, and dies without a word at a given statement. Usage: dying.py URL STATEMENT WHAT ARGUMENT."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from learning_machine import LearningMachine
from learning_machine.stores.postgres.transactions import Transaction
from learning_machine.testing import ScriptedModel

url, statement, what, argument = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
count = 0


def dying(name: str) -> None:
    original = getattr(Transaction, name)

    def run(self: Transaction, *arguments: Any) -> Any:
        global count
        count += 1
        if count == statement:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, *arguments)

    setattr(Transaction, name, run)


machine = LearningMachine(
    db=url,
    model=ScriptedModel(),
    background="external",
    user_profile=True,
    learned_knowledge=True,
    session_context=True,
    entity_memory=True,
)
machine.database  # noqa: B018 - connects, before anything counts
for name in ("run", "all", "one", "together"):
    dying(name)
if what == "import":
    machine.import_(argument, user_id="alice", groups=["eng"])
else:
    machine.erase(user_id=argument)
print(count)
machine.close()
