"""Broken extraction replies: every valid item is kept, and only an answer without any JSON is a failure."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.messages.tool import invalid_tool_call

from learning_machine.errors import ExtractionFailed
from learning_machine.nodes.asking import read_reply
from learning_machine.state.extraction import ExtractedChange, Extraction
from learning_machine.testing import ScriptedModel

sys.path.insert(0, str(Path(__file__).parent))
from broken_replies import CUTS, MORE

A: dict[str, Any] = {"action": "add", "store": "user_profile", "kind": "field", "name": "name", "value": "Alice"}
B: dict[str, Any] = {**A, "name": "company", "value": "Acme"}
GOOD = json.dumps({"changes": [A, B]})
NULLS = dict.fromkeys(ExtractedChange.model_fields)

#: name → (reply, the values that must be read from it)
TEXTS: dict[str, tuple[str, list[Any]]] = {
    "as asked": (GOOD, ["Alice", "Acme"]),
    "nothing learned": ('{"changes": []}', []),
    "pretty": (json.dumps({"changes": [A, B]}, indent=4), ["Alice", "Acme"]),
    "fence": (f"```json\n{GOOD}\n```", ["Alice", "Acme"]),
    "fence without a language": (f"```\n{GOOD}\n```", ["Alice", "Acme"]),
    "fence in capitals": (f"```JSON\n{GOOD}\n```", ["Alice", "Acme"]),
    "fence that never closes": (f"```json\n{GOOD}", ["Alice", "Acme"]),
    "prose before": (f"Here is what I learned:\n{GOOD}", ["Alice", "Acme"]),
    "prose after": (f"{GOOD}\nI hope this helps!", ["Alice", "Acme"]),
    "prose around": (f"Sure! Here it is:\n\n{GOOD}\n\nLet me know.", ["Alice", "Acme"]),
    "prose and a fence": (f"Sure:\n```json\n{GOOD}\n```\nDone.", ["Alice", "Acme"]),
    "thinking before": (f"<think>Alice says her name.</think>\n{GOOD}", ["Alice", "Acme"]),
    "prose with brackets": (f"The user [Alice] said so.\n{GOOD}", ["Alice", "Acme"]),
    "byte order mark": (f"\ufeff{GOOD}", ["Alice", "Acme"]),
    "trailing commas": (GOOD.replace("}]", "},],").replace('"Acme"}', '"Acme",}'), ["Alice", "Acme"]),
    "no commas between items": (GOOD.replace("}, {", "} {"), ["Alice", "Acme"]),
    "comments": ('{"changes": [ // found one\n' + json.dumps(A) + " /* sure */ ]}", ["Alice"]),
    "single quotes": (str({"changes": [A, B]}), ["Alice", "Acme"]),
    "python literals": (str({"changes": [{**A, "quote": None, "subject": True}]}), ["Alice"]),
    "typographic quotes": (GOOD.replace('"Alice"', "“Alice”"), ["Alice", "Acme"]),
    "unquoted keys": ('{changes: [{action: "add", store: "user_profile", value: "Alice"}]}', ["Alice"]),
    "cut inside the second item": (GOOD[: GOOD.index("Acme") - 11], ["Alice", None]),
    "cut inside a value": (GOOD[: GOOD.index("Acme") + 2], ["Alice", "Ac"]),
    "cut after the first item": (GOOD[: GOOD.index("}, {") + 2], ["Alice"]),
    "cut before the end": (GOOD[:-2], ["Alice", "Acme"]),
    "cut at the very start": ('{"changes": [', []),
    "a list": (json.dumps([A, B]), ["Alice", "Acme"]),
    "a single object": (json.dumps(A), ["Alice"]),
    "changes as one object": (json.dumps({"changes": A}), ["Alice"]),
    "one object a line": (json.dumps(A) + "\n" + json.dumps(B), ["Alice", "Acme"]),
    "two replies": (GOOD + "\n" + json.dumps({"changes": [{**A, "value": "Bob"}]}), ["Alice", "Acme", "Bob"]),
    "wrapped once more": (json.dumps([{"changes": [A, B]}]), ["Alice", "Acme"]),
    "wrapped in a name": (json.dumps({"extraction": {"changes": [A, B]}}), ["Alice", "Acme"]),
    "wrapped as a call": (json.dumps({"name": "extraction", "arguments": {"changes": [A]}}), ["Alice"]),
    "another key": (json.dumps({"learnings": [A, B]}), ["Alice", "Acme"]),
    "JSON in a JSON string": (json.dumps(GOOD), ["Alice", "Acme"]),
    "changes as a string": (json.dumps({"changes": json.dumps([A, B])}), ["Alice", "Acme"]),
    "extra keys": (json.dumps({"thoughts": "…", "changes": [{**A, "confidence": 0.9}]}), ["Alice"]),
    "nulls everywhere": (json.dumps({"changes": [NULLS, A]}), [None, "Alice"]),
    "null among items": (json.dumps({"changes": [None, A, None]}), ["Alice"]),
    "text among items": (json.dumps({"changes": ["name: Alice", A]}), ["Alice"]),
    "number among items": (json.dumps({"changes": [1, A, 2.5, False]}), ["Alice"]),
    "list among items": (json.dumps({"changes": [[A], B]}), ["Alice", "Acme"]),
    "changes are null": ('{"changes": null}', []),
    "unknown action": (json.dumps({"changes": [{**A, "action": "upsert"}, B]}), ["Alice", "Acme"]),
    "action in capitals": (json.dumps({"changes": [{**A, "action": "ADD"}]}), ["Alice"]),
    "action is a list": (json.dumps({"changes": [{**A, "action": ["add"]}, B]}), ["Alice", "Acme"]),
    "store is null": (json.dumps({"changes": [{**A, "store": None}, B]}), ["Alice", "Acme"]),
    "name is a list": (json.dumps({"changes": [{**A, "name": ["name"]}, B]}), ["Alice", "Acme"]),
    "name is an object": (json.dumps({"changes": [{**A, "name": {"is": "name"}}]}), ["Alice"]),
    "kind is a number": (json.dumps({"changes": [{**A, "kind": 3}]}), ["Alice"]),
    "quote is a list": (json.dumps({"changes": [{**A, "quote": ["I'm Alice"]}]}), ["Alice"]),
    "handle is a number": (json.dumps({"changes": [{**A, "handle": 3}]}), ["Alice"]),
    "when is an object": (json.dumps({"changes": [{**A, "when": {"year": 2026}}]}), ["Alice"]),
    "value is a number": (json.dumps({"changes": [{**A, "value": 42}]}), [42]),
    "value is a list": (json.dumps({"changes": [{**A, "value": ["tea", "jazz"]}]}), [["tea", "jazz"]]),
    "value is an object": (json.dumps({"changes": [{**A, "value": {"first": "Alice"}}]}), [{"first": "Alice"}]),
    "value is missing": (json.dumps({"changes": [{k: v for k, v in A.items() if k != "value"}, B]}), [None, "Acme"]),
    "only a store": ('{"changes": [{"store": "user_profile"}]}', [None]),
    "an empty item": (json.dumps({"changes": [{}, A]}), [None, "Alice"]),
    "unicode escapes": (json.dumps({"changes": [{**A, "value": "Zoë 名前 🙂"}]}), ["Zoë 名前 🙂"]),
    "raw newlines in a value": ('{"changes": [{"store": "user_profile", "value": "one\ntwo"}]}', ["one\ntwo"]),
    "lone surrogate": ('{"changes": [{"store": "user_profile", "value": "a\\ud800b"}]}', ["a\ud800b"]),
    "NUL": ('{"changes": [{"store": "user_profile", "value": "a\\u0000b"}]}', ["a\0b"]),
    "quotes inside": (json.dumps({"changes": [{**A, "value": 'Alice "Al" Smith'}]}), ['Alice "Al" Smith']),
    "NaN": ('{"changes": [{"store": "user_profile", "value": NaN}, ' + json.dumps(A) + "]}", [..., "Alice"]),
    "very many": (json.dumps({"changes": [A] * 300}), ["Alice"] * 300),
    "very deep around it": ("[" * 60_000 + GOOD, ["Alice", "Acme"]),
    **MORE,
}


def test_the_table_is_long() -> None:
    """At least 200 different broken replies are tried, and the ones cut off beside."""
    assert len({text for text, _ in TEXTS.values()}) >= 250
    assert len({text for text, _ in CUTS.values()}) >= 60


@pytest.mark.parametrize("name", CUTS)
def test_a_reply_that_was_cut_off_keeps_what_was_whole(name: str) -> None:
    """Wherever a reply stops, the items before that are read; at most the one it stopped in comes along."""
    text, values = CUTS[name]
    read = [one.value for one in read_reply(AIMessage(text))]
    assert read[: len(values)] == values
    assert len(read) <= len(values) + 1


@pytest.mark.parametrize("seed", range(4))
def test_no_noise_raises_anything_else(seed: int) -> None:
    """Whatever is deleted, doubled or put in between, a reply is read or is `ExtractionFailed`, and items are items."""
    chance = random.Random(seed)
    pieces = [
        '"',
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\\",
        "\n",
        "```",
        "//",
        "/*",
        "null",
        "NaN",
        "\ufeff",
        "\0",
        "é",
        "名",
        "“",
    ]
    for _ in range(150):
        text = list(chance.choice([GOOD, *[text for text, _ in list(MORE.values())[:120]]]))
        for _ in range(chance.randrange(1, 8)):
            at = chance.randrange(len(text))
            text[at : at + chance.choice([0, 1, 1, 5])] = chance.choice(
                [[], [chance.choice(pieces)], text[at : at + 20]]
            )
        try:
            read = read_reply(AIMessage("".join(text)))
        except ExtractionFailed:
            continue
        assert all(isinstance(one, ExtractedChange) for one in read)


@pytest.mark.parametrize("name", TEXTS)
def test_every_valid_item_of_a_broken_reply_is_kept(name: str) -> None:
    """A malformed reply yields the items that can be read, in order, and raises nothing."""
    text, values = TEXTS[name]
    read = read_reply(AIMessage(text))
    assert [... if wanted is ... else one.value for one, wanted in zip(read, values, strict=False)] == values
    assert len(read) == len(values)
    assert all(isinstance(one, ExtractedChange) for one in read)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "I learned nothing.",
        "null",
        "true",
        "42",
        '"Alice"',
        "```\n```",
        "Sorry, I can't.",
        "[1, 2]",
        "The [user] said [so].",
        "[" * 100_000,
        "{" * 5_000,
        '{"a": ' * 5_000,
        "<think>Nothing to learn.</think>",
    ],
)
def test_no_json_at_all_is_a_failure(text: str) -> None:
    """An answer without an object or list of changes raises `ExtractionFailed`, so that the batch is tried again."""
    with pytest.raises(ExtractionFailed, match="tried again"):
        read_reply(AIMessage(text))


def tool_reply(args: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": "extraction", "args": args, "id": "c1"}])


def broken_call(args: str | None) -> AIMessage:
    call = invalid_tool_call(name="extraction", args=args, id="c1", error="not JSON")
    return AIMessage("", invalid_tool_calls=[call])


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        (tool_reply({"changes": [A, B]}), ["Alice", "Acme"]),
        (tool_reply({"changes": [A, None]}), ["Alice"]),
        (tool_reply(A), ["Alice"]),
        (tool_reply({"changes": json.dumps([A])}), ["Alice"]),
        (broken_call(GOOD[:-2]), ["Alice", "Acme"]),
        (broken_call(GOOD.replace("}]", "},]")), ["Alice", "Acme"]),
        (broken_call(str({"changes": [A]})), ["Alice"]),
        (AIMessage(GOOD, tool_calls=[{"name": "extraction", "args": {}, "id": "c1"}]), ["Alice", "Acme"]),
        (AIMessage(GOOD, invalid_tool_calls=broken_call(None).invalid_tool_calls), ["Alice", "Acme"]),
        (AIMessage([{"type": "text", "text": GOOD}]), ["Alice", "Acme"]),
        (Extraction(changes=[ExtractedChange(**A)]), ["Alice"]),
        ({"changes": [A]}, ["Alice"]),
    ],
)
def test_tool_calls_and_objects_are_read_as_well(raw: Any, values: list[Any]) -> None:
    """Arguments of a call, a call that could not be parsed, content parts and parsed objects are read alike."""
    assert [one.value for one in read_reply(raw)] == values


@pytest.mark.parametrize("raw", [tool_reply({}), broken_call(None), broken_call(""), None, {}])
def test_an_empty_call_is_a_failure(raw: Any) -> None:
    """A call without arguments is no answer."""
    with pytest.raises(ExtractionFailed):
        read_reply(raw)


def test_what_cannot_be_written_takes_nothing_from_the_rest(machine: Any) -> None:
    """Unknown stores, handles, fields and empty values are refused one by one, with reasons; the rest is saved."""
    learns = [
        [
            {**A, "store": "diary"},
            {**A, "store": None},
            {"action": "revise", "store": "user_profile", "handle": "k999", "value": "Bob"},
            {"action": "retire", "store": "user_profile", "handle": "nonsense"},
            {"action": "retire", "store": "user_profile"},
            {**A, "name": "company", "value": ""},
            {**A, "name": "name", "value": {"first": "Alice"}},
            {**NULLS, "store": "user_profile"},
            {**A, "value": "x" * 30_000},
            {**A, "name": "shoe_size", "value": "42"},
            {**A, "value": "a\0b\ud800"},
            A,
            7,
            None,
        ]
    ]
    found = machine(ScriptedModel(learns=learns))
    receipts = found.process([("user", "I'm Alice"), ("assistant", "Hi")], user_id="alice", session_id="t1")
    profile = found.recall(user_id="alice")["user_profile"]
    assert profile.name == "Alice"
    assert "shoe_size: 42" in profile.observations
    refused = [receipt["reason"] for receipt in receipts if receipt["status"] == "refused"]
    assert refused.count("there is no such store") == 2
    assert sum("there is nothing with the handle" in reason for reason in refused) == 2
    assert any("longer than 20,000 characters" in reason for reason in refused)
    assert all(reason for reason in refused)
    assert {receipt["status"] for receipt in receipts} <= {"saved", "refused", "known"}
