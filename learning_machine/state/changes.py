"""What may happen to what was learned, as values: changes go into the ledger's gate, receipts come out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Literal

from pydantic import TypeAdapter

from learning_machine.state.entities import EntityRef


class Origin(str, Enum):
    """Where a learning comes from. Bound by the code path that writes, never by what a model said of itself."""

    REVIEWER = "reviewer"
    USER = "user"
    IMPORT = "import"
    DOCUMENT = "document"
    TOOL = "tool"
    INFERENCE = "inference"
    EXTERNAL = "external"


#: Higher wins. A less trusted claim never closes a more trusted one: it waits beside it as a challenge.
TRUST: dict[Origin, int] = {
    Origin.REVIEWER: 70,
    Origin.USER: 60,
    Origin.IMPORT: 50,
    Origin.DOCUMENT: 50,
    Origin.TOOL: 40,
    Origin.INFERENCE: 30,
    Origin.EXTERNAL: 10,
}


@dataclass(frozen=True, kw_only=True)
class Quote:
    """Words somebody said, found verbatim in a message."""

    text: str
    message: str
    role: Literal["user", "assistant"]
    said_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Add:
    """A new learning. With a `slot` it takes the place of what the slot held; without one it stands beside the others."""

    store: str
    kind: str
    text: str
    value: Any = None
    name: str = ""
    subject: str = ""
    target: str = ""
    slot: str | None = None
    quote: str | None = None
    #: From when until when it holds, as far as was said. What has ended already becomes history and replaces nothing.
    since: datetime | None = None
    until: datetime | None = None
    #: Handles of the learnings it was derived from: it is no longer certain when one of them falls.
    derived_from: tuple[str, ...] = ()
    #: The things it is about and points to, by name: the gate finds or makes them and fills `subject` and `target`.
    about: EntityRef | None = None
    towards: EntityRef | None = None
    #: What it is found by; empty: it is not searched for.
    index: str = ""


@dataclass(frozen=True, kw_only=True)
class Revise:
    """Other content for the learning with this handle. The old content stays in its history."""

    store: str
    handle: str
    text: str
    value: Any = None
    quote: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    derived_from: tuple[str, ...] = ()
    index: str = ""


@dataclass(frozen=True, kw_only=True)
class Retire:
    """The learning with this handle no longer holds, from `since` on. It stays in history."""

    store: str
    handle: str
    quote: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A change that never reached the gate, with the reason: reported like the others, so that nothing is lost silently."""

    store: str
    reason: str


Change = Add | Revise | Retire
_ACTIONS: dict[str, type[Add] | type[Revise] | type[Retire]] = {"add": Add, "revise": Revise, "retire": Retire}


def action_of(change: Change) -> str:
    """The word for what a change does."""
    return type(change).__name__.lower()


def to_json(change: Change) -> dict[str, Any]:
    """A change as plain JSON, to be kept until somebody decides."""
    found: dict[str, Any] = TypeAdapter(type(change)).dump_python(change, mode="json")
    return {"action": action_of(change), **found}


def from_json(kept: dict[str, Any]) -> Change:
    """The change that `to_json` kept."""
    fields = {name: value for name, value in kept.items() if name != "action"}
    return TypeAdapter(_ACTIONS[kept["action"]]).validate_python(fields)


Status = Literal["saved", "known", "pending", "challenged", "refused", "failed"]


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of one change."""

    status: Status
    store: str
    handle: str | None = None
    text: str = ""
    reason: str = ""
    replaced: str | None = None
    #: It held once and does not now: kept as history, beside what holds.
    past: bool = False

    def __str__(self) -> str:
        """One true sentence, as the model and the command line are told it."""
        match self.status:
            case "saved" if self.past:
                return f"saved as {self.handle}, as history: it replaces nothing"
            case "saved":
                return f"saved as {self.handle}" + (f", replaces {self.replaced}" if self.replaced else "")
            case "known":
                known = f"already known as {self.handle}" if self.handle else "already known"
                return known + (f", replaces {self.replaced}" if self.replaced else "")
            case "pending":
                return f"waits for approval as {self.handle}"
            case "challenged":
                return f"challenges {self.replaced}, waits as {self.handle}: what is known is better supported"
            case _:
                return f"{self.status}: {self.reason}"
