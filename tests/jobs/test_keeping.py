"""What is kept of a conversation after it was read, and what the machine tells of a turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from token_agents import learn_tokens, token_agent

from learning_machine import LearningMachine, jobs
from learning_machine.testing import ScriptedModel, change

Machines = Callable[..., LearningMachine]
Ask = Callable[..., list[dict[str, Any]]]
Say = Callable[..., dict[str, Any]]


def test_until_learned_drops_words(machine: Machines, say: Say, sql: Ask, observations: Any) -> None:
    """With `keep_messages="until_learned"` messages are there until they are read, and gone afterwards."""
    waiting = machine(ScriptedModel(), keep_messages="until_learned", background="external")
    say(token_agent(waiting), "this is token-1")
    assert [row["content"] for row in sql("select content from message order by position")] == [
        "this is token-1",
        "noted",
    ]
    learner = machine(ScriptedModel(learns=learn_tokens), keep_messages="until_learned")
    assert learner.flush(20)
    assert sql("select * from message") == []
    assert observations(learner) == ["token-1"]


def test_until_learned_keeps_what_failed(machine: Machines, say: Say, sql: Ask, until: Any) -> None:
    """Words of a turn that could not be read stay, because they are to be read yet."""
    learner = machine(ScriptedModel(learns="no JSON at all"), keep_messages="until_learned")
    said = say(token_agent(learner), "this is token-1")
    until(lambda: learner.learned(said["learning"]["turn"])["status"] == "failed")
    assert len(sql("select * from message")) == 2


def test_forever_keeps_words(machine: Machines, say: Say, sql: Ask) -> None:
    """Without saying, messages are kept, with no date of expiry."""
    learner = machine(ScriptedModel(learns=learn_tokens))
    say(token_agent(learner), "this is token-1")
    assert learner.flush(20)
    assert [row["expires_at"] for row in sql("select expires_at from message")] == [None, None]


def test_days_expire(machine: Machines, say: Say, sql: Ask, until: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a number of days a worker deletes messages when they are over, also of people who never came back."""
    monkeypatch.setattr(jobs, "SWEEP_EVERY", 0.1)
    monkeypatch.setattr(jobs, "EXPIRE_EVERY", 0.1)
    learner = machine(ScriptedModel(learns=learn_tokens), keep_messages=7)
    agent = token_agent(learner)
    for user in ("alice", "bob"):
        say(agent, f"this is token-{user}", f"thread of {user}", user_id=user)
    assert learner.flush(20)
    days = sql("select round(extract(epoch from expires_at - clock_timestamp()) / 86400) as days from message")
    assert [row["days"] for row in days] == [7, 7, 7, 7]
    sql("update message set expires_at = clock_timestamp() where content = 'this is token-bob'")
    until(lambda: len(sql("select * from message")) == 3)
    assert "this is token-bob" not in {row["content"] for row in sql("select content from message")}


def test_learned_tells_what_a_turn_taught(machine: Machines, say: Say) -> None:
    """A turn waits, then it is learned: when, and what it changed, with handles."""
    waiting = machine(ScriptedModel(), background="external")
    turn = say(token_agent(waiting), "I am Alice")["learning"]["turn"]
    before = waiting.learned(turn)
    assert (before["turn"], before["status"], before["read_at"], before["changes"]) == (turn, "waiting", None, [])
    name = change("user_profile", "Alice", kind="field", name="name", quote="I am Alice")
    learner = machine(ScriptedModel(learns=[[name]]))
    assert learner.flush(20)
    after = learner.learned(turn, user_id="alice")
    assert after["status"] == "learned" and after["read_at"] >= after["recorded_at"] == before["recorded_at"]
    (only,) = after["changes"]
    assert (only["store"], only["kind"], only["name"], only["text"]) == ("user_profile", "field", "name", "Alice")
    assert only["handle"] == learner.history(user_id="alice")[0]["handle"]


def test_learned_of_nothing_to_learn(machine: Machines, say: Say) -> None:
    """A turn that taught nothing is learned all the same, without changes."""
    learner = machine(ScriptedModel())
    turn = say(token_agent(learner), "hello")["learning"]["turn"]
    assert learner.flush(20)
    assert (learner.learned(turn)["status"], learner.learned(turn)["changes"]) == ("learned", [])


def test_learned_tells_others_nothing(machine: Machines, say: Say) -> None:
    """To another user's scope, and for an id that was never given, a turn is unknown."""
    learner = machine(ScriptedModel(learns=learn_tokens))
    turn = say(token_agent(learner), "this is token-1")["learning"]["turn"]
    assert learner.flush(20)
    assert learner.learned(turn, user_id="alice")["status"] == "learned"
    others = learner.learned(turn, user_id="mallory")
    assert (others["turn"], others["status"], others["changes"]) == (turn, "unknown", [])
    assert learner.learned(uuid4())["status"] == "unknown"


def test_session_without_user_is_learned(machine: Machines, sql: Ask) -> None:
    """A conversation without a user is recorded in its own space, and its session context is learned."""
    learner = machine(
        ScriptedModel(learns=[[change("session_context", "Small talk", kind="summary")]]), session_context=True
    )
    said = token_agent(learner).invoke(
        {"messages": [("user", "hello there")]}, {"configurable": {"thread_id": "anonymous"}}
    )
    assert learner.flush(20)
    assert learner.learned(said["learning"]["turn"], session_id="anonymous")["status"] == "learned"
    assert learner.recall(session_id="anonymous")["session_context"].summary == "Small talk"
