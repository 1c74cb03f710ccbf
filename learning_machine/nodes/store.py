"""store: the end of the loop. What a person decided is carried out; a turn that nobody has recorded yet is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.runtime import get_runtime

from learning_machine.errors import LearningMachineError
from learning_machine.nodes.events import tell
from learning_machine.nodes.learning import NOTHING, aprocess_others, process_others, write
from learning_machine.nodes.parts import Parts, attempt
from learning_machine.nodes.recording import record, settled
from learning_machine.state.identity import scope_of
from learning_machine.state.loop import LearningState, LearnState
from learning_machine.state.proposals import Verdict
from learning_machine.state.scope import Scope


def store_node(parts: Parts) -> RunnableLambda[LearningState, dict[str, Any]]:
    """The node of the agent's graph. It never fails the reply."""

    def store(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        scope = attempt(parts, "scope", lambda: scope_of(get_runtime(), config), Scope())
        lost = {"learning": {**(state.get("learning") or {}), "turn": None}}
        return attempt(parts, "recording the turn", lambda: end(parts, state, scope, config), lost)  # type: ignore[no-any-return]

    async def astore(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        return await asyncio.to_thread(store, state, config)

    return RunnableLambda(store, astore, name="store")


def end(parts: Parts, state: LearningState, scope: Scope, config: Mapping[str, Any]) -> dict[str, Any]:
    """What the turn leaves behind: decisions carried out, and its words recorded and settled."""
    decisions = [decide(parts, Verdict(**verdict), scope) for verdict in state.get("learning_verdicts") or ()]
    learning = state.get("learning") or {}
    if learning.get("turn"):
        return {"learning": {**learning, "decided": decisions}} if decisions else {}
    recorded = record(parts, state, scope, config)
    return settled(state, scope, turn=str(recorded[1]) if recorded else None)


def decide(parts: Parts, verdict: Verdict, scope: Scope) -> dict[str, Any]:
    """One decision by whoever runs this turn. One who may not decide is told so, and decides nothing."""
    try:
        receipt = parts.proposals.decide(verdict, by=scope.user_id)
    except LearningMachineError as error:
        return {"proposal": verdict.handle, "status": "refused", "reason": str(error)}
    tell("saved" if receipt.status == "saved" else "decided", proposal=verdict.handle, learning=receipt.handle)
    return {"proposal": verdict.handle, "status": receipt.status, "handle": receipt.handle, "reason": receipt.reason}


def write_node(parts: Parts) -> RunnableLambda[LearnState, dict[str, Any]]:
    """The node of the worker's graph: what was learned and the batch's watermark, in one transaction."""

    def store(state: LearnState) -> dict[str, Any]:
        batch = state.get("batch")
        if batch is None:
            return {"learned": NOTHING}
        process_others(parts, batch)
        return {"learned": write(parts, batch)}

    async def astore(state: LearnState) -> dict[str, Any]:
        batch = state.get("batch")
        if batch is None:
            return {"learned": NOTHING}
        await aprocess_others(parts, batch)
        return {"learned": await asyncio.to_thread(write, parts, batch)}

    return RunnableLambda(store, astore, name="store")
