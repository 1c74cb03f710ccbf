"""Learning in the process that answers people: it waits for a moment while that is busy."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from learning_machine import LearningMachine, create_learning_agent, jobs
from learning_machine.nodes import giving_way
from learning_machine.nodes.giving_way import BUSY, gives_way, is_busy
from learning_machine.testing import ScriptedModel, change


@pytest.mark.parametrize(("share", "busy"), [(0.0, False), (BUSY * 0.9, False), (BUSY * 1.1, True), (1.9, True)])
def test_busy_is_what_this_process_uses(share: float, busy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is busy that uses more than half of a processor, whatever others use of the machine."""
    clock = SimpleNamespace(monotonic=time.monotonic, process_time=lambda: time.monotonic() * share)
    monkeypatch.setattr(giving_way, "time", clock)
    assert asyncio.run(is_busy()) is busy


def test_a_process_that_waits_is_not_busy() -> None:
    """Who sleeps uses no processor, so learning begins at once."""
    began = time.monotonic()
    asyncio.run(gives_way(60, lambda: False))
    assert time.monotonic() - began < 30


@pytest.fixture
def always_busy(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The process seems busy for ever; set once that was looked at."""
    looked = threading.Event()

    async def busy() -> bool:
        looked.set()
        await asyncio.sleep(0.01)
        return True

    monkeypatch.setattr(giving_way, "is_busy", busy)
    return looked


def test_not_for_ever(always_busy: threading.Event) -> None:
    """A process that is never idle learns all the same: patience ends. Without any nothing is looked at."""
    asyncio.run(gives_way(0.0, lambda: False))
    assert not always_busy.is_set()
    began = time.monotonic()
    asyncio.run(gives_way(0.2, lambda: False))
    assert always_busy.is_set() and time.monotonic() - began >= 0.2


@pytest.fixture
def learner(machine: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> LearningMachine:
    """A machine whose worker would give way for an hour."""
    monkeypatch.setattr(jobs, "GIVES_WAY", 3_600.0)
    found: LearningMachine = machine(
        ScriptedModel(learns=[change("user_profile", "Alice", kind="field", name="name")]), background="worker"
    )
    return found


def test_somebody_waits_for_the_queue(learner: LearningMachine, always_busy: threading.Event) -> None:
    """`flush` does not wait until the process is less busy; nor does closing the machine."""
    agent = create_learning_agent(ScriptedModel(answers="hello"), learning=learner, checkpointer=None)
    agent.invoke(
        {"messages": [("user", "I'm Alice")]}, {"configurable": {"thread_id": "t1"}}, context={"user_id": "alice"}
    )
    assert always_busy.wait(20)
    assert learner.queue_depth()["running"] == 1
    assert learner.flush(30)
    assert learner.recall(user_id="alice")["user_profile"].name == "Alice"
    always_busy.clear()
    agent.invoke(
        {"messages": [("user", "I'm Alice")]}, {"configurable": {"thread_id": "t1"}}, context={"user_id": "alice"}
    )
    assert always_busy.wait(20)
    began = time.monotonic()
    learner.close()
    assert time.monotonic() - began < jobs.STOP_PATIENCE


def test_a_worker_of_its_own_gives_no_way(always_busy: threading.Event) -> None:
    """Where nobody is answered, as in `learning-machine worker`, nothing is waited for."""
    learner: Any = SimpleNamespace(parts=SimpleNamespace(name="default", database=None))
    assert (jobs.Worker([learner])._patience, jobs.Worker([learner], beside_replies=True)._patience) == (
        0.0,
        jobs.GIVES_WAY,
    )
