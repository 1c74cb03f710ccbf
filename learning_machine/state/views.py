"""What people and programs are shown of what was learned: plain values, the same over HTTP, on the command line and on a page.

None of them holds another person's words, nor who said them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2s
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

#: Which learnings are listed: those that hold now, claims that wait because they contradict, what no longer holds, or all.
State = Literal["holding", "waiting", "closed", "all"]
#: How far learning from a turn has come.
Progress = Literal["learned", "waiting", "failed", "parked"]

T = TypeVar("T")


class View(BaseModel):
    """A value as it is shown."""

    model_config = ConfigDict(frozen=True)

    @property
    def version(self) -> str:
        """The same as long as what is shown is the same: what an edit is bound to."""
        shown = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return blake2s(shown.encode("utf-8", "replace"), digest_size=12).hexdigest()


class LearningView(View):
    """One thing learned."""

    handle: str = Field(
        description="Its short name, which stays the same. An edit makes a new learning with another one."
    )
    store: str = Field(description="The learning type, such as user_profile.")
    kind: str
    name: str = Field("", description="The field, title or relation.")
    text: str
    value: Any = None
    namespace: str = Field(description='Who sees it: "user" (only its owner), a group, or "global".')
    subject: str = Field("", description="The id of what it is about, where that is not the user.")
    about: str | None = Field(None, description="The name of the thing it is about.")
    target: str = Field("", description="The id of the other end of a relationship.")
    towards: str | None = Field(None, description="The name of the other end.")
    origin: str = Field(description="Where it comes from: reviewer, user, import, document, tool, inference, external.")
    status: str
    holds: bool = Field(description="Whether it holds now.")
    stale: bool = Field(False, description="What it was derived from no longer holds.")
    quotes: tuple[str, ...] = Field(
        (), description="The asker's own words it stands on. Others' words are never shown."
    )
    known_from: datetime
    known_to: datetime | None = None
    true_from: datetime | None = None
    true_to: datetime | None = None
    expires_at: datetime | None = None
    pinned: bool = False
    supersedes: str | None = None
    superseded_by: str | None = None


class EntitySummary(View):
    """A thing, and how much is known of it."""

    id: str = Field(description="Stays the same whatever is learned of it.")
    handle: str
    name: str
    type: str = ""
    aliases: tuple[str, ...] = ()
    namespace: str
    facts: int = 0
    connections: int = 0


class EventView(View):
    """Something that happened."""

    handle: str
    text: str
    at: datetime = Field(description="When it happened; unknown: when it was learned.")
    dated: bool = Field(description="Whether it was said when it happened.")
    entity: str = Field("", description="The id of the thing it happened with.")
    about: str | None = None
    namespace: str


class ConnectionView(View):
    """One connection between two things, stored once and read from both ends."""

    handle: str
    source: str
    source_name: str
    relation: str
    target: str
    target_name: str
    hops: int = 1


class EntityView(View):
    """A thing with what is known of it: its facts, its latest events, and what it is connected to."""

    id: str
    handle: str
    name: str
    type: str = ""
    aliases: tuple[str, ...] = ()
    namespace: str
    facts: tuple[LearningView, ...] = ()
    events: tuple[EventView, ...] = ()
    connections: tuple[ConnectionView, ...] = ()
    hidden: dict[str, int] = Field(default_factory=dict, description="How many more there are than are shown, by what.")


class NodeView(View):
    """A thing in a neighbourhood."""

    id: str
    name: str
    type: str = ""
    hops: int


class Neighbourhood(View):
    """What is connected to a thing, up to some steps away: to be drawn."""

    center: str
    nodes: tuple[NodeView, ...]
    edges: tuple[ConnectionView, ...]


class SaidView(View):
    """One message of a turn."""

    role: Literal["user", "assistant"]
    text: str
    at: datetime | None = None


class TaughtView(View):
    """One thing a turn taught."""

    handle: str
    store: str
    kind: str = ""
    name: str = ""
    text: str
    about: str | None = Field(None, description="The name of the thing it is about.")
    status: str


class TurnView(View):
    """One answer of the agent with what was said for it, and what was learned from it."""

    id: UUID
    session: str
    recorded_at: datetime
    status: Progress
    abandoned: bool = Field(False, description="The conversation went on another way.")
    said: tuple[SaidView, ...] = ()
    learned: tuple[TaughtView, ...] = ()
    proposed: tuple[TaughtView, ...] = ()


class Page(BaseModel, Generic[T]):
    """A part of a list, and where the next one begins."""

    items: tuple[T, ...]
    next: str | None = Field(None, description="Give it as `cursor` for the next page; none: this was the last.")


def type_in(value: Any) -> str:
    return str(value.get("type") or "") if isinstance(value, Mapping) else ""


def aliases_in(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value.get("aliases") or ())) if isinstance(value, Mapping) else ()
