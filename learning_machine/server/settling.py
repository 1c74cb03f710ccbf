"""What stands behind the proposals in the review queue: two values that contradict each other, and what came from a
conversation that went another way. Each is settled by one verdict."""

from __future__ import annotations

from learning_machine.machine import LearningMachine
from learning_machine.server.callers import Caller
from learning_machine.server.models import ProposalView
from learning_machine.state.handles import id_of
from learning_machine.state.scope import Scope
from learning_machine.stores.postgres.transactions import Row
from learning_machine.stores.settling import may_settle, proposal_of, waiting

_PRIVATE = ("user", "session")


def to_settle(machine: LearningMachine, who: Caller, *, store: str | None = None, id: int | None = None) -> list[Row]:
    """What this caller may settle, oldest first: their own, what is theirs to give way in, what they review."""
    queue = machine.proposals
    queue._ready()
    reviews = who.reviewer is not None and queue.reviewers is not None and queue.database.sees_all
    scope = None if reviews else Scope(**who.scope)
    rows = waiting(queue.database, scope, id=id, store=store, viewer=who.user)
    return [row for row in rows if any(settles(machine, who, row, action) for action in ("approve", "reject"))]


def settles(machine: LearningMachine, who: Caller, row: Row, action: str) -> bool:
    """Whether this caller may settle it so. Without the role of a reviewer nobody is one."""
    if row["space_kind"] == "session":
        return False
    reviewers = machine.proposals.reviewers if who.reviewer is not None else None
    return may_settle(who.user, row, reviewers, action) is None


def named(machine: LearningMachine, who: Caller, handle: str) -> Row | None:
    """What waits under the handle of a learning, if anything does that this caller may settle."""
    number = id_of(handle)
    found = to_settle(machine, who, id=number) if number is not None else []
    return found[0] if found else None


def view(row: Row) -> ProposalView:
    found = proposal_of(row)
    return ProposalView.of(found, decidable=True, proposer=found.proposer if row["namespace"] in _PRIVATE else None)
