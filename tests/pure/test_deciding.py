"""What the gate decides, apart from any database: who wins, what is the same, and what was really said."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_machine.state.changes import TRUST, Origin
from learning_machine.state.messages import Said
from learning_machine.stores.deciding import Incumbent, Witness, content_key, decide, lock_key, says_the_same

HELD = Incumbent(id=1, content_key="same", trust=50, actor="ann", active=True, open=1)


# --- who wins ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "trust", "actor", "shared", "outcome"),
    [
        ("other", 60, "ann", False, "save"),
        ("other", 50, "ann", False, "save"),
        ("other", 49, "ann", False, "challenge"),
        ("same", 60, "ann", False, "save"),
        ("same", 50, "ann", False, "known"),
        ("same", 10, "ann", False, "known"),
        ("other", 50, "bob", False, "save"),
        ("other", 50, "bob", True, "challenge"),
        ("other", 60, "bob", True, "save"),
        ("other", 49, "ann", True, "challenge"),
        ("other", 50, "ann", True, "save"),
        ("same", 50, "bob", True, "known"),
    ],
)
def test_decide(key: str, trust: int, actor: str, shared: bool, outcome: str) -> None:
    """Newer wins among equals within one owner; less trusted waits, and so does another person's equal claim on what is shared."""
    assert decide(HELD, key, trust, actor=actor, shared=shared) == outcome


@pytest.mark.parametrize("incumbent", [Incumbent(), Incumbent(open=7)])
def test_nothing_stands_against_it(incumbent: Incumbent) -> None:
    """Where nothing holds anything may be written."""
    assert decide(incumbent, "same", 10, actor=None, shared=True) == "save"


@pytest.mark.parametrize(("trust", "outcome"), [(10, "challenge"), (70, "save")])
def test_what_was_taken_back(trust: int, outcome: str) -> None:
    """What somebody took back comes back only by a claim that is trusted as much."""
    retired = Incumbent(id=1, content_key="same", trust=70, open=1)
    assert decide(retired, "same", trust, actor=None, shared=False) == outcome


def test_order_of_trust() -> None:
    """A human reviewer, the user's own words, what was imported, the project's tools, a guess, the world outside."""
    ordered = [Origin.REVIEWER, Origin.USER, Origin.IMPORT, Origin.TOOL, Origin.INFERENCE, Origin.EXTERNAL]
    trusts = [TRUST[origin] for origin in ordered]
    assert trusts == sorted(trusts, reverse=True) and len(set(trusts)) == len(trusts)
    assert TRUST[Origin.IMPORT] == TRUST[Origin.DOCUMENT] and set(TRUST) == set(Origin)


def row(id: int, *, counts: bool = True, open: bool = False, status: str = "active") -> dict[str, Any]:
    return {
        "id": id,
        "status": status,
        "content_key": f"c{id}",
        "trust": id,
        "actor": "ann",
        "open": open,
        "counts": counts,
    }


@pytest.mark.parametrize(
    ("rows", "incumbent"),
    [
        ([], Incumbent()),
        ([row(3, open=True)], Incumbent(3, "c3", 3, "ann", True, 3)),
        ([row(3, open=True, status="retired")], Incumbent(3, "c3", 3, "ann", False, 3)),
        ([row(3, open=True, counts=False), row(2)], Incumbent(2, "c2", 2, "ann", True, 3)),
        ([row(3, open=True, counts=False), row(2, counts=False)], Incumbent(open=3)),
    ],
)
def test_incumbent(rows: list[dict[str, Any]], incumbent: Incumbent) -> None:
    """What holds is the newest row that counts here; what would have to be closed is the open one, wherever it counts."""
    assert Incumbent.of(rows) == incumbent


# --- the same content -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("likes tea", "Likes Tea."),
        ("likes tea", "  likes \n tea!! "),
        ("Straße", "STRASSE"),
        ("ｆｕｌｌ", "full"),
        ("e\u0301", "é"),
        ("a:", "a"),
    ],
)
def test_same_content(one: str, other: str) -> None:
    """Case, spacing, closing punctuation and the way characters are written do not make another content."""
    assert content_key("k", "n", one) == content_key("k", "n", other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tea", "teas"),
        ("C", "C++"),
        ("C#", "C"),
        (".NET", "NET"),
        ("5", "-5"),
        ("5", ".5"),
        ("1.5", "15"),
        ("a b", "ab"),
        ("...", "!!!"),
        ("", "x"),
        ("é", "e"),
        ("likes tea", "likes tea?"),
    ],
)
def test_other_content(one: str, other: str) -> None:
    """What could mean something else is another content."""
    assert content_key("k", "n", one) != content_key("k", "n", other)


def test_content_is_of_its_kind() -> None:
    """Kind, name and structure belong to the content; a name's case does not, nor the order of keys."""
    base = content_key("field", "city", "Bern")
    assert (
        len(
            {
                base,
                content_key("note", "city", "Bern"),
                content_key("field", "town", "Bern"),
                content_key("field", "city", "Bern", {"a": 1}),
            }
        )
        == 4
    )
    assert base == content_key("field", "City", "Bern") == content_key("field", "city", "Bern", "Bern")
    assert content_key("f", "n", "t", {"a": 1, "b": [2]}) == content_key("f", "n", "t", {"b": [2], "a": 1})
    assert content_key("field", "a", "bc") != content_key("field", "ab", "c")


@given(
    st.tuples(st.integers(1, 9), st.text(max_size=3), st.text(max_size=3)),
    st.tuples(st.integers(1, 9), st.text(max_size=3), st.text(max_size=3)),
)
def test_lock_keys(one: tuple[int, str, str], other: tuple[int, str, str]) -> None:
    """A slot's lock fits what Postgres takes, is the same every time, and is another slot's only if it is that slot."""
    keys = [lock_key(space, store, "", slot) for space, store, slot in (one, other) if "\x00" not in store + slot]
    assert all(0 <= key < 2**63 for key in keys)
    if len(keys) == 2:
        assert (keys[0] == keys[1]) == (one == other)


# --- what was said ----------------------------------------------------------------------------------------------------


def heard(quote: str | None, *user: str, assistant: str = "") -> str | None:
    """The key of the message in which a quote was found."""
    said = [Said(f"u{number}", "user", text) for number, text in enumerate(user, 1)]
    found = Witness([Said("a1", "assistant", assistant), *said]).find(quote)
    return found.message if found else None


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("I live in Bern", "Well, I live in Bern."),
        ("i LIVE  in\nbern", "I live in Bern"),
        ("I’m “here”", 'I\'m "here"'),
        ("«I live in Bern»", "I live in Bern"),
        ("„Ich wohne in Bern“", "Ich wohne in Bern, seit Jahren"),
        ("I live in Bern...", "I live in Bern"),
        ("I live in Bern?", "I live in Bern"),
        ("a\u00a0b", "a b"),
        ("Straße", "STRASSE"),
        ("伯尔尼", "我住在伯尔尼"),
        ("我住在伯尔尼。", "我住在伯尔尼"),
        ("กรุงเทพ", "ฉันอยู่กรุงเทพ"),
        ("C++", "I like C++ and C"),
        ("5", "5"),
        ("O'Hara", "I am O'Hara"),
        ("😀", "fine 😀😀"),
        ("100%", "I am 100% sure"),
        ("$x.*", "the pattern $x.* is mine"),
    ],
)
def test_a_quote_that_was_said(quote: str, text: str) -> None:
    """Words that somebody said are found up to case, spacing and punctuation around them."""
    assert heard(quote, text) == "u1"


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("I live in Basel", "I live in Bern"),
        ("I live Bern", "I live in Bern"),
        ("I like Java", "I like JavaScript"),
        ("art", "Let us start"),
        ("5", "15 or 52"),
        ("am Alice", "I am Alicent"),
        ("", "anything"),
        ("  ", "anything"),
        ("...", "anything..."),
        (None, "anything"),
        ("\"'", "it's"),
    ],
)
def test_a_quote_that_was_not_said(quote: str | None, text: str) -> None:
    """Other words, parts of words, and nothing at all are no quotes."""
    assert heard(quote, text) is None


def test_who_said_it() -> None:
    """Words that both said are the user's; the first message that has them is named."""
    assert heard("tea", "coffee", "tea", "tea", assistant="tea?") == "u2"
    assert heard("tea", "coffee", assistant="tea?") == "a1"
    assert heard("tea") is None


def test_the_quote_as_it_was_given() -> None:
    """The evidence keeps the quote as it was written, with who said it and when."""
    found = Witness([Said("u1", "user", "I live in Bern")]).find("  i live in bern. ")
    assert found is not None and (found.text, found.role, found.message) == ("i live in bern.", "user", "u1")


def test_hostile_quotes_are_quick() -> None:
    """A long text and a long quote take no more than a moment."""
    began = time.thread_time()
    witness = Witness([Said("u1", "user", "a" * 200_000 + " b" * 50_000 + "a(" * 50_000)])
    for quote in ("a" * 199_999, "a " * 50_000, "b " * 30_000 + "c", "(" * 10_000, "a(" * 20_000 + "b"):
        assert witness.find(quote) is None
    assert time.thread_time() - began < 2


@given(st.text(), st.text())
def test_any_quote(quote: str, text: str) -> None:
    """Whatever was said and quoted, looking is safe, and a message is always found by all of its words."""
    heard(quote, text)
    assert heard(text, text) in ("u1", None)


# --- the same in other words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "meaning", "same"),
    [
        ("Deploys fail on Fridays", "On Fridays, deploys fail", None, True),
        ("Deploys fail on Fridays", "Deploys do not fail on Fridays", 0.99, False),
        ("Wait 5 minutes", "Wait 10 minutes", 0.99, False),
        ("Deploys fail on Fridays", "Cats sleep all day", 0.2, False),
        ("Prefer tabs over spaces", "Prefer spaces over tabs", 0.99, False),
    ],
)
def test_says_the_same(one: str, other: str, meaning: float | None, same: bool) -> None:
    """Other words may say the same; another number, a denial or another order says something else."""
    assert says_the_same(one, other, meaning) is same
    assert says_the_same(other, one, meaning) is same
