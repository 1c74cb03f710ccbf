"""Learning never fails or delays a reply: databases that stall or are gone, and models that raise."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver

from learning_machine import LearningMachine, create_learning_agent
from learning_machine.testing import ScriptedModel, extraction_request

ALICE = {"user_id": "alice"}
SECRET = "Rumpelstilz"


@contextlib.contextmanager
def stalled(url: str, table: str = "turn") -> Iterator[None]:
    """The database as it is when another session holds a table."""
    with psycopg.connect(url) as connection:
        connection.execute(f"lock table learning_machine.{table} in access exclusive mode")  # type: ignore[arg-type]
        yield
        connection.rollback()


def read_in(model: ScriptedModel) -> Counter[str]:
    """How often each user message was put before an extraction."""
    asked = [extraction_request(messages) or [] for messages in model.extractions]
    return Counter(one["text"] for new in asked for one in new if one["role"] == "user")


def test_a_turn_that_cannot_be_recorded_is_answered(
    url: str, machine: Any, thread: Any, say: Any, door: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """When recording stalls, the reply goes out after 2 s, the failure is counted and logged without a word of the talk,
    and the next turn of the thread offers both turns."""
    with contextlib.ExitStack() as stack:

        def answer(messages: list[Any]) -> str:
            if messages[-1].text == f"{SECRET} one":
                # Only what comes after the answer finds the table locked.
                stack.enter_context(stalled(url))
            return "ok"

        model = ScriptedModel(answers=answer)
        found = machine(model)
        agent = create_learning_agent(model, learning=found)
        door(agent, say("zero"), thread("t1"), context=ALICE)
        assert found.flush()
        began = time.monotonic()
        result = door(agent, say(f"{SECRET} one"), thread("t1"), context=ALICE)
        took = time.monotonic() - began
    assert result["messages"][-1].text == "ok"
    assert result["learning"]["turn"] is None
    assert 1.9 < took < 4.0
    assert found.usage.failures == {"recording the turn": 1}
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert any("recording the turn failed" in text for text in warned)
    assert not any(SECRET in text or "alice" in text for text in warned)
    door(agent, say("two"), thread("t1"), context=ALICE)
    assert found.flush()
    assert read_in(model) == Counter(["zero", f"{SECRET} one", "two"])


def test_what_is_owed_is_offered_only_while_the_same_person_speaks(
    url: str, machine: Any, thread: Any, say: Any
) -> None:
    """A turn that could not be recorded is not offered with the next turn when somebody else speaks in it."""
    with contextlib.ExitStack() as stack:

        def answer(messages: list[Any]) -> str:
            if messages[-1].text == "I'm Alice":
                stack.enter_context(stalled(url))
            return "ok"

        model = ScriptedModel(answers=answer)
        found = machine(model)
        agent = create_learning_agent(model, learning=found)
        found.recall(**ALICE)
        agent.invoke(say("I'm Alice"), thread("t1"), context=ALICE)
    agent.invoke(say("I'm Bob"), thread("t1"), context={"user_id": "bob"})
    assert found.flush()
    assert read_in(model) == Counter(["I'm Bob"])


def test_a_stalled_recall_is_answered_without_memory(
    url: str, machine: Any, taught: Any, thread: Any, say: Any, seen: Any, either: Callable[..., Any]
) -> None:
    """When what is known cannot be read within 2 s the agent answers without it, and the failure is counted."""
    model = taught()
    found = machine(model, conversation=False)
    agent = create_learning_agent(model, learning=found, checkpointer=InMemorySaver())
    either(agent, say("my name is Alice"), thread("t1"), context=ALICE)
    assert found.flush()
    with stalled(url, "learning"):
        began = time.monotonic()
        result = either(agent, say("Who am I?"), thread("t2"), context=ALICE)
        assert time.monotonic() - began < 5.0
    assert result["messages"][-1].text == "ok"
    assert result["learning"]["recalled"] == {}
    assert "Alice" not in seen(model)
    assert found.usage.failures.get("recall") == 1
    either(agent, say("And now?"), thread("t2"), context=ALICE)
    assert "Alice" in seen(model)
    assert found.flush()


def test_a_dead_database_is_no_reason_not_to_answer(
    thread: Any, say: Any, either: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """With no database at all, and a checkpointer that does not need one, the agent answers as without learning."""
    model = ScriptedModel(answers="Hello")
    machine = LearningMachine(db="postgresql://alice:hunter2@127.0.0.1:1/nothing", model=model)
    agent = create_learning_agent(model, learning=machine, checkpointer=InMemorySaver())
    began = time.monotonic()
    result = either(agent, say(f"I'm {SECRET}"), thread("t1"), context=ALICE)
    assert time.monotonic() - began < 3.0
    assert result["messages"][-1].text == "Hello"
    assert result["learning"]["recalled"] == {}
    assert {"recall", "recording the turn"} <= set(machine.usage.failures)
    assert "hunter2" not in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("asynchronous", [False, pytest.param(True, marks=pytest.mark.full)])
def test_a_database_that_hangs_is_not_waited_for(
    asynchronous: bool, url: str, machine: Any, thread: Any, say: Any
) -> None:
    """When the server stops answering in the middle, without any error, the reply goes out all the same."""
    model = ScriptedModel()
    found = machine(model, background="external")
    agent = create_learning_agent(model, learning=found, checkpointer=InMemorySaver())
    agent.invoke(say("zero"), thread("t1"), context=ALICE)
    with psycopg.connect(url, autocommit=True) as connection:
        query = "select pid from pg_stat_activity where datname = current_database() and application_name = 'learning-machine'"
        pids = [pid for (pid,) in connection.execute(query).fetchall()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        turn = (say("one"), thread("t1"))
        run = asyncio.run(agent.ainvoke(*turn, context=ALICE)) if asynchronous else agent.invoke(*turn, context=ALICE)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert run["messages"][-1].text == "ok"
    assert {"recall", "recording the turn"} <= set(found.usage.failures)
    agent.invoke(say("two"), thread("t1"), context=ALICE)
    found.background = "worker"
    assert found.flush()
    assert read_in(model) == Counter(["zero", "one", "two"])


@pytest.mark.full
def test_a_database_behind_a_wall_is_waited_for_once(thread: Any, say: Any) -> None:
    """Where connections are swallowed without an answer, the first turn waits for the connection once, and the next not at all."""
    with socket.socket() as wall:
        wall.bind(("127.0.0.1", 0))
        wall.listen(50)
        machine = LearningMachine(db=f"postgresql://x@127.0.0.1:{wall.getsockname()[1]}/x", model=ScriptedModel())
        agent = create_learning_agent(ScriptedModel(), learning=machine, checkpointer=InMemorySaver())
        took = []
        for _ in range(2):
            began = time.monotonic()
            assert agent.invoke(say("hello"), thread("t1"), context=ALICE)["messages"][-1].text == "ok"
            took.append(time.monotonic() - began)
    assert took[0] < 15
    assert took[1] < 3


def test_a_database_that_comes_back_is_used_again(url: str, machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """When all connections are cut between turns, the next turn works, and learning goes on."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found, checkpointer=InMemorySaver())
    agent.invoke(say("my name is Alice"), thread("t1"), context=ALICE)
    assert found.flush()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
    for number in range(3):
        assert agent.invoke(say(f"hello {number}"), thread("t1"), context=ALICE)["messages"][-1].text == "ok"
    assert found.flush()
    assert set(read_in(model)) == {"my name is Alice", "hello 0", "hello 1", "hello 2"}
    assert max(read_in(model).values()) == 1
    assert found.recall(**ALICE)["user_profile"].name == "Alice"


class ModelDown(Exception):
    """What a provider raises."""


def test_a_model_error_reaches_the_caller(
    machine: Any, taught: Any, thread: Any, say: Any, count: Any, door: Callable[..., Any]
) -> None:
    """When the agent's model raises, the caller gets that error, and nothing is recorded; the next turn offers the words."""

    def answer(messages: list[Any]) -> str:
        if messages[-1].text == "my name is Alice":
            raise ModelDown("the service is down")
        return "ok"

    model = taught(answer)
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    found.recall(**ALICE)
    before = count()
    with pytest.raises(ModelDown, match="the service is down"):
        door(agent, say("my name is Alice"), thread("t1"), context=ALICE)
    assert count() == before
    door(agent, say("hello?"), thread("t1"), context=ALICE)
    assert found.flush()
    assert read_in(model) == Counter(["my name is Alice", "hello?"])
    assert found.recall(**ALICE)["user_profile"].name == "Alice"
    assert found.usage.failures == {}


def test_a_tool_error_reaches_the_caller(machine: Any, thread: Any, say: Any, count: Any) -> None:
    """A tool that raises ends the run as without learning, and records nothing."""

    def broken(place: str) -> str:
        """Look somewhere."""
        raise ModelDown(place)

    call = AIMessage("", tool_calls=[{"name": "broken", "args": {"place": "here"}, "id": "c1"}])
    model = ScriptedModel(answers=[call, "ok"])
    found = machine(model)
    agent = create_learning_agent(model, [broken], learning=found)
    found.recall(**ALICE)
    before = count()
    with pytest.raises(ModelDown):
        agent.invoke(say("look"), thread("t1"), context=ALICE)
    assert count() == before


def test_a_broken_extraction_is_kept_and_tried_again(
    machine: Any, thread: Any, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply without any JSON fails the batch, which is kept with its kind of failure, tried again, and learned."""
    monkeypatch.setattr("learning_machine.jobs.FIRST_PAUSE", 0.1)
    learned = (
        '{"changes": [{"action": "add", "store": "user_profile", "kind": "field", "name": "name", "value": "Alice"}]}'
    )
    model = ScriptedModel(learns=["I am sorry.", "Still sorry.", learned])
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    turn = agent.invoke(say("I'm Alice"), thread("t1"), context=ALICE)["learning"]["turn"]
    assert found.flush()
    assert len(model.extractions) == 3
    assert found.usage.failures["learning"] == 2
    assert found.learned(turn)["status"] == "learned"
    assert found.recall(**ALICE)["user_profile"].name == "Alice"


def test_what_fails_too_often_is_parked_and_holds_nobody_up(
    machine: Any, thread: Any, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn that cannot be read is parked after five tries, visibly, and the thread's other turns are learned."""
    monkeypatch.setattr("learning_machine.jobs.FIRST_PAUSE", 0.02)

    def learns(new: list[dict[str, Any]]) -> Any:
        if any("poison" in one["text"] for one in new):
            return "I cannot."
        return [
            {"action": "add", "store": "user_profile", "kind": "observation", "value": one["text"]}
            for one in new
            if one["role"] == "user"
        ]

    model = ScriptedModel(learns=learns)
    found = machine(model, background="external")
    agent = create_learning_agent(model, learning=found)
    turns = [
        agent.invoke(say(text), thread("t1"), context=ALICE)["learning"]["turn"] for text in ("one", "poison", "three")
    ]
    found.background = "worker"
    assert found.flush()
    assert [found.learned(turn)["status"] for turn in turns] == ["learned", "parked", "learned"]
    assert found.learned(turns[1])["error"] == "ExtractionFailed"
    assert set(found.recall(**ALICE)["user_profile"].observations) == {"one", "three"}


def test_a_bad_context_is_answered_without_learning(
    machine: Any, thread: Any, say: Any, either: Callable[..., Any]
) -> None:
    """A run whose `configurable` names no possible user is answered, and learned for nobody."""
    model = ScriptedModel(answers="ok")
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    result = either(agent, say("hello"), thread("t1", user_id="a\0b"))
    assert result["messages"][-1].text == "ok"
    assert found.usage.failures.get("scope", 0) >= 1
    assert found.flush()
    assert model.extractions == []
