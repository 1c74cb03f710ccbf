"""Workers that die, sleep, or lose their database."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from token_agents import learn_tokens, slowly, token_agent

from learning_machine import LearningMachine, jobs
from learning_machine.stores.postgres import queue
from learning_machine.testing import ScriptedModel

Machines = Callable[..., LearningMachine]
Ask = Callable[..., list[dict[str, Any]]]
Say = Callable[..., dict[str, Any]]


@pytest.fixture
def agents(machine: Machines) -> LearningMachine:
    """A machine that only queues."""
    found = machine(ScriptedModel(), background="external")
    assert found.flush(0)
    return found


@pytest.fixture
def serve(start: Any, tmp_path: Path) -> Callable[..., Any]:
    """Starts a worker process that counts others as stalled after a second."""
    quick = {"STALLED_AFTER": "1", "SWEEP_EVERY": "0.2", "LINGER": "0", "READ": str(tmp_path / "read")}
    return lambda **env: start("serve", "shop:tokens", **{**quick, **env})


def kill_backends(sql: Ask) -> int:
    rows = sql(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    return len(rows)


def test_killed_worker_s_job_goes_to_another(agents: LearningMachine, say: Say, serve: Any, observations: Any) -> None:
    """A job whose worker was killed is read by another worker once the dead one has given no sign of life for a while."""
    said = say(token_agent(agents), "this is token-1")
    dying = serve(SECONDS="60")
    dying.says("started")
    dying.kill()
    assert agents.queue_depth()["running"] == 1
    living = serve()
    assert agents.flush(20), living.said()
    assert agents.learned(said["learning"]["turn"])["status"] == "learned"
    assert observations(agents) == ["token-1"]


def test_what_kills_its_worker_is_parked(
    agents: LearningMachine, say: Say, start: Any, observations: Any, sql: Ask, until: Any
) -> None:
    """A turn that kills whoever reads it counts as failed each time, and is parked; the turns around it are learned."""
    agent = token_agent(agents)
    turns = {word: say(agent, word)["learning"]["turn"] for word in ("token-1", "poison", "token-2")}
    quick = {"STALLED_AFTER": "0.6", "SWEEP_EVERY": "0.1", "LINGER": "0", "MAX_ATTEMPTS": "4"}
    for _ in range(9):
        worker = start("serve", "shop:deadly", **quick)
        until(lambda worker=worker: worker.poll() is not None or agents.flush(0), 20, "the worker to die, or finish")
        if worker.poll() is None:
            break
    assert [agents.learned(turns[word])["status"] for word in turns] == ["learned", "parked", "learned"]
    assert sorted(observations(agents)) == ["token-1", "token-2"]
    errors = sql("select turn::text, attempt, error, parked from job_error order by id")
    assert {row["error"] for row in errors} == {"WorkerGone"}
    assert {row["turn"] for row in errors} == {turns["poison"]}
    assert [row["parked"] for row in errors] == [False] * (len(errors) - 1) + [True]
    assert agents.queue_depth()["parked"] == 1


def test_a_worker_that_dies_when_all_is_read_has_not_failed(
    agents: LearningMachine, say: Say, fetch: Any, sql: Ask
) -> None:
    """Where nothing is left to read, a job that was broken off is no failure of any turn."""
    said = say(token_agent(agents), "this is token-1")
    assert fetch() is not None
    row = sql("select space, id from turn")[0]
    assert agents.learn(row["space"], row["id"])["turns"] == 1
    sql("update procrastinate_workers set last_heartbeat = now() - interval '1 minute'")
    # Noted when an earlier worker went; the one that has gone now could no longer tidy up behind what it had written.
    sql(
        "insert into job_error (space, machine, turn, attempt, error) values (%s, 'default', %s, 1, 'WorkerGone')",
        row["space"],
        row["id"],
    )
    worker = jobs.Worker([agents])
    assert queue.rescue(agents.parts.database, ["default"], 30.0, worker._broken_off) == 1
    assert sql("select * from job_error") == []
    assert agents.learned(said["learning"]["turn"])["status"] == "learned"


def test_many_find_a_dead_worker_s_job(
    agents: LearningMachine, say: Say, fetch: Any, sql: Ask, observations: Any, machine: Machines
) -> None:
    """Workers that find the same dead worker's job at once queue it once, and none of them drops it."""
    say(token_agent(agents), "this is token-1")
    assert fetch() is not None
    database = agents.parts.database
    assert queue.rescue(database, ["default"], 60.0) == 0
    sql("update procrastinate_workers set last_heartbeat = now() - interval '1 minute'")
    assert queue.rescue(database, ["another machine"], 30.0) == 0
    assert [queue.rescue(database, ["default"], 30.0) for _ in range(2)] == [1, 0]
    assert [row["status"] for row in sql("select status from procrastinate_jobs")] == ["todo"]
    assert machine(ScriptedModel(learns=learn_tokens)).flush(20)
    assert observations(agents) == ["token-1"]


def test_a_slow_worker_takes_nothing_along(
    agents: LearningMachine, say: Say, fetch: Any, sql: Ask, observations: Any, machine: Machines
) -> None:
    """A worker that was taken for dead and ends its job after all does not end the one that was queued in its place."""
    say(token_agent(agents), "this is token-1")
    slow = fetch()
    sql("update procrastinate_workers set last_heartbeat = now() - interval '1 minute'")
    assert queue.rescue(agents.parts.database, ["default"], 30.0) == 1
    with pytest.raises(psycopg.errors.RaiseException, match="not found"):
        sql("select procrastinate_finish_job_v1(%s, 'succeeded', true)", slow["id"])
    [waits] = sql("select * from procrastinate_jobs")
    assert waits["status"] == "todo" and waits["attempts"] == slow["attempts"] + 1
    assert waits["args"] == slow["args"] and waits["lock"] == waits["queueing_lock"] == slow["lock"]
    assert machine(ScriptedModel(learns=learn_tokens)).flush(20)
    assert observations(agents) == ["token-1"]


def test_dead_worker_s_job_and_a_waiting_one(
    agents: LearningMachine, say: Say, fetch: Any, sql: Ask, observations: Any, machine: Machines
) -> None:
    """Where a job for the same thread waits already, the dead worker's is dropped, and the waiting one reads it all."""
    agent = token_agent(agents)
    say(agent, "this is token-1")
    assert fetch() is not None
    say(agent, "this is token-2")
    sql("delete from procrastinate_workers")
    assert queue.rescue(agents.parts.database, ["default"], 30.0) == 1
    assert [row["status"] for row in sql("select status from procrastinate_jobs")] == ["todo"]
    assert machine(ScriptedModel(learns=learn_tokens)).flush(20)
    assert observations(agents) == ["token-1", "token-2"]


def test_suspended_worker_goes_on(
    agents: LearningMachine, say: Say, serve: Any, observations: Any, tmp_path: Path, sql: Ask, until: Any
) -> None:
    """A worker that was suspended, as by a closed laptop, and pruned meanwhile, goes on and works, with nothing doubled."""
    agent = token_agent(agents)
    sleeper = serve(SECONDS="0.6", STAMPED="1")
    say(agent, "this is token-1")
    sleeper.says("started")
    sleeper.send(signal.SIGSTOP)
    other = serve(STAMPED="1")
    assert agents.flush(20), other.said()
    assert [text.split()[0] for text in observations(agents)] == ["token-1"]
    other.send(signal.SIGTERM)
    assert other.wait() == 0
    sleeper.send(signal.SIGCONT)
    say(agent, "this is token-2", "another thread")
    assert agents.flush(20), sleeper.said()
    # Each reading words what it learns in its own way, so a second one of token-1 would stand beside the first.
    assert [text.split()[0] for text in observations(agents)] == ["token-1", "token-2"]
    # It lost its registration once, so it started again once, and not over and over.
    assert sleeper.poll() is None and sleeper.said().count("starts again") <= 2, sleeper.said()
    assert len(sql("select * from procrastinate_workers")) == 1


def test_lost_connections(
    machine: Machines, say: Say, sql: Ask, observations: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    """When every connection is cut, also in the middle of a job, the worker lives on, and nothing is lost or doubled."""
    monkeypatch.setattr(jobs, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(jobs, "FIRST_RESTART", 0.05)
    monkeypatch.setattr(jobs, "SWEEP_EVERY", 0.2)
    reading = Counter[str]()

    def cut(new: list[dict[str, Any]]) -> None:
        reading["times"] += 1
        if reading["times"] in (2, 3):
            assert kill_backends(sql)

    learner = machine(ScriptedModel(learns=slowly(0, cut)))
    agent = token_agent(learner, checkpointer=None)
    for number in (1, 2, 3, 4):
        say(agent, f"this is token-{number}", f"thread {number}")
        assert learner.flush(30)
    assert kill_backends(sql)
    time.sleep(0.2)
    assert learner.flush(30)
    said = say(agent, "this is token-5", "thread 5")
    assert said["learning"]["turn"] is not None
    assert learner.flush(30)
    assert sorted(observations(learner)) == [f"token-{number}" for number in range(1, 6)]
    assert len(sql("select * from evidence")) == 5


def test_turn_is_recorded_over_a_dead_connection(machine: Machines, say: Say, sql: Ask, observations: Any) -> None:
    """A connection that was cut while the agent answered does not keep the turn from being recorded."""
    learner = machine(ScriptedModel(learns=learn_tokens))
    agent = token_agent(learner, checkpointer=None)
    say(agent, "this is token-1", "thread 1")
    assert learner.flush(30)

    def cut(_: Any) -> str:
        kill_backends(sql)
        return "noted"

    from learning_machine import create_learning_agent

    cutting = create_learning_agent(ScriptedModel(answers=cut), learning=learner, checkpointer=None)
    assert say(cutting, "this is token-2", "thread 2")["learning"]["turn"] is not None
    assert learner.flush(30)
    assert observations(learner) == ["token-1", "token-2"]
