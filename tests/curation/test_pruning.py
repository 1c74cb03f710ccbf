"""Fading, archiving and deleting: what goes, what never goes, and when."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from learning_machine import LearnedKnowledgeConfig, LearningMode, SessionContextConfig, UserProfileConfig
from learning_machine.errors import LearningNotFound, NotAllowed
from learning_machine.state.changes import Add
from learning_machine.stores.curation.aging import Fading, fading_of, half_life

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATH = "-c search_path=learning_machine,public"
TRIP = "Planning a trip"
SESSION = Add(store="session_context", kind="summary", subject="s1", slot="summary", text=TRIP, value=TRIP)


# --- the formula ------------------------------------------------------------------------------------------------------


def test_half_is_lost_in_a_half_life() -> None:
    """After one half-life half of the strength is left, after two a quarter, and before it began all of it."""
    fading = Fading(NOW, 10)
    left = [fading.strength(NOW + timedelta(days=days)) for days in (-5, 0, 10, 20)]
    assert left == pytest.approx([1, 1, 0.5, 0.25])


def test_use_and_confirmation_slow_it() -> None:
    """What is used or said again fades more slowly, each time by less."""
    assert half_life(10) == 10
    gains = [half_life(10, uses=uses + 1) - half_life(10, uses=uses) for uses in range(5)]
    assert gains == sorted(gains, reverse=True) and gains[-1] > 0
    assert half_life(10, voices=4) == pytest.approx(30)


def test_the_clock_starts_again() -> None:
    """Fading is counted from when something was last learned, said or used."""
    found = fading_of(
        "fact", {"fact": 10}, known_from=NOW, used_at=NOW + timedelta(days=3), said_at=NOW + timedelta(days=1)
    )
    assert found == Fading(NOW + timedelta(days=3), 10)


def test_timeless() -> None:
    """A kind without a half-life does not fade, nor does what is pinned."""
    assert fading_of("field", {"fact": 10}, known_from=NOW) is None
    assert fading_of("fact", {"fact": 10}, known_from=NOW, pinned=True) is None


# --- archiving and deleting -------------------------------------------------------------------------------------------


def test_sessions_go_and_facts_stay(machine: Any, write: Any, observe: Any, age: Any, known: Any) -> None:
    """After two months the note of a conversation is archived, and what is known of the user is all there."""
    found = machine(session_context=SessionContextConfig(), user_profile=True)
    write(found, [SESSION], user_id="alice", session_id="s1")
    field = Add(
        store="user_profile", kind="field", name="name", slot="name", text="Alice", value="Alice", quote="Alice"
    )
    write(found, [field], said="Alice", user_id="alice")
    observe(found, "Likes tea")
    age(70)
    assert found.curator.prune(user_id="alice").figures == {"archived": 1}
    assert "session_context" not in found.recall(user_id="alice", session_id="s1") and known(found) == [
        "Alice",
        "Likes tea",
    ]
    archived = [row for row in found.history(user_id="alice") if row["status"] == "archived"]
    assert [row["text"] for row in archived] == ["Planning a trip"]


def test_deleted_after_the_grace(machine: Any, write: Any, age: Any) -> None:
    """What was archived is deleted when its grace is over, not before; the record stays whole."""
    found = machine(session_context=True)
    write(found, [SESSION], user_id="alice", session_id="s1")
    age(70)
    found.curator.prune(user_id="alice")
    age(89)
    assert found.curator.prune(user_id="alice").figures == {}
    age(2)
    assert found.curator.prune(user_id="alice").figures == {"deleted": 1}
    assert found.history(user_id="alice") == []
    report = found.verify_audit()
    assert report["whole"], report


def test_pinned_stays(machine: Any, write: Any, age: Any, url: str) -> None:
    """What a person pinned is neither archived nor merged away."""
    found = machine(session_context=True)
    write(found, [SESSION], user_id="alice", session_id="s1")
    with psycopg.connect(url, autocommit=True, options=PATH) as connection:
        connection.execute("update learning set pinned = true")
    age(1_000)
    assert found.curator.run(user_id="alice").figures == {}


def test_pinning(machine: Any, observe: Any, known: Any) -> None:
    """A pin is on record and undone like any change, goes over to what takes the place, and keeps a run from archiving."""
    found = machine()
    handle = observe(found, "Is allergic to nuts")[0].handle
    assert found.pin(handle, user_id="alice").status == "saved"
    assert found.pin(handle, user_id="alice").status == "known"
    preview = found.curator.preview(user_id="alice", tasks=["prune"], now="2040-01-01")
    assert not preview
    with pytest.raises(LearningNotFound):
        found.pin(handle, user_id="bob")
    assert found.undo(handle, user_id="alice").status == "undone" and known(found) == ["Is allergic to nuts"]
    assert found.undo(handle, user_id="alice").status == "already undone"
    assert found.curator.preview(user_id="alice", tasks=["prune"], now="2040-01-01")
    asyncio.run(found.apin(handle, by="alice"))
    newer = found.edit(handle, "Is allergic to all nuts", user_id="alice").handle
    assert found.get(newer, user_id="alice").pinned
    assert found.pin(newer, pinned=False, user_id="alice").status == "saved" and found.verify_audit()["whole"]


def test_who_pins(machine: Any, write: Any) -> None:
    """In a shared namespace one pins what one brought; what others did a reviewer pins."""
    shared = LearnedKnowledgeConfig(namespace="eng", mode=LearningMode.BACKGROUND)
    found = machine(learned_knowledge=shared, reviewers=["carol"])
    insight = found.parts.registry["learned_knowledge"].insight("", "Deploy on Tuesdays")
    handle = write(found, [insight], user_id="alice", groups=("eng",))[0].handle
    with pytest.raises(NotAllowed, match="a reviewer"):
        found.pin(handle, user_id="bob", groups=("eng",))
    assert found.pin(handle, user_id="carol", groups=("eng",)).status == "saved"
    assert found.pin(handle, pinned=False, user_id="alice", groups=("eng",)).status == "saved"


def test_expired(machine: Any, observe: Any, known: Any, url: str) -> None:
    """What was to hold until a day is archived after it."""
    found = machine()
    observe(found, "Is on holiday")
    with psycopg.connect(url, autocommit=True, options=PATH) as connection:
        connection.execute("update learning set expires_at = now() - interval '1 hour'")
    preview = found.curator.preview(user_id="alice", tasks=["prune"])
    assert [step["reason"] for step in preview.steps] == ["its time is over"]


def test_used_stays(machine: Any, write: Any, age: Any, url: str) -> None:
    """What was shown to the model meanwhile is not archived, and a preview made before that leaves it alone."""
    found = machine(entity_memory=True)
    change = found.parts.registry["entity_memory"].event(_acme(), "moved its office")
    handle = write(found, [change], user_id="alice")[0].handle
    age(800)
    preview = found.curator.preview(user_id="alice", tasks=["prune"])
    assert len(preview.steps) == 1
    _show(url, handle)
    report = found.curator.run(preview.id, user_id="alice")
    assert report.figures == {"left_out": 1} and handle in report.left_out[0]["reason"]
    assert found.curator.prune(user_id="alice").figures == {}


def test_nothing_old_comes_back(machine: Any, write: Any, age: Any) -> None:
    """What was replaced stays replaced when what took its place is archived, and when the grace is over."""
    from learning_machine.state.changes import Revise

    found = machine(entity_memory=True)
    event = found.parts.registry["entity_memory"].event(_acme(), "moved to Graz")
    handle = write(found, [event], user_id="alice")[0].handle
    revised = Revise(
        store="entity_memory", handle=handle, text="moved to Linz", value={"when": None}, index="Acme: moved to Linz"
    )
    assert write(found, [revised], user_id="alice")[0].status == "saved"
    age(800)
    assert found.curator.prune(user_id="alice").figures == {"archived": 1}
    for days in (0, 100):
        age(days)
        found.curator.prune(user_id="alice")
        assert "moved" not in found.build_context(message="Where has Acme moved?", user_id="alice")
        assert found.stores["entity_memory"].events("Acme", user_id="alice") == []


def test_the_weakest_beyond_the_limit(machine: Any, observe: Any, known: Any, age: Any) -> None:
    """Beyond what a store is to hold the weakest go: not the ones that were said again."""
    found = machine(user_profile=UserProfileConfig(max_learnings=2))
    observe(found, "Likes tea", "Likes walks")
    age(30)
    observe(found, "Plays chess")
    assert found.curator.prune(user_id="alice").figures == {"archived": 1}
    assert "Plays chess" in known(found) and len(known(found)) == 2


def test_strength_is_kept(machine: Any, observe: Any, age: Any, url: str) -> None:
    """A run computes how strong everything is, changes no learning, and forgets what is no longer there."""
    found = machine()
    observe(found, "Likes tea", "Likes walks")
    assert found.curator.decay(user_id="alice").figures == {}
    with psycopg.connect(url) as connection:
        rows = connection.execute("select half_life from learning_machine.strength").fetchall()
    assert rows == [(365.0,), (365.0,)]


def _acme() -> Any:
    from learning_machine.state.entities import EntityRef

    return EntityRef("Acme", "company")


def _show(url: str, handle: str) -> None:
    """A turn in which the model was shown something."""
    with psycopg.connect(url, autocommit=True, options=PATH) as connection:
        connection.execute(
            """insert into turn (space, id, machine, session, answer, messages, scope, shown)
               select id, gen_random_uuid(), 'default', 's', 'a', '{a}', '{}', jsonb_build_array(%s::text)
               from space where kind = 'user'""",
            (handle,),
        )


def test_the_stronger_is_shown(machine: Any, observe: Any, age: Any) -> None:
    """Where not all of a profile fits, what was said again is shown rather than what was said once, later."""
    found = machine(user_profile=UserProfileConfig(max_context_tokens=15))
    observe(found, "Likes tea with milk")
    age(200)
    observe(found, "Plays chess on Sundays")
    age(300)
    observe(found, "Likes tea with milk ")
    assert "chess" in found.build_context(user_id="alice")
    age(10)
    found.curator.decay(user_id="alice")
    text = found.build_context(user_id="alice")
    assert "tea" in text and "chess" not in text
