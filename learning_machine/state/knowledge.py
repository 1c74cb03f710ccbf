"""What was learned that holds beyond one person or talk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from learning_machine.state.items import Item


@dataclass(frozen=True)
class Insight:
    """A pattern, an insight or a best practice."""

    title: str
    learning: str
    context: str
    tags: tuple[str, ...]
    handle: str
    namespace: str
    score: float

    @classmethod
    def of(cls, item: Item, namespace: str, score: float) -> Self:
        value: Mapping[str, Any] = item.value if isinstance(item.value, dict) else {}
        tags = tuple(str(tag) for tag in value.get("tags") or ())
        return cls(item.name, item.text, str(value.get("context") or ""), tags, item.handle, namespace, score)


@dataclass(frozen=True)
class Knowledge:
    """The insights that fit a question, best first."""

    insights: tuple[Insight, ...]
    items: tuple[Item, ...]

    def __bool__(self) -> bool:
        return bool(self.insights)
