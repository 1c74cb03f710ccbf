"""What a machine does by itself: each method and its async twin say the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from learning_machine import LearningMachine
from learning_machine.testing import ScriptedModel, change

LEARNED = [
    change("user_profile", "Lisbon", kind="field", name="location"),
    change("learned_knowledge", "Retry webhooks with backoff.", kind="insight", name="Webhooks"),
    change("entity_memory", "Uses Postgres", kind="fact", subject="Acme (company)"),
    change("entity_memory", "Launched", kind="event", subject="Acme (company)", when="2026-01-15"),
]
#: method → what it is called with beside the scope; `handle` and `entity` stand for those of something learned.
CALLS: dict[str, tuple[Any, ...]] = {
    "learnings": (),
    "get": ("handle",),
    "search": ("webhooks",),
    "entities": (),
    "entity": ("entity",),
    "timeline": (),
    "neighbours": ("entity",),
    "turns": (),
    "explain": ("handle",),
    "explain_recall": ("How do I retry webhooks?",),
    "standing": (),
}


@pytest.fixture
def taught(machine: Callable[..., LearningMachine]) -> LearningMachine:
    everything = dict.fromkeys(("user_profile", "learned_knowledge", "entity_memory"), True)
    found = machine(ScriptedModel(learns=[LEARNED]), **everything)
    found.process([{"role": "user", "content": "All of it.", "id": "u1"}], user_id="alice", session_id="s1")
    return found


@pytest.mark.parametrize("name", CALLS)
def test_twins_say_the_same(taught: LearningMachine, name: str) -> None:
    """Both find something, and the same."""
    known = {"handle": taught.learnings(user_id="alice").items[0].handle}
    known["entity"] = taught.entities(user_id="alice").items[0].id
    given = [known.get(one, one) for one in CALLS[name]]
    sync = getattr(taught, name)(*given, user_id="alice")
    other = asyncio.run(getattr(taught, f"a{name}")(*given, user_id="alice"))
    assert sync == other
    assert sync


@pytest.mark.parametrize("prefix", ["", "a"])
def test_both_doors_change_and_take_back(taught: LearningMachine, prefix: str) -> None:
    """Add, edit, forget, and undo of it, in either door."""

    def call(name: str, *given: Any, **more: Any) -> Any:
        done = getattr(taught, prefix + name)(*given, user_id="alice", **more)
        return asyncio.run(done) if prefix else done

    texts = lambda: {one.text for one in taught.learnings(user_id="alice", store="user_profile").items}  # noqa: E731
    call("add", "user_profile", "drinks tea")
    tea = next(one for one in taught.learnings(user_id="alice").items if one.text == "drinks tea")
    edited = call("edit", tea.handle, "drinks coffee")
    assert texts() == {"Lisbon", "drinks coffee"}
    [gone] = call("forget", edited.handle)
    assert texts() == {"Lisbon"}
    assert call("undo", gone.handle).status == "undone"
    assert texts() == {"Lisbon", "drinks coffee"}
