"""Things: a list by name, one with its facts, what happened with it, and a drawing of its connections; and the timeline."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from learning_machine.server.pages.drawing import branches_of, narrow, wide
from learning_machine.server.pages.routing import pages
from learning_machine.server.pages.visits import Sent, Visit, Visiting
from learning_machine.state.views import EventView, Page

router = pages()

PAGE = 60
STORE = "entity_memory"


@router.get("/things")
def things(visit: Visiting, type: str = "", namespace: str = "", cursor: str = "") -> Any:
    """The things that are known, by name."""
    return _list(visit, "", type, namespace, cursor)


@router.post("/things")
def find_things(visit: Visiting, sent: Sent) -> Any:
    """Those whose names hold some letters. They are sent in the body, like whatever else is searched for."""
    words, type, namespace = (sent.text(name)[:500] for name in ("words", "type", "namespace"))
    return _list(visit, words, type, namespace, sent.text("cursor"))


def _list(visit: Visit, words: str, type: str, namespace: str, cursor: str) -> Any:
    page = visit.machine.entities(
        type=type or None,
        words=words or None,
        visible_to=namespace or None,
        limit=PAGE,
        cursor=cursor or None,
        **visit.scope,
    )
    namespaces = ["user", *visit.caller.groups, "global"]
    asked: dict[str, Any] = {"words": words, "type": type, "namespace": namespace, "cursor": cursor}
    return visit.show("things.html", page=page, namespaces=namespaces, **asked)


@router.get("/things/{id}")
def thing(visit: Visiting, id: str) -> Any:
    """One thing with all that is known of it."""
    one = visit.machine.entity(id, **visit.scope)
    branches = branches_of(one.id, one.connections)
    return visit.show(
        "thing.html",
        one=one,
        version=visit.machine.get(one.handle, **visit.scope).version,
        branches=branches,
        drawings=[("wide", wide(one.name, branches)), ("narrow", narrow(one.name, branches))] if branches else [],
        neighbours=sum(len(branch.neighbours) for branch in branches),
        store=STORE,
    )


@router.get("/things/{id}/timeline")
def thing_timeline(visit: Visiting, id: str, cursor: str = "") -> Any:
    """All that happened with one thing."""
    one = visit.machine.entity(id, **visit.scope)
    page = visit.machine.timeline(entity=one.id, limit=PAGE, cursor=cursor or None, **visit.scope)
    return visit.show("timeline.html", thing=one, page=page, months=by_month(page), cursor=cursor)


@router.get("/timeline")
def timeline(visit: Visiting, cursor: str = "") -> Any:
    """All that happened, with whatever it was."""
    page = visit.machine.timeline(limit=PAGE, cursor=cursor or None, **visit.scope)
    return visit.show("timeline.html", thing=None, page=page, months=by_month(page), cursor=cursor)


def by_month(page: Page[EventView]) -> list[tuple[str, list[EventView]]]:
    return [(month, list(events)) for month, events in groupby(page.items, lambda one: f"{one.at:%B %Y}")]
