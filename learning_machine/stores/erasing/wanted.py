"""What somebody wants erased, and what of it was found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from learning_machine.errors import InvalidInput
from learning_machine.state.scope import Scope
from learning_machine.stores.postgres.transactions import Row

#: A space, and the id of a row in it.
Place = tuple[int, int]
#: Scripts that put no spaces between words: a name in them may stand anywhere.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9f]")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be erased: all of a person, or of theirs what belongs to a conversation, a thing, a file or a time."""

    scope: Scope
    entity: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if unknown := sorted(self.scope.extras):
            raise InvalidInput(
                f"Nothing was erased, because {', '.join(unknown)} would narrow nothing. What is erased is narrowed by "
                "session_id, entity, source, since and until."
            )
        if any(one is not None and one.tzinfo is None for one in (self.since, self.until)):
            raise InvalidInput(
                "Nothing was erased, because a time has no time zone. Give one, as in 2026-01-31T09:30+01:00."
            )
        if any(one is not None and not one.strip() for one in (self.entity, self.source)):
            raise InvalidInput(
                "Nothing was erased, because the name of the thing or the file is empty. Give it, or leave it out."
            )

    @property
    def part(self) -> bool:
        narrowed = (self.entity, self.source, self.since, self.until)
        return any(one is not None for one in narrowed) or self.session is not None

    @property
    def session(self) -> str | None:
        """The conversation that is meant; of who has no user it is all there is."""
        return self.scope.session_id if self.scope.user_id is not None else None

    @property
    def has_window(self) -> bool:
        return self.since is not None or self.until is not None

    @property
    def others_only(self) -> bool:
        """Whether nothing of the person's own words carries what goes: not where a thing or a file is meant, or all."""
        return not self.part or self.entity is not None or self.source is not None

    def kind(self) -> str:
        kinds = {"session": self.session, "entity": self.entity, "source": self.source}
        named = [name for name, one in kinds.items() if one is not None]
        whole = "person" if self.scope.user_id is not None else "conversation without a user"
        return " and ".join(named + (["time"] if self.has_window else [])) or whole


@dataclass(frozen=True)
class Threads:
    """What became of the threads on a LangGraph server: `shared` are those in which others spoke too."""

    asked: bool = False
    removed: int = 0
    shared: int = 0
    left: tuple[str, ...] = ()


@dataclass
class Gone:
    """What goes, as it was found."""

    spaces: list[int]
    turns: list[Row] = field(default_factory=list)
    #: What else was said of a thing: messages of turns that stay.
    mentions: list[Row] = field(default_factory=list)
    learnings: list[Place] = field(default_factory=list)
    proposals: list[Row] = field(default_factory=list)
    things: list[str] | None = None
    pattern: str | None = None
    batches: list[UUID] | None = None

    @property
    def place(self) -> int:
        """Where it is remembered: nowhere in particular, of who had no space."""
        return self.spaces[0] if self.spaces else 0

    @property
    def turn_ids(self) -> list[UUID]:
        return [turn["id"] for turn in self.turns]

    @property
    def keys(self) -> dict[str, set[str]]:
        """The messages that go, by conversation."""
        found: dict[str, set[str]] = {}
        for turn in self.turns:
            found.setdefault(turn["session"], set()).update(turn["messages"])
        for one in self.mentions:
            found.setdefault(one["session"], set()).add(one["key"])
        return found


def places(found: Iterable[Place]) -> Row:
    """Rows by space and id, as queries ask for them."""
    pairs = list(found)
    return {"spaces": [space for space, _ in pairs], "ids": [id for _, id in pairs]}


def places_of(rows: Sequence[Row]) -> list[Place]:
    return [(row["space"], row["id"]) for row in rows]


def naming(names: Iterable[str]) -> str:
    """A pattern that finds these names in a text, as whole words where words have ends; case does not count."""
    return "|".join(_bounded(name.strip()) for name in sorted(set(names)) if name.strip())


def _bounded(name: str) -> str:
    plain = re.sub(r"\s+", r"\\s+", re.sub(r"([^\w\s])", r"\\\1", name))
    before = r"\m" if _is_of_word(name[0]) else ""
    after = r"\M" if _is_of_word(name[-1]) else ""
    return f"{before}{plain}{after}"


def _is_of_word(letter: str) -> bool:
    return (letter.isalnum() or letter == "_") and not _UNSPACED.match(letter)
