"""Looking at what was learned: what the HTTP API, the command line and the page share."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from learning_machine.machine.assembled import Assembled
from learning_machine.nodes.recall import asked, asking
from learning_machine.state.scope import Scope
from learning_machine.state.views import (
    EntitySummary,
    EntityView,
    EventView,
    LearningView,
    Neighbourhood,
    Page,
    State,
    TurnView,
)
from learning_machine.stores.browsing import Browsing as Reader
from learning_machine.stores.fusing import fuse
from learning_machine.stores.learned_knowledge import search_params
from learning_machine.stores.ledger_store import LedgerStore, branch_query
from learning_machine.stores.protocol import Standing
from learning_machine.stores.spaces import access_of
from learning_machine.stores.viewing import learning_of


class Browsing(Assembled):
    """What people look at, page by page. A scope sees its own, its groups', and everyone's."""

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.parts.database, self.name)

    # --- looking ------------------------------------------------------------------------------------------------------

    def learnings(
        self,
        *,
        state: State = "holding",
        store: str | None = None,
        kind: str | None = None,
        visible_to: str | None = None,
        subject: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        **scope: Any,
    ) -> Page[LearningView]:
        """What was learned, newest first, a page at a time: `page.next` is the cursor of the next one.

        `visible_to` narrows it to one namespace: "user", a group, or "global".
        """
        return self._reader.learnings(
            Scope(**scope),
            limit=limit,
            cursor=cursor,
            state=state,
            store=store,
            kind=kind,
            namespace=visible_to,
            subject=subject,
        )

    def search(self, text: str, *, store: str | None = None, limit: int = 20, **scope: Any) -> list[LearningView]:
        """Learnings that fit a text: by words and meaning, best first; then those that hold the text as it is written."""
        where, limit = Scope(**scope), max(1, min(limit, 100))
        found = self._reader.chosen(where, ids := self._ranked(text, store, where)[:limit])
        ranked = [found[id] for id in ids if id in found and found[id].holds]
        literal = self._reader.learnings(where, limit=limit, store=store, words=text) if text.strip() else None
        known = {one.handle for one in ranked}
        more = [one for one in literal.items if one.handle not in known] if literal else []
        return [*ranked, *more][:limit]

    def _ranked(self, text: str, store: str | None, scope: Scope) -> list[int]:
        stores = [
            one
            for one in self.stores
            if isinstance(one, LedgerStore) and one.by_question and store in (None, one.learning_type)
        ]
        standing = asking(self.parts, Standing(machine=self.name), asked(self.parts, text))
        if not stores or not standing.question:
            return []
        queries = [
            ("search.learnings", search_params(one.learning_type, scope, standing, standing.question)) for one in stores
        ]
        rows = self.parts.database.read(access_of(scope), [branch_query(scope, standing), *queries])
        scored = [pair for found in rows[1:] for pair in fuse(found, standing.weights)]
        return [row["id"] for _, row in sorted(scored, key=lambda pair: (-pair[0], -pair[1]["id"]))]

    def get(self, handle: str, **scope: Any) -> LearningView:
        """One learning, whether it holds or not. `LearningNotFound` where this scope has none of this handle."""
        return learning_of(self._reader.row(Scope(**scope), handle))

    def versions(self, handle: str, **scope: Any) -> list[LearningView]:
        """All that ever stood in the place of a learning, newest first."""
        where = Scope(**scope)
        row = self._reader.row(where, handle)
        return self._reader.slot(where, row)

    def entities(
        self,
        *,
        type: str | None = None,
        words: str | None = None,
        visible_to: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        **scope: Any,
    ) -> Page[EntitySummary]:
        """The things that are known, by name. `words` narrows it to names with these letters in them."""
        return self._reader.entities(
            Scope(**scope), limit=limit, cursor=cursor, type=type, namespace=visible_to, words=words
        )

    def entity(self, id: str, **scope: Any) -> EntityView:
        """One thing with what is known of it, by its id or handle."""
        return self._reader.entity(Scope(**scope), id)

    def timeline(
        self,
        *,
        entity: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
        **scope: Any,
    ) -> Page[EventView]:
        """What happened, newest first: with one thing or with all, from `since` on and before `until`."""
        return self._reader.timeline(
            Scope(**scope), limit=limit, cursor=cursor, entity=entity, since=_aware(since), until=_aware(until)
        )

    def neighbours(self, entity: str, *, hops: int = 1, **scope: Any) -> Neighbourhood:
        """What is connected to a thing, one step or two away."""
        return self._reader.neighbours(Scope(**scope), entity, hops)

    def turns(
        self,
        *,
        session: str | None = None,
        turn: UUID | None = None,
        limit: int = 20,
        cursor: str | None = None,
        **scope: Any,
    ) -> Page[TurnView]:
        """The asker's latest turns with what was said, and what was learned from each."""
        return self._reader.turns(Scope(**scope), limit=limit, cursor=cursor, session=session, turn=turn)

    # --- for async callers --------------------------------------------------------------------------------------------

    async def alearnings(self, **options: Any) -> Page[LearningView]:
        return await asyncio.to_thread(self.learnings, **options)

    async def asearch(self, text: str, **options: Any) -> list[LearningView]:
        return await asyncio.to_thread(self.search, text, **options)

    async def aget(self, handle: str, **scope: Any) -> LearningView:
        return await asyncio.to_thread(self.get, handle, **scope)

    async def aversions(self, handle: str, **scope: Any) -> list[LearningView]:
        return await asyncio.to_thread(self.versions, handle, **scope)

    async def aentities(self, **options: Any) -> Page[EntitySummary]:
        return await asyncio.to_thread(self.entities, **options)

    async def aentity(self, id: str, **scope: Any) -> EntityView:
        return await asyncio.to_thread(self.entity, id, **scope)

    async def atimeline(self, **options: Any) -> Page[EventView]:
        return await asyncio.to_thread(self.timeline, **options)

    async def aneighbours(self, entity: str, **options: Any) -> Neighbourhood:
        return await asyncio.to_thread(self.neighbours, entity, **options)

    async def aturns(self, **options: Any) -> Page[TurnView]:
        return await asyncio.to_thread(self.turns, **options)


def _aware(moment: datetime | None) -> datetime | None:
    """A time without a zone is taken for UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
