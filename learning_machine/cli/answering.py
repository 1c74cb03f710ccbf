"""One turn with an agent, as it happens: what was recalled, the answer piece by piece, the turn that was recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal, NamedTuple

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.graph.state import CompiledStateGraph

from learning_machine.state.scope import Scope

Agent = CompiledStateGraph[Any, Any, Any, Any]


class Heard(NamedTuple):
    """Something of a turn. `value`: handles by store, a piece of text, a tool's name and result, or a turn's id."""

    kind: Literal["recalled", "text", "tool", "turn"]
    value: Any


async def hear(agent: Agent, text: str, *, user: str, session: str) -> AsyncIterator[Heard]:
    """Say this to the agent, and hear what comes of it. Stops at once when it is cancelled."""
    given = {"messages": [{"role": "user", "content": text}]}
    config = {"configurable": {"thread_id": session}}
    stream: Any = agent.astream(
        given, config, context=Scope(user_id=user), stream_mode=["messages", "updates"], subgraphs=True
    )
    spoken = False
    async for namespace, mode, event in stream:
        # The agent is a graph inside the loop; what other models say inside its tools is not its answer.
        if mode == "messages" and len(namespace) == 1:
            for heard in _said(event[0]):
                spoken = spoken or heard.kind == "text"
                yield heard
        elif mode == "updates" and not namespace:
            for heard in _updated(event, spoken):
                yield heard


def _said(message: Any) -> list[Heard]:
    if isinstance(message, ToolMessage):
        return [Heard("tool", (message.name or "tool", message.text))]
    return [Heard("text", message.text)] if isinstance(message, AIMessage) and message.text else []


def _updated(update: dict[str, Any], spoken: bool) -> list[Heard]:
    if "build_context" in update:
        return [Heard("recalled", _learning(update["build_context"]).get("recalled") or {})]
    if "agent" in update and not spoken:
        # An answer that no model gave, such as one from middleware, is not in the stream of messages.
        last = (update["agent"] or {}).get("messages", [])[-1:]
        return [Heard("text", message.text) for message in last if isinstance(message, AIMessage) and message.text]
    if "store" in update:
        return [Heard("turn", _learning(update["store"]).get("turn"))]
    return []


def _learning(update: Any) -> dict[str, Any]:
    return dict((update or {}).get("learning") or {})
