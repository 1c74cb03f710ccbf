"""Undo: after it all that is readable is as it was, and the record shows both."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from learning_machine import LearnedKnowledgeConfig, LearningMode
from learning_machine.errors import NotAllowed, UndoConflict
from learning_machine.state.changes import Add, Change, Origin, Receipt, Retire, Revise
from learning_machine.state.messages import Said
from learning_machine.state.scope import Scope
from learning_machine.stores.writing import Source

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


class Diary:
    """A machine whose ledger is written to directly, and all that can be read of it."""

    def __init__(self, world: Any) -> None:
        self.world, self.machine = world, world.machine

    def write(self, *changes: Change, user: str = "alice", **source: Any) -> list[Receipt]:
        texts = [getattr(change, "index", "") for change in changes]
        source = {"origin": Origin.USER, "vectors": self.machine.parts.embedder.vectors(texts), **source}
        scope = Scope(user_id=user, groups=source.pop("groups", ()))
        return self.machine.parts.ledger.write(changes, scope=scope, source=Source(**source))

    def lives(self, city: str, **more: Any) -> Add:
        return Add(store="user_profile", kind="field", name="location", slot="location", text=city, value=city, **more)

    def insight(self, text: str, **more: Any) -> Add:
        return Add(store="learned_knowledge", kind="insight", text=text, index=text, value={}, **more)

    def readable(self, user: str = "alice") -> str:
        """Everything that can be read, as one text."""
        export = [line for line in self.machine.export(user_id=user) if '"record":"header"' not in line]
        found = {
            "export": export,
            "history": self.machine.history(user_id=user),
            "context": self.machine.build_context(message="deploy on Friday with caution", user_id=user),
            "recalled": repr(self.machine.recall(message="deploy on Friday with caution", user_id=user)),
            "then": repr(self.machine.recall(message="deploy on Friday", user_id=user, as_of="2026-02-01")),
        }
        return json.dumps(found, default=str, sort_keys=True)


@pytest.fixture
def diary(world: Any) -> Diary:
    return Diary(world)


def started(diary: Diary) -> list[Receipt]:
    return diary.write(
        diary.lives("London"),
        diary.insight("Deploy on Friday only with caution."),
        Add(store="user_profile", kind="observation", text="likes tea", value="likes tea"),
    )


def a_new_value(diary: Diary, known: list[Receipt]) -> list[Change]:
    return [diary.lives("Lisbon", since=MARCH)]


def a_revision(diary: Diary, known: list[Receipt]) -> list[Change]:
    text = "Deploy never on Friday."
    return [Revise(store="learned_knowledge", handle=known[1].handle or "", text=text, index=text, value={})]


def taken_back(diary: Diary, known: list[Receipt]) -> list[Change]:
    return [Retire(store="learned_knowledge", handle=known[1].handle or "")]


def history(diary: Diary, known: list[Receipt]) -> list[Change]:
    return [diary.lives("Paris", since=datetime(2010, 1, 1, tzinfo=UTC), until=datetime(2015, 1, 1, tzinfo=UTC))]


def said_again(diary: Diary, known: list[Receipt]) -> list[Change]:
    return [diary.lives("London"), diary.insight("Deploy on Friday only with caution.")]


def said_again_in_words(diary: Diary, known: list[Receipt]) -> list[Change]:
    return [diary.lives("London", quote="I live in London")]


def many(diary: Diary, known: list[Receipt]) -> list[Change]:
    return [
        *a_new_value(diary, known),
        diary.lives("Porto"),
        *taken_back(diary, known),
        diary.insight("Ask before you deploy.", derived_from=(known[1].handle or "",)),
    ]


CHANGES = (a_new_value, a_revision, taken_back, history, said_again, said_again_in_words, many)


@pytest.mark.parametrize("make", CHANGES)
def test_as_before(diary: Diary, make: Callable[[Diary, list[Receipt]], list[Change]]) -> None:
    """Whatever a batch did, one call undoes: all that can be read is then byte for byte as before, and the record is whole."""
    known = started(diary)
    before, batch = diary.readable(), uuid4()
    said = [Said("u1", "user", "I live in London.")]
    receipts = diary.write(*make(diary, known), batch=batch, said=said)
    after = diary.readable()
    done = diary.machine.undo(batch, by="alice", user_id="alice")
    assert diary.readable() == before
    if any(receipt.status == "saved" for receipt in receipts) or make is said_again_in_words:
        assert (done.status, after != before) == ("undone", True)
    assert diary.machine.verify_audit()["whole"]


@pytest.mark.parametrize("make", (a_new_value, a_revision, taken_back, many))
def test_undoing_the_undo(diary: Diary, make: Callable[[Diary, list[Receipt]], list[Change]]) -> None:
    """An undo is undone by its own batch: then everything is as after the change."""
    batch = uuid4()
    diary.write(*make(diary, started(diary)), batch=batch)
    context = diary.machine.build_context(message="deploy on Friday with caution", user_id="alice")
    done = diary.machine.undo(batch, user_id="alice")
    assert diary.machine.undo(done.batch, user_id="alice").status == "undone"
    assert diary.machine.build_context(message="deploy on Friday with caution", user_id="alice") == context
    assert diary.machine.verify_audit()["whole"]


def test_by_handle(diary: Diary) -> None:
    """The handle of a learning undoes the change that made it, and what it had replaced holds again."""
    started(diary)
    before = diary.readable()
    moved = diary.write(diary.lives("Lisbon"))[0]
    done = diary.machine.undo(moved.handle, by="carol", user_id="alice")
    assert (done.status, [one["text"] for one in done.changes]) == ("undone", ["Lisbon"])
    assert diary.readable() == before
    doings = diary.machine.explain(moved.handle, user_id="alice")["changes"]
    assert [(one["action"], one["actor"]) for one in doings][-1] == ("undo", "carol")


def test_words_alone(diary: Diary) -> None:
    """What only brought words to what was known is undone too, once, and nobody undoes another person's."""
    known, batch = started(diary), uuid4()
    said = [Said("u1", "user", "I live in London.")]
    diary.write(diary.lives("London", quote="I live in London"), batch=batch, said=said)
    assert diary.machine.explain(known[0].handle, user_id="alice")["sources"]["quotes"] == ["I live in London"]
    assert diary.machine.undo(batch, user_id="bob").status == "nothing"
    done = diary.machine.undo(batch, user_id="alice")
    assert (done.status, [one["handle"] for one in done.changes]) == ("undone", [known[0].handle])
    assert diary.machine.explain(known[0].handle, user_id="alice")["sources"]["quotes"] == []
    assert diary.machine.undo(batch, user_id="alice").status == "already undone"


def test_twice(diary: Diary) -> None:
    """Undoing what is undone changes nothing and says so."""
    started(diary)
    batch = uuid4()
    moved = diary.write(diary.lives("Lisbon"), batch=batch)[0]
    diary.machine.undo(moved.handle, by="carol", user_id="alice")
    before = diary.readable()
    for target in (moved.handle, batch):
        again = diary.machine.undo(target, user_id="alice")
        assert (again.status, again.by) == ("already undone", "carol")
        assert str(again).startswith("already undone by carol")
    assert diary.readable() == before


def test_built_upon(diary: Diary) -> None:
    """What was replaced since is in the way: nothing is undone, and the error says what to undo first."""
    started(diary)
    first, batch = diary.write(diary.lives("Lisbon"))[0], uuid4()
    second = diary.write(diary.lives("Porto"), diary.insight("Measure first."), batch=batch)[0]
    before = diary.readable()
    with pytest.raises(UndoConflict, match=f"replaced by {second.handle}; undo that first"):
        diary.machine.undo(first.handle, user_id="alice")
    assert diary.readable() == before
    diary.write(diary.lives("Rome"))
    with pytest.raises(UndoConflict):
        diary.machine.undo(batch, user_id="alice")
    done = diary.machine.undo(batch, user_id="alice", partly=True)
    assert [one["text"] for one in done.changes] == ["Measure first."]
    assert [one["handle"] for one in done.left] == [second.handle]
    assert diary.machine.recall(user_id="alice")["user_profile"].location == "Rome"


def test_one_after_the_other(diary: Diary) -> None:
    """Changes that were built upon are undone last first."""
    started(diary)
    before = diary.readable()
    made = [diary.write(diary.lives(city))[0] for city in ("Lisbon", "Porto", "Rome")]
    for receipt in reversed(made):
        assert diary.machine.undo(receipt.handle, user_id="alice").status == "undone"
    assert diary.readable() == before


def test_what_was_known_meanwhile(diary: Diary) -> None:
    """What was undone was known until then, and is not known after."""
    started(diary)
    moved = diary.write(diary.lives("Lisbon"))[0]
    with diary.machine.database.connection() as connection:
        between = connection.execute("select clock_timestamp() as now").fetchone()["now"]  # type: ignore[index]
    diary.machine.undo(moved.handle, user_id="alice")
    recalled = diary.machine.recall(user_id="alice", known_at=between)["user_profile"]
    assert recalled.location == "Lisbon"
    assert diary.machine.recall(user_id="alice", as_of=between)["user_profile"].location == "London"


def test_a_turn(world: Any) -> None:
    """The id of a turn undoes all that was learned from it."""
    world.teach({"action": "add", "store": "user_profile", "kind": "field", "name": "name", "value": "Alice"})
    with world.machine.database.connection() as connection:
        turn = connection.execute("select turn from learning_machine.watermark").fetchone()["turn"]  # type: ignore[index]
    assert world.machine.undo(turn, user_id="alice").status == "undone"
    assert "Alice" not in world.context("")


def test_nothing_of_that_name(diary: Diary) -> None:
    """What names nothing undoes nothing, and says so; neither does what belongs to somebody else."""
    held = started(diary)[0]
    for target in ("k999", "nonsense", str(uuid4())):
        assert diary.machine.undo(target, user_id="alice").status == "nothing"
    assert diary.machine.undo(held.handle, user_id="mallory").status == "nothing"


def test_what_others_shared(make_world: Any) -> None:
    """In a shared namespace one undoes one's own changes; another person's only as a reviewer."""
    shared = LearnedKnowledgeConfig(namespace="team", mode=LearningMode.BACKGROUND)
    diary = Diary(make_world(learned_knowledge=shared, reviewers=["carol"]))
    team = {"namespaces": {"learned_knowledge": "team"}, "groups": ("team",)}
    mine, other = (diary.write(diary.insight(f"{name} says."), user=name, **team)[0] for name in ("alice", "bob"))
    with pytest.raises(NotAllowed, match="somebody else"):
        diary.machine.undo(other.handle, user_id="alice", groups=("team",))
    assert diary.machine.undo(mine.handle, user_id="alice", groups=("team",)).status == "undone"
    assert diary.machine.undo(other.handle, user_id="carol", groups=("team",)).status == "undone"


def test_only_what_the_record_names_is_opened(diary: Diary, see: Any) -> None:
    """A closed learning stays closed for everybody else: the database refuses."""
    started(diary)
    diary.write(diary.lives("Lisbon"))
    with pytest.raises(Exception, match="stays closed"):
        see("update learning set known_to = null, superseded_by = null where text = 'London'")
