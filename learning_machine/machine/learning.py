"""Learning from conversations, and what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from learning_machine.errors import ReadElsewhere
from learning_machine.graphs.learning import learn_graph
from learning_machine.machine.assembled import Assembled
from learning_machine.state.messages import as_messages, keys_of, spoken, turns_of
from learning_machine.state.scope import Scope
from learning_machine.stores.auditing import verify
from learning_machine.stores.explaining import number_of
from learning_machine.stores.reports import as_shown, what_became
from learning_machine.stores.spaces import access_of
from learning_machine.stores.turns import TurnRecord


class Learning(Assembled):
    """Learning from conversations, and what became of them."""

    def process(
        self, messages: Sequence[Any], *, on_batch: Callable[[int, int], None] | None = None, **scope: Any
    ) -> list[dict[str, Any]]:
        """Learn from a conversation now: one receipt for each change. What was learned before is not learned again.

        `on_batch(read, total)` is called as turns are read.
        """
        where = Scope(**scope)
        recorded = self._record_all(messages, where)
        receipts: list[dict[str, Any]] = []
        read, more = 0, bool(recorded)
        while more:
            try:
                learned = self.learn(*recorded[-1])
            except ReadElsewhere:
                # Somebody else learns from this thread just now: what they leave is read next.
                continue
            receipts += learned["changes"]
            read, more = read + learned["turns"], learned["more"]
            if on_batch is not None:
                on_batch(min(read, len(recorded)), len(recorded))
        return receipts

    async def aprocess(self, messages: Sequence[Any], **scope: Any) -> list[dict[str, Any]]:
        recorded = await asyncio.to_thread(self._record_all, messages, Scope(**scope))
        receipts: list[dict[str, Any]] = []
        more = bool(recorded)
        while more:
            try:
                learned = await self.alearn(*recorded[-1])
            except ReadElsewhere:
                continue
            receipts += learned["changes"]
            more = learned["more"]
        return receipts

    def learn(self, space: int, turn: UUID, attempt: int = 1) -> dict[str, Any]:
        """Read the next batch of the thread this turn lies in: what a worker does for each job."""
        result = self._learner().invoke({"space": space, "turn": str(turn), "attempt": attempt}, self._traced(turn))
        return dict(result["learned"])

    async def alearn(self, space: int, turn: UUID, attempt: int = 1) -> dict[str, Any]:
        asked = {"space": space, "turn": str(turn), "attempt": attempt}
        result = await self._learner().ainvoke(asked, self._traced(turn))
        return dict(result["learned"])

    def _traced(self, turn: UUID) -> RunnableConfig:
        """How a trace names and groups what reading this turn does."""
        return {"run_name": "learn", "tags": ["learning"], "metadata": {"machine": self.name, "turn": str(turn)}}

    def _learner(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        if self._learn is None:
            self._learn = learn_graph(self.parts).compile(name="learn")
        return self._learn

    def _record_all(self, messages: Sequence[Any], scope: Scope) -> list[tuple[int, UUID]]:
        """Record a conversation turn by turn, without queueing anything."""
        if not scope.learn or not len(self.stores):
            return []
        self._make_ready()
        session = scope.session_id or ""
        plain = as_messages(messages)
        keys = keys_of(plain, session)
        recorded = []
        for said in turns_of(spoken(plain, session)):
            last = said[-1].key
            own = keys[keys.index(said[0].key) : keys.index(last) + 1]
            found = self.parts.turns.record(
                scope, TurnRecord(session=session, said=said, answer=last, keys=own, here=keys)
            )
            if found is not None:
                recorded.append(found)
        return recorded

    def _extract_for(self, stores: list[Any], messages: list[Any], scope: Scope) -> Any:
        """One store's own `process`: the machine's way of learning, for the machine as a whole."""
        return self.process(messages, **scope.model_dump(exclude_none=True))

    def learned(self, turn_id: str | UUID, **scope: Any) -> dict[str, Any]:
        """What became of a turn: its status, what was learned from it, and what was proposed.

        Status is `learned`, `waiting`, `failed` (will be tried again), `parked` (tried too often) or `unknown`.
        """
        self._make_ready()
        turn = UUID(str(turn_id))
        return what_became(turn, *self.parts.turns.state(Scope(**scope) if scope else None, turn))

    async def alearned(self, turn_id: str | UUID, **scope: Any) -> dict[str, Any]:
        return await asyncio.to_thread(self.learned, turn_id, **scope)

    def history(
        self,
        id: str | int | None = None,
        *,
        store: str | None = None,
        subject: str | None = None,
        closed: bool = True,
        limit: int = 1_000,
        **scope: Any,
    ) -> list[dict[str, Any]]:
        """Everything this scope may see, newest first, with the words behind it; with `closed` also what was replaced.

        With the handle of a learning, all that ever stood in its place.
        """
        self._make_ready()
        with self.parts.database.transaction(access_of(Scope(**scope))) as transaction:
            rows = (
                transaction.all("truth.history_of", {"id": number_of(id)})
                if id is not None
                else transaction.all(
                    "recall.history", {"store": store, "subject": subject, "closed": closed, "limit": limit}
                )
            )
        return [as_shown(row) for row in rows]

    def verify_audit(self) -> dict[str, Any]:
        """Whether the record of every change is whole, and what in it is not. Recomputes all of it."""
        self._make_ready()
        return verify(self.parts.database)
