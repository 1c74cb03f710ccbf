"""Every page as it looks: on a desk and a phone, by day and by night, empty, full, and with words that fight it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import AXE
from conftest import LOOKS, Person, Served
from plenty import GROUPS, a_life, hostility

pytestmark = pytest.mark.page

#: Where pictures of every page go, to be looked at; without it none are made.
PICTURES = os.environ.get("LEARNING_MACHINE_SCREENSHOTS")
PAGES = ("", "me", "knowledge", "knowledge?store=all&state=all", "things", "timeline", "review", "review?show=decided")
PAGES += ("turns", "search", "nowhere")


def addresses(served: Served, user: str) -> list[str]:
    """The pages of whatever somebody has."""
    scope = {"user_id": user, "groups": GROUPS}
    learnings = served.machine.learnings(state="all", limit=200, **scope).items
    chosen = {(one.store, one.kind): one.handle for one in learnings}
    things = [one.id for one in served.machine.entities(**scope).items]
    return [
        *PAGES,
        *(f"learnings/{handle}{more}" for handle in chosen.values() for more in ("", "/edit", "/forget")),
        *(f"things/{one}" for one in things),
        *(f"things/{one}/timeline" for one in things[:1]),
        *(f"turns/{one.id}" for one in served.machine.turns(**scope).items[:2]),
        *(f"review/{one.handle}" for one in served.machine.proposals.list(**scope)[:2]),
    ]


def look_at(person: Person, path: str, look: str, what: str) -> list[str]:
    """What is wrong with a page, as far as a program can see it."""
    page = person.open(path)
    if PICTURES:
        name = re.sub(r"\W+", "-", f"{what} {look} {path}")[:100]
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)
    wrong = [f"{path}: {one}" for one in _violations(page)]
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [*wrong, *([f"{path}: {wide} px too wide"] if wide > 0 else [])]


def _violations(page: Any) -> list[str]:
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:150]} {one['nodes'][0]['failureSummary'][:300]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("filled", [None, a_life, hostility], ids=["empty", "a life", "hostile"])
def test_every_page_can_be_read_by_everybody(
    served: Served, person: Callable[..., Person], look: str, filled: Any
) -> None:
    """axe finds nothing serious on any page, none is wider than the screen, and the browser complains about nothing."""
    if filled:
        filled(served.machine, "alice")
    alice = person(**LOOKS[look])
    name = filled.__name__ if filled else "empty"
    wrong = [one for path in addresses(served, "alice") for one in look_at(alice, path, look, name)]
    alice.complaints = [one for one in alice.complaints if "status of 404" not in one]
    assert wrong == []
