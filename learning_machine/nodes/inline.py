"""extract, in the agent's graph: where a person decides, the turn is recorded, read and proposed right after the reply.

In the other modes there is nothing to do here: the worker reads later. One model call, for all stores together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.runtime import get_runtime

from learning_machine.errors import BudgetExceeded, ExtractionFailed
from learning_machine.nodes.approve import asked_about
from learning_machine.nodes.asking import aask, ask
from learning_machine.nodes.events import tell
from learning_machine.nodes.extract import LearnBatch, load, prepare, read, types_of
from learning_machine.nodes.learning import NOTHING, aprocess_others, process_others, write
from learning_machine.nodes.parts import Parts, attempt, note
from learning_machine.nodes.recording import record, settled
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.identity import scope_of, wanted_modes
from learning_machine.state.loop import LearningState
from learning_machine.state.proposals import Proposal
from learning_machine.state.scope import Scope
from learning_machine.stores.postgres.transactions import Access
from learning_machine.stores.proposing import GATED


@dataclass(frozen=True)
class Begun:
    """A turn that is recorded and about to be read."""

    scope: Scope
    space: int
    turn: UUID
    at: datetime | None = None
    batch: LearnBatch | None = None
    request: Any = None


def inline_node(parts: Parts) -> RunnableLambda[LearningState, dict[str, Any]]:
    """The node. What fails here is queued for the worker, and the reply stands."""

    def extract(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        begun = (
            attempt(parts, "recording the turn", lambda: begin(parts, state, config)) if asks(parts, config) else None
        )
        if begun is None:
            return {}
        try:
            reply = ask(parts, begun.request, types_of(parts, begun.batch), config) if begun.request else []
        except (ExtractionFailed, BudgetExceeded) as error:
            return later(parts, state, begun, error)
        if begun.batch is not None:
            process_others(parts, begun.batch)
        return finish(parts, state, begun, reply)

    async def aextract(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        begun = (
            await asyncio.to_thread(attempt, parts, "recording the turn", partial(begin, parts, state, config))
            if asks(parts, config)
            else None
        )
        if begun is None:
            return {}
        try:
            reply = await aask(parts, begun.request, types_of(parts, begun.batch), config) if begun.request else []
        except (ExtractionFailed, BudgetExceeded) as error:
            return await asyncio.to_thread(later, parts, state, begun, error)
        if begun.batch is not None:
            await aprocess_others(parts, begun.batch)
        return await asyncio.to_thread(finish, parts, state, begun, reply)

    return RunnableLambda(extract, aextract, name="extract")


def asks(parts: Parts, config: Mapping[str, Any] | None = None) -> bool:
    """Whether the turn is read here: because a store's learnings need somebody's decision, or because the machine says so.

    `config`: of a run, which may have asked for stricter modes.
    """
    stores = parts.registry.extracting
    if parts.inline or any(getattr(store, "mode", None) in GATED for store in stores):
        return True
    wanted = attempt(parts, "scope", lambda: wanted_modes(get_runtime(), config), {}) if config else {}
    return any(wanted.get(store.learning_type) in GATED for store in stores)


def begin(parts: Parts, state: LearningState, config: Mapping[str, Any]) -> Begun | None:
    """Record the turn and load it as a batch; `None` when there is nothing to learn from."""
    scope = scope_of(get_runtime(), config)
    recorded = record(parts, state, scope, config, queued=False)
    if recorded is None:
        return None
    space, turn = recorded
    batch = load(parts, {"space": space, "turn": str(turn)})
    recorded_at = (parts.turns.state(scope, turn)[0] or {}).get("recorded_at")
    return Begun(scope, space, turn, recorded_at, batch, prepare(parts, batch))


def finish(parts: Parts, state: LearningState, begun: Begun, reply: Sequence[ExtractedChange]) -> dict[str, Any]:
    """Write and propose what was learned, and list what this thread's speaker may now decide, oldest first."""
    try:
        learned = write(parts, read(parts, begun.batch, reply)) if begun.batch is not None else NOTHING
        if learned["more"]:
            queue(parts, begun)
    except Exception as error:  # noqa: BLE001 - the reply stands, and the worker tries again
        return later(parts, state, begun, error)
    waiting = attempt(parts, "looking for proposals", lambda: decidable(parts, begun), [])
    tell(
        "saved",
        turn=str(begun.turn),
        learnings=[one["handle"] for one in learned["changes"] if one["status"] == "saved"],
    )
    if waiting:
        tell("proposed", turn=str(begun.turn), proposals=[one.handle for one in waiting])
    return settled(state, begun.scope, turn=str(begun.turn), changes=learned["changes"], **asked_about(waiting))


def decidable(parts: Parts, begun: Begun) -> list[Proposal]:
    return parts.proposals.decidable(begun.scope, begun.scope.session_id or "", begun.at)


def later(parts: Parts, state: LearningState, begun: Begun, error: Exception) -> dict[str, Any]:
    """Leave the reading to the worker."""
    note(parts, "learning in the turn", error)
    attempt(parts, "queueing the turn", lambda: queue(parts, begun))
    return settled(state, begun.scope, turn=str(begun.turn), **asked_about([]))


def queue(parts: Parts, begun: Begun) -> None:
    session = begun.scope.session_id or ""
    parts.turns.queue(Access(spaces=(begun.space,)), begun.space, begun.turn, session, parts.window)
    parts.wake()
