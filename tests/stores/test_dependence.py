"""What rests on a learning, and what happens to it when the ground falls."""

from __future__ import annotations

from typing import Any

import pytest

from learning_machine.state.changes import Add, Origin, Receipt, Retire
from learning_machine.state.scope import Scope
from learning_machine.stores.writing import Source


class Tower:
    """Insights of Alice's that rest on each other."""

    def __init__(self, world: Any) -> None:
        self.machine = world.machine

    def write(self, *changes: Any, user: str = "alice", groups: tuple[str, ...] = (), **source: Any) -> list[Receipt]:
        source = {"origin": Origin.USER, **source}
        return self.machine.parts.ledger.write(
            changes, scope=Scope(user_id=user, groups=groups), source=Source(**source)
        )

    def learn(self, text: str, *on: Receipt, slot: str | None = None, **more: Any) -> Receipt:
        handles = tuple(one.handle or "" for one in on)
        change = Add(
            store="learned_knowledge", kind="insight", text=text, value={}, index=text, slot=slot, derived_from=handles
        )
        return self.write(change, **more)[0]

    def forget(self, one: Receipt, **more: Any) -> Receipt:
        return self.write(Retire(store="learned_knowledge", handle=one.handle or ""), **more)[0]

    def uncertain(self, user: str = "alice", **scope: Any) -> list[str]:
        rows = self.machine.history(user_id=user, **scope)
        certain = {row["text"]: self.machine.explain(row["handle"], user_id=user, **scope)["certain"] for row in rows}
        return sorted(text for text, sure in certain.items() if not sure)


@pytest.fixture
def tower(world: Any) -> Tower:
    return Tower(world)


def test_the_ground_falls(tower: Tower) -> None:
    """What rests on a learning, near or far, is no longer certain once it is taken back; what stands apart is."""
    ground, other = tower.learn("Ground."), tower.learn("Other ground.")
    first = tower.learn("First floor.", ground)
    tower.learn("Second floor.", first)
    tower.learn("Other house.", other)
    assert tower.uncertain() == []
    tower.forget(ground)
    assert tower.uncertain() == ["First floor.", "Second floor."]
    assert "no longer certain" in tower.machine.build_context(message="Second floor", user_id="alice")
    assert "no longer certain" not in tower.machine.build_context(message="Other house", user_id="alice")


def test_replaced_and_undone(tower: Tower) -> None:
    """Being replaced is falling too; an undo gives the ground back, and all is certain again."""
    ground = tower.learn("Seven per cent.", slot="rate")
    tower.learn("Roof.", tower.learn("Floor.", ground))
    newer = tower.learn("Nine per cent.", slot="rate")
    assert tower.uncertain() == ["Floor.", "Roof."]
    tower.machine.undo(newer.handle, user_id="alice")
    assert tower.uncertain() == []
    tower.machine.undo(ground.handle, user_id="alice")
    assert tower.uncertain() == ["Floor.", "Roof."]


def test_two_grounds(tower: Tower) -> None:
    """One fallen ground of two is enough, and both have to be given back."""
    one, two = tower.learn("One."), tower.learn("Two.")
    tower.learn("Both.", one, two)
    gone = [tower.forget(ground) for ground in (one, two)]
    for receipt in gone:
        assert tower.uncertain() == ["Both."]
        tower.machine.undo(receipt.handle, user_id="alice")
    assert tower.uncertain() == []


def test_a_circle(tower: Tower, see: Any) -> None:
    """Learnings that rest on each other fall and are given back together; nothing runs for ever."""
    ground = tower.learn("Ground.")
    left = tower.learn("Left.", ground)
    right = tower.learn("Right.", left)
    tower.learn("Left.", right)
    assert see("select count(*) as edges from derived_from") == [{"edges": 3}]
    gone = tower.forget(ground)
    assert tower.uncertain() == ["Left.", "Right."]
    tower.machine.undo(gone.handle, user_id="alice")
    assert tower.uncertain() == []


def test_in_a_space_one_cannot_enter(tower: Tower) -> None:
    """A shared insight falls with the private ground it rests on, also when its owner is not in the group just then."""
    ground = tower.learn("My own measurements.")
    team = {"namespaces": {"learned_knowledge": "team"}, "groups": ("team",)}
    tower.learn("Shared conclusion.", ground, **team)
    tower.forget(ground)
    assert tower.uncertain("bob", groups=("team",)) == ["Shared conclusion."]
    lineage = next(
        tower.machine.explain(row["handle"], user_id="bob", groups=("team",))["derived_from"]
        for row in tower.machine.history(user_id="bob", groups=("team",))
    )
    assert lineage == [{"handle": None, "text": "", "holds": False}]


def test_erased(tower: Tower, see: Any) -> None:
    """What is erased carries nothing."""
    tower.learn("Floor.", tower.learn("Ground."))
    see("delete from learning where text = 'Ground.'")
    assert tower.uncertain() == ["Floor."]


def test_said_again_by_a_better_source(tower: Tower) -> None:
    """The same content from a better source is the same ground."""
    ground = tower.learn("Ground.", slot="ground", origin=Origin.INFERENCE)
    tower.learn("Floor.", ground, origin=Origin.INFERENCE)
    better = tower.learn("Ground.", slot="ground", origin=Origin.REVIEWER)
    assert (better.status, tower.uncertain()) == ("saved", [])
    tower.forget(better, origin=Origin.REVIEWER)
    assert tower.uncertain() == ["Floor."]


def test_never_more_trusted_than_its_source(tower: Tower) -> None:
    """What is derived is trusted no more than the least of what it was derived from, whoever wrote it."""
    guess, word = tower.learn("A guess.", origin=Origin.INFERENCE), tower.learn("A word.")
    derived = tower.learn("So it is.", guess, word)
    assert tower.machine.explain(derived.handle, user_id="alice")["sources"]["trust"] == 30


def test_from_what_is_not_there(tower: Tower) -> None:
    """What is derived from something that this person cannot see is refused."""
    held = tower.learn("Mine.")
    assert tower.learn("Yours.", held, user="mallory").status == "refused"
    assert tower.learn("Nobody's.", Receipt(status="saved", store="x", handle="k999")).status == "refused"


def test_no_longer_known(tower: Tower) -> None:
    """A field whose value was taken back reads as no longer known, never as the value it had."""
    field = Add(store="user_profile", kind="field", name="location", slot="location", text="Lisbon", value="Lisbon")
    held = tower.write(field)[0]
    tower.write(Retire(store="user_profile", handle=held.handle or ""))
    context = tower.machine.build_context(user_id="alice")
    assert "- location: no longer known" in context and "Lisbon" not in context
    assert tower.machine.recall(user_id="alice")["user_profile"].gone == ("location",)
    tower.write(field)
    assert "no longer known" not in tower.machine.build_context(user_id="alice")
