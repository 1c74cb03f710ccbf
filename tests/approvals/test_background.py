"""BACKGROUND, tuned: read in the turn, in windows, and within hourly limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scenes import ALICE, say, thread

from learning_machine import LearningMachine, create_learning_agent
from learning_machine.cli.doctor import database_checks
from learning_machine.errors import BudgetExceeded, ConfigurationError
from learning_machine.state.limits import BatchWindow
from learning_machine.testing import ScriptedModel, change

JOBS = "select extract(epoch from scheduled_at - now())::float8 as later from procrastinate_jobs where status = 'todo'"


def learn_names(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        change("user_profile", one["text"][5:], kind="field", name="name")
        for one in new
        if one["role"] == "user" and one["text"].startswith("I am ")
    ]


@pytest.fixture
def talking(machine: Callable[..., LearningMachine]) -> Callable[..., tuple[LearningMachine, Callable[..., Any]]]:
    """A machine that learns names, and `turn("text")`, which nobody reads but when it is read in the turn."""

    def make(**options: Any) -> tuple[LearningMachine, Callable[..., Any]]:
        model = ScriptedModel(learns=learn_names)
        found = machine(model, **{"user_profile": True, "conversation": False, "background": "external", **options})
        agent = create_learning_agent(model, learning=found)
        return found, lambda text, name="t1": agent.invoke(say(text), thread(name), context=ALICE)

    return make


def name_of(found: LearningMachine) -> str | None:
    profile = found.recall(user_id="alice").get("user_profile")
    return profile.name if profile else None


# --- inline -----------------------------------------------------------------------------------------------------------


def test_inline_is_read_in_the_turn(machine: Any, door: Callable[..., Any], sql: Any) -> None:
    """With `background="inline"` the turn is read in the graph: known when the run ends, with nothing queued or asked."""
    found = machine(ScriptedModel(learns=learn_names), user_profile=True, background="inline")
    agent = create_learning_agent(found.model, learning=found)
    result = door(agent, say("I am Alice"), thread(), context=ALICE)
    assert "__interrupt__" not in result
    assert name_of(found) == "Alice"
    assert [one["status"] for one in result["learning"]["changes"]] == ["saved"]
    assert sql(JOBS) == []


def test_inline_that_fails_is_read_later(machine: Any, sql: Any) -> None:
    """When reading in the turn fails the reply stands, and a worker reads the turn."""
    script: list[Any] = ["no JSON at all"] * 3
    model = ScriptedModel(learns=lambda new: script.pop() if script else learn_names(new))
    found = machine(model, user_profile=True, background="inline")
    agent = create_learning_agent(model, learning=found)
    assert agent.invoke(say("I am Alice"), thread(), context=ALICE)["messages"][-1].text == "ok"
    script.clear()
    assert found.flush()
    assert name_of(found) == "Alice"


# --- windows ----------------------------------------------------------------------------------------------------------


def test_after_turns(talking: Any, sql: Any) -> None:
    """A window of three turns waits for the third, which then starts the reading at once, of all three in one call."""
    found, turn = talking(window=BatchWindow(after_turns=3))
    turn("hello")
    turn("I am Alice")
    (job,) = sql(JOBS)
    assert 500 < job["later"] <= 600
    turn("goodbye")
    assert sql(JOBS) == [{"later": None}]
    found.background = "worker"
    assert found.flush()
    assert len(found.model.extractions) == 1
    assert name_of(found) == "Alice"
    turn("next")
    (job,) = sql(JOBS)
    assert job["later"] is None or job["later"] > 500


def test_after_seconds_counts_from_the_first_unread_turn(talking: Any, sql: Any) -> None:
    """Whoever keeps talking does not put it off: later turns leave the time of the first one."""
    _, turn = talking(window=BatchWindow(after_seconds=300))
    turn("hello")
    due = "select scheduled_at from procrastinate_jobs where status = 'todo'"
    first = sql(due)
    for text in ("I am Alice", "and more"):
        turn(text)
    assert sql(due) == first
    assert 200 < sql(JOBS)[0]["later"] <= 300


def test_after_tokens(talking: Any, sql: Any) -> None:
    """A window of tokens is full as soon as so much was said, in whatever number of turns."""
    _, turn = talking(window=BatchWindow(after_tokens=200, after_seconds=500))
    turn("short")
    assert sql(JOBS)[0]["later"] > 400
    turn("long " * 400)
    assert sql(JOBS) == [{"later": None}]


def test_threads_have_windows_of_their_own(talking: Any, sql: Any) -> None:
    """What fills one thread's window does not hurry another's."""
    _, turn = talking(window=BatchWindow(after_turns=2))
    turn("one", "t1")
    turn("two", "t2")
    turn("three", "t2")
    assert sorted(job["later"] is None for job in sql(JOBS)) == [False, True]


def test_flush_does_not_wait_for_windows(talking: Any) -> None:
    """`flush` reads what windows still hold back."""
    found, turn = talking(window=BatchWindow(after_turns=50))
    turn("I am Alice")
    found.background = "worker"
    assert found.flush(30)
    assert name_of(found) == "Alice"


@pytest.mark.parametrize("wrong", [{"after_turns": -1}, {"after_seconds": -0.1}, {"after_tokens": -5}])
def test_a_window_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    """A negative limit is an error where it is written."""
    with pytest.raises(ConfigurationError, match="cannot be"):
        BatchWindow(**wrong)


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [{"max_calls": 1}, {"max_tokens": 1}], ids=["calls", "tokens"])
def test_beyond_the_limit_jobs_wait(talking: Any, sql: Any, limits: dict[str, int]) -> None:
    """When the hour's calls or tokens are used up, jobs wait for their turn, nothing counts as failed, and doctor says so."""
    found, turn = talking(**limits)
    verdicts = {check.name: check for check in database_checks(found)}
    assert verdicts["limits"].verdict == "ok"
    turn("I am Alice")
    found.background = "worker"
    assert found.flush(30)
    assert name_of(found) == "Alice"
    turn("I am Bert", "t2")
    assert not found.flush(1.5)
    found.close()
    assert len(found.model.extractions) == 1
    assert name_of(found) == "Alice"
    assert sql("select 1 from job_error") == []
    assert found.queue_depth()["later"] == 1
    assert 3_000 < sql(JOBS)[0]["later"] <= 3_600
    check = next(check for check in database_checks(found) if check.name == "limits")
    assert (check.verdict, "what is queued waits" in check.found) == ("warning", True)
    # An hour later.
    sql("update spending set at = at - interval '61 minutes'")
    assert found.flush(30)
    assert name_of(found) == "Bert"


def test_all_processes_count_together(talking: Any) -> None:
    """Another machine of the same name on the same database counts the same calls; one of another name does not."""
    first, turn = talking(max_calls=1, background="inline")
    turn("I am Alice")
    for name, spent in (("default", True), ("other", False)):
        other, _ = talking(max_calls=1, name=name)
        try:
            other.process([("user", "I am Bert"), ("ai", "ok")], user_id="bert", session_id="b")
        except BudgetExceeded:
            assert spent
        else:
            assert not spent
    assert name_of(first) == "Alice"


def test_beyond_the_limit_an_inline_turn_is_read_later(talking: Any, sql: Any) -> None:
    """In the graph the limit costs the reply nothing: the turn is queued instead."""
    found, turn = talking(max_calls=1, background="inline")
    turn("I am Alice")
    found.background = "external"
    assert turn("I am Bert")["messages"][-1].text == "ok"
    assert name_of(found) == "Alice"
    assert len(sql(JOBS)) == 1
