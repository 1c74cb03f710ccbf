"""What waits for a person, and what they decide."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response

from learning_machine.server import reviewing
from learning_machine.server.dependencies import Cursor, Filter, Limit, Machine, Who
from learning_machine.server.etags import IfMatch, IfNoneMatch, required, tagged
from learning_machine.server.models import Decided, ProposalView, VerdictOn, Verdicts
from learning_machine.server.problems import Problem
from learning_machine.state.views import Page

router = APIRouter(prefix="/v1/proposals", tags=["proposals"])


@router.get("", summary="List proposals")
def list_proposals(
    who: Who,
    machine: Machine,
    status: Literal["pending", "approved", "rejected", "expired", "all"] = "pending",
    store: Filter | None = None,
    risk: Literal["low", "medium", "high"] | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ProposalView]:
    """Yours and your groups', and as a reviewer those you may review; oldest first, with what each would replace.

    Behind them what contradicts something that stands (`mode` is `challenge`: approving lets it win), and what came from a
    conversation that went another way (`flag`: approving keeps it), as far as you may settle it.
    """
    after = reviewing.place_of(cursor) if cursor else (0, 0)
    if after is None:
        raise Problem(422, "The cursor is none of this list. Take it from `next` of the page before.")
    wanted = None if status == "all" else status
    found = reviewing.visible(machine, who, status=wanted, store=store, risk=risk)
    rest = [one for one in found if (reviewing.place_of(one.handle) or after) > after]
    page = tuple(rest[:limit])
    return Page[ProposalView](items=page, next=page[-1].handle if len(rest) > limit else None)


@router.post("/verdicts", summary="Decide on several proposals")
def decide_several(who: Who, machine: Machine, batch: Verdicts) -> list[Decided]:
    """Each by itself and bound to what was looked at: what goes wrong with one is said, and stops no other."""
    return [reviewing.decided(machine, who, one.handle, one, one.version.strip('"')) for one in batch.verdicts]


@router.get(
    "/{handle}",
    summary="Read a proposal",
    response_model=ProposalView,
    responses={304: {"description": "Not modified"}},
)
def read_proposal(
    who: Who, machine: Machine, handle: str, response: Response, if_none_match: IfNoneMatch = None
) -> Any:
    """One proposal. Its ETag is what a verdict has to name."""
    return tagged(reviewing.one(machine, who, handle), response, if_none_match)


@router.post("/{handle}/verdict", summary="Decide on a proposal")
def decide_one(who: Who, machine: Machine, handle: str, verdict: VerdictOn, if_match: IfMatch = None) -> Decided:
    """Approve it as it is shown, in other words, or reject it."""
    found = reviewing.decide(machine, who, handle, verdict, required(if_match))
    if found.status == "stale":
        raise Problem(412, found.reason)
    if found.status in ("refused", "failed"):
        raise Problem(409, f"Nothing was stored: {found.reason}.")
    return found
