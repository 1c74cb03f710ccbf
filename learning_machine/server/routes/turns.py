"""Your latest turns, and what was learned from each."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from learning_machine.server.dependencies import Cursor, Filter, Limit, Machine, Who
from learning_machine.server.problems import Problem
from learning_machine.state.views import Page, TurnView

router = APIRouter(prefix="/v1/turns", tags=["turns"])


@router.get("", summary="List turns")
def list_turns(
    who: Who, machine: Machine, session: Filter | None = None, limit: Limit = 20, cursor: Cursor = None
) -> Page[TurnView]:
    """What you said, what the agent answered, and what it learned; newest first."""
    return machine.turns(session=session, limit=limit, cursor=cursor, **who.scope)


@router.get("/{id}", summary="Read a turn")
def read_turn(who: Who, machine: Machine, id: UUID) -> TurnView:
    """One turn."""
    found = machine.turns(turn=id, limit=1, **who.scope).items
    if not found:
        raise Problem(404, "There is no such turn here.")
    return found[0]
