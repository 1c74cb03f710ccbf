"""Words and meaning, fused: what is worth recalling, and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from learning_machine.stores.fusing import Weights, fuse, is_relevant, lend, scaled

WEIGHTS = Weights()


def row(id: int, words: float = 0.0, covered: float = 0.0, meaning: float | None = None, **more: Any) -> dict[str, Any]:
    return {"id": id, "words": words, "covered": covered, "meaning": meaning, **more}


ROWS = some.builds(
    row,
    some.integers(1, 10_000),
    some.floats(0, 50),
    some.floats(0, 1),
    some.none() | some.floats(-1, 1),
)


def test_scores_are_scaled_in_their_list() -> None:
    """The best of a list is worth 1, the last a tenth, whatever the scale; a single one, or equals, 1."""
    assert scaled({1: 40.0, 2: 20.0, 3: 0.0}) == {1: 1.0, 2: pytest.approx(0.55), 3: pytest.approx(0.1)}
    assert scaled({7: 0.2}) == {7: 1.0}
    assert scaled({1: 3.0, 2: 3.0}) == {1: 1.0, 2: 1.0}
    assert scaled({}) == {}


def test_found_both_ways_comes_first() -> None:
    """What fits by words and by meaning comes before what fits by one of them."""
    rows = [row(1, 9.0, 1.0, 0.1), row(2, 8.0, 1.0, 0.9), row(3, 0.0, 0.0, 0.95), row(4, 1.0, 0.5, 0.2)]
    assert fuse(rows, WEIGHTS)[0][1]["id"] == 2


def test_the_weights_decide() -> None:
    """All weight on words, or on meaning, orders by these alone."""
    rows = [row(1, 9.0, 1.0, 0.5), row(2, 5.0, 1.0, 0.9)]
    assert [found["id"] for _, found in fuse(rows, Weights(words=1.0))] == [1, 2]
    assert [found["id"] for _, found in fuse(rows, Weights(words=0.0))] == [2, 1]


def test_equals_are_newest_first() -> None:
    """Of equals the newer comes first, always."""
    rows = [row(number, 1.0, 1.0) for number in (3, 9, 5)]
    assert [found["id"] for _, found in fuse(rows, WEIGHTS)] == [9, 5, 3]


@pytest.mark.parametrize(
    ("found", "worth"),
    [
        (row(1, 5.0, 1.0), True),
        (row(1, 5.0, 0.5, -0.2), True),
        (row(1, 5.0, 0.34), True),
        (row(1, 5.0, 0.3), False),
        (row(1, 5.0, 0.49, 0.1), False),
        (row(1, 5.0, 0.35, 0.4), True),
        (row(1, 5.0, 0.2, 0.3), False),
        (row(1, 0.0, 0.0, 0.99), True),
        (row(1, 0.0, 0.0, 0.49), False),
        (row(1, 0.0, 0.0, None), False),
        (row(1, 0.0, 0.0, 0.0), False),
    ],
)
def test_the_floor(found: dict[str, Any], worth: bool) -> None:
    """Enough of the words, enough of the meaning, or a good part of both is worth recalling; less is nothing."""
    assert is_relevant(found, WEIGHTS) is worth


@pytest.mark.parametrize("found", [row(1, 0.1, 0.01, -0.5), row(1, 0.1, 0.01), row(1, 0.0, 0.0, 0.1)])
def test_no_floor(found: dict[str, Any]) -> None:
    """Without a floor everything that was found is worth recalling."""
    assert is_relevant(found, Weights(enough_words=0.0, enough_meaning=-1.0))


def test_nothing_is_better_than_the_least_bad() -> None:
    """When nothing fits, nothing is recalled."""
    assert fuse([row(number, 0.1, 0.02, 0.03) for number in range(1, 20)], WEIGHTS) == []
    assert fuse([], WEIGHTS) == []


@given(some.lists(ROWS, max_size=30, unique_by=lambda one: one["id"]))
def test_any_scores(rows: list[dict[str, Any]]) -> None:
    """Whatever the scores: an order that does not depend on the order they come in, and values between 0 and 1."""
    fused = fuse(rows, WEIGHTS)
    assert [found["id"] for _, found in fused] == [found["id"] for _, found in fuse(rows[::-1], WEIGHTS)]
    assert all(0 <= score <= 1 for score, _ in fused)
    assert all(is_relevant(found, WEIGHTS) for _, found in fused)


def test_neighbours_lend() -> None:
    """A message between two good ones rises; one that stands alone gains nothing."""
    scored = [
        (0.9, row(1, before_id=None, after_id=2)),
        (0.5, row(2, before_id=1, after_id=3)),
        (0.8, row(3, before_id=2, after_id=None)),
        (0.6, row(9, before_id=8, after_id=None)),
    ]
    lent = {found["id"]: score for score, found in lend(scored, Weights(neighbours=0.2))}
    assert lent == {1: pytest.approx(1.0), 2: pytest.approx(0.84), 3: pytest.approx(0.9), 9: pytest.approx(0.6)}
    assert [found["id"] for _, found in lend(scored, Weights(neighbours=0.0))] == [1, 3, 9, 2]


def test_the_users_own_words_count_more() -> None:
    """Of two messages that fit alike, the user's comes before the answer; how much more it counts can be set."""
    scored = [
        (0.5, row(2, role="assistant", before_id=None, after_id=None)),
        (0.45, row(1, role="user", before_id=None, after_id=None)),
    ]
    assert [found["id"] for _, found in lend(scored, WEIGHTS)] == [1, 2]
    assert [found["id"] for _, found in lend(scored, Weights(user=1.0))] == [2, 1]


def test_where_one_passes_others_need_less() -> None:
    """With a part for the rest, what nearly passes comes along with what passes, and by itself never."""
    fits, nearly, hardly = row(1, 5.0, 0.9, 0.6), row(2, 2.0, 0.42, 0.0), row(3, 1.0, 0.1, 0.1)
    assert [found["id"] for _, found in fuse([fits, nearly, hardly], WEIGHTS)] == [1]
    assert [found["id"] for _, found in fuse([fits, nearly, hardly], WEIGHTS, rest=0.8)] == [1, 2]
    assert fuse([nearly, hardly], WEIGHTS, rest=0.8) == []
