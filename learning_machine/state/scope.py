"""Who is asking, and so what may be seen: the visibility rules in one place.

A learning lies in one space: a user's own (`namespace="user"`), a group's (any other string), or everyone's
(`"global"`). A scope sees the user's own space, the groups it names, and the global one. It writes to one of them.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from learning_machine.state.modes import LearningMode, read_modes

USER = "user"
GLOBAL = "global"
#: Longest id or group, in bytes of UTF-8: what an index surely holds.
MAX_ID = 2_000


class Scope(BaseModel):
    """Who a turn belongs to. Frozen; extra keys (`project_id=…`) travel along to the stores that name them.

    >>> Scope(user_id="alice", project_id="apollo").extras
    {'project_id': 'apollo'}
    """

    model_config = ConfigDict(frozen=True, extra="allow", coerce_numbers_to_str=True)

    user_id: str | None = Field(None, description="Who is speaking. Any string; nothing is shared between two of them.")
    session_id: str | None = Field(None, description="The conversation. In a graph it is LangGraph's thread_id.")
    groups: tuple[str, ...] = Field((), description="Shared namespaces this person may read.")
    namespace: str | None = Field(
        None, description='Where to write: "user", a group, or "global". Default: the store\'s.'
    )
    agent_id: str | None = Field(None, description="The agent speaking; recorded with what is learned.")
    timezone: str | None = Field(None, description="IANA name of the speaker's time zone, such as Europe/Lisbon.")
    learn: bool = Field(True, description="False: recall, but record and learn nothing from this turn.")
    modes: dict[str, LearningMode] = Field(
        default_factory=dict,
        description='Stricter modes for this run, by learning type, as {"user_profile": "PROPOSE"}. A looser one changes nothing.',
    )

    @field_validator("user_id", "session_id", "namespace", "agent_id", mode="after")
    @classmethod
    def _storable(cls, value: str | None) -> str | None:
        """An empty string is nobody."""
        return None if value is None else _checked(value) or None

    @field_validator("groups", mode="before")
    @classmethod
    def _groups(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value or ()

    @field_validator("groups", mode="after")
    @classmethod
    def _storable_groups(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(group for group in value if _checked(group))

    @field_validator("modes", mode="before")
    @classmethod
    def _modes(cls, value: Any) -> Any:
        return {_checked(store): mode for store, mode in read_modes(value).items()}

    def __hash__(self) -> int:
        return hash((self.user_id, self.session_id, self.groups, self.namespace))

    @property
    def extras(self) -> dict[str, Any]:
        """The keys that are not the scope's own."""
        return dict(self.model_extra or {})

    def keywords(self) -> dict[str, Any]:
        """What a store may name in its signature: every key that is set this turn."""
        own = {name: getattr(self, name) for name in ("user_id", "session_id", "agent_id", "namespace", "timezone")}
        return {
            **self.extras,
            **{name: value for name, value in own.items() if value is not None},
            "groups": self.groups,
        }

    def as_json(self) -> dict[str, Any]:
        """What is set, as plain JSON for a job. An extra that is no data, such as a client, does not travel."""
        without = None if self.modes else {"modes"}
        return self.model_dump(mode="json", exclude_none=True, exclude=without, fallback=lambda _: None)


class ChoosingScope(Scope):
    """A server's context: a scope, and in its own fields what else a run may choose. Those are no part of the scope."""

    def choices(self) -> set[str]:
        """The names of those fields."""
        return set(type(self).model_fields) - set(Scope.model_fields)


def _checked(id: str) -> str:
    """What Postgres cannot hold is refused, because replacing it could merge two people."""
    if "\x00" in id or any(0xD800 <= ord(character) <= 0xDFFF for character in id):
        raise ValueError("an id may not contain NUL or lone surrogates; use another id")
    if len(id.encode()) > MAX_ID:
        raise ValueError(f"an id may have at most {MAX_ID:,} bytes; use another id")
    return id
