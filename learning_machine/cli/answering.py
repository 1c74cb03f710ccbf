"""One turn with an agent, as it happens: what was recalled, the answer piece by piece, the turn that was recorded."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Literal, NamedTuple

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from learning_machine.state.scope import Scope

Agent = CompiledStateGraph[Any, Any, Any, Any]
_TOLD: tuple[tuple[Literal["turn", "decided"], str], ...] = (("turn", "turn"), ("decided", "decided"))


class Heard(NamedTuple):
    """Something of a turn.

    `value`: handles by store, a piece of text, a tool's name and result, a turn's id, what somebody should decide, or
    what came of decisions.
    """

    kind: Literal["recalled", "text", "tool", "turn", "asks", "decided"]
    value: Any


def said(text: str) -> dict[str, Any]:
    """What a user says, as the agent is given it."""
    return {"messages": [{"role": "user", "content": text}]}


def decided(decisions: list[dict[str, Any]]) -> Command[Any]:
    """What a user decided on all that was asked, in its order."""
    return Command(resume={"decisions": decisions})


async def hear(agent: Any, given: Any, *, user: str, session: str) -> AsyncGenerator[Heard, None]:
    """Give this to the agent, and hear what comes of it. Stops at once when it is cancelled."""
    config = {"configurable": {"thread_id": session}}
    stream = agent.astream(
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
    if "__interrupt__" in update:
        return [Heard("asks", request) for one in update["__interrupt__"] if (request := _requests(one.value))]
    # Where somebody is asked the turn is recorded before, else at the end.
    learning = _learning(update.get("extract")) | _learning(update.get("store"))
    return [Heard(kind, learning[name]) for kind, name in _TOLD if learning.get(name)]


def _requests(question: Any) -> list[dict[str, Any]]:
    """What a question asks about; nothing when it is not one of approval."""
    return list(question.get("action_requests") or ()) if isinstance(question, dict) else []


def _learning(update: Any) -> dict[str, Any]:
    return dict((update or {}).get("learning") or {})
