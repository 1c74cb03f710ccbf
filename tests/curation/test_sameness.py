"""Pure: what says the same, what may, and which pairs are looked at at all."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_machine.nodes.judging import read_insights, read_verdicts
from learning_machine.stores.curation.pairing import pairs
from learning_machine.stores.curation.planning import compare, merges
from learning_machine.stores.curation.rows import Row
from learning_machine.stores.curation.sameness import Spoken, kinship

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "other", "meaning", "kin"),
    [
        ("Likes tea", "likes  tea!", None, "same"),
        ("Likes the tea", "Likes tea", 0.9, "same"),
        ("Likes tea", "Does not like tea", 1.0, "different"),
        ("Doesn't eat meat", "Does not eat meat", 0.9, "doubtful"),
        ("Takes 5 mg", "Takes 50 mg", 1.0, "different"),
        ("Takes 5 mg", "Takes 5 g", 1.0, "different"),
        ("Costs 50 €", "Costs 50 $", 1.0, "different"),
        ("Keep it at -5", "Keep it at 5", 1.0, "different"),
        ("Writes C", "Writes C++", 1.0, "different"),
        ("Writes C#", "Writes C++", 1.0, "different"),
        ("Reports to Maren", "Reports to Tobias", 1.0, "different"),
        ("Bob manages Alice", "Alice manages Bob", 1.0, "doubtful"),
        ("Works at Acme", "Worked at Acme", 1.0, "doubtful"),
        ("Likes green tea", "Hates green tea", 0.84, "doubtful"),
        ("Do not forget the fees", "Remember the fees", 0.8, "doubtful"),
        ("Is allergic to nuts", "Cannot have nuts because of an allergy", 0.7, "doubtful"),
        ("Enjoys green tea", "Does not like green tea", 0.9, "different"),
        ("Likes tea", "Sorts the mail", 0.1, "different"),
        ("喜欢喝茶", "喜歡喝茶", 0.9, "doubtful"),
        ("喜欢喝茶", "喜欢喝茶。", 0.9, "same"),
        ("", "", None, "same"),
    ],
)
def test_kinship(one: str, other: str, meaning: float | None, kin: str) -> None:
    """The same words are the same; a number, unit, denial or name makes two; the rest is a judge's to say."""
    assert kinship(Spoken(one), Spoken(other), meaning) == kin
    assert kinship(Spoken(other), Spoken(one), meaning) == kin


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text(one: str, other: str) -> None:
    """Whatever texts hold, comparing is safe, symmetric, and a text is the same as itself."""
    mine, theirs = Spoken(one), Spoken(other)
    assert kinship(mine, theirs, None) == kinship(theirs, mine, None)
    assert kinship(mine, Spoken(one), None) == "same"


def row(id: int, text: str, **more: Any) -> Row:
    fields: dict[str, Any] = {
        "store": "user_profile",
        "kind": "observation",
        "subject": "",
        "slot": f"={id}",
        "name": "",
        "target": "",
        "value": text,
        "found_by": None,
        "origin": "user",
        "trust": 60,
        "known_from": NOW,
        "true_from": None,
        "true_to": None,
        "pinned": False,
        "expires_at": None,
        "voices": 1,
        "said_at": NOW,
    }
    return Row(id=id, text=text, **{**fields, **more})


def gone(*rows: Row) -> dict[int | None, tuple[int, ...]]:
    """What goes for what."""
    return {step.survivor: step.ids for step in merges(rows, compare(pairs(rows, {}), {}))}


def test_the_best_supported_stays() -> None:
    """Pinned before trusted, trusted before often said, and of equals the one that is known longest."""
    assert gone(row(1, "likes tea"), row(2, "Likes tea")) == {1: (2,)}
    assert gone(row(1, "likes tea"), row(2, "Likes tea", voices=2)) == {2: (1,)}
    assert gone(row(1, "likes tea", voices=9), row(2, "Likes tea", trust=70)) == {2: (1,)}
    assert gone(row(1, "likes tea", trust=70), row(2, "Likes tea", pinned=True)) == {2: (1,)}
    assert gone(row(1, "likes tea", pinned=True), row(2, "Likes tea", pinned=True)) == {}


@pytest.mark.parametrize(
    "more",
    [
        {"subject": "acme"},
        {"kind": "note"},
        {"store": "learned_knowledge"},
        {"kind": "event", "value": {"when": "2026-01-01"}},
        {"slot": "summary"},
        {"true_to": NOW},
    ],
)
def test_other_things_are_not_compared(more: dict[str, Any]) -> None:
    """Another subject, kind, store, time or slot: the same words are two things."""
    assert gone(row(1, "Likes tea"), row(2, "likes tea", **more)) == {}


def test_two_times_are_two() -> None:
    """What is dated to two days happened twice."""
    dated = [row(number, "Met Bob", true_from=datetime(2026, 1, number, tzinfo=UTC)) for number in (1, 2)]
    assert gone(*dated) == {}


def test_only_what_is_near_is_looked_at() -> None:
    """In a big group few pairs are looked at, and those that say the same are among them."""
    rows = [
        row(number, f"Observation {number} about subject{number} and thing{number * 7}") for number in range(1, 400)
    ]
    rows += [row(500, "Prefers a window seat"), row(501, "prefers the window seat")]
    found = [(one.id, other.id) for one, other, _ in pairs(rows, {})]
    assert (500, 501) in found and len(found) < 2_000


def test_a_hundred_of_the_same() -> None:
    """However often the same words are there, one plan leaves one of them: a second finds nothing."""
    rows = [row(number, "likes the tea" + "!" * number, voices=2 if number == 90 else 1) for number in range(1, 201)]
    assert gone(*rows) == {90: tuple(number for number in range(1, 201) if number != 90)}


def test_of_many_doubtful_pairs_the_most_alike_are_named() -> None:
    """In a crowd where all resembles all, so many pairs are named, the most alike first, and the rest is counted."""
    words = ["red", "green", "blue", "grey", "black", "white", "pink", "brown"]
    rows = [row(at, f"likes {one} {other} paint") for at, (one, other) in enumerate(permutations(words, 2), start=1)]
    every = compare(pairs(rows, {}), {}, most=10_000)
    some = compare(pairs(rows, {}), {}, most=5)
    assert some.doubtful == every.doubtful[:5] and some.more == len(every.doubtful) - 5 > 0
    judged = some.judged({some.doubtful[0]: True, some.doubtful[1]: False})
    assert judged.same == {some.doubtful[0]} and judged.doubtful == some.doubtful[2:]


def test_verdicts() -> None:
    """A verdict counts where it is clear: a pair in neither list, in both, or not asked about is not judged."""
    asked = [(1, 2), (3, 4), (5, 6), (7, 8)]
    reply = 'Here: {"same": [1, 3, "4", 99], "different": [2, 3]}'
    assert read_verdicts(reply, asked) == {(1, 2): True, (3, 4): False}
    for broken in ("", "yes", "[]", '{"same": "all"}', "null"):
        assert read_verdicts(broken, asked) == {}


def test_insights() -> None:
    """One insight a group at most, and none for a group nobody asked about or without words."""
    groups = [[row(1, "a"), row(2, "b")]]
    reply = '{"insights": [{"group": 1, "text": " both "}, {"group": 1, "text": "again"}, {"group": 2, "text": "x"}, {"group": 1}]}'
    assert read_insights(reply, groups) == [{"ids": [1, 2], "title": "", "text": "both"}]
    assert read_insights('{"insights": {"group": 1}}', groups) == []
