"""`recall_node()` and `learn_node()` in somebody's graph, and what a LangGraph without its private names would do."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from typing import Annotated, Any

import embedding_scenes as scenes
import pytest
from embeddings import Asking, by_hand, chain, talking_node
from in_process import say, thread
from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk, HumanMessage, RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command
from typing_extensions import TypedDict

from learning_machine import LearningMachine, LearningMode, Scope, UserProfileConfig, create_learning_agent
from learning_machine.nodes import agent as agent_node

ALICE = {"user_id": "alice"}
Machines = Callable[..., LearningMachine]


def told(model: Any) -> str:
    return scenes.told(model.calls[-1])


def test_a_node_that_names_no_key_recalls_itself(machine: Machines, asynchronous: bool) -> None:
    """`with_context` also serves a node that sees only messages: it recalls there."""
    model = scenes.model()
    found = machine(model, user_profile=True)
    found.process([{"role": "user", "content": "I'm Alice"}], **ALICE)

    def talk(state: MessagesState) -> Any:
        return {"messages": [model.invoke(found.with_context(state))]}

    async def atalk(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(await found.awith_context(state))]}

    graph = chain(("talk", atalk if asynchronous else talk), ("learn", found.learn_node()))
    if asynchronous:
        result = asyncio.run(graph.ainvoke(say("Who am I?"), thread(), context=ALICE))
    else:
        result = graph.invoke(say("Who am I?"), thread(), context=ALICE)
    assert result["messages"][-1].text == "name Alice last ?"
    assert found.flush()
    assert len(model.extractions) == 2


def test_what_an_agent_was_lent_is_taken_back(machine: Machines) -> None:
    """An agent that gives back all it was given leaves no context in the thread, and nothing of it is learned from."""
    model = scenes.model()
    found = machine(model, user_profile=True, learned_knowledge=True)
    found.process([{"role": "user", "content": "I'm Alice"}], **ALICE)
    inner = create_agent(model)

    def talk(state: Asking) -> Any:
        return inner.invoke({"messages": found.with_context(state)})

    steps = ("recall", found.recall_node()), ("talk", talk), ("learn", found.learn_node())
    graph = chain(*steps, checkpointer=InMemorySaver())
    for text in ("Who am I?", "Again?"):
        result = graph.invoke(say(text), thread(), context=ALICE)
        assert found.flush()
    assert [one.type for one in result["messages"]] == ["human", "ai"] * 2
    assert result["messages"][-1].text == "name Alice last ?"
    said = [one["text"] for asked in model.extractions for one in scenes.new_in(asked)]
    assert not any("learnings>" in one for one in said)
    assert said.count("Again?") == 1


def test_a_history_that_is_cut(machine: Machines) -> None:
    """When the graph keeps two messages, session and profile still hold, forks find their place, and nothing is read twice."""
    model = scenes.model()
    found = machine(model, user_profile=True, session_context=True, conversation=False)

    def trim(state: MessagesState) -> Any:
        return {"messages": [RemoveMessage(id=str(one.id)) for one in state["messages"][:-2]]}

    steps = ("recall", found.recall_node()), ("talk", talking_node(found)), ("learn", found.learn_node())
    graph = chain(*steps, ("trim", trim), checkpointer=InMemorySaver())
    marks = []
    for text in ("I'm Alice", "two", "three", "four"):
        result = graph.invoke(say(text), thread(), context=ALICE)
        assert found.flush()
        marks.append(graph.get_state(thread()).config)
    assert [one.text for one in result["messages"]] == ["four", "name Alice last three"]
    said = [one["text"] for asked in model.extractions for one in scenes.new_in(asked) if one["role"] == "user"]
    assert said == ["I'm Alice", "two", "three", "four"]
    assert graph.invoke(say("fork"), marks[1], context=ALICE)["messages"][-1].text == "name Alice last two"
    assert found.flush()


def test_two_machines(machine: Machines) -> None:
    """Two machines in one graph keep to themselves: each has keys of its own."""
    first, second = machine(scenes.model(), name="first"), machine(scenes.model(), name="second")

    class Both(Asking):
        learning_context_first: dict[str, Any]
        learning_context_second: dict[str, Any]

    def talk(state: Both) -> Any:
        texts = [scenes.told(one.with_context(state)) for one in (first, second)]
        return {"messages": [("ai", " ".join(str(text.count("- name: Alice")) for text in texts))]}

    graph = chain(
        ("one", first.recall_node()),
        ("two", second.recall_node()),
        ("talk", talk),
        ("three", first.learn_node()),
        ("four", second.learn_node()),
    )
    for name, reply in (("t1", "0 0"), ("t2", "1 1")):
        result = graph.invoke(say("I'm Alice"), thread(name), context=ALICE)
        assert result["messages"][-1].text == reply
        assert first.flush()
        assert second.flush()


def test_other_reducers_and_other_keys(machine: Machines) -> None:
    """The graph keeps its messages as it likes, and keys of its own."""
    found = machine(scenes.model())

    class Mine(TypedDict):
        messages: Annotated[list[Any], operator.add]
        visits: int

    def talk(state: Mine) -> Any:
        return {"messages": [found.model.invoke(found.with_context(state))], "visits": state["visits"] + 1}

    graph = StateGraph(Mine, context_schema=Scope)
    graph.add_node("recall", found.recall_node())
    graph.add_node("talk", talk)
    graph.add_node("learn", found.learn_node())
    for one, other in ((START, "recall"), ("recall", "talk"), ("talk", "learn"), ("learn", END)):
        graph.add_edge(one, other)
    given: Any = {"messages": [HumanMessage("I'm Alice")], "visits": 1}
    result = graph.compile().invoke(given, thread(), context=ALICE)
    assert (result["visits"], len(result["messages"])) == (2, 2)
    assert found.flush()
    assert found.recall(**ALICE)["user_profile"].name == "Alice"


def test_the_question_lies_where_people_look(machine: Machines) -> None:
    """A proposal waits in a graph inside the node, which drawings show and whose state can be read; events pass through."""
    found = machine(scenes.model(), user_profile=UserProfileConfig(mode=LearningMode.PROPOSE))
    graph = by_hand(found, InMemorySaver())
    options: Any = {"context": ALICE, "stream_mode": "custom"}
    told = [one["event"] for one in graph.stream(say("I'm Alice"), thread(), **options)]
    assert told == ["recalled", "saved", "proposed"]
    state = graph.get_state(thread(), subgraphs=True)
    assert state.next == ("learn",)
    assert state.tasks[0].state.next == ("approve",)
    assert state.tasks[0].state.values["learning"]["shown"]
    assert "learn:approve" in graph.get_graph(xray=True).nodes
    assert [one["event"] for one in graph.stream(Command(resume=scenes.APPROVED), thread(), **options)] == ["saved"]


# --- without LangGraph's private names --------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", ["nothing", "_STREAM", "_HEARS", "silent_stream", "all"])
def test_a_langgraph_without_these_names(machine: Machines, monkeypatch: pytest.MonkeyPatch, gone: str) -> None:
    """Without the names that pass tokens on, agents answer and learn all the same; with `subgraphs=True` tokens stream."""
    other = {"_STREAM": "__other", "_HEARS": "other", "silent_stream": lambda: None}
    for name, value in other.items():
        if gone in (name, "all"):
            monkeypatch.setattr(agent_node, name, value)
    found = machine(scenes.model(), user_profile=True)
    agent = create_learning_agent(found.model, learning=found, checkpointer=InMemorySaver())
    options: Any = {"context": ALICE, "stream_mode": "messages"}
    plain = [one[0] for one in agent.stream(say("I'm Alice"), thread(), **options)]
    tokens = ["name", " ?", " last", " ?"]
    assert "".join(one.text for one in plain) == "".join(tokens)
    if gone == "nothing":
        assert [one.text for one in plain if isinstance(one, AIMessageChunk) and one.text] == tokens
    nested = [one[1][0] for one in agent.stream(say("Go on"), thread("t2"), **options, subgraphs=True)]
    assert [one.text for one in nested if isinstance(one, AIMessageChunk) and one.text] == tokens
    assert found.flush()
    assert found.recall(**ALICE)["user_profile"].name == "Alice"
