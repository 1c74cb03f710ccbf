"""The first page: what is new, what waits, and where to go."""

from __future__ import annotations

from typing import Any

from learning_machine.server import reviewing
from learning_machine.server.pages.routing import pages
from learning_machine.server.pages.visits import Visiting

router = pages()

LATEST = 8


@router.get("/")
def overview(visit: Visiting) -> Any:
    """The latest of everything."""
    machine, scope = visit.machine, visit.scope
    waiting = reviewing.visible(machine, visit.caller)
    return visit.show(
        "overview.html",
        waiting=len(waiting),
        decidable=sum(one.decidable for one in waiting),
        latest=machine.learnings(limit=LATEST, **scope),
        things=machine.entities(limit=LATEST, **scope),
        turns=machine.turns(limit=3, **scope),
    )
