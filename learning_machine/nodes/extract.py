"""extract: what was said → what it taught, as changes. One model call for all stores."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from langchain_core.runnables import RunnableConfig, RunnableLambda

from learning_machine.nodes.asking import aask, ask, request_for
from learning_machine.nodes.parts import Parts
from learning_machine.nodes.recall import asked, asking, recall_own, searches
from learning_machine.state.changes import Change, Refused
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.loop import LearnState
from learning_machine.state.messages import Said
from learning_machine.state.scope import Scope
from learning_machine.state.tokens import truncate
from learning_machine.stores.indexing import Question
from learning_machine.stores.protocol import Standing
from learning_machine.stores.turns import MAX_TURNS, UnreadTurn

#: From this attempt on a batch is one turn, so that a turn that cannot be read does not hold up the others.
ALONE_FROM = 3
#: As much of a batch as is used to look for what is known.
MAX_QUESTION_TOKENS = 600


@dataclass(frozen=True)
class LearnBatch:
    """Turns of one branch of one thread, read together; and what they taught, once it is known."""

    space: int
    scope: Scope
    turns: tuple[UnreadTurn, ...]
    here: tuple[str, ...] = ()
    recalled: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[Change | Refused, ...] = ()
    #: Learning types whose stores take part; empty: all of the machine's.
    only: tuple[str, ...] = ()

    @property
    def said(self) -> list[Said]:
        return [one for turn in self.turns for one in turn.said]

    @property
    def last(self) -> UnreadTurn:
        return self.turns[-1]

    @property
    def id(self) -> UUID:
        """The same for the same turns, so that a batch tried again is the same batch."""
        return uuid5(NAMESPACE_URL, " ".join(str(turn.id) for turn in self.turns))


def extract_node(parts: Parts) -> RunnableLambda[Any, dict[str, Any]]:
    """The node of the worker's graph: loads the batch that the job points at, and asks the model once."""

    def extract(state: LearnState, config: RunnableConfig) -> dict[str, Any]:
        batch = load(parts, state)
        request = prepare(parts, batch)
        if batch is None or request is None:
            return {"batch": batch}
        return {"batch": read(parts, batch, ask(parts, request, types_of(parts, batch), config))}

    async def aextract(state: LearnState, config: RunnableConfig) -> dict[str, Any]:
        batch = await asyncio.to_thread(load, parts, state)
        request = prepare(parts, batch)
        if batch is None or request is None:
            return {"batch": batch}
        return {"batch": read(parts, batch, await aask(parts, request, types_of(parts, batch), config))}

    return RunnableLambda(extract, aextract, name="extract")


def load(parts: Parts, state: Mapping[str, Any]) -> LearnBatch | None:
    """The next batch of the thread that the state points at, with what is known where it stands."""
    if state.get("turn") is None:
        return None
    turn = UUID(str(state["turn"]))
    parts.ready()
    space = parts.turns.space_of(turn) if state.get("space") is None else int(state["space"])
    pointed = parts.turns.scope_of(space, turn) if space is not None else None
    if space is None or pointed is None:
        return None
    limit = 1 if state.get("attempt", 1) >= ALONE_FROM else MAX_TURNS
    turns = parts.turns.unread(space, pointed["session"], limit)
    if not turns:
        return None
    batch = LearnBatch(space, turns[-1].scope, tuple(turns), tuple(parts.turns.line_before(space, turns[-1].id)))
    standing = Standing(machine=parts.name, here=batch.here)
    # What is known of what was said: the model needs the few learnings that matter, not all.
    words = " ".join(one.content for one in batch.said if one.role == "user")
    question = asked(parts, truncate(words, MAX_QUESTION_TOKENS)) if searches(parts) else Question()
    recalled, _ = recall_own(parts, batch.scope, asking(parts, standing, question))
    return replace(batch, recalled=recalled)


def stores_of(parts: Parts, batch: LearnBatch) -> list[Any]:
    """The stores that learn from this batch by extraction: those that can, in a mode that extracts, with what they need."""
    return [
        store
        for store in parts.registry.extracting
        if extracts(store)
        and getattr(batch.scope, getattr(store, "needs", "user_id"), None) is not None
        and (not batch.only or store.learning_type in batch.only)
    ]


def extracts(store: Any) -> bool:
    """Whether the store's mode learns by extraction: in AGENTIC mode only the agent's tools write."""
    return str(getattr(getattr(store, "mode", None), "value", "background")) != "agentic"


def types_of(parts: Parts, batch: LearnBatch) -> list[str]:
    return [store.learning_type for store in stores_of(parts, batch)]


def prepare(parts: Parts, batch: LearnBatch | None) -> Any:
    """The model's request; `None` when no store wants to read, or nothing was said."""
    stores = stores_of(parts, batch) if batch is not None else []
    if batch is None or not stores or not batch.said:
        return None
    today = max((one.at for one in batch.said if one.at), default=None)
    return request_for(stores, batch.recalled, batch.said, today.date().isoformat() if today else "not known")


def read(parts: Parts, batch: LearnBatch, extracted: Sequence[ExtractedChange]) -> LearnBatch:
    """The batch with what was extracted, as its stores understand it."""
    changes: list[Change | Refused] = []
    for store in stores_of(parts, batch):
        own = [one for one in extracted if one.store == store.learning_type]
        changes += store.changes(own, batch.scope, batch.recalled.get(store.learning_type))
    known = types_of(parts, batch)
    changes += [
        Refused(store=one.store, reason="there is no such store") for one in extracted if one.store not in known
    ]
    return replace(batch, changes=tuple(changes))
