"""Any sequence of writes: the gate agrees with a few lines of Python that say what it should do, and keeps its invariants."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learning_machine.state.changes import TRUST, Add, Origin, Retire, Revise

_users = count()
ORIGINS = (Origin.USER, Origin.INFERENCE, Origin.EXTERNAL)
TEXTS, SLOTS = ("a", "b", "c", "d"), ("x", "y")
texts = st.sampled_from(TEXTS)
one = st.one_of(
    st.tuples(st.just("add"), texts, st.sampled_from((None, None, *SLOTS))),
    st.tuples(st.just("revise"), texts, st.integers(0, 7)),
    st.tuples(st.just("retire"), st.just(""), st.integers(0, 7)),
)
batches = st.tuples(st.sampled_from(ORIGINS), st.lists(one, min_size=1, max_size=3))


@dataclass
class Thing:
    """One thing learned: what it says now, how far that is trusted, and the handle it was first given.

    `born`: the text it was made for, which brings it back after it was retired.
    """

    slot: str | None
    text: str | None
    trust: int
    born: str | None = None
    handle: str = ""


@dataclass
class Model:
    """What the gate should do."""

    things: list[Thing] = field(default_factory=list)

    def add(self, text: str, slot: str | None, trust: int) -> str:
        free = [thing for thing in self.things if thing.slot is None]
        home = [thing for thing in free if thing.born == text]
        same = [thing for thing in free if thing.text == text] or [thing for thing in home if thing.text is None]
        if slot is not None:
            same = [thing for thing in self.things if thing.slot == slot]
        if same:
            return self._write(same[0], text, trust)
        self.things.append(Thing(slot, text, trust, None if slot or home else text))
        return "saved"

    def revise(self, thing: Thing, text: str, trust: int) -> str:
        if thing.text is None:
            return "refused"
        other = [one for one in self.things if one is not thing and one.slot is None and one.text == text]
        if thing.slot is not None or not other:
            return self._write(thing, text, trust)
        if trust < thing.trust:
            return "challenged"
        thing.text, thing.trust = None, trust
        return self._write(other[0], text, trust)

    def retire(self, thing: Thing, trust: int) -> str:
        if thing.text is None:
            return "refused"
        if trust < thing.trust:
            return "challenged"
        thing.text, thing.trust = None, trust
        return "saved"

    def _write(self, thing: Thing, text: str, trust: int) -> str:
        if thing.text == text and trust <= thing.trust:
            return "known"
        if trust < thing.trust:
            return "challenged"
        thing.text, thing.trust = text, trust
        return "saved"


def apply(gate: Any, model: Model, user: str, origin: Origin, changes: list[tuple[str, str, Any]]) -> None:
    """One batch, written by the gate and by the model."""
    named = [thing for thing in model.things if thing.handle]
    written: list[Any] = []
    expected: list[str] = []
    fresh: list[tuple[int, Thing]] = []
    for verb, text, which in changes:
        thing = named[which % len(named)] if verb != "add" and named else None
        before = len(model.things)
        if verb == "add":
            written.append(Add(store="notes", kind="note", text=text, slot=which))
            expected.append(model.add(text, which, TRUST[origin]))
        elif thing is None:
            written.append(Retire(store="notes", handle="kzzzz"))
            expected.append("refused")
        elif verb == "revise":
            written.append(Revise(store="notes", handle=thing.handle, text=text))
            expected.append(model.revise(thing, text, TRUST[origin]))
        else:
            written.append(Retire(store="notes", handle=thing.handle))
            expected.append(model.retire(thing, TRUST[origin]))
        fresh += [(len(written) - 1, thing) for thing in model.things[before:]]
    receipts = gate.write(*written, user=user, origin=origin)
    assert [receipt.status for receipt in receipts] == expected
    for place, thing in fresh:
        thing.handle = receipts[place].handle


def check(gate: Any, see: Any, model: Model, user: str) -> None:
    """What holds, and what must hold of the rows whatever was written."""
    assert sorted(gate.texts(user)) == sorted(thing.text for thing in model.things if thing.text is not None)
    rows = see(
        """select l.* from learning l join space s on s.id = l.space
                  where s.owner = %(user)s and status in ('active', 'retired') order by l.id""",
        user=user,
    )
    for slot in {row["slot"] for row in rows}:
        history = [row for row in rows if row["slot"] == slot]
        assert [row["known_to"] is None for row in history] == [False] * (len(history) - 1) + [True]
        for old, new in pairwise(history):
            assert old["known_to"] == new["known_from"] and old["superseded_by"] == new["id"]
            assert new["supersedes"] == old["id"] and old["known_from"] <= old["known_to"]


def run(gate: Any, see: Any, sequence: list[tuple[Origin, list[tuple[str, str, Any]]]]) -> None:
    model, user = Model(), f"user {next(_users)}"
    for origin, changes in sequence:
        apply(gate, model, user, origin, changes)
    check(gate, see, model, user)


quick = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@settings(quick, max_examples=25)
@given(sequence=st.lists(batches, min_size=4, max_size=14))
def test_any_sequence(gate: Any, see: Any, sequence: Any) -> None:
    """One open row a slot, a history without gaps, and exactly what the model says, after any few writes."""
    run(gate, see, sequence)


@pytest.mark.full
@settings(quick, max_examples=1_000)
@given(sequence=st.lists(batches, min_size=5, max_size=40))
def test_many_sequences(gate: Any, see: Any, sequence: Any) -> None:
    """The same, for longer."""
    run(gate, see, sequence)
