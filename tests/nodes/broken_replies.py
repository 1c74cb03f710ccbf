"""Replies as models really break them, each with the values of the items that must be read from it, in order.

`...` stands for any value. What a model cut off in the middle of an item may come along, as one more.
"""

from __future__ import annotations

import json
from typing import Any

A: dict[str, Any] = {"action": "add", "store": "user_profile", "kind": "field", "name": "name", "value": "Alice"}
B: dict[str, Any] = {**A, "name": "company", "value": "Acme"}
C: dict[str, Any] = {**A, "name": "city", "value": "Oslo", "quote": "I moved to Oslo"}
BOTH = ["Alice", "Acme"]
ALL = ["Alice", "Acme", "Oslo"]


def reply(*items: Any, **more: Any) -> str:
    return json.dumps({"changes": list(items), **more}, ensure_ascii=False)


def changed(**fields: Any) -> str:
    """A reply whose first item has these fields instead, and whose second is as it should be."""
    return reply({**A, **fields}, B)


def spelled(**tokens: str) -> str:
    """A reply with raw text in place of some values, as no JSON library would write it."""
    text = reply(A, B)
    for old, new in tokens.items():
        text = text.replace(f'"{old}"', new, 1)
    return text


GOOD = reply(A, B)
THREE = reply(A, B, C)
PRETTY = json.dumps({"changes": [A, B]}, indent=2)
LINES = "\n".join(json.dumps(one) for one in (A, B))

FENCES = {
    "tildes": f"~~~json\n{GOOD}\n~~~",
    "four ticks": f"````json\n{GOOD}\n````",
    "json5": f"```json5\n{GOOD}\n```",
    "jsonc": f"```jsonc\n{GOOD}\n```",
    "javascript": f"```javascript\n{GOOD}\n```",
    "on one line": f"```json {GOOD} ```",
    "in a single tick": f"`{GOOD}`",
    "indented": "    ```json\n    " + GOOD + "\n    ```",
    "in a quotation": "> ```json\n> " + GOOD + "\n> ```",
    "pretty in a quotation": "\n".join(f"> {line}" for line in PRETTY.splitlines()),
    "closed twice": f"```json\n{GOOD}\n```\n```",
    "only closed": f"{GOOD}\n```",
    "windows lines": f"```json\r\n{GOOD}\r\n```\r\n",
    "with a file name": f"```json title=changes.json\n{GOOD}\n```",
    "an empty one before": f"```\n```\n```json\n{GOOD}\n```",
    "one with code before": f"```python\nprint('hi')\n```\n```json\n{GOOD}\n```",
    "one each": f"```json\n{json.dumps(A)}\n```\n```json\n{json.dumps(B)}\n```",
    "lines in it": f"```jsonl\n{LINES}\n```",
    "HTML": f"<pre><code>{GOOD}</code></pre>",
    "XML": f"<changes>{GOOD}</changes>",
}
PROSE = {
    "with a colon": f"Result: {GOOD}",
    "with quotation marks": f'I was told to answer "as JSON": {GOOD}',
    "with an apostrophe": f"Here's what I've learned: {GOOD} That's all.",
    "with braces": f"The answer {{as asked}} is:\n{GOOD}",
    "with an empty object": f"Before I had {{}} and now:\n{GOOD}",
    "with an empty list": f"Before I had [] and now:\n{GOOD}",
    "with a citation": f"As said in [1]:\n{GOOD}",
    "with a link": f"See [the docs](https://example.org/a?b={{c}}):\n{GOOD}",
    "as a heading": f"# Changes\n\n{GOOD}",
    "as a list before": f"- Alice said her name\n- She works at Acme\n\n{GOOD}",
    "as a list after": f"{GOOD}\n\n1. her name\n2. her company",
    "in a table": f"| what | value |\n|---|---|\n| name | Alice |\n\n{GOOD}",
    "German": f"Hier sind die Änderungen:\n{GOOD}\nViele Grüße",
    "Japanese": f"以下が変更点です。\n{GOOD}\n以上です。",
    "Arabic": f"هذه هي التغييرات:\n{GOOD}",
    "with emoji": f"✅ Done! 🎉\n{GOOD} 👍",
    "thinking": f"<thinking>She said {{her name}}.</thinking>{GOOD}",
    "thinking with JSON": f'<think>Maybe {{"changes": []}}? No.</think>\n{GOOD}',
    "thinking that never closes": f"<think>Alice says her name.\n{GOOD}",
    "reasoning after": f"{GOOD}\n<reasoning>She said so.</reasoning>",
    "an apology": f"I apologize for the confusion. Corrected:\n\n{GOOD}",
    "a question after": f"{GOOD}\nShould I also note [her age]?",
    "a role": f"assistant: {GOOD}",
    "special tokens": f"<|im_start|>assistant\n{GOOD}<|im_end|>",
    "an end token": f"{GOOD}</s>",
    "a shell prompt": f"$ cat changes.json\n{GOOD}",
    "an assignment": f"changes = {json.dumps([A, B])}",
    "a constant": f"const reply = {GOOD};",
    "a return": f"return {GOOD};",
    "a print": f"print({GOOD})",
    "a callback": f"callback({GOOD});",
}
SYNTAX = {
    "trailing comma in an item": GOOD.replace('"Acme"}', '"Acme",}'),
    "trailing comma in the list": GOOD.replace("}]", "},]"),
    "trailing comma at the end": GOOD + ",",
    "two commas": GOOD.replace("}, {", "},, {"),
    "a leading comma": GOOD.replace("[{", "[, {"),
    "a semicolon between": GOOD.replace("}, {", "}; {"),
    "a semicolon at the end": GOOD + ";",
    "a missing comma in an item": GOOD.replace('"add", ', '"add" ', 1),
    "a missing colon": GOOD.replace('"action": "add"', '"action" "add"', 1),
    "an equals sign": GOOD.replace('"action": ', '"action" = ', 1),
    "an arrow": GOOD.replace('"action": ', '"action" => ', 1),
    "a missing last bracket": GOOD[:-1],
    "two missing last brackets": GOOD[:-2],
    "one bracket too many": GOOD + "}",
    "three brackets too many": GOOD + "]}}",
    "the first bracket missing": GOOD[1:],
    "unquoted keys": GOOD.replace('"action":', "action:").replace('"store":', "store:"),
    "single quotes": GOOD.replace('"', "'"),
    "single and double quotes": GOOD.replace('"value": "Alice"', "'value': 'Alice'"),
    "backticks for quotes": GOOD.replace('"Alice"', "`Alice`"),
    "German quotes": GOOD.replace('"Alice"', "„Alice“"),
    "typographic quotes everywhere": GOOD.replace('{"', "{“")
    .replace('": "', "”: “")
    .replace('", "', "”, “")
    .replace('"}', "”}"),
    "line comments": PRETTY.replace("{\n", "{ // as said\n", 1),
    "block comments": PRETTY.replace('"changes"', '/* all of them */ "changes"'),
    "hash comments": PRETTY.replace('"action": "add",', '"action": "add", # new', 1),
    "a comment at the end": GOOD + " // done",
    "a comment between": GOOD.replace("}, {", "}, /* and */ {"),
    "None, True": spelled(field="None"),
    "undefined": spelled(field="undefined"),
    "NaN": spelled(field="NaN"),
    "Infinity": spelled(field="-Infinity"),
    "tabs": PRETTY.replace("  ", "\t"),
    "old Mac lines": PRETTY.replace("\n", "\r"),
    "no-break spaces": GOOD.replace(", ", ",\u00a0"),
    "full-width punctuation": GOOD.replace('"Alice", ', '"Alice"，'),
    "zero-width spaces": GOOD.replace("}, {", "},\u200b {"),
    "a byte order mark inside": GOOD.replace("[{", "[\ufeff{"),
    "escaped quotes": GOOD.replace('"', '\\"'),
    "escaped quotes in quotes": json.dumps(GOOD),
    "escaped twice": json.dumps(json.dumps(GOOD)),
    "escaped newlines": PRETTY.replace("\n", "\\n"),
    "an escape that does not exist": GOOD.replace('"field"', '"fi\\eld"', 1),
    "a key twice": GOOD.replace('"kind": "field"', '"kind": "note", "kind": "field"', 1),
    "the list twice, the second empty": GOOD[:-1] + ', "changes": []}',
    "a list in a list": json.dumps({"changes": [[A, B]]}),
    "an ellipsis at the end": GOOD.replace("}]", "}, ...]"),
    "an ellipsis in an item": GOOD.replace('"add", ', '"add", ..., ', 1),
    "YAML": "changes:\n" + "\n".join(f"  - {json.dumps(one)}" for one in (A, B)),
    "Markdown items": "\n".join(f"- {json.dumps(one)}" for one in (A, B)),
    "stars": "\n".join(f"* {json.dumps(one)}" for one in (A, B)),
    "numbered items": "\n".join(f"{n}. {json.dumps(one)}" for n, one in enumerate((A, B), 1)),
    "lines": LINES,
    "lines with commas": LINES.replace("}\n", "},\n"),
    "lines with empty ones": LINES.replace("\n", "\n\n\n"),
    "lines under a title": f"Changes:\n{LINES}",
    "on one line without a list": f"{json.dumps(A)}{json.dumps(B)}",
    "with a comma, without a list": f"{json.dumps(A)}, {json.dumps(B)}",
    "data: of an event stream": f"data: {GOOD}\n\ndata: [DONE]",
}
SHAPES = {
    "a call": json.dumps({"name": "extraction", "arguments": {"changes": [A, B]}}),
    "a call with text": json.dumps({"name": "extraction", "arguments": reply(A, B)}),
    "a function": json.dumps(
        {"type": "function", "function": {"name": "extraction", "arguments": {"changes": [A, B]}}}
    ),
    "a function with text": json.dumps(
        {"type": "function", "function": {"name": "extraction", "arguments": reply(A, B)}}
    ),
    "calls": json.dumps({"tool_calls": [{"function": {"name": "extraction", "arguments": {"changes": [A, B]}}}]}),
    "parameters": json.dumps({"tool": "extraction", "parameters": {"changes": [A, B]}}),
    "input": json.dumps([{"type": "tool_use", "name": "extraction", "input": {"changes": [A, B]}}]),
    "a tagged call": f'<tool_call>{{"name": "extraction", "arguments": {GOOD}}}</tool_call>',
    "a call by name": f"extraction({GOOD})",
    "a content part": json.dumps([{"type": "text", "text": GOOD}]),
    "a message": json.dumps({"role": "assistant", "content": GOOD}),
    "another name": json.dumps({"learnings": [A, B]}),
    "a name in capitals": json.dumps({"Changes": [A, B]}),
    "a German name": json.dumps({"änderungen": [A, B]}),
    "two levels": json.dumps({"result": {"output": {"changes": [A, B]}}}),
    "three levels": json.dumps({"a": {"b": {"c": {"changes": [A, B]}}}}),
    "a schema": json.dumps({"title": "extraction", "type": "object", "properties": {"changes": [A, B]}}),
    "by store": json.dumps({"user_profile": [A, B]}),
    "by number": json.dumps({"changes": {"0": A, "1": B}}),
    "by name": json.dumps({"changes": {"first": A, "second": B}}),
    "each in an object": json.dumps({"changes": [{"change": A}, {"change": B}]}),
    "each as text": json.dumps({"changes": [json.dumps(A), json.dumps(B)]}),
    "one of two as text": json.dumps({"changes": [json.dumps(A), B]}),
    "the list as text": json.dumps({"changes": json.dumps([A, B])}),
    "the list as pretty text": json.dumps({"changes": json.dumps([A, B], indent=2)}),
    "the object as text": json.dumps({"changes": GOOD}),
    "extras beside": reply(A, B, summary="She said who she is.", confidence=0.9, notes=[1, 2]),
    "another list first": json.dumps({"notes": ["x"], "changes": [A, B]}),
    "an empty list first": json.dumps({"removed": [], "changes": [A, B]}),
    "two lists": json.dumps([{"changes": [A]}, {"changes": [B]}]),
    "two replies": f"{reply(A)}\n{reply(B)}",
    "an empty reply first": f"{reply()}\n{GOOD}",
    "a draft and its correction": f"{GOOD}\nWait, once more:\n{GOOD}",
}
#: Another type than asked for in one field: the field goes, the item stays.
FIELDS = {
    f"{field} is {what}": changed(**{field: value})
    for field in ("action", "store", "kind", "name", "subject", "target", "when", "quote", "handle")
    for what, value in {
        "null": None,
        "a list": ["x"],
        "an object": {"a": 1},
        "a number": 3.5,
        "true": True,
        "very long": "x" * 5_000,
    }.items()
    if (field, what) != ("handle", "very long")
}
VALUES: dict[str, tuple[str, list[Any]]] = {
    "an empty text": (changed(value=""), ["", "Acme"]),
    "a number": (changed(value=-0.5), [-0.5, "Acme"]),
    "a large number": (changed(value=10**30), [10**30, "Acme"]),
    "true": (changed(value=True), [True, "Acme"]),
    "a list of lists": (changed(value=[["a"], []]), [[["a"], []], "Acme"]),
    "JSON in text": (changed(value='{"a": 1}'), ['{"a": 1}', "Acme"]),
    "a quote": (changed(value='She said "hi" and left'), ['She said "hi" and left', "Acme"]),
    "an apostrophe": (changed(value="O'Hara's"), ["O'Hara's", "Acme"]),
    "braces": (changed(value="{not} [a] list"), ["{not} [a] list", "Acme"]),
    "a fence": (changed(value="```json\n[]\n```"), ["```json\n[]\n```", "Acme"]),
    "a backslash": (changed(value="C:\\Users\\alice"), ["C:\\Users\\alice", "Acme"]),
    "a comment": (changed(value="see // here /* and */ # there"), ["see // here /* and */ # there", "Acme"]),
    "a link": (changed(value="https://example.org/?a=1&b=[2]"), ["https://example.org/?a=1&b=[2]", "Acme"]),
    "four scripts": (changed(value="Zoë 名前 नाम שם"), ["Zoë 名前 नाम שם", "Acme"]),
    "right to left marks": (changed(value="\u202eecilA"), ["\u202eecilA", "Acme"]),
    "a family": (changed(value="👩‍👩‍👧"), ["👩‍👩‍👧", "Acme"]),
    "a raw tab": (GOOD.replace('"Alice"', '"Al\tice"'), ["Al\tice", "Acme"]),
    "a raw newline": (GOOD.replace('"Alice"', '"Al\nice"'), ["Al\nice", "Acme"]),
    "a word like a key": (changed(value="changes: []"), ["changes: []", "Acme"]),
    "an end tag": (changed(value="</think> </s>"), ["</think> </s>", "Acme"]),
    "a duplicated value": (GOOD.replace('"value": "Alice"', '"value": "Bob", "value": "Alice"'), BOTH),
}
UNKNOWN = {
    "a handle nobody gave": changed(action="revise", handle="k999"),
    "a handle that is none": changed(action="retire", handle="the first one"),
    "a handle in brackets": changed(action="revise", handle="[k1]"),
    "a handle with text": changed(action="revise", handle="k1 (name)"),
    "no handle to retire": changed(action="retire"),
    "a store of no one": changed(store="diary"),
    "a store in words": changed(store="User Profile"),
    "a kind of no one": changed(kind="rumour"),
    "an action of no one": changed(action="upsert"),
    "an action in German": changed(action="hinzufügen"),
    "fields of no one": changed(confidence=0.7, tags=["x"], nested={"a": {"b": []}}),
    "a time that is none": changed(when="last Tuesday or so"),
    "a quote nobody said": changed(quote="I never said this"),
}
#: What is no change at all stands between changes.
STRAY = {
    f"{name} between": f'{{"changes": [{json.dumps(A)}, {raw}, {json.dumps(B)}]}}'
    for name, raw in {
        "null": "null",
        "a word": '"Alice"',
        "a number": "42",
        "true": "true",
        "an empty list": "[]",
        "a list of words": '["a", "b"]',
        "NaN": "NaN",
        "None": "None",
    }.items()
}


def cut(text: str, at: int) -> tuple[str, list[Any]]:
    """The text up to there, and the items that were whole by then."""
    whole = [one for one in (A, B, C) if text[:at].find(json.dumps(one)) >= 0]
    return text[:at], [one["value"] for one in whole]


_FIRST = THREE.index("{", 2)
#: A reply that stops in the middle, at every seventh character from the first item on; with a fence, prose, and in lines.
CUTS = {
    **{f"at {at}": cut(THREE, at) for at in range(_FIRST + 1, len(THREE), 7)},
    **{f"in a fence at {at}": cut(f"```json\n{THREE}", at + 8) for at in range(_FIRST + 90, len(THREE), 23)},
    **{f"after prose at {at}": cut(f"Sure:\n{THREE}", at + 6) for at in range(_FIRST + 90, len(THREE), 23)},
    **{f"in lines at {at}": cut(LINES, at) for at in range(len(json.dumps(A)) + 1, len(LINES), 19)},
}

#: name → (reply, the values that must be read from it, and no others)
MORE: dict[str, tuple[str, list[Any]]] = {
    **{f"fence: {name}": (text, BOTH) for name, text in FENCES.items()},
    **{f"prose: {name}": (text, BOTH) for name, text in PROSE.items()},
    **{f"syntax: {name}": (text, BOTH) for name, text in SYNTAX.items()},
    **{f"shape: {name}": (text, BOTH) for name, text in SHAPES.items()},
    **{f"field: {name}": (text, BOTH) for name, text in FIELDS.items()},
    **{f"value: {name}": entry for name, entry in VALUES.items()},
    **{f"unknown: {name}": (text, BOTH) for name, text in UNKNOWN.items()},
    **{f"stray: {name}": (text, BOTH) for name, text in STRAY.items()},
    "nothing, under another name": ('{"learnings": []}', []),
    "nothing, as a bare list": ("[]", []),
    "nothing, in a fence": ('Nothing to note:\n```json\n{"changes": []}\n```', []),
}
