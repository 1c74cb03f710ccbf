"""Reading what was learned page by page, as people look at it; and writing what they put right, through the one gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from learning_machine.errors import InvalidInput, LearningNotFound
from learning_machine.state.handles import id_of
from learning_machine.state.messages import clean_text
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
from learning_machine.stores.entity_rows import EVENT, RELATIONSHIP
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import Row, Transaction
from learning_machine.stores.spaces import access_of
from learning_machine.stores.viewing import (
    connection_of,
    event_of,
    learning_of,
    named,
    neighbourhood_of,
    summary_of,
    turn_of,
    when_of,
)

#: As many as one page holds at most, and as many rows as are read of one thing.
MAX_PAGE, MAX_ABOUT = 200, 1_000
#: As much of a message as a list of turns shows, in characters.
LONGEST_SAID = 4_000
#: Events shown with a thing; the rest is in its timeline.
LATEST = 20
_NOTHING: Row = dict.fromkeys(
    ("before", "ids", "store", "kind", "subject", "slot", "about", "words", "namespace", "state"), None
)


class Browsing:
    """What one machine's ledger shows to whoever asks, as far as row-level security lets them see."""

    def __init__(self, database: Database, machine: str) -> None:
        self.database, self.machine = database, machine

    # --- learnings ----------------------------------------------------------------------------------------------------

    def learnings(
        self,
        scope: Scope,
        *,
        limit: int,
        cursor: str | None = None,
        state: State = "holding",
        store: str | None = None,
        kind: str | None = None,
        namespace: str | None = None,
        subject: str | None = None,
        words: str | None = None,
    ) -> Page[LearningView]:
        limit = max(1, min(limit, MAX_PAGE))
        asked: Row = {"store": store, "kind": kind, "namespace": namespace, "subject": subject, "words": words}
        params: Row = {**_NOTHING, **{name: _plain(text) for name, text in asked.items()}}
        params |= {"before": _handle(cursor) if cursor else None, "state": state, "limit": limit + 1}
        rows = self._read(scope, "browsing.learnings", params)
        shown = tuple(map(learning_of, rows[:limit]))
        return Page[LearningView](items=shown, next=shown[-1].handle if len(rows) > limit else None)

    def chosen(self, scope: Scope, ids: Sequence[int]) -> dict[int, LearningView]:
        """These learnings, by id, as far as they are there for this scope."""
        params = {**_NOTHING, "ids": list(ids), "state": "all", "limit": len(ids)}
        rows = self._read(scope, "browsing.learnings", params) if ids else []
        return {row["id"]: learning_of(row) for row in rows}

    def row(self, scope: Scope, handle: str, transaction: Transaction | None = None) -> Row:
        """The row behind a handle, or `LearningNotFound`: what one may not see is not there."""
        number = id_of(handle)
        params = {**_NOTHING, "ids": [number], "state": "all", "limit": 1}
        if number is None:
            rows = []
        elif transaction is None:
            rows = self._read(scope, "browsing.learnings", params)
        else:
            rows = transaction.all("browsing.learnings", params)
        if not rows:
            raise LearningNotFound(f"There is no learning {clean_text(handle)[:20]!r} here. List what there is first.")
        return rows[0]

    def slot(self, scope: Scope, row: Row) -> list[LearningView]:
        """All that ever stood where a row stands, newest first."""
        place = {name: row[name] for name in ("store", "subject", "slot")}
        params = {**_NOTHING, **place, "kind": row["kind"], "state": "all", "limit": MAX_ABOUT}
        found = self._read(scope, "browsing.learnings", params)
        return [learning_of(one) for one in found if one["space"] == row["space"]]

    # --- things -------------------------------------------------------------------------------------------------------

    def entities(
        self,
        scope: Scope,
        *,
        limit: int,
        cursor: str | None = None,
        type: str | None = None,
        namespace: str | None = None,
        words: str | None = None,
    ) -> Page[EntitySummary]:
        limit = max(1, min(limit, MAX_PAGE))
        after: tuple[str | None, int] = (None, 0)
        if cursor:
            head = self._head(scope, cursor)
            after = (head["name"].lower(), head["id"])
        asked: Row = {"store": None, "type": type, "namespace": namespace, "words": words}
        params: Row = {name: _plain(text) for name, text in asked.items()}
        params |= {"after": after[0], "after_id": after[1], "limit": limit + 1}
        rows = self._read(scope, "browsing.entities", params)
        shown = tuple(map(summary_of, rows[:limit]))
        return Page[EntitySummary](items=shown, next=shown[-1].id if len(rows) > limit else None)

    def entity(self, scope: Scope, id: str) -> EntityView:
        head = self._head(scope, id)
        params = {**_NOTHING, "store": head["store"], "about": head["slot"], "state": "holding", "limit": MAX_ABOUT + 1}
        rows = [row for row in self._read(scope, "browsing.learnings", params) if row["space"] == head["space"]]
        facts = [row for row in rows if row["kind"] not in (EVENT, RELATIONSHIP)]
        events = sorted((row for row in rows if row["kind"] == EVENT), key=when_of, reverse=True)
        hidden = {"events": len(events) - LATEST} if len(events) > LATEST else {}
        if len(rows) > MAX_ABOUT:
            hidden["more"] = 1
        return EntityView(
            **named(head),
            facts=tuple(learning_of(row) for row in reversed(facts)),
            events=tuple(map(event_of, events[:LATEST])),
            connections=tuple(connection_of(row) for row in rows if row["kind"] == RELATIONSHIP),
            hidden=hidden,
        )

    def timeline(
        self,
        scope: Scope,
        *,
        limit: int,
        cursor: str | None = None,
        entity: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Page[EventView]:
        limit = max(1, min(limit, MAX_PAGE))
        params: Row = {"since": since, "until": until, "limit": limit + 1, "before": None, "before_id": None}
        params["subject"] = self._head(scope, entity)["slot"] if entity else None
        if cursor:
            row = self.row(scope, cursor)
            params |= {"before": when_of(row)[0], "before_id": row["id"]}
        rows = self._read(scope, "browsing.timeline", params)
        shown = tuple(map(event_of, rows[:limit]))
        return Page[EventView](items=shown, next=shown[-1].handle if len(rows) > limit else None)

    def neighbours(self, scope: Scope, id: str, hops: int) -> Neighbourhood:
        head = self._head(scope, id)
        place = {"space": head["space"], "store": head["store"], "slot": head["slot"]}
        rows = self._read(scope, "browsing.neighbours", {**place, "hops": max(1, min(hops, 2)), "limit": MAX_ABOUT})
        return neighbourhood_of(head, rows)

    def about(self, transaction: Transaction, row: Row) -> list[Row]:
        """All that is known of a thing, for whoever forgets it."""
        params = {**_NOTHING, "store": row["store"], "about": row["slot"], "state": "holding", "limit": MAX_ABOUT}
        return [one for one in transaction.all("browsing.learnings", params) if one["space"] == row["space"]]

    def _head(self, scope: Scope, id: str) -> Row:
        number = id_of(id) if id.startswith("k") else None
        rows = self._read(scope, "browsing.entity", {"slot": clean_text(id), "id": number})
        if not rows:
            raise LearningNotFound(f"There is no entity {clean_text(id)[:40]!r} here. List what there is first.")
        return rows[0]

    # --- turns --------------------------------------------------------------------------------------------------------

    def turns(
        self,
        scope: Scope,
        *,
        limit: int,
        cursor: str | None = None,
        session: str | None = None,
        turn: UUID | None = None,
    ) -> Page[TurnView]:
        limit = max(1, min(limit, MAX_PAGE))
        params = {
            "machine": self.machine,
            "session": _plain(session),
            "turn": turn,
            "before": _number(cursor),
            "longest": LONGEST_SAID,
            "limit": limit + 1,
        }
        with self.database.transaction(access_of(scope)) as transaction:
            rows = transaction.all("browsing.turns", params)
            turns = [row["id"] for row in rows[:limit]]
            keys = [key for row in rows[:limit] for key in row["messages"]]
            learned = transaction.all("browsing.learned_from", {"turns": turns, "keys": keys}) if turns else []
            proposed = transaction.all("browsing.proposed_from", {"turns": turns}) if turns else []
        shown = tuple(turn_of(row, learned, proposed) for row in rows[:limit])
        return Page[TurnView](items=shown, next=str(rows[limit - 1]["seq"]) if len(rows) > limit else None)

    def _read(self, scope: Scope, query: str, params: Mapping[str, Any]) -> list[Row]:
        with self.database.transaction(access_of(scope)) as transaction:
            return transaction.all(query, params)


def _plain(text: str | None) -> str | None:
    return None if text is None else clean_text(text)


def _handle(cursor: str) -> int:
    number = id_of(cursor)
    if number is None:
        raise InvalidInput("The cursor is none of this list. Take it from `next` of the page before.")
    return number


def _number(cursor: str | None) -> int | None:
    if cursor is None or (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        return None if cursor is None else int(cursor)
    raise InvalidInput("The cursor is none of this list. Take it from `next` of the page before.")
