"""Reading conversations from text: every accepted form, what is left out, and what is said about bad input."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from learning_machine.errors import InvalidInput
from learning_machine.state.conversations import Conversation, SpokenMessage, read_conversations

HELLO = [{"role": "user", "content": "I live in Bern."}, {"role": "assistant", "content": "Noted."}]
SPOKEN = (SpokenMessage("user", "I live in Bern."), SpokenMessage("assistant", "Noted."))


def contents(text: str) -> list[list[tuple[str, str]]]:
    return [[(m.role, m.content) for m in c.messages] for c in read_conversations(text)]


# --- the forms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(HELLO),
        json.dumps(HELLO, indent=2),
        json.dumps({"messages": HELLO}),
        json.dumps([{"messages": HELLO}]),
        "\n".join(map(json.dumps, HELLO)),
        "\r\n\r\n".join(map(json.dumps, HELLO)) + "\r\n",
        json.dumps({"messages": HELLO}) + "\n",
        "User: I live in Bern.\nAssistant: Noted.",
        "user: I live in Bern.\r\n\r\nASSISTANT : Noted.\r\n",
        "Human:I live in Bern.\nAI: Noted.\n---\n",
        "---\nHuman：I live in Bern.\nbot: Noted.",
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_every_form_gives_the_same_conversation(text: str, mark: str) -> None:
    """Lists, objects with messages, JSONL of either and spoken lines are told apart; a byte order mark is ignored."""
    assert read_conversations(mark + text) == [Conversation(SPOKEN)]


@pytest.mark.parametrize("join", [json.dumps, lambda records: "\n".join(map(json.dumps, records))])
@pytest.mark.parametrize("key", ["id", "conversation_id", "thread_id"])
def test_objects_with_messages_are_conversations(join: Any, key: str) -> None:
    """Each object with `messages` is a conversation of its own, under the id it names."""
    read = read_conversations(join([{"messages": HELLO, key: "a"}, {"messages": HELLO, key: 7}, {"messages": HELLO}]))
    assert read == [Conversation(SPOKEN, "a"), Conversation(SPOKEN, "7"), Conversation(SPOKEN)]


def test_single_object_keeps_its_id() -> None:
    """A file that is one conversation keeps its id and the ids of its messages."""
    read = read_conversations(json.dumps({"id": "c1", "messages": [{**HELLO[0], "id": "m1"}, HELLO[1]]}))
    assert read == [Conversation((SpokenMessage("user", "I live in Bern.", "m1"), SPOKEN[1]), "c1")]


def test_loose_messages_are_gathered_by_their_thread() -> None:
    """Interleaved message lines are put together by the thread they name."""
    rows = [{"role": "user", "content": f"{n}", "thread_id": thread} for n, thread in enumerate("abab")]
    read = read_conversations("\n".join(map(json.dumps, rows)))
    assert [(c.id, [m.content for m in c.messages]) for c in read] == [("a", ["0", "2"]), ("b", ["1", "3"])]


def test_conversation_objects_separate_loose_messages() -> None:
    """Messages before and after a whole conversation are not joined with it or with each other."""
    text = json.dumps([HELLO[0], {"messages": HELLO}, HELLO[0], HELLO[1]])
    assert [len(c.messages) for c in read_conversations(text)] == [1, 2, 2]


def test_content_parts_keep_their_text() -> None:
    """Of content in parts the text is kept, and images and unknown parts are ignored."""
    parts = [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "input_text", "text": "at this"},
        {"type": ["odd"], "text": "no"},
        {"type": "text", "text": 3},
        None,
    ]
    assert contents(json.dumps([{"role": "user", "content": parts}])) == [[("user", "Look\nat this")]]


def test_what_nobody_said_is_left_out() -> None:
    """System, developer, tool and function messages, calls without words and empty messages are skipped silently."""
    rows = [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": "Be brief."},
        HELLO[0],
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "assistant", "function_call": {"name": "look"}},
        {"role": "tool", "content": "42"},
        {"role": "function", "name": "look", "content": "42"},
        {"role": "user", "content": [{"type": "image_url"}]},
        {"role": "user", "content": "  "},
        HELLO[1],
    ]
    assert read_conversations(json.dumps(rows)) == [Conversation(SPOKEN)]


def test_line_separators_inside_a_json_string_do_not_split_it() -> None:
    """U+2028 and vertical tabs inside JSONL text are text, not ends of lines."""
    row = json.dumps({"role": "user", "content": "a\u2028b\u0085c"}, ensure_ascii=False)
    assert contents(row + "\n" + row) == [[("user", "a\u2028b\u0085c")] * 2]


# --- times ------------------------------------------------------------------------------------------------------------

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("key", ["created_at", "timestamp", "time", "create_time"])
@pytest.mark.parametrize(
    "value",
    ["2024-05-01T12:00:00Z", "2024-05-01 12:00", "2024-05-01T14:00+02:00", 1714564800, 1714564800000, "1714564800.0"],
)
def test_times_are_read(key: str, value: object) -> None:
    """ISO text and unix seconds or milliseconds give a moment; without a zone it is UTC."""
    (conversation,) = read_conversations(json.dumps([{**HELLO[0], key: value}]))
    assert conversation.messages[0].at == NOON


def test_zone_of_a_time_is_kept() -> None:
    """A time with an offset keeps it, since the local hour can matter."""
    (conversation,) = read_conversations(json.dumps([{**HELLO[0], "time": "2024-05-01T14:00+02:00"}]))
    at = conversation.messages[0].at
    assert at is not None
    assert at.tzinfo == timezone(timedelta(hours=2))


@pytest.mark.parametrize("value", ["yesterday", True, None, [], {}, 1e300, -1e300, float("nan"), 10**400, "", "9" * 50])
def test_an_unreadable_time_loses_no_message(value: object) -> None:
    """A time that means nothing is left out, and another field may still give it."""
    row = {**HELLO[0], "created_at": value}
    assert read_conversations(json.dumps([row])) == [Conversation(SPOKEN[:1])]
    (conversation,) = read_conversations(json.dumps([{**row, "timestamp": 1714564800}]))
    assert conversation.messages[0].at == NOON


# --- plain text -------------------------------------------------------------------------------------------------------


def test_lines_without_a_speaker_continue_the_message() -> None:
    """Further lines, blank ones inside, colons, indented look-alikes and other names belong to the last speaker."""
    said = "Note: see https://x.example:80/a\n\nTime: 10:30\n  user: alice\nThe user: me\nSystem: Linux\nusers: 3"
    assert contents(f"User: {said}\n\nAssistant: ok: fine\n") == [[("user", said), ("assistant", "ok: fine")]]


@pytest.mark.parametrize("rule", ["---", "===", "-----  "])
def test_a_rule_starts_another_conversation(rule: str) -> None:
    """A line of dashes or equals signs alone separates conversations, however many blank lines are around it."""
    assert contents(f"{rule}\nUser: a\n\n{rule}\n\nUser: b\n{rule}\n") == [[("user", "a")], [("user", "b")]]


def test_a_rule_inside_a_message_is_kept() -> None:
    """A Markdown rule or underlined heading, with more of the message after it, separates nothing."""
    said = "Title\n=====\ntext\n---\nmore"
    assert contents(f"Assistant: {said}\nUser: thanks") == [[("assistant", said), ("user", "thanks")]]


def test_speaker_without_words_says_nothing() -> None:
    """A speaker line followed by nothing is not a message; its text may start on the next line."""
    assert contents("User:\nAssistant:\n  Hello\nUser: \n") == [[("assistant", "Hello")]]


def test_newlines_of_all_systems() -> None:
    """Lines may end as on Windows, Unix or old Macs, and are joined with plain newlines."""
    assert contents("User: a\r\nb\rc\nd\r\nAI: e") == [[("user", "a\nb\nc\nd"), ("assistant", "e")]]


def test_brackets_at_the_start_of_plain_text() -> None:
    """Plain text that opens with a bracket, or holds JSON in a message, is still plain text."""
    assert contents('User:\n{"a": 1}\n[{"b": 2}]\nAI: ok') == [[("user", '{"a": 1}\n[{"b": 2}]'), ("assistant", "ok")]]
    with pytest.raises(InvalidInput, match="Line 1: text before the first speaker"):
        read_conversations("[Chat of today]\nUser: hi")


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        (" \n\t ", "is empty"),
        ("\ufeff\r\n", "is empty"),
        ("Just a note.", "Line 1: text before the first speaker"),
        ("\nA note.\nUser: hi", "Line 2: text before the first speaker"),
        ("[]", "no message of a user"),
        ('[{"role": "system", "content": "x"}]', "no message of a user"),
        ("User:", "no message of a user"),
        ('[{"role": "user", "content": "x"}', r"not valid JSON \(column 34"),
        ('{\n "messages": [\n  {"role" "user"}\n ]\n}', r"not valid JSON \(line 3, column 11"),
        ("[" * 100_000, "nesting too deep"),
        ('[{"role": "user", "content": ' + "1" * 5000 + "}]", "number is too long"),
        ('{"role": "user"}', "Record 1: the message has no `content`"),
        ('[{"role": "user", "content": "x"}, 3]', "Record 2: the message is not an object"),
        ('{"messages": [{"role": "king", "content": "x"}]}', "Message 1: the message has a `role` other than"),
        ('[{"messages": [{"role": "user", "content": 3}]}]', "Record 1: message 1 has a `content` that is neither"),
        ('{"role": "user", "content": "x"}\n\n{"role": "user", "cont}', "Line 3: not valid JSON"),
        ('{"role": "user", "content": "x"}\n{"messages": 3}', "Line 2: the message is not an object"),
    ],
)
def test_bad_input_is_named(text: str, problem: str) -> None:
    """The error says what is wrong and where, and which forms are accepted."""
    with pytest.raises(InvalidInput, match=problem) as error:
        read_conversations(text)
    assert "Give OpenAI message JSON" in str(error.value)


def test_errors_do_not_show_what_was_said() -> None:
    """No message of an error repeats the input."""
    for text in ('{"role": "zebra", "content": "zebra"}', '{"role": "user", "content": zebra}', "zebra", '[{"zebra":'):
        with pytest.raises(InvalidInput) as error:
            read_conversations(text)
        assert "zebra" not in str(error.value)


def test_number_of_the_bad_record_is_an_attribute() -> None:
    """The number is kept beside the text of the error."""
    with pytest.raises(InvalidInput) as error:
        read_conversations('{"role": "user", "content": "x"}\nnot json')
    assert error.value.facts == {"record": 2}


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("\n".join([json.dumps(HELLO[0]), '{"role": "us', "", json.dumps({"role": 1}), json.dumps(HELLO[1])]), [2, 4]),
        (json.dumps([{}, HELLO[0], {"role": "user"}, HELLO[1], "x"]), [1, 3, 5]),
        (json.dumps({"messages": [HELLO[0], 5, HELLO[1]]}), [2]),
        (json.dumps([{"messages": [HELLO[0], 5]}, {"messages": HELLO}]), [1]),
        ("from my notes\nUser: I live in Bern.\nAssistant: Noted.", [1]),
    ],
)
def test_on_bad_keeps_the_rest(text: str, bad: list[int]) -> None:
    """With `on_bad`, each bad record is reported with its number and a reason, and the good ones are kept."""
    reported: list[tuple[int, str]] = []
    read = read_conversations(text, on_bad=lambda number, reason: reported.append((number, reason)))
    assert read == [Conversation(SPOKEN)]
    assert [number for number, _ in reported] == bad
    assert all(reason for _, reason in reported)


def test_on_bad_does_not_hide_that_nothing_was_read() -> None:
    """When every record is bad, they are reported and the whole still fails."""
    reported: list[int] = []
    with pytest.raises(InvalidInput, match="no message of a user"):
        read_conversations('{"a": 1}\n{"b": 2}', on_bad=lambda number, reason: reported.append(number))
    assert reported == [1, 2]


# --- hostile input ----------------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.sampled_from(
    ["role", "content", "messages", "id", "thread_id", "created_at", "time", "type", "text", "tool_calls"]
)
ROLES = st.sampled_from(["user", "assistant", "system", "Human", "king", "uſer"])
JSON = st.recursive(
    SCALARS | ROLES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)
LINES = st.lists(
    st.sampled_from(["User: a", "uſer: b", "AI：c", "---", "===", "", " ", "{", '{"a":1}', "[1]", "\ufeff", "\x85x"])
    | st.text(max_size=12),
    max_size=8,
)
HOSTILE = (
    st.text(max_size=60)
    | JSON.map(json.dumps)
    | st.lists(JSON.map(json.dumps), max_size=4).map("\n".join)
    | LINES.map("\n".join)
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(HOSTILE)
@example("uſer: x")
@example('[{"role": "user", "content": [{"type": {}, "text": 1}]}]')
@example('[{"role": "user", "content": "x", "time": "0001-01-01T00:00+23:59"}]')
def test_hostile_input_raises_nothing_else(text: str) -> None:
    """Whatever the input, there are conversations with messages in them, or `InvalidInput`."""
    for on_bad in (None, lambda number, reason: None):
        try:
            read = read_conversations(text, on_bad=on_bad)
        except InvalidInput:
            continue
        assert read
        assert all(conversation.messages for conversation in read)
        assert all(message.content.strip() for conversation in read for message in conversation.messages)
