"""Whose words are whose, and what is not to be kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from learning_machine import Scope, create_learning_agent
from learning_machine.testing import extraction_request

ALICE, BOB = {"user_id": "alice"}, {"user_id": "bob"}


def read_for(model: Any) -> list[str]:
    """The user's words put before extractions."""
    asked = [extraction_request(messages) or [] for messages in model.extractions]
    return [one["text"] for new in asked for one in new if one["role"] == "user"]


def test_learn_false_leaves_no_trace(
    machine: Any, taught: Any, thread: Any, say: Any, seen: Any, count: Any, door: Callable[..., Any]
) -> None:
    """With `learn=False` a turn recalls, and no table of the machine gets a row; nor does a later turn learn from it."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    door(agent, say("my name is Alice"), thread("t1"), context=ALICE)
    assert found.flush()
    before = count()
    silent = Scope(user_id="alice", learn=False)
    result = door(agent, say("my secret is Rumpelstilz"), thread("t2"), context=silent)
    assert "- name: Alice" in seen(model)
    assert result["learning"]["turn"] is None
    assert found.flush()
    assert count() == before
    door(agent, say("my role is engineer"), thread("t2"), context=ALICE)
    assert found.flush()
    assert read_for(model) == ["my name is Alice", "my role is engineer"]
    assert found.recall(**ALICE)["user_profile"].observations == ()
    assert "Rumpelstilz" not in str(found.history(**ALICE))


def test_learn_false_for_somebody_new_makes_no_space(
    machine: Any, taught: Any, thread: Any, say: Any, count: Any, either: Callable[..., Any]
) -> None:
    """A person who never agreed to be learned about does not even get an empty space."""
    model = taught()
    found = machine(model, user_profile=True, session_context=True)
    agent = create_learning_agent(model, learning=found)
    found.recall(user_id="nobody")
    before = count()
    either(agent, say("my name is Eve"), thread("t1"), context={"user_id": "eve", "learn": False})
    assert found.flush()
    assert count() == before


def test_learn_false_without_a_checkpointer(
    machine: Any, taught: Any, thread: Any, say: Any, either: Callable[..., Any]
) -> None:
    """Also when the caller brings the history along, a later turn does not learn from what was said with `learn=False`."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found, checkpointer=None)
    first = either(agent, say("my secret is Rumpelstilz"), thread("t1"), context={**ALICE, "learn": False})
    given = {"messages": [*first["messages"], ("user", "my role is engineer")]}
    either(agent, given, thread("t1"), context=ALICE)
    assert found.flush()
    assert read_for(model) == ["my role is engineer"]


def test_two_people_in_one_thread_stay_two(
    machine: Any, taught: Any, thread: Any, say: Any, seen: Any, door: Callable[..., Any]
) -> None:
    """When two users speak by turns in one thread, nobody's words are read or kept as the other's."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    turns = [
        (ALICE, "my name is Alice"),
        (BOB, "my name is Bob"),
        (ALICE, "my role is engineer"),
        (BOB, "my role is baker"),
    ]
    for who, text in turns:
        door(agent, say(text), thread("t1"), context=who)
    assert found.flush()
    alice, bob = (found.recall(**who)["user_profile"] for who in (ALICE, BOB))
    assert (alice.name, alice.role) == ("Alice", "engineer")
    assert (bob.name, bob.role) == ("Bob", "baker")
    assert sorted(read_for(model)) == sorted(text for _, text in turns)
    for messages in model.extractions:
        new = extraction_request(messages) or []
        said = {one["text"] for one in new if one["role"] == "user"}
        assert not (
            said & {text for who, text in turns if who is ALICE} and said & {text for who, text in turns if who is BOB}
        )
    door(agent, say("hello"), thread("t1"), context=BOB)
    assert "Alice" not in seen(model)
    quotes = [quote for row in found.history(**BOB) for quote in row["quotes"]]
    assert quotes
    assert not any("Alice" in quote or "engineer" in quote for quote in quotes)
    assert found.flush()


def test_a_session_shared_by_two_is_kept_for_each(
    machine: Any, thread: Any, say: Any, seen: Any, taught: Any, either: Callable[..., Any]
) -> None:
    """What one person's turns taught about the session is not shown to the other."""
    summary = [{"action": "add", "store": "session_context", "kind": "summary", "value": "Alice's secret plan."}]
    model = taught(learns=lambda new: summary if any("plan" in one["text"] for one in new) else [])
    found = machine(model, session_context=True)
    agent = create_learning_agent(model, learning=found)
    either(agent, say("my plan is secret"), thread("t1"), context=ALICE)
    assert found.flush()
    either(agent, say("hello"), thread("t1"), context=BOB)
    assert "secret plan" not in seen(model)
    either(agent, say("hello again"), thread("t1"), context=ALICE)
    assert "secret plan" in seen(model)
    assert found.flush()


def test_secrets_are_taken_out_before_anything_is_stored_or_sent(
    machine: Any, taught: Any, thread: Any, say: Any
) -> None:
    """A key in a message is in no row, and in no extraction; the reply itself is the agent's own business."""
    key = "sk-proj-" + "a1B2c3D4" * 5
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    agent.invoke(say(f"my name is Alice and use {key}"), thread("t1"), context=ALICE)
    assert found.flush()
    assert key not in str(model.extractions)
    with found.database.connection() as connection:
        rows = connection.execute("select content from learning_machine.message").fetchall()
    assert rows
    assert key not in str(rows)


def test_a_hook_of_your_own_redacts(machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """`redact=` is applied to what is stored and sent; `None` turns redaction off."""
    model = taught()
    found = machine(model, redact=lambda text: text.replace("Alice", "[name]"))
    agent = create_learning_agent(model, learning=found)
    agent.invoke(say("my name is Alice"), thread("t1"), context=ALICE)
    assert found.flush()
    assert "Alice" not in str(model.extractions)
    assert "Alice" not in str(found.history(**ALICE))


def test_a_slow_hook_holds_up_its_own_turn_only(machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """A redaction of your own may take its time, or ask a service: the event loop goes on meanwhile."""
    began: list[float] = []

    def slow(text: str) -> str:
        if text == "my name is Alice":
            began.append(time.monotonic())
            time.sleep(0.4)
        return text

    model = taught()
    found = machine(model, redact=slow)
    agent = create_learning_agent(model, learning=found)
    agent.invoke(say("hello"), thread("t0"), context=ALICE)

    async def both() -> list[float]:
        turn = asyncio.create_task(agent.ainvoke(say("my name is Alice"), thread("t1"), context=ALICE))
        ticks = []
        while not turn.done():
            await asyncio.sleep(0.01)
            ticks.append(time.monotonic())
        return ticks

    ticks = asyncio.run(both())
    assert sum(began[0] < tick < began[0] + 0.4 for tick in ticks) > 5
    assert found.flush()


def test_kept_until_learned_means_gone_afterwards(machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """With `keep_messages="until_learned"` no message stays once it was read, and what was learned does."""
    model = taught()
    found = machine(model, keep_messages="until_learned")
    agent = create_learning_agent(model, learning=found)
    agent.invoke(say("my name is Alice"), thread("t1"), context=ALICE)
    assert found.flush()
    with found.database.connection() as connection:
        assert connection.execute("select count(*) as n from learning_machine.message").fetchone() == {"n": 0}
    assert found.recall(**ALICE)["user_profile"].name == "Alice"
