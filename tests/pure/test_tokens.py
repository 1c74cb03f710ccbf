"""The token estimate, and texts cut to fit a budget."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_machine.state.tokens import estimate_tokens, truncate

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
WAVE = "\U0001f44b\U0001f3fd"
FLAGS = "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("abcd", 1),
        ("abcde", 2),
        ("Grüße, мир", 3),
        ("我住在伯尔尼", 6),
        ("ひらカタ", 4),
        ("한국어", 3),
        ("ＡＢ！", 3),
        ("「京都」。", 5),
        ("\U00020000\U0002a6df", 2),
        ("我 live", 3),
        ("🙂" * 8, 2),
    ],
)
def test_estimate(text: str, tokens: int) -> None:
    """A quarter for each character, one for each CJK character, rounded up."""
    assert estimate_tokens(text) == tokens


def test_what_fits_is_unchanged() -> None:
    """A text within the budget comes back as it is, trailing space and all."""
    text = "  keep me \n"
    assert truncate(text, estimate_tokens(text)) is text
    assert truncate("", 0) == ""


@pytest.mark.parametrize(
    ("text", "budget", "expected"),
    [
        ("Alice lives in Bern", 4, "Alice lives in …"),
        ("Alice lives inside", 4, "Alice lives …"),
        ("Alice lives in Bern", 3, "Alice …"),
        ("Alice lives, in Bern", 4, "Alice lives, …"),
        ("Alice\n\nlives in Bern", 3, "Alice …"),
        ("x" * 100, 4, "x" * 14 + " …"),
        ("我住在伯尔尼的老城区", 5, "我住在伯 …"),
        ("我住在Bern的老城区里面", 5, "我住在Bern …"),
        ("ab cdef", 1, "ab …"),
        ("abc def ghi", 1, "ab …"),
        ("我住在", 1, "…"),
        (FAMILY * 4, 1, "…"),
        ("Alice lives in Bern", 0, ""),
        ("Alice lives in Bern", -3, ""),
    ],
)
def test_cut_text_ends_with_an_ellipsis(text: str, budget: int, expected: str) -> None:
    """The longest beginning that fits is kept, up to the end of a near word, and the ellipsis is inside the budget."""
    assert truncate(text, budget) == expected


@pytest.mark.parametrize(
    "unit", ["e\u0301\u0323", FAMILY, WAVE, FLAGS[:2], "\u2764\ufe0f", "\r\n", "\u1112\u1161\u11ab"]
)
def test_characters_of_several_code_points_stay_whole(unit: str) -> None:
    """An accented letter, emoji sequence, flag, line end or Hangul syllable is kept whole or cut whole."""
    for lead in ("a", "ab"):
        text = lead + unit * 40
        for budget in range(2, estimate_tokens(text)):
            kept = truncate(text, budget).removesuffix(" …").removeprefix(lead)
            assert len(kept) % len(unit) == 0, budget


def test_long_word_or_endless_marks_are_cut_all_the_same() -> None:
    """A word longer than the search back is cut inside, and so is a letter with marks without end."""
    assert len(truncate("one " + "x" * 200, 30)) > 100
    assert len(truncate("e" + "\u0301" * 500, 100)) > 300


def test_other_estimators_are_honoured() -> None:
    """A budget counted by another estimator is kept, even by one for which a shorter text can cost more."""

    def words(text: str) -> int:
        return len(text.split())

    def uneven(text: str) -> int:
        return len(text) + 3 * (len(text) % 7)

    assert truncate("one two three four five", 4, words) == "one two three …"
    for budget in range(60):
        assert (
            uneven(truncate("some words of different lengths in a row, and then some more", budget, uneven)) <= budget
        )


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.text(alphabet=st.sampled_from(f"ab  \n\r中が한é\u0301{FAMILY}{WAVE}{FLAGS}"), max_size=120), st.integers(0, 60)
)
def test_budget_is_kept_and_used(text: str, budget: int) -> None:
    """Any cut text is within its budget, begins as the text does, and does not waste more than the search back."""
    short = truncate(text, budget)
    assert estimate_tokens(short) <= budget
    assert truncate(short, budget) == short
    if short != text:
        kept = short.removesuffix("…").rstrip()
        assert text.startswith(kept)
        rest = text[len(kept) :]
        wasted = len(rest) - len(rest.lstrip())
        assert estimate_tokens(text[: len(kept) + wasted + 65] + " …") > budget or len(kept) + wasted + 65 >= len(text)


@pytest.mark.parametrize("unit", ["a", "hello wor ", "中", "a中", "\u0301", FAMILY], ids=ascii)
def test_a_million_characters_are_quick(unit: str) -> None:
    """A huge text is cut in a small part of a second, whatever it is made of."""
    text = (unit * 1_000_000)[:1_000_000]
    began = time.process_time()
    assert estimate_tokens(truncate(text, 2_000)) <= 2_000
    assert time.process_time() - began < 0.5
