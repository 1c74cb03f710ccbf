"""What becomes of a batch that was read: through the gate, into search, and to the stores that learn by themselves."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from uuid import UUID

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from learning_machine.errors import Erased
from learning_machine.nodes.build_context import handles
from learning_machine.nodes.extract import LearnBatch
from learning_machine.nodes.parts import Parts, attempt, note
from learning_machine.nodes.recall import context_for
from learning_machine.state.changes import Receipt
from learning_machine.state.messages import Said
from learning_machine.stores.indexing import Vectors, message_text
from learning_machine.stores.proposing import GATED
from learning_machine.stores.registry import acall, call
from learning_machine.stores.spaces import modes_of, namespaces_of
from learning_machine.stores.writing import Source

#: What became of a batch that held nothing.
NOTHING: dict[str, Any] = {"turns": 0, "changes": [], "more": False}


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
        modes=modes_of(parts.registry.extracting, batch.scope),
        merging=[store.learning_type for store in parts.registry.extracting if getattr(store, "merges", False)],
        vectors=vectors,
        shown=shown(batch),
        guarded=[store.learning_type for store in parts.registry.extracting if getattr(store, "guarded", False)],
    )
    try:
        receipts = parts.ledger.write_all(batch.changes, scope=batch.scope, source=source)
    except Erased:
        return NOTHING
    attempt(parts, "indexing", lambda: parts.turns.index(batch.space, said, vectors))
    attempt(parts, "tidying up", lambda: parts.turns.settle(batch.space))
    more = parts.turns.waiting(batch.space, batch.scope.session_id or "")
    return {"turns": len(batch.turns), "changes": [as_json(receipt) for receipt in receipts], "more": more}


def shown(batch: LearnBatch) -> set[str]:
    """What the agent saw of earlier learnings while it spoke, and what the extracting model was told is known."""
    told = (handle for data in batch.recalled.values() for handle in handles(data))
    return {handle for turn in batch.turns for handle in turn.shown}.union(told)


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
    for store in ungated(parts, batch):
        attempt(parts, f"process of {store.learning_type}", partial(call, store, "process", context, messages))


async def aprocess_others(parts: Parts, batch: LearnBatch) -> None:
    messages = rebuilt(batch.said)
    context = context_for(batch.scope, messages)
    stores = ungated(parts, batch)
    results = await asyncio.gather(
        *(acall(store, "process", context, messages) for store in stores), return_exceptions=True
    )
    for store, result in zip(stores, results, strict=True):
        if isinstance(result, Exception):
            note(parts, f"process of {store.learning_type}", result)


def ungated(parts: Parts, batch: LearnBatch) -> list[Any]:
    """The stores that may learn by themselves from this batch. What one of them writes cannot wait for a decision, so
    where the run asked for one it does not write."""
    return [store for store in parts.registry.custom if batch.scope.modes.get(store.learning_type) not in GATED]


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
