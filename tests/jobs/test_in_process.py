"""The worker inside a program: when it starts, how it stops, and what happens when the program ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from token_agents import learn_stamped, learn_tokens, slowly, token_agent

from learning_machine import LearningMachine, jobs
from learning_machine.testing import ScriptedModel

Machines = Callable[..., LearningMachine]
Ask = Callable[..., list[dict[str, Any]]]
OPEN = (
    "select pid from pg_stat_activity where application_name like 'learning-machine%' and datname = current_database()"
)


def worker_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "learning-machine-worker"]


@pytest.fixture
def learner(machine: Machines) -> LearningMachine:
    """A machine that learns tokens, in this process."""
    return machine(ScriptedModel(learns=learn_tokens))


def test_no_thread_before_the_first_turn(learner: LearningMachine, say: Any) -> None:
    """Making a machine and an agent, recalling, and a turn that is not to be learned start no worker; a turn does."""
    agent = token_agent(learner)
    learner.recall(user_id="alice")
    say(agent, "this is token-1", learn=False)
    assert learner.flush(1)
    assert worker_threads() == []
    say(agent, "this is token-2")
    assert len(worker_threads()) == 1


def test_flush_waits_for_the_worker(machine: Machines, say: Any, observations: Any) -> None:
    """After `flush` what was said is learned; when that takes longer than its timeout it says so."""
    gate = threading.Event()
    slow = machine(ScriptedModel(learns=slowly(0, lambda _: gate.wait(30))))
    say(token_agent(slow), "this is token-1")
    assert slow.flush(0.3) is False
    gate.set()
    assert slow.flush(20) is True
    assert observations(slow) == ["token-1"]


def test_aflush(learner: LearningMachine, observations: Any) -> None:
    """In an async program `aflush` waits without blocking the loop."""
    agent = token_agent(learner)

    async def main() -> tuple[bool, int]:
        await agent.ainvoke(
            {"messages": [("user", "this is token-1")]},
            {"configurable": {"thread_id": "t"}},
            context={"user_id": "alice"},
        )
        ticks = 0
        flushing = asyncio.create_task(learner.aflush(20))
        while not flushing.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return await flushing, ticks

    done, ticks = asyncio.run(main())
    assert done and ticks > 1
    assert observations(learner) == ["token-1"]


def test_close_stops_and_use_opens_again(
    learner: LearningMachine, say: Any, sql: Ask, observations: Any, until: Any
) -> None:
    """`close` ends the worker and leaves no connection; used again, the same machine and agent learn as before."""
    agent = token_agent(learner)
    for number in (1, 2, 3):
        assert len(say(agent, f"this is token-{number}")["messages"]) == 2 * number
        assert learner.flush(20)
        learner.close()
        assert worker_threads() == []
        assert sql("select * from procrastinate_workers") == []
        until(lambda: not sql(OPEN), 5, "the connections to close")
    assert observations(learner) == ["token-1", "token-2", "token-3"]


def test_close_finishes_the_job_at_hand(machine: Machines, say: Any, sql: Ask, observations: Any, until: Any) -> None:
    """`close` waits for a batch that is being read, and it is learned once."""
    begun = threading.Event()
    slow = machine(ScriptedModel(learns=slowly(0.5, lambda _: begun.set())))
    say(token_agent(slow), "this is token-1")
    assert begun.wait(20)
    slow.close()
    assert sql("select * from procrastinate_jobs") == []
    assert observations(slow) == ["token-1"]


def test_close_gives_back_what_takes_too_long(
    machine: Machines, say: Any, sql: Ask, observations: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that outlasts the patience of `close` goes to another worker at once, and its batch is still learned once."""
    monkeypatch.setattr(jobs, "STOP_PATIENCE", 0.2)
    begun, gate = threading.Event(), threading.Event()

    def hang(_: Any) -> None:
        begun.set()
        gate.wait(30)

    hanging = machine(ScriptedModel(learns=slowly(0, hang, learn_stamped)))
    say(token_agent(hanging), "this is token-1")
    assert begun.wait(20)
    hanging.close()
    assert [row["status"] for row in sql("select status from procrastinate_jobs")] == ["todo"]
    other = machine(ScriptedModel(learns=learn_stamped))
    assert other.flush(20)
    threads = worker_threads()
    gate.set()
    for thread in threads:
        if thread is not other.worker()._thread:
            thread.join(20)
            assert not thread.is_alive()
    # Both have read it, each in its own words, and one of them could write.
    assert [text.split()[0] for text in observations(other)] == ["token-1"]


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_program_that_ends_learns_first(start: Any, learner: LearningMachine, observations: Any, how: str) -> None:
    """A program that records a turn and falls off its end, sync or after `asyncio.run`, has learned it when it is gone."""
    program = start("fall_off", "1", how, fresh=how == "invoke")
    assert program.wait() == 0, program.said()
    assert "at the end" in program.said() and "Traceback" not in program.said()
    assert observations(learner) == ["token-1"]


@pytest.mark.parametrize(("how", "code"), [("raise", 1), ("exit", 3)])
def test_program_that_fails_learns_first(
    start: Any, learner: LearningMachine, observations: Any, how: str, code: int
) -> None:
    """So has one that ends by an exception or `sys.exit`, and its exit code stays."""
    program = start("fall_off", "0.2", how)
    assert program.wait() == code
    assert observations(learner) == ["token-1"]


def test_exit_leaves_what_takes_too_long(start: Any, learner: LearningMachine, observations: Any, sql: Ask) -> None:
    """An ending program waits no longer than its patience for a slow model: it says what waits, and the next one reads it."""
    began = time.monotonic()
    program = start("fall_off", "120", "invoke", EXIT_PATIENCE="0.5")
    assert program.wait(60) == 0
    assert time.monotonic() - began < 30
    said = program.said()
    assert "learning machine 'default': 1 jobs wait for the next start" in said and "Traceback" not in said
    assert observations(learner) == []
    # No need to wait until the dead worker counts as stalled: it gave its job back.
    assert learner.flush(jobs.STALLED_AFTER / 2)
    assert observations(learner) == ["token-1"]


def test_fork_before_first_use(start: Any, learner: LearningMachine, observations: Any) -> None:
    """An agent that was made before a fork works in both processes, and both learn before they end."""
    program = start("fork")
    assert program.wait() == 0, program.said()
    assert "the child ended with 0" in program.said() and "Traceback" not in program.said()
    assert sorted(observations(learner)) == ["token-child", "token-parent"]


def test_worker_survives_what_it_does_not_expect(
    learner: LearningMachine, say: Any, observations: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    """Whatever ends the worker unasked, it starts again."""
    failures: list[int] = []
    work = jobs.Worker._work

    async def failing(worker: jobs.Worker) -> None:
        if len(failures) < 2:
            failures.append(1)
            raise ZeroDivisionError
        await work(worker)

    monkeypatch.setattr(jobs, "FIRST_RESTART", 0.01)
    monkeypatch.setattr(jobs.Worker, "_work", failing)
    say(token_agent(learner), "this is token-1")
    assert learner.flush(20)
    assert len(failures) == 2
    assert observations(learner) == ["token-1"]
