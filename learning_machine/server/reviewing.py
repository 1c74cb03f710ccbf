"""The review queue as one caller sees it: their own proposals, and those in namespaces they may review."""

from __future__ import annotations

from typing import Any

from learning_machine.errors import LearningMachineError, NotAllowed, ProposalNotFound
from learning_machine.machine import LearningMachine
from learning_machine.server import settling
from learning_machine.server.callers import Caller
from learning_machine.server.models import Decided, ProposalView, VerdictOn
from learning_machine.server.problems import Problem
from learning_machine.state.handles import PROPOSAL, id_of
from learning_machine.state.proposals import Proposal, Verdict
from learning_machine.state.scope import Scope
from learning_machine.stores.postgres.transactions import Row
from learning_machine.stores.proposals import LOOK_AGAIN
from learning_machine.stores.reviewers import accepts
from learning_machine.stores.settling import proposal_of as settled_of
from learning_machine.stores.waiting import proposal_of

#: As many as are looked at for one page.
MOST = 10_000
_PRIVATE = ("user", "session")


def visible(
    machine: LearningMachine,
    who: Caller,
    *,
    status: str | None = "pending",
    store: str | None = None,
    risk: str | None = None,
) -> list[ProposalView]:
    """The proposals this caller may look at, oldest first, and behind them what else they may settle.

    Whose words they stand on nobody else is told.
    """
    found = [view(machine, who, row) for row in _rows(machine, who, status=status, store=store, risk=risk)]
    rows = settling.to_settle(machine, who, store=store) if status in ("pending", None) else []
    others = [settling.view(row) for row in sorted(rows, key=lambda row: int(row["id"]))]
    return found + [one for one in others if risk in (None, one.risk)]


def place_of(handle: str) -> tuple[int, int] | None:
    """Where a handle stands in the queue: proposals first, then what carries the handle of a learning."""
    proposal, learning = id_of(handle, PROPOSAL), id_of(handle)
    if proposal is not None:
        return 0, proposal
    return None if learning is None else (1, learning)


def one(machine: LearningMachine, who: Caller, handle: str) -> ProposalView:
    row = settling.named(machine, who, handle)
    return settling.view(row) if row is not None else view(machine, who, _row(machine, who, handle))


def _row(machine: LearningMachine, who: Caller, handle: str) -> Row:
    number = id_of(handle, PROPOSAL)
    found = _rows(machine, who, status=None, ids=[number]) if number is not None else []
    if not found:
        raise Problem(404, "There is no such proposal here.")
    return found[0]


def _rows(machine: LearningMachine, who: Caller, **wanted: Any) -> list[Row]:
    """Their own, and with the role of a reviewer what the machine lets them review. What somebody else was asked about
    is not shown to others before they said yes, not even to those who would then see it."""
    queue = machine.proposals
    reviews = who.reviewer is not None and queue.reviewers is not None and queue.database.sees_all
    rows = queue._rows(None if reviews else Scope(**who.scope), limit=MOST, viewer=who.user, **wanted)
    return [
        row for row in rows if row["speaker_id"] == who.user or accepts(queue.reviewers, who.reviewer, row["namespace"])
    ]


def view(machine: LearningMachine, who: Caller, row: Row) -> ProposalView:
    found: Proposal = proposal_of(row)
    # What is private to somebody cannot be judged without knowing to whom.
    told = row["speaker_id"] == who.user or row["namespace"] in _PRIVATE
    decidable = row["status"] == "pending" and _may_decide(machine, who, row)
    return ProposalView.of(found, decidable=decidable, proposer=found.proposer if told else None)


def _may_decide(machine: LearningMachine, who: Caller, row: Row) -> bool:
    own = row["speaker_id"] == who.user
    return machine.proposals.refusal(who.user, row) is None and (own or who.reviewer is not None)


def decide(machine: LearningMachine, who: Caller, handle: str, verdict: VerdictOn, version: str) -> Decided:
    """One decision, bound to what was looked at."""
    waits = settling.named(machine, who, handle)
    row = waits or _row(machine, who, handle)
    found, shown = (settled_of(row), settling.view(row)) if waits else (proposal_of(row), view(machine, who, row))
    if shown.version != version:
        return Decided(handle=handle, status="stale", reason=f"It has changed since it was shown; {LOOK_AGAIN}.")
    may = settling.settles(machine, who, row, verdict.action) if waits else shown.decidable
    if shown.status == "pending" and not may:
        raise NotAllowed("You may not decide this. Ask a reviewer.")
    queue = machine.proposals
    said = Verdict(
        handle=handle, shown=found.shown, **verdict.model_dump(include={"action", "text", "name", "message"})
    )
    scope = None if queue.database.sees_all else Scope(**who.scope)
    receipt = queue.decide(said, by=who.user, scope=scope)
    if verdict.action == "reject" and receipt.reason == "rejected":
        return Decided(handle=handle, status="rejected")
    if receipt.status == "refused" and receipt.reason.endswith(LOOK_AGAIN):
        return Decided(handle=handle, status="stale", reason=receipt.reason)
    status = "failed" if receipt.status == "pending" else receipt.status
    learning = receipt.handle if receipt.status in ("saved", "known") else None
    return Decided(handle=handle, status=status, learning=learning, reason=receipt.reason)


def decided(machine: LearningMachine, who: Caller, handle: str, verdict: VerdictOn, version: str) -> Decided:
    """The same for one of several: what goes wrong with it is said, and stops no other."""
    try:
        return decide(machine, who, handle, verdict, version)
    except (Problem, ProposalNotFound):
        return Decided(handle=handle, status="not found")
    except NotAllowed as error:
        return Decided(handle=handle, status="not allowed", reason=str(error))
    except LearningMachineError as error:
        return Decided(handle=handle, status="failed", reason=str(error))
