"""Handles: short names for learnings that survive being shown to a model and written by it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_machine.state.handles import LEARNING, PROPOSAL, SAID, handle_of, id_of


@given(st.integers(0, 2**63 - 1))
def test_there_and_back(number: int) -> None:
    """Every id has a handle that leads back to it, in brackets and capitals too."""
    handle = handle_of(number)
    assert handle.isalnum() and handle == handle.lower() and len(handle) <= 14
    assert id_of(handle) == id_of(f" [{handle.upper()}]\n") == number


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_one_each(one: int, other: int) -> None:
    """Two ids never share a handle."""
    assert (handle_of(one) == handle_of(other)) == (one == other)


def test_short() -> None:
    """The first million learnings need at most five characters."""
    assert len(handle_of(1_000_000)) <= 5
    assert handle_of(0) == "k0" and handle_of(35) == "kz" and handle_of(36) == "k10"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "k",
        "7",
        "3f",
        "k-1",
        "k 1",
        "k1 k2",
        "ké",
        "k²",
        "kzzzzzzzzzzzzzz",
        "kzzzzzzzzzzzzz",
        "k1\x00",
        "[]",
        "null",
        "handle k1",
    ],
)
def test_no_handle(text: str) -> None:
    """What is no handle, or none that an id could have, leads nowhere."""
    assert id_of(text) is None


@given(st.text())
def test_never_raises(text: str) -> None:
    """Whatever a model writes, looking it up is safe."""
    assert id_of(text) is None or isinstance(id_of(text), int)


def test_what_it_names() -> None:
    """A learning, a proposal and a message with the same number have different handles, and none passes for another."""
    letters = {letter: handle_of(7, letter) for letter in (LEARNING, PROPOSAL, SAID)}
    assert len(set(letters.values())) == 3
    for letter, handle in letters.items():
        assert [other for other in letters if id_of(handle, other) == 7] == [letter]
