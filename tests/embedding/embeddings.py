"""The ways to put the loop to use, each as a graph to talk to, and the graph it would be without the loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import StructuredTool
from langgraph.graph import END, START, MessagesState, StateGraph

from learning_machine import LearningMachine, LearningMiddleware, Scope, create_learning_agent
from learning_machine.testing import ScriptedModel


@dataclass(frozen=True)
class Embedding:
    """How a graph with the loop is made, what it would be without, and how its tokens are heard.

    `gives`: what it gives more than without.
    """

    made: Callable[[LearningMachine, Any], Any]
    without: Callable[[LearningMachine], Any]
    subgraphs: bool = False
    gives: tuple[str, ...] = ()


def chat(machine: LearningMachine) -> Any:
    return create_agent(machine.model, context_schema=Scope)


def chain(*steps: tuple[str, Any], checkpointer: Any = None) -> Any:
    """A graph of steps one after the other, which shares only messages."""
    graph = StateGraph(MessagesState, context_schema=Scope)
    names = [START, *(name for name, _ in steps), END]
    for name, step in steps:
        graph.add_node(name, step)
    for one, other in pairwise(names):
        graph.add_edge(one, other)
    return graph.compile(checkpointer=checkpointer)


# --- the halves by hand -----------------------------------------------------------------------------------------------


class Asking(MessagesState):
    """What a hand-written model step reads."""

    learning_context: dict[str, Any]


def talking_node(machine: LearningMachine) -> Any:
    class Talk(RunnableLambda[Any, Any]):
        def __call__(self, state: Asking) -> Any:
            return self.invoke(state)

    def talk(state: Any) -> Any:
        return {"messages": [machine.model.invoke(machine.with_context(state))]}

    async def atalk(state: Any) -> Any:
        return {"messages": [await machine.model.ainvoke(await machine.awith_context(state))]}

    return Talk(talk, atalk)


def by_hand(machine: LearningMachine, checkpointer: Any) -> Any:
    return chain(
        ("recall", machine.recall_node()),
        ("talk", talking_node(machine)),
        ("learn", machine.learn_node()),
        checkpointer=checkpointer,
    )


# --- a subagent -------------------------------------------------------------------------------------------------------


def delegating(messages: list[BaseMessage]) -> Any:
    """A model that hands every question to its subagent, and says what that said."""
    if messages[-1].type == "tool":
        return messages[-1].text
    return AIMessage("", tool_calls=[{"name": "delegate", "args": {"task": messages[-1].text}, "id": "c1"}])


def with_subagent(subagent: Any, checkpointer: Any = None, answers: Any = delegating) -> Any:
    """An agent whose one tool is another agent."""

    def given(task: str) -> Any:
        return {"messages": [{"role": "user", "content": task}]}

    def delegate(task: str) -> str:
        """Hand a task over."""
        return str(subagent.invoke(given(task))["messages"][-1].text)

    async def adelegate(task: str) -> str:
        return str((await subagent.ainvoke(given(task)))["messages"][-1].text)

    tool = StructuredTool.from_function(delegate, adelegate)
    return create_agent(ScriptedModel(answers=answers), [tool], context_schema=Scope, checkpointer=checkpointer)


def learner(machine: LearningMachine, checkpointer: Any = None) -> Any:
    """An agent that somebody had already, with three lines more."""
    middleware = [LearningMiddleware(machine)]
    return create_agent(machine.model, middleware=middleware, context_schema=Scope, checkpointer=checkpointer)


EMBEDDINGS = {
    "own": Embedding(
        lambda machine, saver: create_learning_agent(machine.model, learning=machine, checkpointer=saver),
        chat,
        gives=("learning",),
    ),
    "graph": Embedding(
        lambda machine, saver: machine.builder(chat(machine)).compile(checkpointer=saver), chat, gives=("learning",)
    ),
    "node": Embedding(
        lambda machine, saver: chain(("learner", machine.graph(chat(machine))), checkpointer=saver),
        lambda machine: chain(("learner", chat(machine))),
        subgraphs=True,
    ),
    "hand": Embedding(by_hand, lambda machine: chain(("talk", talking_node(machine)))),
    "middleware": Embedding(learner, chat),
    "subagent": Embedding(
        lambda machine, saver: with_subagent(learner(machine), saver),
        lambda machine: with_subagent(chat(machine)),
    ),
}
