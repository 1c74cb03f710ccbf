"""The loop: recall → build_context → agent → extract → approve → store."""

from __future__ import annotations

from typing import Any, get_type_hints

from langchain_core.runnables import Runnable
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict  # pydantic reads the schemas of no other before Python 3.12

from learning_machine.nodes.agent import agent_node
from learning_machine.nodes.approve import approve, approve_node
from learning_machine.nodes.build_context import build_context_node
from learning_machine.nodes.extract import extract_node
from learning_machine.nodes.inline import inline_node
from learning_machine.nodes.parts import Parts
from learning_machine.nodes.recall import recall_node
from learning_machine.nodes.store import store_node, write_node
from learning_machine.state.loop import (
    LearningInput,
    LearningOutput,
    LearningState,
    LearnInput,
    LearnOutput,
    LearnState,
)
from learning_machine.state.scope import Scope

#: The loop, step by step.
STEPS = ("recall", "build_context", "agent", "extract", "approve", "store")


def learning_graph(
    parts: Parts,
    agent: Runnable[Any, Any],
    *,
    reads_context: bool = False,
    context_schema: Any = Scope,
    passes_on: bool = True,
) -> StateGraph[Any, Any, Any, Any]:
    """The loop around an agent with `messages`. What else the agent takes and gives is taken and given too.

    `passes_on=False`: the agent is a plain one, so there is nothing else.
    """
    shared = agent if passes_on else None
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(
        _with(LearningState, shared, "input_schema", "output_schema"),
        context_schema=context_schema,
        input_schema=_with(LearningInput, shared, "input_schema"),
        output_schema=_with(LearningOutput, shared, "output_schema"),
    )
    graph.add_node("recall", recall_node(parts))
    graph.add_node("build_context", build_context_node(parts))
    graph.add_node("agent", agent_node(agent, reads_context=reads_context))
    graph.add_node("extract", inline_node(parts))
    graph.add_node("approve", approve_node(parts))
    graph.add_node("store", store_node(parts, asks_again="approve"))
    graph.add_edge(START, "recall")
    graph.add_edge("recall", "build_context")
    graph.add_edge("build_context", "agent")
    graph.add_edge("agent", "extract")
    graph.add_edge("extract", "approve")
    graph.add_edge("approve", "store")
    graph.add_edge("store", END)
    return graph


def learn_graph(parts: Parts) -> StateGraph[Any, Any, Any, Any]:
    """The loop's second half, as a worker runs it: extract → approve → store."""
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(LearnState, input_schema=LearnInput, output_schema=LearnOutput)
    graph.add_node("extract", extract_node(parts))
    graph.add_node("approve", approve)
    graph.add_node("store", write_node(parts))
    graph.add_edge(START, "extract")
    graph.add_edge("extract", "approve")
    graph.add_edge("approve", "store")
    graph.add_edge("store", END)
    return graph


def _with(own: Any, agent: Runnable[Any, Any] | None, *names: str) -> Any:
    """Our schema and the public keys of the agent's, so that a structured response or a custom key passes through."""
    builder = getattr(agent, "builder", None)
    keys: dict[str, Any] = {}
    for name in names:
        schema = getattr(builder, name, None)
        hints = get_type_hints(schema, include_extras=True) if isinstance(schema, type) else {}
        keys |= {key: hint for key, hint in hints.items() if key not in ("learning_context", "messages")}
    if not keys:
        return own
    return TypedDict(own.__name__, {**keys, **get_type_hints(own, include_extras=True)}, total=False)  # type: ignore[operator]
