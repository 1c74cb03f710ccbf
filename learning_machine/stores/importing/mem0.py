"""mem0's memories, as `get_all()` and its dashboard export return them: `{"results": [{"id", "memory", …}]}`, or the list.

Format as mem0's documentation has it (docs.mem0.ai, "Exporting memories" and the API's `get_all`): `memory` is the text,
`categories` and `metadata` are optional; `relations` of graph memory have `source`, `relationship` and `target`.
"""

from __future__ import annotations

from typing import Any, TextIO

from learning_machine.state.extraction import ExtractedChange
from learning_machine.stores.importing.found import ENTITIES, Finding, Found, Learned, Problem, observation, owned
from learning_machine.stores.importing.streaming import values


def recognises(value: Any) -> bool:
    return isinstance(value, dict) and ("memory" in value or ("source" in value and "relationship" in value))


def read(file: TextIO) -> Finding:
    """The memories, each as something about the user; relations as connections."""
    for found in values(file, "results", "memories", "relations"):
        if isinstance(found, Problem):
            yield found
            continue
        where, value = found
        if isinstance(value, dict) and isinstance(value.get("results"), list):
            for number, one in enumerate(value["results"]):
                yield _memory(one, f"{where}.results[{number}]")
            for number, one in enumerate(value.get("relations") or ()):
                yield _memory(one, f"{where}.relations[{number}]")
        else:
            yield _memory(value, where)


def _memory(value: Any, where: str) -> Found:
    if not recognises(value):
        return Problem(where, "it is no memory: it has no `memory`")
    if "memory" in value:
        return owned(observation(value["memory"], where), value.get("user_id"))
    ends = [value.get("source"), value.get("relationship"), value.get("target") or value.get("destination")]
    if not all(isinstance(end, str) and end.strip() for end in ends):
        return Problem(where, "the relation lacks `source`, `relationship` or `target`")
    source, name, target = (end.replace("_", " ") for end in ends)
    change = ExtractedChange(store=ENTITIES, kind="relationship", subject=source, name=name, target=target)
    return owned(Learned(change, where), value.get("user_id"))
