"""Pure: what the agent is told when a value is not certain: challenged, or derived from what no longer holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from learning_machine.state.items import Item
from learning_machine.state.tokens import truncate

#: What a slot reads whose value was taken back, or has ended.
NO_LONGER_KNOWN = "no longer known"
#: Kinds of source, in words.
SOURCES = {
    "reviewer": "a reviewer decided",
    "user": "the user said",
    "import": "imported",
    "document": "from a document",
    "tool": "a tool reported",
    "inference": "inferred",
    "external": "from outside",
}
#: As much of a value as is shown where two are told of.
_MAX_TOKENS = 60


def doubt(item: Item) -> str:
    """What has to be said behind an item; `""` where it is certain."""
    parts = [challenged(item, item.challenges)] if item.challenges else []
    parts += ["no longer certain: what it was derived from no longer holds"] if item.stale else []
    return f" ({'; '.join(parts)})" if parts else ""


def challenged(item: Item, challenges: Sequence[Mapping[str, Any]]) -> str:
    """Two values, with dates and kinds of source; of several challenges the newest, and how many more."""
    newest, more = challenges[0], len(challenges) - 1
    others = f", and {more} more" if more else ""
    return f"not settled: {value(item.text, item.origin, item.known_from)}, or {claim(newest)}{others}"


def claim(row: Mapping[str, Any]) -> str:
    """A challenge in words."""
    when = row["known_from"]
    return value(row["text"], row["origin"], datetime.fromisoformat(when) if isinstance(when, str) else when)


def value(text: str, origin: str, when: datetime) -> str:
    """One of two values: what, by what kind of source, since when it is known."""
    shown = f"“{truncate(text, _MAX_TOKENS)}”" if text else NO_LONGER_KNOWN
    return f"{shown} ({SOURCES.get(origin, origin)}, {when:%Y-%m-%d})"
