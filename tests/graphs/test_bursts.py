"""Many turns at once: every message is recorded, and read by exactly one extraction."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from learning_machine import create_learning_agent
from learning_machine.testing import ScriptedModel, extraction_request

ALICE = {"user_id": "alice"}


def read_in(model: ScriptedModel) -> Counter[str]:
    """How often each user message was put before an extraction."""
    asked = [extraction_request(messages) or [] for messages in model.extractions]
    return Counter(one["text"] for new in asked for one in new if one["role"] == "user")


def recorded(machine: Any) -> list[str]:
    """The user messages in the database, sorted."""
    with machine.database.connection() as connection:
        rows = connection.execute("select content from learning_machine.message where role = 'user'").fetchall()
    return sorted(row["content"] for row in rows)


def test_ten_quick_turns_are_read_in_a_few_calls(
    machine: Any, taught: Any, thread: Any, say: Any, door: Callable[..., Any]
) -> None:
    """Ten turns of one thread in a burst: ten recorded, one to three extractions, each message in exactly one."""
    model = taught()
    found = machine(model, background="external")
    agent = create_learning_agent(model, learning=found)
    texts = [f"my wish{number} is w{number}" for number in range(10)]
    for text in texts:
        door(agent, say(text), thread("t1"), context=ALICE)
    found.background = "worker"
    assert found.flush()
    assert recorded(found) == sorted(texts)
    assert read_in(model) == Counter(texts)
    assert 1 <= len(model.extractions) <= 3
    observed = found.recall(**ALICE)["user_profile"].observations
    assert sorted(observed) == [f"wish{number}: w{number}" for number in range(10)]


def test_a_burst_under_a_running_worker_loses_nothing(machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """The same while the worker reads already: nothing is lost and nothing is read twice."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    texts = [f"my wish{number} is w{number}" for number in range(10)]
    for text in texts:
        agent.invoke(say(text), thread("t1"), context=ALICE)
    assert found.flush()
    assert read_in(model) == Counter(texts)
    assert len(model.extractions) < 10
    assert len(found.recall(**ALICE)["user_profile"].observations) == 10


def test_each_extraction_sees_the_final_answers(machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """A batch holds what the user and the assistant said, in order, the last answer included."""
    model = taught(["first answer", "second answer"])
    found = machine(model, background="external")
    agent = create_learning_agent(model, learning=found)
    agent.invoke(say("one"), thread("t1"), context=ALICE)
    agent.invoke(say("two"), thread("t1"), context=ALICE)
    found.background = "worker"
    assert found.flush()
    new = extraction_request(model.extractions[0])
    assert new is not None
    assert [(one["role"], one["text"]) for one in new] == [
        ("user", "one"),
        ("assistant", "first answer"),
        ("user", "two"),
        ("assistant", "second answer"),
    ]


def test_what_was_read_is_not_read_again(machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """The next batch of a thread begins after the last, and is shown what is known by handle."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    agent.invoke(say("my name is Alice"), thread("t1"), context=ALICE)
    assert found.flush()
    agent.invoke(say("my role is engineer"), thread("t1"), context=ALICE)
    assert found.flush()
    second = model.extractions[1][-1].text
    known, _, new = second.partition("New messages:")
    assert "my name is Alice" not in new
    entry = json.loads(re.findall(r"^\{.*\}$", known, re.MULTILINE)[0])
    assert entry["value"] == "Alice"
    assert entry["handle"] == "k1"


def test_nothing_that_recall_put_there_is_read(machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """The context block, system prompts and tool noise are not among the new messages of an extraction."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found, system_prompt="You are Marvin.")
    agent.invoke(say("my name is Alice"), thread("t1"), context=ALICE)
    assert found.flush()
    agent.invoke(say("Who am I?"), thread("t2"), context=ALICE)
    assert found.flush()
    assert "<learnings>" in model.calls[-1][0].text
    for messages in model.extractions:
        assert "<learnings>" not in messages[-1].text
        assert "Marvin" not in messages[-1].text


# --- at the same time -------------------------------------------------------------------------------------------------


def test_ten_at_once_on_ten_threads(machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """Ten concurrent `ainvoke` on ten threads are all answered, recorded and learned, each for its own user."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found)

    async def all_at_once() -> list[Any]:
        turns = (
            agent.ainvoke(say(f"my name is User{n}"), thread(f"t{n}"), context={"user_id": f"u{n}"}) for n in range(10)
        )
        return await asyncio.gather(*turns)

    assert [result["messages"][-1].text for result in asyncio.run(all_at_once())] == ["ok"] * 10
    assert found.flush()
    assert [found.recall(user_id=f"u{n}")["user_profile"].name for n in range(10)] == [f"User{n}" for n in range(10)]
    assert found.usage.failures == {}


def test_ten_at_once_on_one_thread(machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """Ten concurrent `ainvoke` on one thread: all answered, and whatever was recorded is read exactly once."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found)

    async def all_at_once() -> list[Any]:
        turns = (agent.ainvoke(say(f"my wish{n} is w{n}"), thread("t1"), context=ALICE) for n in range(10))
        return await asyncio.gather(*turns)

    assert len(asyncio.run(all_at_once())) == 10
    assert found.flush()
    texts = {f"my wish{n} is w{n}" for n in range(10)}
    assert set(recorded(found)) == texts
    assert read_in(model) == Counter(texts)
    assert len(found.recall(**ALICE)["user_profile"].observations) == 10
    assert found.usage.failures == {}


def test_ten_at_once_without_a_checkpointer(machine: Any, taught: Any, say: Any, thread: Any) -> None:
    """Ten threads of the program invoking at once, without any checkpointer, lose nothing either."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found, checkpointer=None)

    def turn(number: int) -> Any:
        return agent.invoke(say(f"my wish{number} is w{number}"), thread("t1"), context=ALICE)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(turn, range(10)))
    assert found.flush()
    assert read_in(model) == Counter(f"my wish{n} is w{n}" for n in range(10))
    assert found.usage.failures == {}
