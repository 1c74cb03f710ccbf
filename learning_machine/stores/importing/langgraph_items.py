"""Items of a LangGraph `BaseStore`, and so of LangMem: a list or lines of `{"namespace", "key", "value"}`.

Format as `Item.dict()` of langgraph writes it (reference: langgraph.store.base). LangMem's `value` is `{"kind", "content"}`:
of `Memory` the content is `{"content": text}`; of a schema of the user's own it is the schema's fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

from learning_machine.state.extraction import ExtractedChange
from learning_machine.stores.importing.found import (
    ENTITIES,
    PROFILE,
    Finding,
    Learned,
    Problem,
    insight,
    observation,
    owned,
)
from learning_machine.stores.importing.streaming import values

#: Where plain items keep their text, most telling first.
TEXTS = ("memory", "text", "content", "data", "fact", "value")


def recognises(value: Any) -> bool:
    return isinstance(value, dict) and "namespace" in value and "key" in value and "value" in value


def read(file: TextIO) -> Finding:
    """The items, each as what its value says it is."""
    for found in values(file, "items"):
        if isinstance(found, Problem):
            yield found
            continue
        where, value = found
        if not recognises(value):
            yield Problem(where, "it is no item: it lacks `namespace`, `key` or `value`")
        elif not isinstance(value["value"], dict):
            yield Problem(f"{where}.value", "it is no object")
        else:
            labels = value["namespace"] if isinstance(value["namespace"], list) else [value["namespace"]]
            for one in _item(value["value"], where):
                # A user's id is a part of the namespace, in whatever place: it counts where somebody names the user.
                yield owned(one, *labels)


def _item(value: dict[str, Any], where: str) -> Iterator[Learned | Problem]:
    content = value.get("content")
    if isinstance(value.get("kind"), str) and isinstance(content, dict):
        yield from _typed(content, where)
    elif text := next(
        (value[name] for name in TEXTS if isinstance(value.get(name), str) and value[name].strip()), None
    ):
        yield observation(text, where)
    else:
        yield from _typed(value, where)


def _typed(content: dict[str, Any], where: str) -> Iterator[Learned | Problem]:
    """A LangMem memory: its text, a triple, an insight, or the fields of a profile."""
    if {"subject", "predicate", "object"} <= content.keys():
        ends = {name: str(content[name]) for name in ("subject", "predicate", "object")}
        change = ExtractedChange(
            store=ENTITIES, kind="relationship", subject=ends["subject"], name=ends["predicate"], target=ends["object"]
        )
        yield Learned(change, where)
    elif set(content) <= {"content", "text", "memory", "context"} and content:
        yield observation(next((content[name] for name in TEXTS if isinstance(content.get(name), str)), None), where)
    elif isinstance(content.get("title"), str) and isinstance(content.get("learning"), str):
        yield insight(content["title"], content["learning"], where, context=_text(content.get("context")))
    else:
        fields = {name: one for name, one in content.items() if one not in (None, "", [], {})}
        if not fields:
            yield Problem(where, "it holds nothing")
        for name, one in fields.items():
            plain = json.dumps(one, ensure_ascii=False) if isinstance(one, dict) else one
            yield Learned(ExtractedChange(store=PROFILE, kind="field", name=str(name), value=plain), where)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
