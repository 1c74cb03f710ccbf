"""Curation as a graph: find → judge → preview → approve → apply.

`machine.curation_graph()` is it, compiled; `langgraph.json` names it `curate`, and a cron on it makes it nightly on a
server. Input: `{}`, or any of `tasks`, `stores`, and `ask: true` to stop for a person before anything is done.
"""

from __future__ import annotations

from typing import Any

from langgraph.graph import END, START, StateGraph

from learning_machine.nodes.curate_steps import (
    CurateInput,
    CurateOutput,
    CurateState,
    apply_node,
    approve,
    find_node,
    judge_node,
    preview_node,
)
from learning_machine.nodes.parts import Parts
from learning_machine.state.curation import CurationConfig
from learning_machine.state.scope import Scope


def curation_graph(parts: Parts, config: CurationConfig) -> StateGraph[Any, Any, Any, Any]:
    """One run of curation, step by step."""
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(
        CurateState, context_schema=Scope, input_schema=CurateInput, output_schema=CurateOutput
    )
    graph.add_node("find", find_node(parts, config))
    graph.add_node("judge", judge_node(parts, config))
    graph.add_node("preview", preview_node(parts, config))
    graph.add_node("approve", approve)
    graph.add_node("apply", apply_node(parts, config))
    graph.add_edge(START, "find")
    graph.add_edge("find", "judge")
    graph.add_edge("judge", "preview")
    graph.add_edge("preview", "approve")
    graph.add_edge("approve", "apply")
    graph.add_edge("apply", END)
    return graph
