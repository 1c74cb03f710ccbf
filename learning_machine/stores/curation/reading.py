"""What curation reads: which spaces there are, and of one space what holds in it and what speaks for each."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from learning_machine.errors import MissingScope
from learning_machine.state.scope import Scope
from learning_machine.stores.curation.rows import Place, Row, Used
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import READ_TIMEOUT_MS, Access, Transaction
from learning_machine.stores.spaces import access_of

#: Reading a whole space may take longer than a turn may wait.
PATIENCE_MS = 30 * READ_TIMEOUT_MS
#: Who speaks for a space that nobody owns.
NOBODY = "curation"


def scope_of(place: Place) -> Scope:
    """A scope that sees a space and writes to it."""
    kind, key = place.space.kind, place.space.key
    if kind == "user":
        return Scope(user_id=key)
    if kind == "session":
        return Scope(session_id=key)
    return Scope(session_id=NOBODY, groups=(key,) if kind == "group" and key else (), namespace=key or "global")


def access_to(place: Place) -> Access:
    return access_of(scope_of(place), timeout_ms=PATIENCE_MS)


class Reading:
    """Reads for curation, space by space, as somebody who sees that space alone."""

    def __init__(self, database: Database, stores: Sequence[str]) -> None:
        self.database, self.stores = database, list(stores)

    # --- which spaces -------------------------------------------------------------------------------------------------

    def places(self, scope: Scope | None = None) -> list[Place]:
        """The spaces to go over: those of a scope, or all that hold learnings, which only the administrator can list.

        Of a scope that is the user's own space (without a user the session's) and its groups'; everyone's if it says so.
        """
        if scope is None:
            with self.database.transaction(Access(admin=True, timeout_ms=PATIENCE_MS)) as transaction:
                return [Place.from_row(row) for row in transaction.all("curation.spaces", {"stores": self.stores})]
        if scope.user_id is None and scope.session_id is None and not scope.groups and scope.namespace != "global":
            raise MissingScope()
        with self.database.transaction(access_of(scope)) as transaction:
            rows = transaction.all("curation.own_spaces")
        return [Place.from_row(row) for row in rows if row["kind"] != "global" or scope.namespace == "global"]

    def planned_places(self, run: UUID, scope: Scope | None = None) -> list[Place]:
        """The spaces that a preview was made for, as far as the asker may see them."""
        access = Access(admin=True) if scope is None else access_of(scope)
        with self.database.transaction(access) as transaction:
            return [Place.from_row(row) for row in transaction.all("curation.places_of", {"id": run})]

    # --- one space ----------------------------------------------------------------------------------------------------

    def rows(self, place: Place) -> list[Row]:
        """All that holds in a space, with its use and confirmation."""
        with self.database.transaction(access_to(place)) as transaction:
            rows = rows_of(transaction, place, self.stores)
        return rows if place.own else self._supported(place, rows)

    def _supported(self, place: Place, rows: Sequence[Row]) -> list[Row]:
        """Shared learnings with their use and confirmation, which lie in other spaces: the administrator counts them."""
        params = {"space": place.id, "ids": [row.id for row in rows], "handles": [row.handle for row in rows]}
        with self.database.transaction(Access(admin=True, timeout_ms=PATIENCE_MS)) as transaction:
            found = {one["handle"]: one for one in transaction.all("curation.support", params)} if rows else {}
        return [
            row.with_use(Used(one["uses"], one["used_at"]), one["voices"], one["said_at"])
            if (one := found.get(row.handle)) is not None
            else row
            for row in rows
        ]

    def vectors(self, place: Place, rows: Sequence[Row], model: int) -> dict[int, Sequence[float]]:
        """The vectors that search has of these learnings."""
        params = {"space": place.id, "model": model, "stores": self.stores, "ids": [row.id for row in rows]}
        with self.database.transaction(access_to(place)) as transaction:
            found = transaction.all("curation.vectors", params)
        return {one["item"]: array("f", json.loads(one["vector"])) for one in found}

    def judged(self, place: Place) -> dict[tuple[int, int], bool]:
        """What a judge has said of pairs in this space."""
        with self.database.transaction(access_to(place)) as transaction:
            rows = transaction.all("curation.judged", {"space": place.id})
        return {(row["one"], row["other"]): row["same"] for row in rows}

    def note_verdicts(self, place: Place, verdicts: dict[tuple[int, int], bool]) -> None:
        """Keep what a judge said, so that nobody is asked twice."""
        with self.database.transaction(access_to(place)) as transaction:
            for (one, other), same in sorted(verdicts.items()):
                pair = {"one": min(one, other), "other": max(one, other), "same": same}
                transaction.run("curation.judge", {"space": place.id, **pair})

    def stale(self, place: Place, before: Any) -> list[dict[str, Any]]:
        """What was archived so long ago that it goes for good."""
        params = {"space": place.id, "stores": self.stores, "before": before, "ids": None, "own": place.own}
        with self.database.transaction(access_to(place)) as transaction:
            return transaction.all("curation.stale", params)


def rows_of(
    transaction: Transaction, place: Place, stores: Sequence[str], ids: Sequence[int] | None = None
) -> list[Row]:
    """What holds in a space, with its use as far as it lies there."""
    params = {"space": place.id, "stores": list(stores), "ids": None if ids is None else list(ids)}
    rows = [Row.from_row(row) for row in transaction.all("curation.rows", params)]
    if not rows or not place.own:
        return [row.marked(Used()) for row in rows]
    handles = [row.handle for row in rows]
    found = transaction.all("curation.uses", {"space": place.id, "handles": handles})
    uses = {one["handle"]: Used(one["uses"], one["used_at"]) for one in found}
    return [row.marked(uses.get(row.handle, Used())) for row in rows]
