"""Twenty at once: whoever writes, in threads, tasks or processes, all twenty writes are kept, and none is tried again."""

from __future__ import annotations

import asyncio
import json
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from learning_machine.machine import LearningMachine
from learning_machine.state.changes import Add
from learning_machine.state.config import UserProfileConfig
from learning_machine.stores.postgres.database import Database
from learning_machine.testing import ScriptedModel

SCRIPT = Path(__file__).with_name("writers.py")
work = SimpleNamespace(**runpy.run_path(str(SCRIPT)))
REPEATS = 5
ALL = [f"value {number}" for number in range(work.WRITERS)]
See = Callable[..., list[dict[str, Any]]]


def check(store: Any, see: See, kind: str, user: str) -> None:
    """All twenty are there: as values, or for the one slot as a history without gaps."""
    profile = store.recall(user_id=user)
    if kind == "fields":
        assert [profile.values[f"field{number}"] for number in range(work.WRITERS)] == ALL
    elif kind == "observations":
        assert sorted(profile.observations) == sorted(ALL)
    elif kind == "elements":
        assert sorted(profile.tags) == sorted(ALL)
    else:
        rows = see(
            "select l.* from learning l join space s on s.id = l.space where s.owner = %(user)s order by l.id",
            user=user,
        )
        assert sorted(row["text"] for row in rows) == sorted(ALL)
        assert [row["text"] for row in rows if row["known_to"] is None] == [profile.hot]
        assert all(
            old["known_to"] == new["known_from"] and old["superseded_by"] == new["id"] for old, new in pairwise(rows)
        )


@pytest.mark.parametrize("kind", work.KINDS)
def test_threads(blank: Database, see: See, kind: str) -> None:
    """In twenty threads that share a pool of ten connections."""
    store, barrier = work.store_on(blank), threading.Barrier(work.WRITERS)

    def write(user: str, number: int) -> str:
        barrier.wait(30)
        return str(work.write(store, user, kind, number))

    with ThreadPoolExecutor(work.WRITERS) as threads:
        for repeat in range(REPEATS):
            user = f"{kind} {repeat}"
            statuses = threads.map(write, [user] * work.WRITERS, range(work.WRITERS))
            assert list(statuses) == ["saved"] * work.WRITERS
            check(store, see, kind, user)
    assert store.ledger.retries == 0


@pytest.mark.parametrize("kind", work.KINDS)
def test_tasks(blank: Database, see: See, kind: str) -> None:
    """In twenty tasks of one event loop."""
    store = work.store_on(blank)

    async def write_all(user: str) -> list[str]:
        return await asyncio.gather(
            *(asyncio.to_thread(work.write, store, user, kind, number) for number in range(work.WRITERS))
        )

    for repeat in range(REPEATS):
        user = f"{kind} {repeat}"
        assert asyncio.run(write_all(user)) == ["saved"] * work.WRITERS
        check(store, see, kind, user)
    assert store.ledger.retries == 0


def test_processes(blank: Database, see: See) -> None:
    """In twenty processes."""
    command = [sys.executable, "-B", str(SCRIPT), blank.conninfo, str(REPEATS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"statuses": {"saved": work.WRITERS * len(work.KINDS) * REPEATS}, "retries": 0}
    for kind in work.KINDS:
        for repeat in range(REPEATS):
            check(work.store_on(blank), see, kind, f"{kind} {repeat}")


@pytest.mark.parametrize("kind", work.KINDS)
def test_conversations(blank: Database, see: See, kind: str) -> None:
    """In twenty conversations of one person at once, each read by the model and written by `aprocess`."""
    model = ScriptedModel(learns=lambda new: [work.item(kind, int(new[0]["text"].split()[-1]))])
    learner = LearningMachine(db=blank.conninfo, model=model, user_profile=UserProfileConfig(schema=work.Schema))

    async def learn_all(user: str) -> list[list[dict[str, Any]]]:
        said = [[{"role": "user", "content": f"my number is {number}"}] for number in range(work.WRITERS)]
        return await asyncio.gather(
            *(learner.aprocess(one, user_id=user, session_id=one[0]["content"]) for one in said)
        )

    with learner:
        for repeat in range(2):
            user = f"{kind} {repeat}"
            receipts = asyncio.run(learn_all(user))
            assert [[receipt["status"] for receipt in one] for one in receipts] == [["saved"]] * work.WRITERS
            check(learner.stores["user_profile"], see, kind, user)


def test_batches_in_any_order(gate: Any, see: See) -> None:
    """Batches over the same slots in opposite orders neither wait for each other for ever nor lose anything."""

    def write(number: int) -> set[str]:
        slots = [f"slot {(number * 7 + place) % 5}" for place in range(5)]
        slots = slots if number % 2 else slots[::-1]
        receipts = gate.write(*(Add(store="notes", kind="note", text=f"{number} {slot}", slot=slot) for slot in slots))
        return {receipt.status for receipt in receipts}

    with ThreadPoolExecutor(work.WRITERS) as threads:
        assert set().union(*threads.map(write, range(100))) == {"saved"}
    assert see("select count(*) as n, count(*) filter (where known_to is null) as open from learning") == [
        {"n": 500, "open": 5}
    ]


def test_the_same_thing_twenty_times(gate: Any, see: See) -> None:
    """Twenty who learn the same at once learn it once."""
    with ThreadPoolExecutor(work.WRITERS) as threads:
        for repeat in range(REPEATS):
            statuses = list(
                threads.map(lambda _, text=f"likes tea {repeat}": gate.add(text).status, range(work.WRITERS))
            )
            assert sorted(statuses) == ["known"] * (work.WRITERS - 1) + ["saved"]
    assert see("select count(*) as n from learning") == [{"n": REPEATS}]


def test_a_new_users_space_is_made_once(gate: Any, see: See) -> None:
    """Twenty first writes for somebody new make one space."""
    with ThreadPoolExecutor(work.WRITERS) as threads:
        statuses = list(threads.map(lambda number: gate.add(f"note {number}", user="new").status, range(work.WRITERS)))
    assert statuses == ["saved"] * work.WRITERS
    assert see("select count(*) as n from space") == [{"n": 1}]
    assert len(gate.texts("new")) == work.WRITERS
