"""Lists of what was learned, searching in it, and one learning with why it is known."""

from __future__ import annotations

from typing import Any, get_args

from learning_machine.errors import LearningNotFound
from learning_machine.server.pages.addresses import address
from learning_machine.server.pages.routing import pages
from learning_machine.server.pages.visits import Sent, Visit, Visiting
from learning_machine.state.views import State

router = pages()

PAGE, FOUND = 50, 50
KNOWLEDGE, ALL = "learned_knowledge", "all"


@router.get("/knowledge")
def knowledge(visit: Visiting, store: str = "", namespace: str = "", state: str = "holding", cursor: str = "") -> Any:
    """What is known, newest first, a page at a time."""
    machine = visit.machine
    stores = [one.learning_type for one in machine.stores]
    store = store or (KNOWLEDGE if KNOWLEDGE in stores else ALL)
    found: State = state if state in get_args(State) else "holding"  # type: ignore[assignment]
    page = machine.learnings(
        store=None if store == ALL else store,
        visible_to=namespace or None,
        state=found,
        limit=PAGE,
        cursor=cursor or None,
        **visit.scope,
    )
    return visit.show(
        "knowledge.html",
        page=page,
        stores=stores,
        namespaces=["user", *visit.caller.groups, "global"],
        store=store,
        namespace=namespace,
        state=found,
        cursor=cursor,
    )


@router.get("/search")
def search_page(visit: Visiting) -> Any:
    return visit.show("search.html", asked="", found=None, things=[])


@router.post("/search")
def search(visit: Visiting, sent: Sent) -> Any:
    """What fits some words, in everything. They are sent in the body, so that no log and no history holds them."""
    asked = sent.text("q")[:2_000]
    if not asked:
        return visit.go(address("search"))
    found = visit.machine.search(asked, limit=FOUND, **visit.scope)
    things = visit.machine.entities(words=asked, limit=10, **visit.scope)
    return visit.show("search.html", asked=asked, found=found, things=things.items)


@router.get("/learnings/{handle}")
def learning(visit: Visiting, handle: str) -> Any:
    """One learning: what it says, why it is known, and what became of it."""
    one = visit.machine.get(handle, **visit.scope)
    return visit.show("learning.html", one=one, why=explained(visit, handle))


def explained(visit: Visit, handle: str) -> dict[str, Any] | None:
    """Why it is known; `None` where the record has nothing to say to this reader."""
    try:
        return visit.machine.explain(handle, **visit.scope)
    except LearningNotFound:
        return None
