"""The loop inside other graphs, and around agents it did not make."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import AgentState, create_agent
from langchain.agents.middleware import SummarizationMiddleware, before_model
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, SystemMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from learning_machine import Scope, create_learning_agent
from learning_machine.state.messages import spoken
from learning_machine.testing import ScriptedModel, change, extraction_request

ALICE = {"user_id": "alice"}


def learn(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A summary of what the user said last, and the user's name from "I'm …"."""
    said = [one["text"] for one in new if one["role"] == "user"]
    changes = [change("session_context", f"Last: {said[-1][:40]}", kind="summary")] if said else []
    names = [found[1] for text in said if (found := re.search(r"I'm (\w+)", text))]
    return changes + [change("user_profile", name, kind="field", name="name", quote=f"I'm {name}") for name in names]


def texts(result: Any) -> list[str]:
    return [message.text for message in result["messages"]]


def offered(model: ScriptedModel) -> list[str]:
    """The user's words put before extractions, in order."""
    asked = [extraction_request(messages) or [] for messages in model.extractions]
    return [one["text"] for new in asked for one in new if one["role"] == "user"]


@pytest.fixture
def pair(machine: Any) -> Callable[..., Any]:
    """A model that learns names and summaries, and a machine with both stores."""

    def make(answers: Any = "ok", **options: Any) -> tuple[ScriptedModel, Any]:
        model = ScriptedModel(answers=answers, learns=learn)
        return model, machine(model, user_profile=True, session_context=True, **options)

    return make


# --- around an agent --------------------------------------------------------------------------------------------------


def plain_agent(model: ScriptedModel, **options: Any) -> Any:
    """A graph of somebody's own, without create_agent."""

    def talk(state: MessagesState) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    async def atalk(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("talk", RunnableLambda(talk, atalk))
    graph.add_edge(START, "talk")
    graph.add_edge("talk", END)
    return graph.compile(**options)


MAKERS: dict[str, Callable[[ScriptedModel], Any]] = {
    "create_agent": lambda model: create_agent(model, system_prompt="Be brief."),
    "create_agent with a checkpointer": lambda model: create_agent(model, checkpointer=InMemorySaver()),
    "a plain graph": plain_agent,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_the_loop_around_a_compiled_agent(
    kind: str, pair: Any, thread: Any, say: Any, either: Callable[..., Any]
) -> None:
    """`machine.graph(agent)` gives an agent of any make its context, keeps it out of the thread, and learns."""
    model, machine = pair()
    agent = machine.builder(MAKERS[kind](model)).compile(checkpointer=InMemorySaver())
    either(agent, say("I'm Alice"), thread("t1"), context=ALICE)
    assert machine.flush()
    result = either(agent, say("Who am I?"), thread("t1"), context=ALICE)
    told = "\n".join(message.text for message in model.calls[-1] if message.type == "system")
    assert "- name: Alice" in told
    assert "Last: I'm Alice" in told
    assert texts(result) == ["I'm Alice", "ok", "Who am I?", "ok"]
    kept = agent.get_state(thread("t1")).values["messages"]
    assert [message.type for message in kept] == ["human", "ai", "human", "ai"]
    assert machine.flush()
    assert offered(model) == ["I'm Alice", "Who am I?"]


def test_tools_of_a_wrapped_agent_work(pair: Any, thread: Any, say: Any, either: Callable[..., Any]) -> None:
    """A wrapped agent's tool calls stay in the thread, in order, and are no words for extraction."""

    def look(place: str) -> str:
        """Look somewhere."""
        return f"nothing in {place}"

    call = AIMessage("Let me look.", tool_calls=[{"name": "look", "args": {"place": "Rome"}, "id": "c1"}])
    model, machine = pair([call, "Nothing there."])
    agent = machine.builder(create_agent(model, [look])).compile(checkpointer=InMemorySaver())
    result = either(agent, say("Look in Rome"), thread("t1"), context=ALICE)
    assert [message.type for message in result["messages"]] == ["human", "ai", "tool", "ai"]
    assert machine.flush()
    new = extraction_request(model.extractions[0])
    assert new is not None
    assert [one["text"] for one in new] == ["Look in Rome", "Let me look.", "Nothing there."]


def test_an_interrupt_of_the_agent_is_resumed(pair: Any, thread: Any, say: Any, door: Callable[..., Any]) -> None:
    """A tool that asks a person pauses the run; after the answer the turn ends as usual and is learned once."""

    def book(place: str) -> str:
        """Book a place."""
        return f"booked, {interrupt({'sure': place})}"

    call = AIMessage("", tool_calls=[{"name": "book", "args": {"place": "Rome"}, "id": "c1"}])
    model, machine = pair([call, "Done."])
    agent = create_learning_agent(model, [book], learning=machine)
    paused = door(agent, say("I'm Alice, book Rome"), thread("t1"), context=ALICE)
    assert paused["__interrupt__"][0].value == {"sure": "Rome"}
    result = door(agent, Command(resume="yes"), thread("t1"), context=ALICE)
    assert texts(result) == ["I'm Alice, book Rome", "", "booked, yes", "Done."]
    assert machine.flush()
    assert offered(model) == ["I'm Alice, book Rome"]
    assert machine.recall(**ALICE)["user_profile"].name == "Alice"


def test_a_graph_without_an_agent_answers_by_itself(machine: Any, say: Any, thread: Any) -> None:
    """`machine.graph()` is a plain agent on the machine's own model."""
    model = ScriptedModel(answers="Hello")
    found = machine(model)
    result = found.graph().invoke(say("hi"), thread("t1"), context=ALICE)
    assert texts(result) == ["hi", "Hello"]
    assert found.flush()


def test_breakpoints_lie_in_the_loop_or_in_the_agent(
    pair: Any, thread: Any, say: Any, either: Callable[..., Any]
) -> None:
    """`interrupt_before` takes the steps of the loop and those of the agent inside it; each resume goes on to the next."""

    def look(place: str) -> str:
        """Look somewhere."""
        return "nothing"

    call = AIMessage("", tool_calls=[{"name": "look", "args": {"place": "here"}, "id": "c1"}])
    model, machine = pair([call, "done"])
    agent = create_learning_agent(model, [look], learning=machine, interrupt_before=["agent", "tools", "store"])
    either(agent, say("I'm Alice"), thread("t1"), context=ALICE)
    assert agent.get_state(thread("t1")).next == ("agent",)
    either(agent, None, thread("t1"), context=ALICE)
    inside = agent.get_state(thread("t1"), subgraphs=True).tasks[0].state
    assert inside.next == ("tools",)
    either(agent, None, thread("t1"), context=ALICE)
    assert agent.get_state(thread("t1")).next == ("store",)
    result = either(agent, None, thread("t1"), context=ALICE)
    assert texts(result) == ["I'm Alice", "", "nothing", "done"]
    assert machine.flush()
    assert offered(model) == ["I'm Alice"]


# --- inside a graph ---------------------------------------------------------------------------------------------------


def parent_of(loop: Any, *, trim_to: int | None = None) -> Any:
    """A graph with the loop as a node, which shares only messages; after it the parent may cut the history."""

    class Parent(MessagesState):
        turns: int

    def before(state: Any) -> Any:
        return {"turns": state.get("turns", 0) + 1}

    def trim(state: Any) -> Any:
        extra = state["messages"][:-trim_to] if trim_to else []
        return {"messages": [RemoveMessage(id=message.id) for message in extra]}

    graph = StateGraph(Parent, context_schema=Scope)
    graph.add_node("before", before)
    graph.add_node("learner", loop)
    graph.add_node("trim", trim)
    graph.add_edge(START, "before")
    graph.add_edge("before", "learner")
    graph.add_edge("learner", "trim")
    graph.add_edge("trim", END)
    return graph.compile(checkpointer=InMemorySaver())


def test_embedded_it_learns_once_a_turn(pair: Any, thread: Any, say: Any, door: Callable[..., Any]) -> None:
    """As a node of a parent that shares only messages it duplicates none and offers each to learning once."""
    model, machine = pair()
    parent = parent_of(machine.graph())
    for number, text in enumerate(["I'm Alice", "two", "three"], start=1):
        result = door(parent, say(text), thread("t1"), context=ALICE)
        assert len(result["messages"]) == 2 * number
        assert result["turns"] == number
        assert machine.flush()
    assert offered(model) == ["I'm Alice", "two", "three"]
    assert "- name: Alice" in model.calls[-1][0].text
    assert "Last: two" in model.calls[-1][0].text


def test_embedded_it_survives_trimming(pair: Any, thread: Any, say: Any, either: Callable[..., Any]) -> None:
    """When the parent cuts the history to two messages, session and profile still hold, and nothing is read twice."""
    model, machine = pair()
    parent = parent_of(machine.graph(), trim_to=2)
    for text in ("I'm Alice", "two", "three", "four"):
        result = either(parent, say(text), thread("t1"), context=ALICE)
        assert machine.flush()
    assert texts(result) == ["four", "ok"]
    assert offered(model) == ["I'm Alice", "two", "three", "four"]
    assert "- name: Alice" in model.calls[-1][0].text
    assert "Last: three" in model.calls[-1][0].text


def test_embedded_it_survives_being_cut_to_nothing(
    pair: Any, thread: Any, say: Any, either: Callable[..., Any]
) -> None:
    """When the parent keeps no messages at all between turns, the session goes on all the same."""
    model, machine = pair()
    parent = parent_of(machine.graph())
    either(parent, say("I'm Alice"), thread("t1"), context=ALICE)
    assert machine.flush()
    kept = parent.get_state(thread("t1")).values["messages"]
    parent.update_state(thread("t1"), {"messages": [RemoveMessage(id=one.id) for one in kept]}, as_node="trim")
    either(parent, say("two"), thread("t1"), context=ALICE)
    assert "- name: Alice" in model.calls[-1][0].text
    assert "Last: I'm Alice" in model.calls[-1][0].text
    assert machine.flush()


def test_embedded_a_fork_of_the_parent_is_followed(
    pair: Any, thread: Any, say: Any, either: Callable[..., Any]
) -> None:
    """A fork of the parent's thread sees the session as it was there."""
    model, machine = pair()
    parent = parent_of(machine.graph())
    either(parent, say("one"), thread("t1"), context=ALICE)
    assert machine.flush()
    early = parent.get_state(thread("t1")).config
    either(parent, say("two"), thread("t1"), context=ALICE)
    assert machine.flush()
    either(parent, say("fork"), early, context=ALICE)
    assert "Last: one" in model.calls[-1][0].text
    assert machine.flush()
    either(parent, say("on"), thread("t1"), context=ALICE)
    assert "Last: fork" in model.calls[-1][0].text
    assert machine.flush()


def test_a_parent_decides_what_streams(pair: Any, thread: Any, say: Any) -> None:
    """Inside a parent the loop's tokens stream with `subgraphs=True` and not without, as for any subgraph."""
    _, machine = pair("one two")
    parent = parent_of(machine.graph())
    options: Any = {"context": ALICE, "stream_mode": "messages"}
    plain = list(parent.stream(say("hello"), thread("t1"), **options))
    assert [chunk.text for chunk, _ in plain] == ["one two"]
    nested = list(parent.stream(say("hello"), thread("t1"), **options, subgraphs=True))
    assert [chunk.text for _, (chunk, _) in nested if chunk.text] == ["one", " two"]
    assert machine.flush()


def test_two_loops_in_one_parent_keep_to_themselves(machine: Any, thread: Any, say: Any) -> None:
    """Two machines in one graph each learn the turn for themselves."""
    one, two = ScriptedModel(learns=learn), ScriptedModel(learns=learn)
    first, second = machine(one, name="first"), machine(two, name="second")
    graph = StateGraph(MessagesState, context_schema=Scope)
    graph.add_node("one", first.graph())
    graph.add_node("two", second.graph())
    graph.add_edge(START, "one")
    graph.add_edge("one", "two")
    graph.add_edge("two", END)
    result = graph.compile().invoke(say("I'm Alice"), thread("t1"), context=ALICE)
    assert texts(result) == ["I'm Alice", "ok", "ok"]
    assert first.flush()
    assert second.flush()
    assert (len(one.extractions), len(two.extractions)) == (1, 1)


# --- a history that is cut --------------------------------------------------------------------------------------------


def test_summarization_keeps_session_and_profile(pair: Any, thread: Any, say: Any, door: Callable[..., Any]) -> None:
    """With langchain's SummarizationMiddleware old messages go, what they taught stays, and its summary is not learned from."""
    model, machine = pair()
    summarizer = ScriptedModel(answers="They talked.")
    cut = SummarizationMiddleware(summarizer, trigger=("messages", 4), keep=("messages", 2))
    agent = create_learning_agent(model, learning=machine, middleware=[cut])
    said = ["I'm Alice", "two", "three", "four", "five"]
    for text in said:
        result = door(agent, say(text), thread("t1"), context=ALICE)
        assert machine.flush()
    assert len(summarizer.calls) >= 1
    assert len(result["messages"]) < 2 * len(said)
    assert "- name: Alice" in model.calls[-1][0].text
    assert "Last: four" in model.calls[-1][0].text
    assert offered(model) == said


def test_a_summarized_thread_can_be_forked(pair: Any, thread: Any, say: Any, either: Callable[..., Any]) -> None:
    """After summarization a fork from before it still sees the session as it was there."""
    model, machine = pair()
    cut = SummarizationMiddleware(ScriptedModel(answers="They talked."), trigger=("messages", 4), keep=("messages", 2))
    agent = create_learning_agent(model, learning=machine, middleware=[cut])
    marks = []
    for text in ("one", "two", "three", "four"):
        either(agent, say(text), thread("t1"), context=ALICE)
        assert machine.flush()
        marks.append(agent.get_state(thread("t1")).config)
    either(agent, say("fork"), marks[1], context=ALICE)
    assert "Last: two" in model.calls[-1][0].text
    assert machine.flush()
    either(agent, say("back"), marks[3], context=ALICE)
    assert "Last: four" in model.calls[-1][0].text
    assert machine.flush()


# --- what passes through ----------------------------------------------------------------------------------------------


def test_a_structured_response_passes_through(pair: Any, thread: Any, say: Any, either: Callable[..., Any]) -> None:
    """`response_format` works as in create_agent: the result has a `structured_response`."""

    class City(BaseModel):
        """A city."""

        name: str

    model, machine = pair([AIMessage("", tool_calls=[{"name": "City", "args": {"name": "Lisbon"}, "id": "c1"}])])
    agent = create_learning_agent(model, learning=machine, response_format=City)
    result = either(agent, say("Which city?"), thread("t1"), context=ALICE)
    assert result["structured_response"] == City(name="Lisbon")
    assert machine.flush()


def test_state_tools_middleware_and_name_pass_through(
    pair: Any, thread: Any, say: Any, either: Callable[..., Any]
) -> None:
    """Own state keys, tools, middleware, a system prompt and a name do what they do in create_agent."""

    class Mine(AgentState[Any]):
        visits: int

    @before_model(state_schema=Mine)  # type: ignore[arg-type]
    def counted(state: Any, runtime: Any) -> Any:
        return {"visits": state.get("visits", 0) + 1}

    def look(place: str) -> str:
        """Look somewhere."""
        return "nothing"

    call = AIMessage("", tool_calls=[{"name": "look", "args": {"place": "here"}, "id": "c1"}])
    model, machine = pair([call, "done"])
    agent = create_learning_agent(
        model,
        [look],
        learning=machine,
        state_schema=Mine,
        middleware=[counted],
        name="scout",
        system_prompt=SystemMessage("You are a scout."),
    )
    assert agent.name == "scout"
    assert "visits" in agent.get_input_jsonschema()["properties"]
    result = either(agent, say("look", visits=5), thread("t1"), context=ALICE)
    assert result["visits"] == 7
    assert model.calls[0][0].text.startswith("You are a scout.")
    assert [message.name for message in result["messages"] if message.type == "ai"] == ["scout", "scout"]
    assert machine.flush()


def test_a_context_schema_of_your_own_is_read(machine: Any, thread: Any, say: Any, seen: Any) -> None:
    """With `context_schema=` an agent's own context says who speaks, and reaches the agent's tools."""

    @dataclass
    class Mine:
        user_id: str
        tenant: str = "acme"

    model = ScriptedModel(learns=learn)
    found = machine(model)
    agent = create_learning_agent(model, learning=found, context_schema=Mine)
    agent.invoke(say("I'm Alice"), thread("t1"), context=Mine(user_id="alice"))
    assert found.flush()
    agent.invoke(say("Who am I?"), thread("t2"), context=Mine(user_id="alice"))
    assert "- name: Alice" in seen(model)


def test_human_messages_of_middleware_are_not_the_users() -> None:
    """A message that a middleware wrote in the user's place is marked by langchain and is not taken for the user's."""
    written = HumanMessage("Here is a summary", additional_kwargs={"lc_source": "summarization"})
    assert [one.content for one in spoken([written, HumanMessage("hello")])] == ["hello"]
