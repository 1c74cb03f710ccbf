"""store: the end of the loop. What a person decided is carried out; a turn that nobody has recorded yet is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.runtime import get_runtime
from langgraph.types import Command

from learning_machine.errors import LearningMachineError
from learning_machine.nodes.approve import asked_about
from learning_machine.nodes.events import tell
from learning_machine.nodes.learning import NOTHING, aprocess_others, process_others, write
from learning_machine.nodes.parts import Parts, aattempt, acarry_out, attempt
from learning_machine.nodes.recording import caller_seen, is_quick, is_settled, recording, settled
from learning_machine.state.identity import scope_of
from learning_machine.state.loop import LearningState, LearnState
from learning_machine.state.proposals import Verdict
from learning_machine.state.scope import Scope
from learning_machine.stores.postgres.steps import Steps
from learning_machine.stores.proposals import LOOK_AGAIN

#: What became of a decision that was on something else than what stands there now.
AGAIN = "look again"


def store_node(parts: Parts, *, asks_again: str | None = None) -> RunnableLambda[LearningState, Any]:
    """The node of the agent's graph. It never fails the reply.

    `asks_again`: where the graph goes on when a decision was on something that looks different by now.
    """

    def store(state: LearningState, config: RunnableConfig) -> Any:
        step = partial(end, parts, state, scope_in(config), config)
        return gone_on(attempt(parts, "recording the turn", step, lost(state), patience=parts.patience))

    async def astore(state: LearningState, config: RunnableConfig) -> Any:
        scope = scope_in(config)
        if state.get("learning_verdicts") or not is_settled(caller_seen(state)) or not is_quick(parts, state):
            # There is more to do or to look for than one answer of the database, or much to do before it is asked.
            step = partial(end, parts, state, scope, config)
            return gone_on(await aattempt(parts, "recording the turn", step, lost(state), patience=parts.patience))
        steps = partial(leave, parts, state, scope, config)
        return gone_on(await acarry_out(parts, "recording the turn", steps, lost(state)))

    def scope_in(config: RunnableConfig) -> Scope:
        found: Scope = attempt(parts, "scope", lambda: scope_of(get_runtime(), config), Scope())
        return found

    def lost(state: LearningState) -> dict[str, Any]:
        return {"learning": {**(state.get("learning") or {}), "turn": None}}

    def gone_on(update: dict[str, Any]) -> Any:
        return Command(update=update, goto=asks_again) if asks_again and is_open(update) else update

    return RunnableLambda(store, astore, name="store")


def end(parts: Parts, state: LearningState, scope: Scope, config: Mapping[str, Any]) -> dict[str, Any]:
    """What the turn leaves behind: decisions carried out, and its words recorded and settled."""
    decisions = [decide(parts, Verdict(**verdict), scope) for verdict in state.get("learning_verdicts") or ()]
    learning = state.get("learning") or {}
    if learning.get("turn") and decisions:
        return {"learning": {**learning, **carried_out(parts, learning, decisions, scope)}}
    return parts.database.run(leave(parts, state, scope, config))


def leave(parts: Parts, state: LearningState, scope: Scope, config: Mapping[str, Any]) -> Steps[dict[str, Any]]:
    """Record the turn, step by step, unless that was done before anybody was asked."""
    if (state.get("learning") or {}).get("turn"):
        return {}
    recorded = yield from recording(parts, state, scope, config)
    return settled(state, scope, turn=str(recorded[1]) if recorded else None)


def carried_out(
    parts: Parts, learning: Mapping[str, Any], decisions: list[dict[str, Any]], scope: Scope
) -> dict[str, Any]:
    """What became of each proposal; and what has to be asked about again, because it looks different by now."""
    again = [one["proposal"] for one in decisions if one["status"] == AGAIN]
    earlier = [one for one in learning.get("decided") or () if one["status"] != AGAIN]
    return {"decided": [*earlier, *decisions], **asked_about(parts.proposals.named(again, scope))}


def is_open(update: Mapping[str, Any]) -> bool:
    """Whether a decision was on something that has changed meanwhile: it is shown anew, and asked for again."""
    return any(one["status"] == AGAIN for one in (update.get("learning") or {}).get("decided") or ())


def decide(parts: Parts, verdict: Verdict, scope: Scope) -> dict[str, Any]:
    """One decision by whoever runs this turn. One who may not decide is told so, and decides nothing."""
    try:
        receipt = parts.proposals.decide(verdict, by=scope.user_id, scope=parts.proposals.eyes(scope))
    except LearningMachineError as error:
        return {"proposal": verdict.handle, "status": "refused", "reason": str(error)}
    if receipt.status == "refused" and receipt.reason.endswith(LOOK_AGAIN):
        return {"proposal": verdict.handle, "status": AGAIN, "handle": verdict.handle, "reason": receipt.reason}
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
