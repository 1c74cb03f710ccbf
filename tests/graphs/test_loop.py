"""The loop, end to end: what one conversation teaches, the next one knows."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.config import get_stream_writer

from learning_machine import LearningMachine, Scope, create_learning_agent

#: A thousand characters that nothing can shorten.
LONG = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(16))[:1_000]
NODES = ["recall", "build_context", "agent", "extract", "approve", "store"]


def test_what_one_thread_taught_the_next_one_knows(
    url: str, taught: Any, thread: Any, say: Any, seen: Any, door: Callable[..., Any]
) -> None:
    """With `learning=True` the system message of a new thread holds what the user said in an earlier one."""
    model = taught()
    agent = create_learning_agent(model, db=url, learning=True, system_prompt="Be brief.")
    with LearningMachine.of(agent) as machine:
        first = door(agent, say("Hi, my name is Alice."), thread("t1"), context=Scope(user_id="alice"))
        assert first["messages"][-1].text == "ok"
        assert "Alice" not in seen(model)
        assert machine.flush()
        door(agent, say("Who am I?"), thread("t2"), context=Scope(user_id="alice"))
    assert seen(model).startswith("Be brief.")
    assert "- name: Alice [k1]" in seen(model)
    assert len([message for message in model.calls[-1] if message.type == "system"]) == 1


def test_nobody_else_knows(url: str, taught: Any, thread: Any, say: Any, seen: Any, door: Callable[..., Any]) -> None:
    """Another user's turn, and a turn of nobody, see nothing of what a user taught."""
    model = taught()
    agent = create_learning_agent(model, db=url)
    with LearningMachine.of(agent) as machine:
        door(agent, say("my name is Alice"), thread("t1"), context={"user_id": "alice"})
        assert machine.flush()
        door(agent, say("Who am I?"), thread("t2"), context={"user_id": "bob"})
        assert "Alice" not in seen(model)
        door(agent, say("Who am I?"), thread("t3"))
        assert "Alice" not in seen(model)
        assert machine.recall(user_id="bob") == {}


def test_without_a_user_the_session_still_learns(
    machine: Any, taught: Any, thread: Any, say: Any, seen: Any, door: Callable[..., Any]
) -> None:
    """A turn without a user is answered, leaves no profile, and keeps the session context in a space of its thread."""
    learned = [
        {"action": "add", "store": "user_profile", "kind": "field", "name": "name", "value": "Alice"},
        {"action": "add", "store": "session_context", "kind": "summary", "value": "Talk about apples."},
    ]
    model = taught(learns=lambda new: learned)
    found = machine(model, user_profile=True, session_context=True)
    agent = create_learning_agent(model, learning=found)
    assert door(agent, say("my name is Alice"), thread("t1"))["messages"][-1].text == "ok"
    assert found.flush()
    door(agent, say("go on"), thread("t1"))
    assert "Talk about apples." in seen(model)
    assert "Alice" not in seen(model)
    door(agent, say("go on"), thread("t2"))
    assert "apples" not in seen(model)
    assert found.recall(session_id="t1")["session_context"].summary == "Talk about apples."
    assert found.flush()


@pytest.mark.parametrize(
    "user",
    ["alice@example.com", LONG, "user:alice/../x", "Ünï cødé 名前 🙂", "%_'\"\\{};--", " spaced ", "42", "null"],
    ids=["email", "long", "separators", "unicode", "sql", "spaces", "digits", "null"],
)
def test_any_string_is_a_user_id(machine: Any, taught: Any, user: str, thread: Any, say: Any, seen: Any) -> None:
    """A user id may be any string, and is nobody else's; so may a thread's."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    agent.invoke(say("my name is Zoë"), thread(user), context={"user_id": user})
    assert found.flush()
    agent.invoke(say("Who am I?"), thread("t2"), context={"user_id": user})
    assert "- name: Zoë" in seen(model)
    agent.invoke(say("Who am I?"), thread("t3"), context={"user_id": user[:-1] + "y"})
    assert "Zoë" not in seen(model)
    assert found.recall(user_id=user)["user_profile"].user_id == user


def test_a_user_in_configurable_counts_too(machine: Any, taught: Any, thread: Any, say: Any, seen: Any) -> None:
    """`configurable={"user_id": …}`, the older place, says who speaks, unless the context says otherwise."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    agent.invoke(say("my name is Alice"), thread("t1", user_id="alice"))
    assert found.flush()
    agent.invoke(say("Who am I?"), thread("t2", user_id="alice"))
    assert "Alice" in seen(model)
    agent.invoke(say("Who am I?"), thread("t3", user_id="alice"), context={"user_id": "bob"})
    assert "Alice" not in seen(model)


# --- streams ----------------------------------------------------------------------------------------------------------


def streamed(agent: Any, given: Any, config: Any, door: str, **more: Any) -> list[Any]:
    """What the agent streams, through one of the doors; its messages unless `stream_mode` says otherwise."""
    options = {"context": {"user_id": "alice"}, "stream_mode": "messages", **more}
    if door == "stream":
        return list(agent.stream(given, config, **options))

    async def collect() -> list[Any]:
        return [one async for one in agent.astream(given, config, **options)]

    return asyncio.run(collect())


@pytest.mark.parametrize("door", ["stream", "astream"])
def test_tokens_stream_as_without_the_loop(door: str, machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """`stream_mode="messages"` gives the agent's answer token by token, once, and nothing that learning says."""
    model = taught("one two three")
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    for number in range(2):
        chunks = streamed(agent, say(f"my name is Alice{number}"), thread("t1"), door)
        assert [chunk.text for chunk, _ in chunks if chunk.text] == ["one", " two", " three"]
        assert {about["langgraph_node"] for _, about in chunks} == {"model"}
        assert found.flush()
    nested = streamed(agent, say("again"), thread("t1"), door, subgraphs=True)
    assert [chunk.text for _, (chunk, _) in nested if chunk.text] == ["one", " two", " three"]


@pytest.mark.parametrize("door", ["stream", "astream"])
def test_updates_follow_the_drawing(door: str, machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """`stream_mode="updates"` names the six steps in their order."""
    model = taught()
    agent = create_learning_agent(model, learning=machine(model))
    updates = streamed(agent, say("hello"), thread("t1"), door, stream_mode="updates")
    assert [name for update in updates for name in update] == NODES


def test_events_show_one_model_call(machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """`astream_events` of a turn shows the agent's model call and no other, also while a worker extracts."""
    model = taught("one two")
    found = machine(model)
    agent = create_learning_agent(model, learning=found)

    async def collect() -> list[Any]:
        options: Any = {"context": {"user_id": "alice"}, "version": "v2"}
        return [event async for event in agent.astream_events(say("my name is Alice"), thread("t1"), **options)]

    for _ in range(2):
        events = asyncio.run(collect())
        assert len([event for event in events if event["event"] == "on_chat_model_start"]) == 1
        text = "".join(event["data"]["chunk"].text for event in events if event["event"] == "on_chat_model_stream")
        assert text == "one two"
        assert found.flush()


def test_a_tool_reports_through_the_custom_stream(machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """What a tool of the agent writes to the stream arrives with `stream_mode="custom"`."""

    def look(place: str) -> str:
        """Look somewhere."""
        get_stream_writer()({"looking": place})
        return "nothing"

    call = AIMessage("", tool_calls=[{"name": "look", "args": {"place": "here"}, "id": "c1"}])
    model = taught([call, "done"])
    agent = create_learning_agent(model, [look], learning=machine(model))
    given = streamed(agent, say("look"), thread("t1"), "stream", stream_mode="custom")
    assert [one for one in given if one.get("type") != "learning"] == [{"looking": "here"}]


# --- what the graph shows of itself -----------------------------------------------------------------------------------


def test_the_graph_draws_the_loop(machine: Any, taught: Any) -> None:
    """`get_graph()` draws recall → build_context → agent → extract → approve → store."""
    agent = create_learning_agent(taught(), learning=machine())
    drawn = agent.get_graph()
    steps = [(edge.source, edge.target) for edge in drawn.edges]
    assert set(drawn.nodes) == {"__start__", *NODES, "__end__"}
    assert sorted(steps) == sorted(zip(["__start__", *NODES], [*NODES, "__end__"], strict=True))


def test_the_schemas_are_tidy(machine: Any, taught: Any) -> None:
    """A caller is asked for messages alone, gets messages and `learning`, and may say whose turn it is."""
    agent = create_learning_agent(taught(), learning=machine())
    assert list(agent.get_input_jsonschema()["properties"]) == ["messages"]
    assert agent.get_input_jsonschema()["required"] == ["messages"]
    assert set(agent.get_output_jsonschema()["properties"]) == {"messages", "structured_response", "learning"}
    context = agent.get_context_jsonschema()
    assert {"user_id", "groups", "learn"} <= set(context["properties"])
    assert all("description" in field for field in context["properties"].values())
    json.dumps([agent.get_input_jsonschema(), agent.get_output_jsonschema(), context])


def test_the_result_tells_what_happened(
    machine: Any, taught: Any, thread: Any, say: Any, door: Callable[..., Any]
) -> None:
    """The result's `learning` says, in plain JSON, what was recalled, what the model read, and which turn was recorded."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    first = door(agent, say("my name is Alice"), thread("t1"), context={"user_id": "alice"})["learning"]
    assert found.flush()
    second = door(agent, say("hello"), thread("t2"), context={"user_id": "alice"})["learning"]
    assert json.loads(json.dumps(second)) == second
    assert second["recalled"] == {"user_profile": ["k1"]}
    assert "- name: Alice [k1]" in second["context"]
    became = found.learned(first["turn"])
    assert became["status"] == "learned"
    assert [(one["handle"], one["text"]) for one in became["changes"]] == [("k1", "Alice")]
    assert found.learned("00000000-0000-0000-0000-000000000000")["status"] == "unknown"
    assert found.flush()
