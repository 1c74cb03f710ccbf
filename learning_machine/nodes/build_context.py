"""build_context: what was recalled → the text the agent reads.

What stands (profile, session) goes into the system message and stays byte-identical while nothing changes, so that
providers can reuse it. What depends on the question goes last, beside the user's message.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableLambda

from learning_machine.nodes.events import tell
from learning_machine.nodes.parts import Parts, attempt
from learning_machine.nodes.recall import recall_node
from learning_machine.prompts import load
from learning_machine.state.loop import LearningState
from learning_machine.state.session import SessionContext
from learning_machine.state.tokens import estimate_tokens
from learning_machine.stores.rendering import shorten
from learning_machine.telemetry import step

#: What stands, and what was found for one message.
STANDING, FOUND = "learnings", "recalled_learnings"


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
    standing, found = contexts(parts, recalled)
    tell("recalled", learnings={name: handles(data) for name, data in recalled.items()})
    text = "\n".join(part for part in (standing, found) if part)
    summary: dict[str, Any] = {"recalled": {name: handles(data) for name, data in recalled.items()}, "context": text}
    session = recalled.get("session_context")
    if isinstance(session, SessionContext):
        summary["session"] = session.as_json()
    return {"learning_context": {"system": standing, "message": found}, "learning": summary}


def context_text(parts: Parts, recalled: Mapping[str, Any]) -> str:
    """All that the agent would read; `""` when there is nothing."""
    return "\n".join(part for part in contexts(parts, recalled) if part)


@step("build_context")
def contexts(parts: Parts, recalled: Mapping[str, Any]) -> tuple[str, str]:
    """What stands and what was found, each in its frame, together inside the machine's budget."""
    left = parts.max_context_tokens
    blocks: dict[str, list[str]] = {STANDING: [], FOUND: []}
    # What stands comes first, so that it does not change with what is found.
    for store in sorted(parts.registry, key=lambda store: bool(getattr(store, "by_question", False))):
        data = recalled.get(store.learning_type)
        if data is None:
            continue
        block = attempt(parts, f"context of {store.learning_type}", partial(store.build_context, data), "")
        block = shorten(str(block or ""), left)
        if block:
            left -= estimate_tokens(block)
            blocks[FOUND if getattr(store, "by_question", False) else STANDING].append(block)
    return frame(STANDING, blocks[STANDING]), frame(FOUND, blocks[FOUND])


def frame(tag: str, blocks: list[str]) -> str:
    """The blocks between tags, with the line that says what they are."""
    return "\n".join([f"<{tag}>", load("context"), *blocks, f"</{tag}>"]) if blocks else ""


def handles(data: Any) -> list[str]:
    """The handles of what a built-in store recalled; of anything else only that there is something."""
    items = data if isinstance(data, tuple) else getattr(data, "items", None)
    known = isinstance(items, tuple) and all(hasattr(item, "handle") for item in items)
    return [item.handle for item in items or ()] if known else ["…"]
