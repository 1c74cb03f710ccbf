"""The learning protocol: five functions. Everything else is optional and found with `isinstance`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from learning_machine.state.changes import Change, Refused
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.items import Item
from learning_machine.state.scope import Scope
from learning_machine.stores.fusing import Weights
from learning_machine.stores.indexing import Question


@runtime_checkable
class LearningStore(Protocol):
    """One kind of learning. A store with only these five works everywhere, sync and async.

    Keyword arguments are passed by what the signature takes: `user_id`, `session_id`, `agent_id`, `namespace`, `groups`,
    `message` (the last user text), `messages`, `now`, and the scope's extras. A store whose required key is absent this
    turn is skipped. `recall` and `process` may be `async def`, or have an `arecall` / `aprocess` beside them.
    """

    @property
    def learning_type(self) -> str:
        """The key of its results, such as `"user_profile"`."""
        ...

    def recall(self, **context: Any) -> Any | None:
        """What it knows for this context; `None` for nothing."""
        ...

    def process(self, messages: list[Any], **context: Any) -> None:
        """Learn from what was said."""
        ...

    def build_context(self, data: Any) -> str:
        """What the agent should read of what was recalled; `""` for `None`."""
        ...

    def get_tools(self, **context: Any) -> list[Any]:
        """Tools for the agent; `[]` for none."""
        ...


@dataclass(frozen=True)
class Standing:
    """Where a conversation stands: what is in front of the agent, and whether its thread's state is kept.

    `here`: keys of the messages and settled answers. `rooted`: an empty `here` means the thread's beginning.
    `question`: what the last message asks of search; empty for small talk. `as_of` and `known_at`, both or neither: what was
    true then, as it was known then, instead of what holds now.
    """

    machine: str = ""
    here: tuple[str, ...] = ()
    rooted: bool = False
    question: Question = Question()
    weights: Weights = Weights()
    now: datetime | None = None
    as_of: datetime | None = None
    known_at: datetime | None = None


@runtime_checkable
class Querying(Protocol):
    """A store that lets the machine ask for it, together with others, in one round trip."""

    def queries(self, scope: Scope, standing: Standing) -> list[tuple[str, dict[str, Any]]]:
        """The named queries whose rows `read` wants; `[]` when this scope has nothing to ask."""
        ...

    def read(self, rows: list[list[dict[str, Any]]], scope: Scope, standing: Standing) -> Any | None:
        """What `recall` would have returned, from the rows of `queries`."""
        ...


@runtime_checkable
class Extracting(Protocol):
    """A store that shares the turn's one extraction call. All of it is pure."""

    @property
    def namespace(self) -> str:
        """Where its learnings go."""
        ...

    def guidance(self) -> str:
        """What it wants from the model: its kinds and fields."""
        ...

    def known(self, data: Any) -> Sequence[Item]:
        """What the model should know is known, with handles, from recalled data."""
        ...

    def changes(self, extracted: Sequence[ExtractedChange], scope: Scope, data: Any) -> list[Change | Refused]:
        """The model's items as changes for the ledger."""
        ...
