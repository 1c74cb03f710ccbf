"""store: the end of the loop. A turn is recorded with the job that will read it; a batch that was read is written."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.runtime import get_runtime

from learning_machine.nodes.extract import LearnBatch
from learning_machine.nodes.parts import Parts, attempt, note
from learning_machine.nodes.recall import context_for, standing_in
from learning_machine.state.changes import Receipt
from learning_machine.state.identity import scope_of
from learning_machine.state.loop import LearningState, LearnState
from learning_machine.state.messages import Said, keys_of, last_answer, message_key, said_from, spoken
from learning_machine.state.scope import Scope
from learning_machine.stores.indexing import Vectors, message_text
from learning_machine.stores.registry import acall, call
from learning_machine.stores.spaces import namespaces_of
from learning_machine.stores.turns import TurnRecord
from learning_machine.stores.writing import Source

# --- at the end of a turn ---------------------------------------------------------------------------------------------


def record_node(parts: Parts) -> RunnableLambda[LearningState, dict[str, Any]]:
    """The `store` node of the agent's graph: one transaction, and the reply goes out. It never fails the reply."""

    def store(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        scope = attempt(parts, "scope", lambda: scope_of(get_runtime(), config), Scope())
        lost = {"learning": {**(state.get("learning") or {}), "turn": None}}
        return attempt(parts, "recording the turn", lambda: record(parts, state, scope, config), lost)  # type: ignore[no-any-return]

    async def astore(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        return await asyncio.to_thread(store, state, config)

    return RunnableLambda(store, astore, name="store")


def record(parts: Parts, state: LearningState, scope: Scope, config: Mapping[str, Any]) -> dict[str, Any]:
    """Record the turn unless its scope says not to learn; either way its words are settled."""
    answer = last_answer(state["messages"])
    if answer is None:
        return {}
    session = scope.session_id or ""
    key = message_key(answer, len(state["messages"]) - 1, session)
    recorded = None
    if scope.learn and len(parts.registry):
        parts.ready()
        recorded = parts.turns.record(scope, turn_in(parts, state, session, key, config), parts.enqueue)
        if recorded is not None:
            parts.wake()
    return {
        "learning_turns": [key],
        "learning": {**(state.get("learning") or {}), "turn": str(recorded[1]) if recorded else None},
    }


def turn_in(parts: Parts, state: LearningState, session: str, answer: str, config: Mapping[str, Any]) -> TurnRecord:
    """The turn that ends with this answer, as it is recorded."""
    messages = state["messages"]
    began = state.get("learning_from") or {}
    said = said_from(spoken(messages, session), began.get("key"))
    keys = keys_of(messages, session)
    start = keys.index(said[0].key) if said and said[0].key in keys else 0
    standing = standing_in(parts, state, config)
    own = keys[start:]
    shown = [handle for handles in ((state.get("learning") or {}).get("recalled") or {}).values() for handle in handles]
    return TurnRecord(
        session=session,
        said=said,
        answer=answer,
        keys=own,
        here=standing.here,
        rooted=standing.rooted,
        shown=shown,
        started=datetime.fromisoformat(began["at"]) if began.get("at") else None,
    )


# --- when a batch was read --------------------------------------------------------------------------------------------


def write_node(parts: Parts) -> RunnableLambda[LearnState, dict[str, Any]]:
    """The `store` node of the `learn` graph: what was learned and the batch's watermark, in one transaction."""

    def store(state: LearnState) -> dict[str, Any]:
        batch = state.get("batch")
        if batch is None:
            return {"learned": {"turns": 0, "changes": [], "more": False}}
        process_others(parts, batch)
        return {"learned": write(parts, batch)}

    async def astore(state: LearnState) -> dict[str, Any]:
        batch = state.get("batch")
        if batch is not None:
            await aprocess_others(parts, batch)
            return {"learned": await asyncio.to_thread(write, parts, batch)}
        return store(state)

    return RunnableLambda(store, astore, name="store")


def write(parts: Parts, batch: LearnBatch) -> dict[str, Any]:
    """Through the gate, once; then make findable what was said, and tidy up what the batch leaves behind."""
    said = indexed(batch) if "conversation" in parts.registry else {}
    texts = [getattr(change, "index", "") for change in batch.changes] + list(said.values())
    vectors = attempt(parts, "embedding", lambda: parts.embedder.vectors(texts), Vectors())
    source = Source(
        batch=batch.id,
        turn=batch.last.id,
        anchor=batch.last.answer,
        said=batch.said,
        here=batch.here,
        machine=parts.name,
        reads=[turn.id for turn in batch.turns],
        namespaces=namespaces_of(parts.registry.extracting, batch.scope),
        merging=[store.learning_type for store in parts.registry.extracting if getattr(store, "merges", False)],
        vectors=vectors,
    )
    receipts = parts.ledger.write_all(batch.changes, scope=batch.scope, source=source)
    attempt(parts, "indexing", lambda: parts.turns.index(batch.space, said, vectors))
    attempt(parts, "tidying up", lambda: parts.turns.settle(batch.space, [turn.id for turn in batch.turns]))
    more = parts.turns.waiting(batch.space, batch.scope.session_id or "")
    return {"turns": len(batch.turns), "changes": [as_json(receipt) for receipt in receipts], "more": more}


def indexed(batch: LearnBatch) -> dict[tuple[UUID, str], str]:
    """What each message of the batch is found by, by turn and key."""
    return {
        (turn.id, one.key): message_text(one.role, one.at, one.content) for turn in batch.turns for one in turn.said
    }


def as_json(receipt: Receipt) -> dict[str, Any]:
    """A receipt without the text, which belongs to the person and not into a job's output."""
    return {
        "status": receipt.status,
        "store": receipt.store,
        "handle": receipt.handle,
        "replaced": receipt.replaced,
        "reason": receipt.reason,
    }


def process_others(parts: Parts, batch: LearnBatch) -> None:
    """Let the stores that learn by themselves read the batch. One that fails is noted and takes nothing from the rest."""
    messages = rebuilt(batch.said)
    context = context_for(batch.scope, messages)
    for store in parts.registry.custom:
        attempt(parts, f"process of {store.learning_type}", partial(call, store, "process", context, messages))


async def aprocess_others(parts: Parts, batch: LearnBatch) -> None:
    messages = rebuilt(batch.said)
    context = context_for(batch.scope, messages)
    stores = parts.registry.custom
    results = await asyncio.gather(
        *(acall(store, "process", context, messages) for store in stores), return_exceptions=True
    )
    for store, result in zip(stores, results, strict=True):
        if isinstance(result, Exception):
            note(parts, f"process of {store.learning_type}", result)


def rebuilt(said: list[Said]) -> list[BaseMessage]:
    """What was said, as messages again."""
    return [
        HumanMessage(one.content, id=one.key) if one.role == "user" else AIMessage(one.content, id=one.key)
        for one in said
    ]


def failed_turn(parts: Parts, space: int, turn: UUID, number: int, error: Exception, *, parked: bool) -> None:
    """Keep that reading a turn failed, by the kind of failure."""
    parts.usage.fail("learning")
    parts.turns.note_failure(space, turn, number, f"{type(error).__name__}", parked=parked)
