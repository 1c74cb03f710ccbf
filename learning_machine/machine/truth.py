"""Why something is known, taking it back, and keeping it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from learning_machine.machine.recalling import Recalling
from learning_machine.nodes.parts import attempt
from learning_machine.nodes.recall import asking
from learning_machine.nodes.recall_why import MOST, why
from learning_machine.state.changes import Receipt
from learning_machine.state.messages import as_messages
from learning_machine.state.scope import Scope
from learning_machine.state.times import When, looking_back
from learning_machine.stores.curation.pinning import pin
from learning_machine.stores.explaining import ANYBODY, explain
from learning_machine.stores.hindsight import MOST as HINDSIGHT
from learning_machine.stores.hindsight import standing_query
from learning_machine.stores.indexing import Vectors
from learning_machine.stores.ledger_store import LedgerStore, branch_query
from learning_machine.stores.postgres.transactions import WRITE_TIMEOUT_MS, Access, Row
from learning_machine.stores.protocol import Standing
from learning_machine.stores.reports import as_standing
from learning_machine.stores.reviewers import accepts
from learning_machine.stores.spaces import access_of
from learning_machine.stores.undoing import Undone, undo


class Truth(Recalling):
    """Why something is known, taking it back, and keeping it."""

    def explain(self, id: str | int, **scope: Any) -> dict[str, Any]:
        """Why one learning is known, by its handle or id: sources, quotes, mode, verdicts, what it replaced, what rests on it.

        With a scope as that person may see it, quotes only where they are theirs; without, as the application sees it.
        """
        self._make_ready()
        with self.parts.database.transaction(self._eyes(scope)) as transaction:
            return explain(transaction, id, Scope(**scope).user_id if scope else ANYBODY)

    async def aexplain(self, id: str | int, **scope: Any) -> dict[str, Any]:
        return await asyncio.to_thread(self.explain, id, **scope)

    def explain_recall(
        self, message: str, *, ids: Sequence[str] | None = None, limit: int = MOST, **scope: Any
    ) -> dict[str, Any]:
        """Why this message recalls what it does in this scope.

        `recalled`: each item with its score by parts, from which `learning_machine.stores.scoring.recomputed` gives exactly
        the score again. `left_out`: of the learnings named by `ids`, or of all in scope up to `limit`, each that was not
        recalled, with the first stage that left it out.
        """
        where = Scope(**scope)
        said = as_messages([("user", message)]) if message else []
        standing = asking(self.parts, Standing(machine=self.name), self._question(said))
        return why(self.parts, where, standing, message, ids, limit)

    async def aexplain_recall(self, message: str, **more: Any) -> dict[str, Any]:
        return await asyncio.to_thread(self.explain_recall, message, **more)

    def standing(
        self, *, as_of: When = None, known_at: When = None, store: str | None = None, **scope: Any
    ) -> list[dict[str, Any]]:
        """Every learning that held at a time, as it was known at a time, as `history` shows them; without times, now."""
        self._make_ready()
        where = Scope(**scope)
        back = looking_back(as_of if as_of or known_at else datetime.now(UTC), known_at, where.timezone)
        asked = Standing(machine=self.name, as_of=back["as_of"], known_at=back["known_at"])
        ledger = [one.learning_type for one in self.stores if isinstance(one, LedgerStore)]
        types = [name for name in ledger if store in (None, name)]
        queries = [standing_query(name, None, where, asked, HINDSIGHT) for name in types]
        read = self.parts.database.read(access_of(where), [branch_query(where, asked), *queries])[1:]
        return [as_standing(row) for rows in read for row in rows if row["status"] == "active"]

    async def astanding(self, **more: Any) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self.standing, **more)

    def undo(self, id_or_batch: str | UUID, *, by: str | None = None, partly: bool = False, **scope: Any) -> Undone:
        """Take back the last change of a learning (its handle), or all that one batch, turn or curation run changed.

        What is readable is afterwards as it was before; the record shows the change and the undo. What was changed again
        since is in the way: `UndoConflict` says what, and with `partly=True` the rest is undone. An undo is undone by its
        own `batch`. With a scope in that person's name; without, in the application's.
        """
        self._make_ready()
        where = Scope(**scope) if scope else None
        return undo(
            self.parts.database,
            id_or_batch,
            by=by if by is not None else where.user_id if where else None,
            access=self._eyes(scope),
            may=lambda change: self._may_undo(change, by, where),
            vectors=lambda texts: attempt(
                self.parts, "embedding", lambda: self.parts.embedder.vectors(texts), Vectors()
            ),
            partly=partly,
        )

    async def aundo(self, id_or_batch: str | UUID, **more: Any) -> Undone:
        return await asyncio.to_thread(self.undo, id_or_batch, **more)

    def pin(self, id: str | int, *, pinned: bool = True, by: str | None = None, **scope: Any) -> Receipt:
        """Keep a learning from being archived or merged away by curation; with `pinned=False` no longer.

        What takes its place is pinned too. With a scope in that person's name; without, in the application's.
        """
        self._make_ready()
        where = Scope(**scope) if scope else None
        return pin(
            self.parts.database,
            id,
            pinned=pinned,
            by=by if by is not None else where.user_id if where else None,
            access=self._eyes(scope),
            may=lambda row: self._may_undo(row, by, where),
        )

    async def apin(self, id: str | int, **more: Any) -> Receipt:
        return await asyncio.to_thread(self.pin, id, **more)

    def _eyes(self, scope: dict[str, Any]) -> Access:
        if scope:
            return access_of(Scope(**scope), timeout_ms=WRITE_TIMEOUT_MS)
        return Access(admin=True, timeout_ms=WRITE_TIMEOUT_MS)

    def _may_undo(self, change: Row, by: str | None, scope: Scope | None) -> str | None:
        """In shared namespaces one undoes one's own changes; those of others are a reviewer's to undo."""
        if scope is None or change["namespace"] in ("user", "session"):
            return None
        who = by if by is not None else scope.user_id
        if change["mine"] or (who is not None and change["actor"] == who):
            return None
        if accepts(self.parts.proposals.reviewers, who, change["namespace"]):
            return None
        return "it is somebody else's, in a shared namespace; a reviewer may do it"
