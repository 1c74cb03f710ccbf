"""What a person should look at beside proposals: two values that contradict each other, and what came from a conversation
that went another way. Each is settled in one action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from learning_machine.state.changes import Add, Change, Origin, Receipt, Retire, Revise
from learning_machine.state.handles import handle_of, id_of
from learning_machine.state.proposals import Proposal, Verdict
from learning_machine.state.scope import Scope
from learning_machine.stores.indexing import Vectors
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import WRITE_TIMEOUT_MS, Access, Row, Transaction
from learning_machine.stores.proposing import digest
from learning_machine.stores.reviewers import Reviewers, accepts
from learning_machine.stores.spaces import access_of
from learning_machine.stores.uncertainty import value
from learning_machine.stores.writing import Source, Writing

CHALLENGE, LEFT_BEHIND = "challenge", "left behind"
#: What somebody is told who looks at a shared learning again.
REASONS = {LEFT_BEHIND: "the conversation it came from went another way"}
STORED = ("saved", "known")
MakeVectors = Callable[[str, list[str]], Vectors]


def waiting(
    database: Database,
    scope: Scope | None,
    *,
    id: int | None = None,
    store: str | None = None,
    limit: int = 1_000,
    viewer: str | None = None,
) -> list[Row]:
    """What waits, oldest first, as this person may see it; without a scope as the application does, and the words of `viewer`."""
    access = Access(admin=True, timeout_ms=WRITE_TIMEOUT_MS) if scope is None else _access(scope)
    with database.transaction(access) as transaction:
        viewer = scope.user_id if scope is not None else viewer
        return transaction.all("settle.waiting", {"id": id, "store": store, "limit": limit, "viewer": viewer})


def proposal_of(row: Row) -> Proposal:
    """What waits, as it stands in the review queue: approving a challenge lets it win, approving a flag keeps what is flagged."""
    contradicts = row["what"] == CHALLENGE
    stands = value(row["replaces"], row["stands_origin"], row["stands_since"]) if contradicts and row["stands"] else ""
    shown = {"text": row["text"], "replaces": row["replaces"], "stands": row["stands"]}
    return Proposal(
        handle=handle_of(row["id"]),
        store=row["store"],
        kind=row["kind"],
        action="challenge" if contradicts else "keep",
        name=row["name"],
        text=row["text"],
        about="" if contradicts else REASONS.get(row["what"], str(row["what"])),
        namespace=row["namespace"],
        mode="challenge" if contradicts else "flag",
        risk="medium",
        status="pending",
        proposed_at=row["at"],
        shown=digest(shown),
        replaces=stands,
        quote=row["quote"] or "",
        proposer=row["owner"] if row["by_owner"] else None,
        session=row["came_from"],
        details={"origin": row["origin"]},
    )


def may_settle(by: str | None, row: Mapping[str, Any], reviewers: Reviewers | None, action: str) -> str | None:
    """Why this identity may not settle this; `None` when it may: who owns the space, a reviewer, and who would give way."""
    if accepts(reviewers, by, row["namespace"]):
        return None
    if row["space_kind"] == "user":
        return (
            None
            if by is not None and by == row["owner"]
            else "only the person it is about, or a reviewer, may settle it"
        )
    if row["space_kind"] == "session":
        return None
    yields = row["stands_actor"] if action != "reject" else row["actor"]
    if by is not None and by == yields:
        return None
    return "in a shared namespace a reviewer settles it"


class Settling:
    """One decision on one row of `waiting`."""

    def __init__(self, database: Database, row: Row, machine: str, *, reviewed: bool, vectors: MakeVectors) -> None:
        self.database, self.row, self.machine, self.reviewed, self.vectors = database, row, machine, reviewed, vectors
        self.batch: UUID = uuid4()

    def settle(self, verdict: Verdict, by: str | None) -> Receipt:
        """The receipt: what was written, or what was decided instead."""
        if verdict.shown is not None and verdict.shown != proposal_of(self.row).shown:
            return self._refused("what stands there has changed since it was shown; look again")
        change, index = self._change(verdict), ""
        if change is not None and not isinstance(change, Retire):
            index = change.index
        made = self.vectors(self.row["store"], [index]) if index else Vectors()
        scope = self._scope(by)
        with self.database.transaction(_access(scope)) as transaction:
            transaction.all("audit.lock", {"spaces": [self.row["space"]]})
            if self.row["what"] == CHALLENGE:
                return self._end_challenge(transaction, scope, change, verdict, by, made)
            return self._end_flag(transaction, scope, change, verdict, by, made)

    def _scope(self, by: str | None) -> Scope:
        """A scope that writes where the row lies."""
        row = self.row
        if row["space_kind"] == "user":
            return Scope(user_id=row["owner"])
        if row["space_kind"] == "session":
            return Scope(session_id=row["session"])
        groups = (row["namespace"],) if row["space_kind"] == "group" else ()
        return Scope(user_id=by or "reviewer", groups=groups)

    def _change(self, verdict: Verdict) -> Change | None:
        row = self.row
        handle = handle_of(row["stands"] or 0)
        if row["what"] != CHALLENGE:
            if verdict.action == "reject":
                return Retire(store=row["store"], handle=handle)
            if verdict.action == "edit" and verdict.text is not None:
                text = verdict.text
                return Revise(
                    store=row["store"], handle=handle, text=text, value=self._value(text), index=self._index(text)
                )
            return None
        if verdict.action == "reject":
            return None
        if not row["text"]:
            return Retire(store=row["store"], handle=handle, since=row["true_from"])
        text = verdict.text if verdict.action == "edit" and verdict.text is not None else row["text"]
        place = {name: row[name] for name in ("store", "kind", "name", "subject", "target", "slot")}
        dates = {"since": row["true_from"], "until": row["holds_to"]}
        return Add(text=text, value=self._value(text), index=self._index(text), **place, **dates)

    def _value(self, text: str) -> Any:
        same = text == self.row["text"] or not isinstance(self.row["value"], str)
        return self.row["value"] if same else text

    def _index(self, text: str) -> str:
        found_by: str = self.row["found_by"] or ""
        return found_by.replace(self.row["text"], text) if self.row["text"] else found_by

    def _write(
        self, transaction: Transaction, scope: Scope, change: Change, by: str | None, vectors: Vectors
    ) -> Receipt:
        source = Source(
            origin=Origin.REVIEWER if self.reviewed else Origin.USER,
            actor=by,
            batch=self.batch,
            machine=self.machine,
            vectors=vectors,
            namespaces={self.row["store"]: self.row["namespace"] if self.row["namespace"] != "session" else "user"},
            decided=True,
        )
        return Writing(transaction, scope, source).run([change])[0]

    def _end_challenge(
        self,
        transaction: Transaction,
        scope: Scope,
        change: Change | None,
        verdict: Verdict,
        by: str | None,
        vectors: Vectors,
    ) -> Receipt:
        place = {"space": self.row["space"], "id": self.row["id"]}
        if transaction.one("settle.hold", place) is None:
            return self._refused("it has been settled already")
        receipt = self._write(transaction, scope, change, by, vectors) if change is not None else None
        if receipt is not None and receipt.status not in STORED:
            return receipt
        learning = id_of(receipt.handle or "") if receipt is not None else None
        done = {**place, "by": by, "origin": Origin.REVIEWER.value, "batch": self.batch, "by_learning": learning}
        transaction.run("settle.close", done)
        if receipt is None:
            return self._refused("rejected")
        transaction.run("settle.words", {**place, "learning": learning, "batch": self.batch})
        return receipt

    def _end_flag(
        self,
        transaction: Transaction,
        scope: Scope,
        change: Change | None,
        verdict: Verdict,
        by: str | None,
        vectors: Vectors,
    ) -> Receipt:
        receipt = self._write(transaction, scope, change, by, vectors) if change is not None else None
        if receipt is not None and receipt.status not in STORED:
            return receipt
        ended = "retired" if verdict.action == "reject" else "kept"
        params = {"space": self.row["space"], "id": self.row["id"], "by": by, "verdict": ended}
        if not transaction.run("settle.settle_flag", params):
            return self._refused("it has been settled already")
        kept = Receipt(status="known", store=self.row["store"], handle=handle_of(self.row["id"]), text=self.row["text"])
        return receipt or kept

    def _refused(self, reason: str) -> Receipt:
        return Receipt(status="refused", store=self.row["store"], handle=handle_of(self.row["id"]), reason=reason)


def _access(scope: Scope) -> Access:
    return access_of(scope, timeout_ms=WRITE_TIMEOUT_MS)
