"""The conversation itself as a source of recall: what was said, when and by whom, for what extraction did not lift out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, ClassVar, Self

from pydantic import Field

from learning_machine.errors import ConfigurationError
from learning_machine.state.config import StoreConfig
from learning_machine.state.entities import Period
from learning_machine.state.handles import SAID, handle_of
from learning_machine.state.scope import Scope
from learning_machine.state.times import period_in, zone_of
from learning_machine.stores.fusing import Weights, fuse, lend
from learning_machine.stores.indexing import MESSAGES
from learning_machine.stores.learned_knowledge import search_params
from learning_machine.stores.ledger_store import branch_query, scope_in
from learning_machine.stores.protocol import Standing
from learning_machine.stores.rendering import block, fit, line, one_line
from learning_machine.stores.spaces import access_of


class ConversationConfig(StoreConfig):
    """How much of earlier conversations a turn may recall."""

    max_results: int = Field(5, ge=1, le=50, description="messages recalled for one message at most")


#: How many of the best by words, and by meaning, are looked at: at least, and for each message that may be recalled. More
#: cost time and find nothing more (docs/explanation/search.md).
LEAST, EACH = 20, 4
#: What of a config says anything about a store that learns nothing.
_USED = {"max_results", "max_context_tokens"}


@dataclass(frozen=True)
class Passage:
    """Something said, with what was said before and after it."""

    handle: str
    role: str
    content: str
    day: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Conversation:
    """The passages that fit a question, best first."""

    passages: tuple[Passage, ...]

    @property
    def items(self) -> tuple[Passage, ...]:
        return self.passages


class ConversationStore:
    """Reads what the machine keeps as evidence. It learns nothing itself: recording a turn is its learning."""

    learning_type: ClassVar[str] = "conversation"
    needs: ClassVar[str] = "user_id"
    by_question: ClassVar[bool] = True

    def __init__(self, config: ConversationConfig | None = None, *, ledger: Any = None) -> None:
        self.config = config or ConversationConfig()
        if idle := sorted(self.config.model_fields_set - _USED):
            raise ConfigurationError(
                f"The conversation has no {', '.join(idle)}: it recalls what was said, and learns nothing. Leave that out."
            )
        self._ledger = ledger

    @property
    def ledger(self) -> Any:
        if self._ledger is None:
            raise ConfigurationError(
                "The conversation store belongs to no machine yet. A LearningMachine has one, or pass ledger=."
            )
        self._ledger.ready()
        return self._ledger

    def bound(self, ledger: Any, *_: Any) -> Self:
        """This store at work in a machine: a copy."""
        return type(self)(self.config, ledger=ledger)

    def recall(self, **context: Any) -> Conversation | None:
        """What was said before that fits the question in `standing`."""
        scope, standing = scope_in(context), context.get("standing") or Standing()
        queries = self.queries(scope, standing)
        rows = (
            self.ledger.database.read(access_of(scope), [branch_query(scope, standing), *queries])[1:]
            if queries
            else []
        )
        return self.read(rows, scope, standing) if rows else None

    def process(self, messages: list[Any], **context: Any) -> None:
        """Nothing to do: turns are recorded by the loop."""

    def queries(self, scope: Scope, standing: Standing) -> list[tuple[str, dict[str, Any]]]:
        if not standing.question:
            return []
        period = period_in(standing.question.text, standing.now, scope.timezone)
        if standing.as_of is not None and standing.known_at is not None:
            # What was said later was neither true nor known then.
            ends = [time for time in (period.until, standing.as_of, standing.known_at) if time is not None]
            period = Period(period.since, min(ends))
        candidates = max(LEAST, EACH * self.config.max_results)
        params = search_params(MESSAGES, scope, standing, standing.question, period, candidates=candidates)
        return [("search.messages", params)]

    def read(self, rows: list[list[dict[str, Any]]], scope: Scope, standing: Standing) -> Conversation | None:
        zone, unlike = zone_of(scope.timezone), dict[tuple[str, ...], Passage]()
        for _, row in ranked(rows[0], standing.weights):
            # What was asked and answered in the same words on the same day is told once.
            one = passage(row, zone)
            unlike.setdefault((one.day, one.role, spoken(one)), one)
            if len(unlike) == self.config.max_results:
                break
        return Conversation(tuple(unlike.values())) if unlike else None

    def build_context(self, data: Any) -> str:
        if not data:
            return ""
        lines = [line(spoken(one), name=f"{one.day}, {one.role}") for one in data.passages]
        kept = fit(lines, self.config.max_context_tokens)
        return block(self.learning_type, kept, hidden=len(lines) - len(kept))

    def get_tools(self, **context: Any) -> list[Any]:
        return []


def ranked(rows: Sequence[Mapping[str, Any]], weights: Weights) -> list[tuple[float, Mapping[str, Any]]]:
    """The messages worth recalling, best first, with their scores."""
    return lend(fuse(rows, weights, rest=weights.rest), weights)


def passage(row: Mapping[str, Any], zone: tzinfo = UTC) -> Passage:
    """A row of search, with its day where the asker is."""
    handle, day = handle_of(row["id"], SAID), f"{row['said_at'].astimezone(zone):%Y-%m-%d}"
    return Passage(handle, row["role"], row["content"], day, row["before_content"] or "", row["after_content"] or "")


def spoken(one: Passage) -> str:
    """A passage as the agent reads it: an answer with the question it answers, a question with its answer."""
    other = one.before if one.role == "assistant" else one.after
    return (
        f"{one.content} — {'after' if one.role == 'assistant' else 'answered'}: {one_line(other)[:200]}"
        if other
        else one.content
    )
