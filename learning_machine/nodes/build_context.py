"""build_context: what was recalled → the text the agent reads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableLambda

from learning_machine.nodes.parts import Parts, attempt
from learning_machine.nodes.recall import recall_node
from learning_machine.prompts import load
from learning_machine.state.loop import LearningState
from learning_machine.state.session import SessionContext
from learning_machine.state.tokens import truncate


def build_context_node(parts: Parts) -> RunnableLambda[LearningState, dict[str, Any]]:
    """The node. What was recalled is not checkpointed, so after a breakpoint it is recalled again."""
    recall = recall_node(parts)

    def build_context(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        recalled = state["recalled"] if "recalled" in state else recall.invoke(state, config)["recalled"]
        return update(parts, recalled)

    async def abuild_context(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        recalled = state["recalled"] if "recalled" in state else (await recall.ainvoke(state, config))["recalled"]
        return update(parts, recalled)

    return RunnableLambda(build_context, abuild_context, name="build_context")


def update(parts: Parts, recalled: Mapping[str, Any]) -> dict[str, Any]:
    """The context, and in plain JSON what it was made of."""
    text = context_text(parts, recalled)
    summary: dict[str, Any] = {"recalled": {name: handles(data) for name, data in recalled.items()}, "context": text}
    session = recalled.get("session_context")
    if isinstance(session, SessionContext):
        summary["session"] = session.as_json()
    return {"learning_context": {"system": text, "message": ""}, "learning": summary}


def context_text(parts: Parts, recalled: Mapping[str, Any]) -> str:
    """The blocks of all stores in one frame, inside the machine's budget; `""` when there is nothing."""
    blocks = []
    for store in parts.registry:
        data = recalled.get(store.learning_type)
        block = attempt(parts, f"context of {store.learning_type}", partial(store.build_context, data), "")
        if data is not None and block:
            blocks.append(block)
    if not blocks:
        return ""
    body = truncate("\n".join(blocks), parts.max_context_tokens)
    return f"<learnings>\n{load('context')}\n{body}\n</learnings>"


def handles(data: Any) -> list[str]:
    """The handles of what a built-in store recalled; of anything else only that there is something."""
    items = getattr(data, "items", None)
    return [item.handle for item in items] if isinstance(items, tuple) else ["…"]
