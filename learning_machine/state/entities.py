"""Things in the world: who or what they are, what is true of them, what happened, and how they are connected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from learning_machine.state.items import Item

_WITH_TYPE = re.compile(r"^(?P<name>.+?)\s*\((?P<type>[^()\d][^()]{0,39})\)$")
#: Models say the same type in several ways; one word for each keeps one thing from becoming two.
_SAME_TYPE = {
    **dict.fromkeys(("organization", "organisation", "org", "firm", "business", "corporation", "startup"), "company"),
    **dict.fromkeys(("human", "people", "individual", "man", "woman"), "person"),
    **dict.fromkeys(("city", "country", "town", "location"), "place"),
}


@dataclass(frozen=True)
class EntityRef:
    """A thing as somebody names it. `type` is empty when it was not said."""

    name: str
    type: str = ""
    aliases: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> EntityRef:
        """From `Acme` or `Acme (company)`."""
        match = _WITH_TYPE.match(text.strip())
        return cls(match["name"].strip(), type_of(match["type"])) if match else cls(text.strip())


def type_of(text: str) -> str:
    """A type's one word."""
    plain = " ".join(text.casefold().split())
    # "Bob (CEO of Acme)" says something of Bob, not what kind of thing he is.
    return _SAME_TYPE.get(plain, plain) if len(plain.split()) < 3 else ""


@dataclass(frozen=True)
class Entity:
    """A thing, and what is known of it in one namespace. `id` stays the same whatever is learned of it."""

    id: str
    name: str
    type: str
    aliases: tuple[str, ...] = ()
    properties: Mapping[str, Any] = field(default_factory=dict)
    #: Properties and facts, oldest first; what happened, newest first.
    facts: tuple[Item, ...] = ()
    events: tuple[Item, ...] = ()
    relationships: tuple[Relationship, ...] = ()
    handle: str = ""
    namespace: str = "user"
    #: The relationships as they were learned.
    connections: tuple[Item, ...] = ()
    #: How many more there are of what was not read, by what it is.
    hidden: Mapping[str, int] = field(default_factory=dict)
    #: Properties whose value was taken back or has ended.
    gone: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.name} ({self.type})" if self.type else self.name

    @property
    def items(self) -> tuple[Item, ...]:
        return (*self.facts, *self.connections, *self.events)


@dataclass(frozen=True)
class Relationship:
    """One connection, stored once and read from both ends."""

    source: str
    relation: str
    target: str
    handle: str
    hops: int = 1

    def __str__(self) -> str:
        return f"{self.source} — {self.relation} → {self.target}"


@dataclass(frozen=True)
class EntityMemory:
    """What a turn recalled of the world: the things it named, and what else fits its question."""

    entities: tuple[Entity, ...]
    found: tuple[Item, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entities or self.found)

    @property
    def items(self) -> tuple[Item, ...]:
        """Every fact, connection and event, each once."""
        own = [item for entity in self.entities for item in entity.items]
        return tuple({item.id: item for item in (*own, *self.found)}.values())


@dataclass(frozen=True)
class Period:
    """A stretch of time: from `since` on, before `until`; either may be open."""

    since: datetime | None = None
    until: datetime | None = None


#: No period at all.
ALWAYS = Period()
