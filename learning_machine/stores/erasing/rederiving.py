"""Pure: what remains of a learning of several people when one of them takes their words back.

Only what the others said, too, may remain of its wording. Nobody's words are shown to others in its place: what cannot be
told in words that both used is dropped, and the others' own turns are read again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from learning_machine.stores.deciding import content_key, covered, telling

#: Where a text can be cut so that what is left is still a statement.
_CLAUSES = re.compile(r"(?<=[.!?;])\s+|\s*[,:;()]\s+|\s+[–—-]\s+|\n+")


@dataclass(frozen=True)
class Remaining:
    """What a learning says without one of those who said it."""

    text: str
    name: str
    value: Any
    found_by: str | None
    content_key: str


def remaining(row: Mapping[str, Any], grounds: Sequence[str]) -> Remaining | None:
    """What of a learning stands on these words alone; `None` when nothing does."""
    words = "\n".join(ground for ground in grounds if ground)
    text = row["name"] if row["kind"] == "entity" and said(row["name"], words) else reduced(row["text"], words)
    if not text:
        return None
    name = row["name"] if said(row["name"], words) else ""
    if row["kind"] in ("entity", "relationship", "property", "field") and name != row["name"]:
        # Without its name it would be something else.
        return None
    value = _value(row["value"], row["text"], text, words)
    found_by = None if row["found_by"] is None else _found_by(row["found_by"], words) or text
    named = str(row["slot"]).startswith("=")
    key = content_key(row["kind"], name if named else f"{name}\0{row['slot']}", row["target"] or text, value)
    return Remaining(text, name, value, found_by, key)


def said(text: str, words: str) -> bool:
    """Whether every word of a text that tells something is among these words, and every number."""
    if not text.strip():
        return True
    numbers, denied = telling(text)
    others, denied_too = telling(words)
    return covered(text, words) == 1 and set(numbers) <= set(others) and (not denied or denied_too)


def reduced(text: str, words: str) -> str:
    """The text, or those of its clauses that are among these words."""
    if said(text, words):
        return text
    kept = [clause.strip() for clause in _CLAUSES.split(text) if clause.strip() and said(clause, words)]
    # A clause of small words alone says nothing.
    return ". ".join(clause.rstrip(" .;,:") for clause in kept if covered(clause, clause) == 1)


def _found_by(text: str, words: str) -> str:
    return "\n".join(line for line in text.split("\n") if said(line, words))


def _value(value: Any, text: str, kept: str, words: str) -> Any:
    """The value with every text in it that the others did not say taken out."""
    if isinstance(value, str):
        return kept if value == text else value if said(value, words) else ""
    if isinstance(value, dict):
        return {name: _value(one, text, kept, words) for name, one in value.items() if _tells(one, words)}
    if isinstance(value, list):
        return [_value(one, text, kept, words) for one in value if _tells(one, words)]
    return value if value is None or isinstance(value, bool) or said(str(value), words) else None


def _tells(value: Any, words: str) -> bool:
    return not isinstance(value, str) or said(value, words)
