"""What requests hold and answers say, beyond the views of what was learned."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from learning_machine.state.changes import Receipt
from learning_machine.state.proposals import Proposal
from learning_machine.state.views import LearningView, View

Text = Annotated[str, Field(min_length=1, max_length=20_000)]
Name = Annotated[str, Field(max_length=500)]


class Asked(BaseModel):
    """What somebody sends."""

    model_config = ConfigDict(extra="forbid")


class NewLearning(Asked):
    """What a person wants to be known."""

    store: Name = Field(description="The learning type, such as user_profile.")
    text: Annotated[str, Field(max_length=20_000)] = ""
    value: Any = Field(None, description="In place of the text, where the store keeps more than a text.")
    kind: Name | None = Field(None, description="One of the kinds the store has, such as field, fact or event.")
    name: Name | None = Field(None, description="The profile field, the title, or the relation.")
    subject: Name | None = Field(None, description='The thing it is about, as "Acme (company)".')
    target: Name | None = Field(None, description="The other end of a relationship.")
    when: Name | None = Field(None, description="ISO date or time from which it holds.")
    namespace: Name | None = Field(None, description='Who else sees it: a group of yours, or "user" for nobody.')
    session_id: Name | None = Field(None, description="The conversation it belongs to, for stores that need one.")


class Edit(Asked):
    """Other content for a learning."""

    text: Text
    value: Any = None
    name: Name | None = None


class Search(Asked):
    """What to look for."""

    text: Text
    store: Name | None = None
    limit: int = Field(20, ge=1, le=100)


class EntitySearch(Asked):
    """Which things to look for."""

    words: Name | None = Field(None, description="Letters of the name.")
    type: Name | None = None
    namespace: Name | None = None
    limit: int = Field(50, ge=1, le=200)
    cursor: Name | None = None


class Question(Asked):
    """What an agent would be asked."""

    message: Annotated[str, Field(max_length=20_000)] = ""
    session_id: Name | None = None
    as_of: datetime | None = Field(None, description="What was true then.")
    known_at: datetime | None = Field(None, description="What was known then.")


class RecalledItem(View):
    """One learning that was recalled."""

    handle: str
    kind: str
    name: str
    text: str


class Recalled(View):
    """What one store recalled, as an agent reads it, and item by item where it has items."""

    text: str
    items: tuple[RecalledItem, ...] = ()


class Context(View):
    """The text an agent reads."""

    text: str


class Written(View):
    """What became of a change, and the learning that stands there now."""

    status: Literal["saved", "known", "pending", "challenged", "refused", "failed"]
    handle: str | None = None
    replaced: str | None = None
    reason: str = ""
    learning: LearningView | None = None

    @classmethod
    def of(cls, receipt: Receipt, learning: LearningView | None = None) -> Written:
        return cls(
            status=receipt.status,
            handle=receipt.handle,
            replaced=receipt.replaced,
            reason=receipt.reason,
            learning=learning,
        )


class ProposalView(View):
    """Something that waits for a person, as they judge it."""

    handle: str
    store: str
    kind: str
    action: Literal["add", "revise", "retire", "challenge", "keep"]
    name: str = ""
    text: str = ""
    about: str = ""
    namespace: str
    mode: str
    risk: Literal["low", "medium", "high"]
    status: str
    replaces: str = Field("", description="What stands there now.")
    quote: str = Field("", description="Your own words it stands on. Others' words are never shown.")
    proposer: str | None = Field(
        None, description="Whose it is, where that is you, or the learning is private to them."
    )
    supporters: int = 1
    proposed_at: datetime
    expires_at: datetime | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None
    learning: str | None = None
    decidable: bool = Field(False, description="Whether you may decide it.")

    @classmethod
    def of(cls, one: Proposal, *, decidable: bool, proposer: str | None) -> ProposalView:
        same = set(cls.model_fields) - {"decidable", "proposer"}
        return cls(decidable=decidable, proposer=proposer, **{name: getattr(one, name) for name in same})


class VerdictOn(Asked):
    """A decision on one proposal."""

    action: Literal["approve", "edit", "reject"]
    text: Annotated[str, Field(max_length=20_000)] | None = Field(None, description="With edit: in these words.")
    name: Name | None = None
    message: Annotated[str, Field(max_length=2_000)] = Field("", description="Why.")


class NamedVerdict(VerdictOn):
    """A decision in a batch. `version` is the ETag of what was looked at."""

    handle: Name
    version: Name


class Verdicts(Asked):
    """Decisions on several proposals. Each counts by itself."""

    verdicts: Annotated[list[NamedVerdict], Field(min_length=1, max_length=500)]


class Decided(View):
    """What became of a decision."""

    handle: str
    status: Literal[
        "saved", "known", "rejected", "challenged", "refused", "failed", "stale", "not found", "not allowed"
    ]
    learning: str | None = None
    reason: str = ""


class Health(BaseModel):
    """Whether it runs."""

    status: Literal["ok", "not ready"]
    version: str
    machines: dict[str, str] = Field(default_factory=dict)
