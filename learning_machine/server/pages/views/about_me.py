"""What is known about whoever looks: their profile, what else is theirs, and what is kept of their conversations."""

from __future__ import annotations

from typing import Any

from starlette.responses import StreamingResponse

from learning_machine.machine import LearningMachine
from learning_machine.server.pages.rendering import HEADERS
from learning_machine.server.pages.routing import pages
from learning_machine.server.pages.visits import Visiting
from learning_machine.state.views import LearningView

router = pages()

PROFILE = "user_profile"
SOME = 6


@router.get("/me")
def about_me(visit: Visiting) -> Any:
    """Everything in one place, each with what can be done about it."""
    machine, scope = visit.machine, visit.scope
    profile = machine.learnings(store=PROFILE, limit=200, **scope)
    fields = _fields(machine)
    return visit.show(
        "about_me.html",
        has_profile=PROFILE in machine.stores,
        fields=fields,
        known=_by_field(profile.items, fields),
        observations=[one for one in profile.items if one.kind != "field" or one.name not in fields],
        more=profile.next,
        knowledge=machine.learnings(store="learned_knowledge", visible_to="user", limit=SOME, **scope),
        things=machine.entities(visible_to="user", limit=SOME, **scope),
        turns=machine.turns(limit=SOME, **scope),
    )


@router.get("/me/export")
def take_along(visit: Visiting) -> Any:
    """All of it as a file, line by line."""
    headers = {**HEADERS, "content-disposition": 'attachment; filename="what-was-learned.jsonl"'}
    lines = visit.machine.export(**visit.scope)
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


def _fields(machine: LearningMachine) -> dict[str, str]:
    """The profile's fields, with what each is."""
    if PROFILE not in machine.stores:
        return {}
    return {name: spec.description for name, spec in getattr(machine.stores[PROFILE], "fields", {}).items()}


def _by_field(items: tuple[LearningView, ...], fields: dict[str, str]) -> dict[str, list[LearningView]]:
    return {name: [one for one in items if one.kind == "field" and one.name == name] for name in fields}
