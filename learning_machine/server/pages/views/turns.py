"""Recent turns: what was said, and what was learned from it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from learning_machine.server.pages.routing import pages
from learning_machine.server.pages.visits import Visiting
from learning_machine.server.problems import Problem

router = pages()

PAGE = 15


@router.get("/turns")
def turns(visit: Visiting, session: str = "", cursor: str = "") -> Any:
    """The asker's own turns, newest first."""
    page = visit.machine.turns(session=session or None, limit=PAGE, cursor=cursor or None, **visit.scope)
    return visit.show("turns.html", page=page, session=session, cursor=cursor, alone=False)


@router.get("/turns/{id}")
def turn(visit: Visiting, id: UUID) -> Any:
    """One turn, with all that was said."""
    page = visit.machine.turns(turn=id, limit=1, **visit.scope)
    if not page.items:
        raise Problem(404, "There is no such turn here.")
    return visit.show("turns.html", page=page, session="", cursor="", alone=True)
