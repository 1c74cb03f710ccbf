"""What a parser finds in a file: things to learn, conversations, and what it could not read, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from learning_machine.state.extraction import ExtractedChange

#: The learning types of the built-in stores, as files of other systems are read into them.
PROFILE, SESSION, KNOWLEDGE, ENTITIES = "user_profile", "session_context", "learned_knowledge", "entity_memory"


@dataclass(frozen=True)
class Learned:
    """One thing to learn. `tags` and `aliases` are what the reply of an extraction has no place for; `owners` is whose it is
    by the file: one of these."""

    change: ExtractedChange
    where: str
    session: str | None = None
    tags: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


@dataclass(frozen=True)
class Message:
    """What one side said."""

    role: str
    content: str
    id: str | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class Talk:
    """A conversation. `id` is the same whenever it is exported again."""

    id: str
    messages: tuple[Message, ...] = field(default=())
    where: str = ""


@dataclass(frozen=True)
class Problem:
    """What could not be read: where it stands, and why. It never quotes the file."""

    where: str
    reason: str


Found = Learned | Talk | Problem
Finding = Iterator[Found]


def observation(text: Any, where: str) -> Learned | Problem:
    """Something about the user, in words."""
    if not isinstance(text, str) or not text.strip():
        return Problem(where, "it has no text")
    return Learned(ExtractedChange(store=PROFILE, kind="observation", value=text.strip()), where)


def insight(title: str, text: Any, where: str, *, context: str | None = None, tags: Any = ()) -> Learned | Problem:
    """Something that holds beyond one person."""
    if not isinstance(text, str) or not text.strip():
        return Problem(where, "it has no text")
    change = ExtractedChange(store=KNOWLEDGE, name=title.strip() or None, value=text.strip(), subject=context or None)
    return Learned(change, where, tags=tuple(str(tag) for tag in tags) if isinstance(tags, list | tuple) else ())


def owned(found: Found, *owners: Any) -> Found:
    """What was found, with whose it is where the file says so."""
    named = tuple(owner for owner in owners if isinstance(owner, str) and owner)
    return replace(found, owners=named) if isinstance(found, Learned) else found


def instant(value: Any) -> datetime | None:
    """A moment from unix seconds or ISO text; what is neither is none."""
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value.strip())
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
