"""Messages as they are learned from: who said what, under a key that stays the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from learning_machine.state.messages import (
    Said,
    clean_text,
    clean_value,
    keys_of,
    last_answer,
    last_user_text,
    map_text,
    message_key,
    said_from,
    spoken,
    text_of,
    turn_start,
    unsettled_from,
)

CALL = [{"name": "look", "args": {}, "id": "c1"}]
TALK: list[BaseMessage] = [
    SystemMessage("be kind", id="s"),
    HumanMessage("hello", id="u1"),
    AIMessage("", id="call", tool_calls=CALL),
    ToolMessage("42", tool_call_id="c1", id="t"),
    AIMessage("hi", id="a1"),
]


# --- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kept", ["", "plain", "tab\tline\nreturn\r", "é 我 😀 \u202e \ufeff \u200d", "</tag> % ' \\ \"", "\x80\x9f"]
)
def test_clean_text_keeps(kept: str) -> None:
    """Text that Postgres and a terminal can hold stays as it is."""
    assert clean_text(kept) == kept


@pytest.mark.parametrize("bad", ["\x00", "\x01", "\x08", "\x0b", "\x1b", "\x1f", "\x7f", "\ud800", "\udfff"])
def test_clean_text_replaces(bad: str) -> None:
    """NUL, control characters and lone surrogates are replaced one for one, so that lengths stay."""
    assert clean_text(f"a{bad}b") == "a\ufffdb"


@given(st.text(st.characters(codec=None)))
def test_clean_text_can_always_be_stored(text: str) -> None:
    """Whatever comes in, what comes out is UTF-8 without NUL, and cleaning it again changes nothing."""
    cleaned = clean_text(text)
    assert b"\x00" not in cleaned.encode() and clean_text(cleaned) == cleaned and len(cleaned) == len(text)


def test_clean_value() -> None:
    """Every text in a JSON value is cleaned, keys too; other values stay, and numbers that are none become null."""
    dirty = {
        "a\x00": ["b\x00", {"c": ("d\x00", 1, 2.5, True, None)}],
        "n": float("nan"),
        "i": [float("inf"), float("-inf")],
    }
    assert clean_value(dirty) == {
        "a\ufffd": ["b\ufffd", {"c": ["d\ufffd", 1, 2.5, True, None]}],
        "n": None,
        "i": [None, None],
    }
    assert clean_value({1: "x"}) == {"1": "x"}
    assert type(clean_value(True)) is bool and type(clean_value(1)) is int and type(clean_value(1.0)) is float


def test_map_text_reads_numbers_too() -> None:
    """A function that rewrites texts sees numbers as they are written, since a secret may have been read as one."""

    def hide(text: str) -> str:
        return text.replace("4111", "[card]")

    assert map_text(hide, {"a": 4111, "b": [4111.5, 7], "4111": True}) == {
        "a": "[card]",
        "b": ["[card].5", 7],
        "[card]": True,
    }


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        ([{"type": "text", "text": "of "}, {"type": "text", "text": "parts"}], "of parts"),
        (
            [{"type": "image_url", "image_url": {"url": "data:…"}}, {"type": "text", "text": "what is this?"}],
            "what is this?",
        ),
        ([{"type": "image_url", "image_url": {"url": "data:…"}}], ""),
        (["just", "strings"], "juststrings"),
        ("nul\x00", "nul\ufffd"),
    ],
)
def test_text_of(content: Any, text: str) -> None:
    """The text of a message: of images nothing, of mixed content the text parts."""
    assert text_of(HumanMessage(content)) == text


# --- keys -------------------------------------------------------------------------------------------------------------


def test_key_is_id_and_content() -> None:
    """A message has the same key wherever it stands; an edited one, or another speaker's, has another."""
    key = message_key(HumanMessage("hello", id="x"), 3, "s1")
    assert key.startswith("x~") and key == message_key(HumanMessage("hello", id="x"), 7, "s2")
    others = [HumanMessage("hello!", id="x"), AIMessage("hello", id="x"), HumanMessage("hello", id="y")]
    assert len({key, *(message_key(other) for other in others)}) == 4


def test_key_without_an_id() -> None:
    """Without an id the thread and the position tell messages apart."""
    message = HumanMessage("hello")
    keys = [message_key(message, position, session) for position in (0, 1) for session in ("", "s1", "s2")]
    assert len(set(keys)) == 6
    assert message_key(message, 1, "s1") == message_key(HumanMessage("hello"), 1, "s1")
    assert message_key(message, 11, "s") != message_key(message, 1, "s1")


@pytest.mark.parametrize("id", ["\x00", "a\ud800b", "i" * 100_000, "😀" * 5_000, "' or 1=1"])
def test_key_of_any_id(id: str) -> None:
    """Whatever id a client chose, the key can be stored and indexed."""
    key = message_key(HumanMessage("hello", id=id))
    assert len(key.encode()) < 1_000 and "\x00" not in key
    assert key != message_key(HumanMessage("hello", id=f"{id}x"))


def test_keys_of() -> None:
    """What the user and the assistant said, tool calls included; no system prompt and no tool result."""
    assert [key.split("~")[0] for key in keys_of(TALK)] == ["u1", "call", "a1"]


# --- who said what ----------------------------------------------------------------------------------------------------


def test_spoken() -> None:
    """Words of the user and the assistant alone."""
    assert [(one.role, one.content) for one in spoken(TALK)] == [("user", "hello"), ("assistant", "hi")]


def test_nothing_said() -> None:
    """Empty and blank messages, and images without words, are no words; a summary that a middleware wrote is not the user's."""
    blanks: list[BaseMessage] = [
        HumanMessage(""),
        AIMessage(" \n"),
        HumanMessage([{"type": "image_url", "image_url": {"url": "x"}}]),
        HumanMessage("so far: …", additional_kwargs={"lc_source": "summarization"}),
    ]
    assert spoken(blanks) == []


def test_when_it_was_said() -> None:
    """A time that a message carries is kept; anything else there is none."""
    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert spoken([HumanMessage("hi", additional_kwargs={"at": at})])[0].at == at
    assert spoken([HumanMessage("hi", additional_kwargs={"at": "noon"})])[0].at is None


def test_last_user_text() -> None:
    """The user's last words, whatever came after."""
    assert last_user_text(TALK) == "hello"
    assert last_user_text([]) == last_user_text([AIMessage("hi")]) == ""


def test_last_answer() -> None:
    """The last assistant message if it answers; one that only calls tools has not answered yet."""
    answer = last_answer(TALK)
    assert answer is not None and answer.id == "a1"
    assert last_answer(TALK[:3]) is None
    assert last_answer([]) is None
    both = AIMessage("let me look", id="b", tool_calls=CALL)
    assert last_answer([both]) is both
    empty = AIMessage("", id="e")
    assert last_answer([empty]) is empty


# --- what is owed -----------------------------------------------------------------------------------------------------


def said(*keys: str) -> list[Said]:
    return [Said(key, "user" if key.startswith("u") else "assistant", key) for key in keys]


@pytest.mark.parametrize(
    ("keys", "start"),
    [
        ((), 0),
        (("u1",), 0),
        (("u1", "a1"), 0),
        (("u1", "a1", "u2"), 2),
        (("u1", "a1", "u2", "u3", "a3"), 2),
        (("a1",), 0),
        (("u1", "a1", "u2", "a2", "a3"), 2),
        (("a0", "u1", "a1"), 1),
    ],
)
def test_turn_start(keys: tuple[str, ...], start: int) -> None:
    """A turn begins at the first of the user's messages that the last answer answers."""
    assert turn_start(said(*keys)) == start


@pytest.mark.parametrize(
    ("keys", "settled", "owed", "start"),
    [
        ((), (), None, None),
        (("u1",), (), None, "u1"),
        (("u1", "a1", "u2"), ("a1",), None, "u2"),
        (("u1", "a1", "u2"), (), None, "u2"),
        (("u1", "a1", "u2"), (), "u1", "u1"),
        (("u1", "a1", "u2"), ("a1",), "u1", "u2"),
        (("u1", "a1", "u2", "a2", "u3"), ("a1",), "u2", "u2"),
        (("u1", "a1"), ("a1",), None, "a1"),
        (("u1", "a1", "u2"), ("gone",), "gone", "u2"),
    ],
)
def test_unsettled_from(keys: tuple[str, ...], settled: tuple[str, ...], owed: str | None, start: str | None) -> None:
    """What is offered to learning: this turn, and before it only what an earlier turn still owes."""
    assert unsettled_from(said(*keys), settled, owed) == start


def test_said_from() -> None:
    """What was said from a message on; the turn when that message is not in sight."""
    talk = said("u1", "a1", "u2", "a2")
    assert [one.key for one in said_from(talk, "a1")] == ["a1", "u2", "a2"]
    assert [one.key for one in said_from(talk, "gone")] == ["u2", "a2"]
    assert said_from([], None) == []
