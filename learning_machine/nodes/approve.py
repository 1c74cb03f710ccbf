"""approve: where a human decides. One question a turn, with all that waits; the rows in the ledger are the truth.

Nothing is written here and no model is called, so that a resume, which runs the node again, does neither twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.runtime import get_runtime
from langgraph.types import interrupt

from learning_machine.nodes.events import tell
from learning_machine.nodes.parts import Parts, attempt
from learning_machine.state.identity import can_wait, scope_of
from learning_machine.state.loop import LearningState
from learning_machine.state.proposals import Proposal, as_request, read_answer


def approve_node(parts: Parts) -> RunnableLambda[LearningState, dict[str, Any]]:
    """The node of the agent's graph. Without a checkpointer nothing could be answered: what waits stays in the queue."""

    def approve(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        if not asked_in(state):
            return nothing(state)
        waiting = attempt(parts, "looking for proposals", lambda: shown(parts, state, config), [])
        return {"learning_verdicts": decided(waiting, bound(state), config)}

    async def aapprove(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        if not asked_in(state):
            return nothing(state)
        waiting = await asyncio.to_thread(
            attempt, parts, "looking for proposals", partial(shown, parts, state, config), []
        )
        return {"learning_verdicts": decided(waiting, bound(state), config)}

    return RunnableLambda(approve, aapprove, name="approve")


def approve(state: Any) -> dict[str, Any]:
    """The node of the worker's graph: nobody is there to be asked, so what waits is left in the queue."""
    return {}


def asked_in(state: Mapping[str, Any]) -> list[str]:
    """The handles of what this turn asks about."""
    return list((state.get("learning") or {}).get("proposals") or [])


def nothing(state: Mapping[str, Any]) -> dict[str, Any]:
    """No verdicts, also where an earlier turn left some."""
    return {"learning_verdicts": []} if state.get("learning_verdicts") else {}


def shown(parts: Parts, state: Mapping[str, Any], config: Mapping[str, Any]) -> list[Proposal]:
    """The proposals this turn asks about, as `extract` listed them, so that a resume asks about the same ones."""
    return parts.proposals.named(asked_in(state), scope_of(get_runtime(), config))


def asked_about(waiting: Sequence[Proposal]) -> dict[str, Any]:
    """What the state keeps of a question: which proposals it is about, and how each looked when it was asked."""
    return {"proposals": [one.handle for one in waiting], "shown": {one.handle: one.shown for one in waiting}}


def bound(state: Mapping[str, Any]) -> Mapping[str, str]:
    """How each proposal looked when it was asked about, by handle: a verdict is on that, whatever it looks like by now."""
    return (state.get("learning") or {}).get("shown") or {}


def decided(waiting: list[Proposal], looks: Mapping[str, str], config: RunnableConfig) -> list[dict[str, Any]]:
    """What the person answers. An answer that does not fit applies nothing and is asked for again."""
    if not waiting:
        return []
    if not can_wait(config):
        tell(
            "proposed",
            proposals=[one.handle for one in waiting],
            waits="there is no checkpointer; they wait in machine.proposals",
        )
        return []
    request = as_request(waiting)
    verdicts = None
    while verdicts is None:
        verdicts = read_answer(interrupt(request), waiting)
        request = {
            **as_request(waiting),
            "problem": "The last answer did not fit: give one decision for each proposal, in order.",
        }
    return [{**asdict(one), "shown": looks.get(one.handle, one.shown)} for one in verdicts]
