"""The review queue: what waits, and the decisions people make. Only this writes what a gated mode let through."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from learning_machine.errors import NotAllowed, ProposalNotFound
from learning_machine.state.changes import Change, Origin, Receipt, from_json
from learning_machine.state.handles import PROPOSAL, id_of
from learning_machine.state.messages import clean_text
from learning_machine.state.proposals import Verdict
from learning_machine.state.scope import Scope
from learning_machine.stores import settling
from learning_machine.stores.indexing import Vectors
from learning_machine.stores.ledger import failed
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import WRITE_TIMEOUT_MS, Row, Transaction
from learning_machine.stores.proposing import Proposing, digest, edited
from learning_machine.stores.reviewers import Reviewers, accepts
from learning_machine.stores.spaces import access_of
from learning_machine.stores.waiting import Receipts, Waiting
from learning_machine.stores.writing import Source, Writing
from learning_machine.telemetry import step

#: What a decision is answered with that was made on something else than what stands there now.
LOOK_AGAIN = "look again"
STORED = ("saved", "known")
NOTHING_REPLACED: Row = {"replaces": "", "replaces_id": None}
Edit = Callable[[str, Change, str | None, str | None], Change]


class ProposalQueue(Waiting):
    """What waits for a decision on one machine, and how it is decided. Every decision names who made it."""

    def __init__(
        self,
        database: Database,
        machine: str,
        *,
        reviewers: Reviewers | None = None,
        four_eyes: Collection[str] = (),
        ready: Callable[[], None] = lambda: None,
        edit: Edit | None = None,
        vectors: Callable[[str, list[str]], Vectors] | None = None,
        merging: Collection[str] = (),
        redact: Callable[[str], str] = str,
    ) -> None:
        self.database, self.machine, self.reviewers, self.four_eyes = database, machine, reviewers, four_eyes
        self._ready, self._merging, self._redact = ready, merging, redact
        self._edit: Edit = edit or (lambda store, change, text, name: edited(change, text, name))
        self._vectors = vectors or (lambda store, texts: Vectors())

    # --- deciding -----------------------------------------------------------------------------------------------------

    def approve(self, *handles: str, by: str | None, **scope: Any) -> Receipts:
        """Store what these proposals say, one receipt each.

        A scope such as `groups=` says where to look for them. It is only needed where the connection does not see all.
        """
        eyes = self._eyes_of(by, scope)
        return [self.decide(Verdict(handle=handle, action="approve"), by=by, scope=eyes) for handle in handles]

    def edit(
        self, handle: str, *, text: str | None = None, name: str | None = None, by: str | None, **scope: Any
    ) -> Receipt:
        """Store what the proposal says in other words."""
        verdict = Verdict(handle=handle, action="edit", text=text, name=name)
        return self.decide(verdict, by=by, scope=self._eyes_of(by, scope))

    def reject(self, *handles: str, by: str | None, reason: str = "", **scope: Any) -> Receipts:
        """Store nothing of these, and do not propose them again unless the user states them anew."""
        eyes = self._eyes_of(by, scope)
        verdicts = [Verdict(handle=handle, action="reject", message=reason) for handle in handles]
        return [self.decide(verdict, by=by, scope=eyes) for verdict in verdicts]

    def _eyes_of(self, by: str | None, scope: Mapping[str, Any]) -> Scope | None:
        return Scope(**scope) if scope else self.eyes(Scope(user_id=by or None))

    @step("decide")
    def decide(self, verdict: Verdict, *, by: str | None, scope: Scope | None = None) -> Receipt:
        """One decision by one identity. The first one counts; whoever comes later is told so.

        Raises `ProposalNotFound` and `NotAllowed`. `scope`: where to look for it, as who decides; without, everywhere.
        """
        number = id_of(verdict.handle, PROPOSAL)
        if number is None and id_of(verdict.handle) is not None:
            return self._settle(verdict, by, scope)
        # Whoever looks as somebody else would not see that it is about themselves.
        scope = scope and scope.model_copy(update={"user_id": by or None})
        rows = self._rows(scope, ids=[number]) if number is not None else []
        if not rows:
            raise ProposalNotFound(
                f"There is no proposal {verdict.handle!r} {'here' if scope is None else 'in this scope'}. "
                "List them with machine.proposals.list()."
            )
        reason = self.refusal(by, rows[0])
        if reason is not None:
            raise NotAllowed(f"{by!r} may not decide {verdict.handle}: {reason}.")
        if (
            verdict.action == "edit"
            and verdict.text is not None
            and not verdict.text.strip()
            and rows[0]["shown"]["text"]
        ):
            return refused(rows[0], verdict, "nothing is left of it; reject it instead")
        words: dict[str, Any] = {name: self._cleaned(getattr(verdict, name)) for name in ("text", "name", "message")}
        try:
            return self._decide(rows[0], replace(verdict, **words), by)
        except psycopg.Error as error:
            raise failed(error) from error

    def _settle(self, verdict: Verdict, by: str | None, scope: Scope | None) -> Receipt:
        """Settle a challenge or a flag: approving lets the challenge win, or keeps what is flagged."""
        rows = settling.waiting(self.database, scope, id=id_of(verdict.handle))
        if not rows:
            raise ProposalNotFound(f"Nothing waits as {verdict.handle!r} here. List it with machine.proposals.list().")
        reason = settling.may_settle(by, rows[0], self.reviewers, verdict.action)
        if reason is not None:
            raise NotAllowed(f"{by!r} may not settle {verdict.handle}: {reason}.")
        reviewed = accepts(self.reviewers, by, rows[0]["namespace"])
        clean = replace(verdict, text=self._cleaned(verdict.text))
        try:
            return settling.Settling(
                self.database, rows[0], self.machine, reviewed=reviewed, vectors=self._vectors
            ).settle(clean, by)
        except psycopg.Error as error:
            raise failed(error) from error

    def _cleaned(self, text: str | None) -> str | None:
        return None if text is None else clean_text(self._redact(text))

    def _decide(self, row: Row, verdict: Verdict, by: str | None) -> Receipt:
        # In the scope it was proposed in: a decision reaches exactly as far as the proposal did.
        scope, proposed = Scope.model_validate(row["scope"]), change_of(row)
        try:
            editing = verdict.action == "edit"
            change = self._edit(row["store"], proposed, verdict.text, verdict.name) if editing else proposed
        except ValueError as error:
            return refused(row, verdict, str(error))
        index = getattr(change, "index", "") if verdict.action != "reject" else ""
        vectors = self._vectors(row["store"], [index]) if index else Vectors()
        with self.database.transaction(access_of(scope, timeout_ms=WRITE_TIMEOUT_MS)) as transaction:
            # In the order in which whoever proposes takes them.
            transaction.all("audit.lock", {"spaces": [row["space"]]})
            Proposing(transaction, scope, row["speaker"], self.machine).lock([(row["space"], proposed)])
            taken = transaction.one("proposals.take", {"space": row["space"], "id": row["id"]})
            stale = self._stale(transaction, scope, taken, verdict)
            if taken is None or stale is not None:
                return stale or refused(row, verdict, "it is gone")
            if verdict.action == "reject":
                self._close(transaction, row, verdict, by, "rejected", None)
                return refused(row, verdict, "rejected")
            return self._release(transaction, scope, row, change, verdict, by, vectors)

    def _stale(self, transaction: Transaction, scope: Scope, taken: Row | None, verdict: Verdict) -> Receipt | None:
        """Why a decision comes too late: somebody decided, or what it would replace is not what was shown."""
        if taken is None:
            return None
        if taken["status"] != "pending":
            who = f" by {taken['decided_by']}" if taken["decided_by"] else ""
            return refused(taken, verdict, f"already {taken['status']}{who}")
        if verdict.action == "reject":
            # What would be replaced is of no concern to who wants nothing stored.
            return None
        proposing = Proposing(transaction, scope, taken["speaker"], taken["machine"])
        incumbent = proposing.incumbent(change_of(taken), taken["space"])
        replaces = {"replaces": incumbent["text"], "replaces_id": incumbent["id"]} if incumbent else NOTHING_REPLACED
        if replaces["replaces_id"] != taken["shown"].get("replaces_id"):
            shown = Jsonb({**taken["shown"], **replaces})
            transaction.run("proposals.show_again", {"space": taken["space"], "id": taken["id"], "shown": shown})
            return refused(taken, verdict, f"what it would replace has changed since it was shown; {LOOK_AGAIN}")
        if verdict.shown is not None and verdict.shown != digest(taken["shown"]):
            return refused(taken, verdict, f"it has changed since it was shown; {LOOK_AGAIN}")
        return None

    def _release(
        self,
        transaction: Transaction,
        scope: Scope,
        row: Row,
        change: Change,
        verdict: Verdict,
        by: str | None,
        vectors: Vectors,
    ) -> Receipt:
        reviewed = row["mode"] == "hitl" or accepts(self.reviewers, by, row["namespace"])
        source = Source(
            origin=Origin.REVIEWER if reviewed else Origin.USER,
            actor=by,
            machine=self.machine,
            turn=row["turn"],
            anchor=row["change"].get("anchor"),
            vectors=vectors,
            namespaces={row["store"]: row["namespace"] if row["namespace"] != "session" else "user"},
            merging=[row["store"]] if row["store"] in self._merging else (),
            decided=reviewed,
        )
        receipt = tried(transaction, Writing(transaction, scope, source), change)
        if receipt.status == "challenged":
            return refused(row, verdict, "what it would replace is better supported; a reviewer has to decide")
        if receipt.status not in STORED:
            return receipt
        learning = id_of(receipt.handle or "")
        transaction.run("proposals.release", {"space": row["space"], "id": row["id"], "learning": learning})
        self._close(transaction, row, verdict, by, "approved", learning)
        return receipt

    def _close(
        self, transaction: Transaction, row: Row, verdict: Verdict, by: str | None, status: str, learning: int | None
    ) -> None:
        kept = {"action": verdict.action, "text": verdict.text, "name": verdict.name, "message": verdict.message}
        transaction.run(
            "proposals.decide",
            {
                "space": row["space"],
                "id": row["id"],
                "status": status,
                "by": by,
                "verdict": Jsonb(kept),
                "learning": learning,
            },
        )
        transaction.run(
            "audit.note",
            {
                "space": row["space"],
                "learning": learning,
                "proposal": row["id"],
                "action": status,
                "before": Jsonb(row["shown"]),
                "after": Jsonb(kept),
                "actor": by,
                "origin": Origin.REVIEWER.value,
                "batch": uuid4(),
            },
        )


def tried(transaction: Transaction, writing: Writing, change: Change) -> Receipt:
    """The receipt of a change. What was not stored stays a proposal: of trying nothing is left."""
    receipts: list[Receipt] = []
    with transaction.connection.transaction():
        receipts += writing.run([change])
        if receipts[0].status not in STORED:
            raise psycopg.Rollback
    return receipts[0]


def refused(row: Row, verdict: Verdict, reason: str) -> Receipt:
    return Receipt(status="refused", store=row["store"], handle=verdict.handle, reason=reason)


def change_of(row: Row) -> Change:
    """What approving a proposal would write. The message it hangs on is kept with it, but is no part of it."""
    return from_json({name: value for name, value in row["change"].items() if name != "anchor"})
