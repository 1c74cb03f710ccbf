"""What waits for a person's decision, and who may see it and decide."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from learning_machine.state.changes import Receipt
from learning_machine.state.handles import PROPOSAL, handle_of, id_of
from learning_machine.state.proposals import Proposal
from learning_machine.state.scope import Scope
from learning_machine.stores import settling
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import WRITE_TIMEOUT_MS, Access, Row
from learning_machine.stores.proposing import digest
from learning_machine.stores.reviewers import Reviewers, may_decide
from learning_machine.stores.spaces import access_of

# Inside the class `list` is its method.
Rows: TypeAlias = list[Row]
Proposals: TypeAlias = list[Proposal]
Receipts: TypeAlias = list[Receipt]
Handles: TypeAlias = list[str]
Numbers: TypeAlias = list[int]


class Waiting:
    """What waits for a decision on one machine; who decides is the queue's to say."""

    database: Database
    reviewers: Reviewers | None
    four_eyes: Collection[str]
    _ready: Callable[[], None]

    def list(
        self,
        *,
        status: str | None = "pending",
        store: str | None = None,
        risk: str | None = None,
        session: str | None = None,
        limit: int = 1_000,
        **scope: Any,
    ) -> Proposals:
        """What waits, oldest first. With a scope: what that person may see; without: all, as the application itself sees it.

        Behind the proposals stands what else a person should settle: challenges, and shared knowledge whose conversation
        went another way (`mode` is `challenge` or `flag`).
        """
        where = Scope(**scope) if scope else None
        rows = self._rows(where, status=status, store=store, risk=risk, session=session, limit=limit)
        found = [proposal_of(row) for row in rows]
        if status in ("pending", None) and session is None:
            others = settling.waiting(self.database, where, store=store, limit=limit)
            found += [one for row in others if risk in (None, (one := settling.proposal_of(row)).risk)]
        return found[:limit]

    def decidable(self, scope: Scope, session: str, since: datetime | None = None) -> Proposals:
        """What waits from this thread that the person speaking may decide, oldest first; and what was decided `since`,
        so that a question asked again has the same order."""
        rows = [
            row
            for row in self._rows(scope, status=None, session=session, limit=1_000)
            if row["status"] == "pending" or (since and row["decided_at"] and row["decided_at"] >= since)
        ]
        return [proposal_of(row) for row in rows if self.refusal(scope.user_id, row) is None]

    def named(self, handles: Handles, scope: Scope) -> Proposals:
        """These proposals of this thread in this order, whatever has become of them, as this person may see them.

        Of this thread only: the handles come from its state, which a server's client may write.
        """
        numbers = [number for handle in handles if (number := id_of(handle, PROPOSAL)) is not None]
        session = scope.session_id
        found = (
            self._rows(self.eyes(scope), ids=numbers, viewer=scope.user_id, session=session)
            if numbers and session
            else []
        )
        rows = {row["id"]: row for row in found}
        return [proposal_of(rows[number]) for number in numbers if number in rows]

    def eyes(self, scope: Scope) -> Scope | None:
        """With whose eyes to look for what a handle names: the application's, or else those of who asks."""
        return None if self.database.sees_all else scope

    def refusal(self, by: str | None, row: Mapping[str, Any]) -> str | None:
        return may_decide(by, row, self.reviewers, row["store"] in self.four_eyes)

    def _rows(
        self,
        scope: Scope | None,
        *,
        status: str | None = None,
        store: str | None = None,
        risk: str | None = None,
        session: str | None = None,
        ids: Numbers | None = None,
        limit: int = 1_000,
        viewer: str | None = None,
    ) -> Rows:
        self._ready()
        access = (
            Access(admin=True, timeout_ms=WRITE_TIMEOUT_MS)
            if scope is None
            else access_of(scope, timeout_ms=WRITE_TIMEOUT_MS)
        )
        with self.database.transaction(access) as transaction:
            if overdue := [row["space"] for row in transaction.all("proposals.overdue")]:
                transaction.all("audit.lock", {"spaces": overdue})
                transaction.run("proposals.expire", {"spaces": overdue})
            return transaction.all(
                "proposals.list",
                {
                    "status": status,
                    "store": store,
                    "risk": risk,
                    "machine": None,
                    "session": session,
                    "ids": ids,
                    "limit": limit,
                    "viewer": scope.user_id if scope else viewer,
                },
            )


def proposal_of(row: Row) -> Proposal:
    """A row of `proposals.list` as people see it."""
    shown = row["shown"]
    return Proposal(
        handle=handle_of(row["id"], PROPOSAL),
        store=row["store"],
        kind=row["kind"],
        action=row["change"]["action"],
        name=shown["name"],
        text=shown["text"],
        about=" → ".join(part for part in (shown["about"], shown["towards"]) if part),
        namespace=row["namespace"],
        mode=row["mode"],
        risk=row["risk"],
        status=row["status"],
        proposed_at=row["proposed_at"],
        shown=digest(shown),
        replaces=shown["replaces"],
        quote=row["quote"] or "",
        proposer=row["speaker_id"],
        supporters=row["supporters"],
        session=row["session"],
        expires_at=row["expires_at"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
        learning=handle_of(row["learning"]) if row["learning"] else None,
    )
