"""What curation reads of a learning, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2s
from typing import Any, Self

from learning_machine.state.handles import handle_of
from learning_machine.stores.curation.aging import Fading, fading_of
from learning_machine.stores.postgres.transactions import Space

#: Kinds that are told apart by what they are called: nothing of them says the same as another.
NAMED_KINDS = frozenset({"alias", "entity", "property"})
#: Fewer words are a name or a value, and in other words another one.
FEW_WORDS = 3


@dataclass(frozen=True)
class Place:
    """A space, as curation goes to it."""

    id: int
    space: Space

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(row["id"], Space(row["kind"], row["owner"] or row["session"] or row["grp"]))

    @property
    def own(self) -> bool:
        """Whether it is one speaker's, with their words and turns in it."""
        return self.space.kind in ("user", "session")

    def __str__(self) -> str:
        return f"{self.space.kind} {self.space.key}" if self.space.key else self.space.kind


@dataclass(frozen=True)
class Used:
    """How often a learning was shown to a model, and when last."""

    uses: int = 0
    used_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A learning that holds, and what speaks for it."""

    id: int
    store: str
    kind: str
    subject: str
    slot: str
    name: str
    target: str
    value: Any
    text: str
    found_by: str | None
    origin: str
    trust: int
    known_from: datetime
    true_from: datetime | None
    true_to: datetime | None
    pinned: bool
    expires_at: datetime | None
    voices: int
    said_at: datetime | None
    sources: tuple[int, ...] = ()
    #: What it was merged into by a run that was undone (0: into nothing), and when it was archived last.
    taken_back: tuple[int, ...] = ()
    taken_back_at: datetime | None = None
    about: str = ""
    used: Used = field(default_factory=Used)
    #: How it looked to whoever sees this space alone: what must not have changed between a plan and its run.
    mark: str = ""

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        known = {name: row[name] for name in cls.__dataclass_fields__ if name in row}
        return cls(
            **{
                **known,
                "sources": tuple(row["sources"]),
                "taken_back": tuple(row["taken_back"]),
                "about": row["about"] or "",
            }
        )

    def with_use(self, used: Used, voices: int = 0, said_at: datetime | None = None) -> Row:
        return replace(self, used=used, voices=max(voices, self.voices), said_at=said_at or self.said_at)

    @property
    def handle(self) -> str:
        return handle_of(self.id)

    @property
    def free(self) -> bool:
        """Whether it stands for its content alone, in no slot of its own: only such rows can say the same."""
        return self.slot.startswith("=") and self.kind not in NAMED_KINDS

    @property
    def in_words(self) -> bool:
        """Whether it may say the same in other words. The short values of a field may not."""
        return self.free and (self.kind != "field" or len(self.text.split()) >= FEW_WORDS)

    @property
    def group(self) -> tuple[Any, ...]:
        """What may be compared at all: the same kind of thing, of the same subject, at the same time."""
        value = self.value if isinstance(self.value, dict) else {}
        when = str(value.get("when") or "") if self.kind == "event" else ""
        return (
            self.store,
            self.kind,
            self.subject,
            self.target,
            self.name if self.kind == "field" else "",
            when,
            str(value.get("status") or ""),
        )

    @property
    def says(self) -> str:
        """All that it says: an insight's text holds where its context says."""
        context = self.value.get("context") if isinstance(self.value, dict) else None
        return f"{self.text} ({context})" if context else self.text

    @property
    def support(self) -> tuple[Any, ...]:
        """What speaks for it, most telling first; of equals the one that is known longest stays."""
        return self.pinned, self.trust, self.voices, self.used.uses, self.true_from is not None, -self.id

    def fading(self, half_lives: Mapping[str, Mapping[str, float]], *, counts_use: bool) -> Fading | None:
        return fading_of(
            self.kind,
            half_lives.get(self.store, {}),
            known_from=self.known_from,
            uses=self.used.uses if counts_use else 0,
            used_at=self.used.used_at if counts_use else None,
            voices=self.voices,
            said_at=self.said_at,
            wanted_at=self.taken_back_at,
            pinned=self.pinned,
        )

    def marked(self, used: Used) -> Row:
        """With its use, and with its mark. What it says never changes, so that is not in it."""
        state = (self.pinned, self.voices, self.expires_at, self.true_to, self.trust)
        digest = blake2s(repr(state).encode(), digest_size=6).hexdigest()
        return replace(self, used=used, mark=f"{digest}/{used.uses}")
