"""Branches of a conversation: what was learned counts where the answer that it came from does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from learning_machine.state.changes import Origin
from learning_machine.state.config import SessionContextConfig
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.scope import Scope
from learning_machine.stores.protocol import Standing
from learning_machine.stores.session_context import SessionContextStore
from learning_machine.stores.user_profile import UserProfileStore
from learning_machine.stores.writing import Source

Make = Callable[..., Any]


@pytest.fixture
def elsewhere(make_thread: Make) -> Any:
    """Another conversation of Alice's."""
    return make_thread(session="s2")


def forked(thread: Any) -> tuple[list[str], list[str]]:
    """A line of two turns, and the line of a second answer to the second question; each taught something."""
    trunk = thread.turn([], "u1", "a1")
    thread.learn(trunk, "from a1")
    old = thread.turn(trunk, "u2", "a2")
    thread.learn(old, "from a2")
    new = thread.turn(trunk, "u2", "a3")
    thread.learn(new, "from a3")
    return old, new


# --- forks ------------------------------------------------------------------------------------------------------------


def test_one_line(thread: Any, elsewhere: Any) -> None:
    """Turn after turn nothing is left behind, and every conversation of the person knows it all."""
    line: list[str] = []
    for number in range(1, 5):
        line = thread.turn(line, f"u{number}", f"a{number}")
        thread.learn(line, f"from a{number}")
    expected = [f"from a{number}" for number in range(1, 5)]
    assert thread.abandoned() == []
    assert thread.recall(line) == thread.recall() == thread.recall(rooted=False) == elsewhere.recall() == expected


def test_a_regenerated_answer_leaves_the_old_one_behind(thread: Any, elsewhere: Any) -> None:
    """What came from an answer that was regenerated no longer counts: here, and in other conversations."""
    _, new = forked(thread)
    assert thread.abandoned() == ["a2"]
    assert thread.recall(new) == thread.recall() == elsewhere.recall() == ["from a1", "from a3"]


def test_the_old_branch_still_has_its_own(thread: Any) -> None:
    """Who stands on the old branch, without having gone on there, reads what belongs to it."""
    old, _ = forked(thread)
    assert thread.recall(old) == ["from a1", "from a2"]


def test_returning_brings_it_back(thread: Any, elsewhere: Any) -> None:
    """Going on from the old branch makes it the newest: its learnings count again, and the other's do not."""
    old, new = forked(thread)
    again = thread.turn(old, "u4", "a4")
    thread.learn(again, "from a4")
    assert thread.abandoned() == ["a3"]
    assert thread.recall(again) == elsewhere.recall() == ["from a1", "from a2", "from a4"]
    assert thread.recall(new) == ["from a1", "from a3"]


def test_to_and_fro(thread: Any, elsewhere: Any) -> None:
    """Branches can be left and returned to any number of times."""
    old, new = forked(thread)
    lines = {"old": old, "new": new}
    for number in range(4, 10):
        side = "old" if number % 2 else "new"
        lines[side] = thread.turn(lines[side], f"u{number}", f"a{number}")
        thread.learn(lines[side], f"from a{number}")
        expected = [f"from {key}" for key in lines[side] if key.startswith("a")]
        assert thread.recall(lines[side]) == elsewhere.recall() == expected


def test_a_fork_of_a_fork(thread: Any, elsewhere: Any) -> None:
    """Each of three endings has what leads to it and no more."""
    trunk = thread.turn([], "u1", "a1")
    thread.learn(trunk, "from a1")
    middle = thread.turn(trunk, "u2", "a2")
    thread.learn(middle, "from a2")
    lines = []
    for number in (3, 4):
        lines.append(thread.turn(middle, "u3", f"a{number}"))
        thread.learn(lines[-1], f"from a{number}")
    lines.append(thread.turn(trunk, "u5", "a5"))
    thread.learn(lines[-1], "from a5")
    assert [thread.recall(line) for line in lines] == [
        ["from a1", "from a2", "from a3"],
        ["from a1", "from a2", "from a4"],
        ["from a1", "from a5"],
    ]
    assert elsewhere.recall() == ["from a1", "from a5"]
    assert thread.abandoned() == ["a2", "a3", "a4"]


def test_the_first_answer_regenerated(thread: Any, elsewhere: Any) -> None:
    """The first answer of a thread can be regenerated too: then nothing of what came from it is left."""
    old = thread.turn([], "u1", "a1")
    thread.learn(old, "from a1")
    new = thread.turn([], "u1", "a2")
    thread.learn(new, "from a2")
    assert thread.abandoned() == ["a1"]
    assert thread.recall(new) == elsewhere.recall() == ["from a2"]


def test_another_beginning(thread: Any, elsewhere: Any) -> None:
    """In a thread whose state is kept, an empty one means its beginning: what came before was left."""
    thread.learn(thread.turn([], "u1", "a1"), "from a1")
    assert thread.recall([], rooted=True) == []
    new = thread.turn([], "u2", "a2")
    assert thread.abandoned() == ["a1"]
    assert thread.recall(new) == elsewhere.recall() == []


def test_before_the_fork_is_recorded(thread: Any) -> None:
    """While a fork's first turn still runs, the agent already reads the branch it stands on."""
    trunk = thread.turn([], "u1", "a1")
    thread.learn(trunk, "from a1")
    thread.learn(thread.turn(trunk, "u2", "a2"), "from a2")
    assert thread.recall([*trunk, "u3"]) == ["from a1"]


# --- no forks ---------------------------------------------------------------------------------------------------------


def test_at_once_is_no_fork(thread: Any) -> None:
    """Two turns that began from the same place at the same time follow each other: neither is left behind."""
    trunk = thread.turn([], "u1", "a1")
    began = thread.now()
    first = thread.turn(trunk, "u2", "a2", started=began)
    thread.learn(first, "from a2")
    second = thread.turn(trunk, "u3", "a3", started=began)
    thread.learn(second, "from a3")
    assert thread.abandoned() == []
    assert thread.recall() == ["from a2", "from a3"]


def test_trimmed_history_is_no_fork(thread: Any) -> None:
    """An agent that sees only the last answer still stands on the whole line."""
    line = thread.turn([], "u1", "a1")
    thread.learn(line, "from a1")
    line = thread.turn(line, "u2", "a2")
    thread.learn(line, "from a2")
    line = thread.turn(line, "u3", "a3", seen=["a2"])
    assert thread.abandoned() == []
    assert thread.recall(["a3"]) == thread.recall(["a2", "u3", "a3"]) == ["from a1", "from a2"]


def test_unknown_place_is_no_fork(thread: Any, elsewhere: Any) -> None:
    """Without an answer that is known, and where state is not kept, nothing is taken for left behind."""
    thread.learn(thread.turn([], "u1", "a1"), "from a1")
    thread.turn([], "u2", "a2", rooted=False)
    assert thread.abandoned() == []
    assert thread.recall(["u3"]) == thread.recall([]) == elsewhere.recall() == ["from a1"]


def test_recorded_twice_is_no_fork(thread: Any, see: Callable[..., Any]) -> None:
    """A turn that is recorded again, as a retried request does, changes nothing."""
    line = thread.turn([], "u1", "a1")
    thread.learn(line, "from a1")
    second = thread.turn(line, "u2", "a2")
    for _ in range(2):
        thread.turn(line, "u2", "a2")
        thread.turn([], "u1", "a1", seen=second)
    assert thread.abandoned() == []
    assert see("select count(*) as n from turn") == [{"n": 2}] and see("select count(*) as n from message") == [
        {"n": 4}
    ]


def test_other_threads_and_people_are_untouched(thread: Any, elsewhere: Any, make_thread: Make) -> None:
    """A fork leaves other conversations alone, and those of others with the same name and the same keys."""
    bob = make_thread(user="bob")
    for other in (elsewhere, bob):
        other.learn(other.turn([], "u1", "a2"), "theirs")
    forked(thread)
    assert elsewhere.abandoned() == ["a2"]  # all of Alice's: the one in this thread
    assert bob.abandoned() == []
    assert bob.recall() == ["theirs"] and "theirs" in elsewhere.recall()


def test_another_machine_is_untouched(thread: Any, make_thread: Make) -> None:
    """Nor does it leave behind what another machine learned in a thread of the same name."""
    other = make_thread(machine="other")
    line = other.turn([], "v1", "b1")
    other.learn(line, "from b1")
    old, new = forked(thread)
    assert other.recall(line) == ["from b1", "from a1", "from a3"]
    assert thread.recall(new) == ["from b1", "from a1", "from a3"]
    assert thread.recall(old) == ["from b1", "from a1", "from a2"]


# --- what both branches share -----------------------------------------------------------------------------------------


def test_the_users_words_are_on_both_branches(thread: Any, elsewhere: Any, says: Make) -> None:
    """What the user said before the fork counts on both sides of it, whichever answer it was read with."""
    old = thread.turn([], "u1", "a1")
    thread.learn(old, "Bern", quote="I live in Bern", said=says("I live in Bern"))
    thread.learn(old, "of the answer")
    new = thread.turn([], "u1", "a2")
    assert thread.recall(old) == ["Bern", "of the answer"]
    assert thread.recall(new) == elsewhere.recall() == ["Bern"]


def test_edited_words_are_other_words(thread: Any, says: Make) -> None:
    """A message that was edited is another message: what the first one said is left with it."""
    old = thread.turn([], "u1", "a1")
    thread.learn(old, "Bern", quote="I live in Bern", said=says("I live in Bern"))
    new = thread.turn([], "u1 edited", "a2")
    assert thread.abandoned() == ["a1"]
    assert (thread.recall(old), thread.recall(new)) == (["Bern"], [])


def test_read_after_it_was_left(thread: Any, elsewhere: Any) -> None:
    """What is learned late, from an answer that was left behind meanwhile, counts on its branch alone."""
    trunk = thread.turn([], "u1", "a1")
    old = thread.turn(trunk, "u2", "a2")
    new = thread.turn(trunk, "u2", "a3")
    thread.learn(old, "from a2", slot="x")
    assert thread.recall(new) == elsewhere.recall() == []
    assert thread.recall(old) == ["from a2"]


# --- slots ------------------------------------------------------------------------------------------------------------


def cities(thread: Any) -> tuple[list[str], list[str]]:
    """Bern on the trunk, Basel on a branch that was left; the two lines."""
    trunk = thread.turn([], "u1", "a1")
    thread.learn(trunk, "Bern", slot="city")
    old = thread.turn(trunk, "u2", "a2")
    thread.learn(old, "Basel", slot="city")
    return old, thread.turn(trunk, "u3", "a3")


def test_superseded_on_an_abandoned_branch(thread: Any, elsewhere: Any) -> None:
    """A value that was only replaced on a branch that was left is the value again."""
    old, new = cities(thread)
    assert thread.recall(new) == thread.recall() == elsewhere.recall() == ["Bern"]
    assert thread.recall(old) == ["Basel"]


def test_each_branch_has_its_value(thread: Any, elsewhere: Any, see: Callable[..., Any]) -> None:
    """Both sides of a fork can write the slot; each reads its own, others the newest branch's."""
    old, new = cities(thread)
    receipt = thread.learn(new, "Chur", slot="city")
    assert receipt.status == "saved"
    assert (thread.recall(old), thread.recall(new), elsewhere.recall()) == (["Basel"], ["Chur"], ["Chur"])
    again = thread.turn(old, "u4", "a4")
    assert (thread.recall(again), elsewhere.recall()) == (["Basel"], ["Basel"])
    assert thread.learn(again, "Davos", slot="city").status == "saved"
    assert (thread.recall(again), thread.recall(new), elsewhere.recall()) == (["Davos"], ["Chur"], ["Davos"])
    assert see("select count(*) as n from learning where known_to is null") == [{"n": 1}]


def test_what_counts_here_decides(thread: Any) -> None:
    """A claim is weighed against what holds on this branch, not against what another branch says."""
    trunk = thread.turn([], "u1", "a1")
    old = thread.turn(trunk, "u2", "a2")
    thread.learn(old, "Basel", slot="city", origin=Origin.USER)
    new = thread.turn(trunk, "u3", "a3")
    assert thread.learn(new, "Bern", slot="city").status == "saved"
    assert thread.recall(new) == ["Bern"]
    assert thread.learn(old, "Chur", slot="city").status == "challenged"
    assert thread.recall(old) == ["Basel"]


def test_retired_on_an_abandoned_branch(thread: Any, elsewhere: Any) -> None:
    """What was only taken back on a branch that was left still holds."""
    trunk = thread.turn([], "u1", "a1")
    held = thread.learn(trunk, "likes tea")
    old = thread.turn(trunk, "u2", "a2")
    assert thread.gate.retire(held.handle, session="s1", machine="default", here=old, anchor="a2").status == "saved"
    assert thread.recall(old) == []
    new = thread.turn(trunk, "u3", "a3")
    assert thread.recall(new) == elsewhere.recall() == ["likes tea"]


def test_the_same_on_both_branches(thread: Any, elsewhere: Any) -> None:
    """Both branches can learn the same thing; it stands once on each."""
    trunk = thread.turn([], "u1", "a1")
    old = thread.turn(trunk, "u2", "a2")
    assert thread.learn(old, "likes tea").status == "saved"
    new = thread.turn(trunk, "u3", "a3")
    assert thread.learn(new, "likes tea").status == "saved"
    assert thread.recall(old) == thread.recall(new) == elsewhere.recall() == ["likes tea"]


def test_many_abandoned_answers(thread: Any, elsewhere: Any) -> None:
    """An answer regenerated thirty times leaves what held before it in place, and less trusted claims have to wait."""
    trunk = thread.turn([], "u1", "a1")
    thread.learn(trunk, "Bern", slot="city", origin=Origin.USER)
    for number in range(30):
        line = thread.turn(trunk, "u2", f"b{number}")
        assert thread.learn(line, f"city {number}", slot="city", origin=Origin.USER).status == "saved"
    last = thread.turn(trunk, "u2", "last")
    assert thread.recall(last) == elsewhere.recall() == ["Bern"]
    assert thread.learn(last, "a guess", slot="city").status == "challenged"


# --- the two stores ---------------------------------------------------------------------------------------------------


class Stores:
    """The user's profile and the session's context, as the machine would use them in a thread."""

    def __init__(self, thread: Any) -> None:
        self.thread, self.scope = thread, thread.scope
        self.profile = UserProfileStore(ledger=thread.gate.ledger)
        self.session = SessionContextStore(SessionContextConfig(enable_planning=True), ledger=thread.gate.ledger)

    def learn(self, line: Sequence[str], city: str, summary: str) -> None:
        for store, item in (
            (self.profile, {"kind": "field", "name": "location", "value": city}),
            (self.session, {"kind": "summary", "value": summary}),
            (self.session, {"kind": "step", "value": f"step of {summary}", "name": "open"}),
        ):
            changes = store.changes([ExtractedChange(store=store.learning_type, **item)], self.scope, None)
            source = Source(machine="default", here=line, anchor=line[-1])
            assert [r.status for r in store.ledger.write(changes, scope=self.scope, source=source)] == ["saved"]

    def recall(self, line: Sequence[str], scope: Scope | None = None) -> tuple[Any, Any, Any]:
        standing = Standing(machine="default", here=tuple(line))
        keywords = {**(scope or self.scope).keywords(), "standing": standing}
        profile, session = self.profile.recall(**keywords), self.session.recall(**keywords)
        return (
            profile and profile.location,
            session and session.summary,
            session and [step.text for step in session.steps],
        )


def test_profile_and_session_follow_the_branch(thread: Any) -> None:
    """A fork has the profile and the session as they were there; the session is this thread's alone."""
    stores = Stores(thread)
    trunk = thread.turn([], "u1", "a1")
    stores.learn(trunk, "Bern", "sailing")
    old = thread.turn(trunk, "u2", "a2")
    stores.learn(old, "Basel", "cooking")
    new = thread.turn(trunk, "u3", "a3")
    assert stores.recall(new) == ("Bern", "sailing", ["step of sailing"])
    assert stores.recall(old) == ("Basel", "cooking", ["step of sailing", "step of cooking"])
    stores.learn(new, "Chur", "hiking")
    assert stores.recall(new) == ("Chur", "hiking", ["step of sailing", "step of hiking"])
    assert stores.recall((), Scope(user_id="alice", session_id="s2")) == ("Chur", None, None)
    assert stores.recall((), Scope(user_id="bob", session_id="s1")) == (None, None, None)


def test_without_a_user(make_thread: Make) -> None:
    """A session without a user has branches too."""
    thread = make_thread(user=None)
    trunk = thread.turn([], "u1", "a1")
    thread.learn(trunk, "sailing", slot="summary")
    old = thread.turn(trunk, "u2", "a2")
    thread.learn(old, "cooking", slot="summary")
    new = thread.turn(trunk, "u3", "a3")
    assert (thread.recall(old), thread.recall(new), thread.recall()) == (["cooking"], ["sailing"], ["sailing"])
