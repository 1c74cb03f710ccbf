"""Why something is known, and why a message recalls it, or not."""

from __future__ import annotations

from typing import Any

import pytest

from learning_machine import LearnedKnowledgeConfig, LearningMode
from learning_machine.errors import LearningNotFound
from learning_machine.state.changes import Add, Origin, Retire
from learning_machine.state.scope import Scope
from learning_machine.stores.scoring import recomputed
from learning_machine.stores.writing import Source
from learning_machine.testing import change

FIELD = {"kind": "field", "name": "location"}
ABOUT = ["Retry webhooks with a growing delay.", "Rotate keys each quarter.", "Name branches after tickets."]


def test_from_what(world: Any) -> None:
    """An explanation has the words, where they come from, what was replaced and every change, by handle and by id."""
    said = change("user_profile", "London", quote="I live in London", **FIELD)
    world.teach(said, text="I live in London.")
    moved = change("user_profile", "Lisbon", quote="I live in Lisbon", when="2026-03-01", **FIELD)
    handle = world.teach(moved, text="Now I live in Lisbon.")[0]["handle"]
    told = world.machine.explain(handle, user_id="alice")
    assert (told["handle"], told["text"], told["mode"], told["certain"]) == (handle, "Lisbon", "background", True)
    assert told["sources"]["origin"] == "user" and told["sources"]["quotes"] == ["I live in Lisbon"]
    assert f"{told['true_from']:%Y-%m-%d}" == "2026-03-01"
    assert [one["text"] for one in told["slot"]] == ["London", "Lisbon"]
    assert told["replaced"] == told["slot"][0]["handle"]
    assert [one["action"] for one in told["changes"]] == ["save"]
    number = int(handle[1:], 36)
    assert (
        world.machine.explain(number, user_id="alice") == told == world.machine.explain(f"[{handle}]", user_id="alice")
    )


def test_for_who_may_see_it(make_world: Any) -> None:
    """Others who may read a shared learning see that it has a source, never the words; strangers see nothing."""
    shared = LearnedKnowledgeConfig(namespace="team", mode=LearningMode.BACKGROUND)
    world = make_world(learned_knowledge=shared)
    insight = change("learned_knowledge", ABOUT[0], kind="insight", name="Webhooks", quote="my private words")
    handle = world.teach(insight, text="These are my private words.", groups=("team",))[0]["handle"]
    explain = world.machine.explain
    assert explain(handle, user_id="alice", groups=("team",))["sources"]["quotes"] == ["my private words"]
    others = explain(handle, user_id="bob", groups=("team",))
    assert others["sources"]["quotes"] == [] and others["sources"]["origin"] == "user"
    for user, id in (("mallory", handle), ("alice", "k999"), ("alice", "nonsense")):
        with pytest.raises(LearningNotFound):
            explain(id, user_id=user)


def write(world: Any, *changes: Any, user: str = "alice", origin: Origin = Origin.USER) -> list[str]:
    texts = [getattr(one, "index", "") for one in changes]
    source = Source(origin=origin, vectors=world.machine.parts.embedder.vectors(texts))
    receipts = world.machine.parts.ledger.write(changes, scope=Scope(user_id=user, session_id="s1"), source=source)
    return [receipt.handle for receipt in receipts]


def insight(text: str) -> Add:
    return Add(store="learned_knowledge", kind="insight", text=text, value={}, index=text)


def test_scores_by_parts(world: Any) -> None:
    """Every score can be computed again from its parts, exactly, and is what recall gives."""
    write(world, *map(insight, ABOUT))
    world.teach(
        text="How should webhooks retry, and when are keys rotated?", answer="Slower each time.", session_id="s0"
    )
    question = "How should webhooks retry, and when are keys rotated each quarter?"
    told = world.machine.explain_recall(question, user_id="alice")
    scored = [one for one in told["recalled"] if one["parts"] is not None]
    assert {one["store"] for one in scored} == {"learned_knowledge", "conversation"}
    assert all(recomputed(one["parts"]) == one["score"] for one in scored)
    recalled = world.recall(question)["learned_knowledge"].insights
    mine = [(one["handle"], one["score"]) for one in scored if one["store"] == "learned_knowledge"]
    assert [(one.handle, one.score) for one in recalled] == mine


def test_what_stands(world: Any) -> None:
    """What stands is recalled without a score, whatever is asked."""
    field = Add(store="user_profile", kind="field", name="name", slot="name", text="Alice", value="Alice")
    handle = write(world, field)[0]
    told = world.machine.explain_recall("hello", user_id="alice")["recalled"]
    assert [(one["handle"], one["why"], one["score"], one["in_context"]) for one in told] == [
        (handle, "stands", None, True)
    ]


def test_why_not(world: Any) -> None:
    """For what was not recalled the first stage that left it out is named."""
    kept, gone, other = write(world, *map(insight, ABOUT))
    city = Add(store="user_profile", kind="field", name="location", slot="location", text="Bern", value="Bern")
    claim = Add(store="user_profile", kind="field", name="location", slot="location", text="Rome", value="Rome")
    write(world, city)
    waits = write(world, claim, origin=Origin.INFERENCE)[0]
    theirs = write(world, insight("Theirs alone."), user="bob")[0]
    write(world, Retire(store="learned_knowledge", handle=gone))
    ids = [kept, gone, other, waits, theirs, "k999", "p1"]
    told = world.machine.explain_recall("How do we retry webhooks with a growing delay?", ids=ids, user_id="alice")
    stages = {one["handle"]: one["stage"] for one in told["left_out"]}
    assert stages == {
        gone: "closed", other: "floor", waits: "pending", theirs: "scope", "k999": "scope", "p1": "pending"
    }  # fmt: skip
    assert all(one["reason"] for one in told["left_out"])
    small = world.machine.explain_recall("hello", ids=[kept], user_id="alice")
    assert [one["stage"] for one in small["left_out"]] == ["small talk"] and not small["searched"]


def test_the_floor_and_the_limit(make_world: Any) -> None:
    """What shares too little with the message, and what others beat to the last place, is told apart."""
    world = make_world(learned_knowledge=LearnedKnowledgeConfig(max_results=1))
    handles = write(
        world,
        insight("Retry webhooks with a growing delay."),
        insight("Retry webhooks with a growing delay, and log it."),
        insight("Webhooks carry a signature over body, time, sender, version and region of origin."),
    )
    told = world.machine.explain_recall("retry webhooks growing delay", user_id="alice")
    assert [one["handle"] for one in told["recalled"]] == handles[:1]
    assert {one["handle"]: one["stage"] for one in told["left_out"]} == {handles[1]: "limit", handles[2]: "floor"}


def test_all_in_scope(world: Any) -> None:
    """Without ids everything in scope is accounted for, recalled or not."""
    write(world, *map(insight, ABOUT))
    told = world.machine.explain_recall("retry webhooks", user_id="alice")
    assert len(told["recalled"]) + len(told["left_out"]) == 3
