"""A turn, its messages and its job: recorded together, and never without a job that will see them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from token_agents import learn_tokens, token_agent

from learning_machine import LearningMachine, Scope
from learning_machine.errors import WriteFailed
from learning_machine.state.limits import BatchWindow
from learning_machine.state.messages import Said
from learning_machine.stores.postgres import queue
from learning_machine.stores.postgres.transactions import Access
from learning_machine.stores.turns import TurnRecord
from learning_machine.testing import ScriptedModel

Machines = Callable[..., LearningMachine]
Ask = Callable[..., list[dict[str, Any]]]
Fetch = Callable[..., dict[str, Any] | None]
ALICE = Scope(user_id="alice", session_id="thread")


def a_turn(number: int) -> TurnRecord:
    said = [Said(f"q{number}", "user", f"this is token-{number}"), Said(f"a{number}", "assistant", "noted")]
    keys = [f"{letter}{n}" for n in range(1, number + 1) for letter in "qa"]
    return TurnRecord(session="thread", said=said, answer=f"a{number}", keys=keys[-2:], here=keys[:-1])


def counts(sql: Ask) -> dict[str, int]:
    return sql(
        "select (select count(*) from turn) as turns, (select count(*) from message) as messages, "
        "(select count(*) from procrastinate_jobs) as jobs"
    )[0]


@pytest.fixture
def external(machine: Machines) -> LearningMachine:
    """A machine whose jobs nobody runs."""
    found = machine(ScriptedModel(learns=learn_tokens), background="external")
    assert found.flush(0)
    return found


def test_failing_queue_records_nothing(external: LearningMachine, sql: Ask) -> None:
    """When the job cannot be queued, the turn and its messages are not recorded either."""
    sql("alter table procrastinate_jobs add constraint fault check (false)")
    with pytest.raises(WriteFailed):
        external.parts.turns.record(ALICE, a_turn(1), BatchWindow())
    assert counts(sql) == {"turns": 0, "messages": 0, "jobs": 0}


def test_kill_leaves_all_or_nothing(start: Any, sql: Ask, url: str, until: Any) -> None:
    """A process killed while it waits for its turn to be recorded leaves turn, messages and job, or none of them."""
    with psycopg.connect(url) as holding:
        holding.execute("lock table learning_machine_jobs.procrastinate_jobs in exclusive mode")
        dying = start("die_recording")
        until(lambda: sql("select 1 from pg_stat_activity where wait_event_type = 'Lock'"), what="the turn to wait")
        dying.kill()
        assert dying.wait() == -9
    until(
        lambda: (
            not sql("select 1 from pg_stat_activity where application_name = 'learning-machine' and state = 'active'")
        ),
        what="the server to notice",
    )
    assert counts(sql) in [{"turns": each, "messages": 2 * each, "jobs": each} for each in (0, 1)]


def test_kill_after_the_turn_loses_nothing(start: Any, sql: Ask) -> None:
    """A process killed right after its turn has left the turn, its messages and its job."""
    assert start("die_recording").wait() == -9
    assert counts(sql) == {"turns": 1, "messages": 2, "jobs": 1}


def test_waiting_job_sees_the_turn(external: LearningMachine, sql: Ask, fetch: Fetch) -> None:
    """A job that waits cannot start between a turn's finding it and the turn's commit: so no new job is needed."""
    parts = external.parts
    recorded = parts.turns.record(ALICE, a_turn(1), BatchWindow())
    second = parts.turns.record(ALICE, a_turn(2))
    assert recorded and second
    with parts.database.transaction(Access(spaces=(recorded[0],))) as transaction:
        assert queue.enqueue(transaction, "default", *second, "thread") is False
        assert fetch() is None
    assert fetch() is not None
    assert external.learn(*recorded)["turns"] == 2
    assert external.learned(second[1])["status"] == "learned"


def test_running_job_may_not_see_the_turn(external: LearningMachine, sql: Ask, fetch: Fetch) -> None:
    """A turn recorded while the thread's job runs gets a job of its own, which starts when that one has ended."""
    parts = external.parts
    parts.turns.record(ALICE, a_turn(1), BatchWindow())
    running = fetch()
    assert running is not None
    parts.turns.record(ALICE, a_turn(2), BatchWindow())
    assert counts(sql)["jobs"] == 2
    assert fetch() is None
    sql("select procrastinate_finish_job_v1(%s, 'succeeded', true)", running["id"])
    assert fetch() is not None


def test_already_enqueued_keeps_the_turn(external: LearningMachine, sql: Ask, until: Any) -> None:
    """A turn that meets another transaction's job, not yet committed, waits for it, is recorded, and queues no second one."""
    parts = external.parts
    recorded = parts.turns.record(ALICE, a_turn(1))
    assert recorded is not None
    space = recorded[0]
    results: list[Any] = []
    with parts.database.transaction(Access(spaces=(space,))) as other:
        assert queue.enqueue(other, "default", *recorded, "thread") is True
        recording = threading.Thread(
            target=lambda: results.append(parts.turns.record(ALICE, a_turn(2), BatchWindow())), daemon=True
        )
        recording.start()
        until(lambda: sql("select 1 from pg_stat_activity where wait_event_type = 'Lock'"), what="the turn to wait")
    recording.join(5)
    assert len(results) == 1 and results[0] is not None
    assert counts(sql) == {"turns": 2, "messages": 4, "jobs": 1}


def test_same_turn_again_queues_nothing(external: LearningMachine, sql: Ask, fetch: Fetch) -> None:
    """Recording a turn that is recorded, as a resumed run does, adds no message and no job."""
    parts = external.parts
    first = parts.turns.record(ALICE, a_turn(1), BatchWindow())
    assert fetch() is not None
    assert parts.turns.record(ALICE, a_turn(1), BatchWindow()) == first
    assert counts(sql) == {"turns": 1, "messages": 2, "jobs": 1}


def test_batch_keeps_scopes_apart(external: LearningMachine) -> None:
    """Turns of one thread that ran in different scopes are read apart, so that each is learned in its own."""
    parts = external.parts
    for number, project in enumerate(["apollo", "apollo", "gemini"], start=1):
        scope = Scope(user_id="alice", session_id="thread", project_id=project)
        recorded = parts.turns.record(scope, a_turn(number), BatchWindow())
    assert recorded is not None
    assert [external.learn(*recorded)["turns"] for _ in range(3)] == [2, 1, 0]


def test_agent_records_at_the_end_of_a_turn(external: LearningMachine, say: Any, sql: Ask) -> None:
    """An agent's turn is in the database with its job before the reply is out."""
    result = say(token_agent(external), "this is token-1")
    assert external.learned(result["learning"]["turn"])["status"] == "waiting"
    assert counts(sql) == {"turns": 1, "messages": 2, "jobs": 1}
    args = sql("select args from procrastinate_jobs")[0]["args"]
    assert sorted(args) == ["machine", "space", "turn"]
