"""Learned knowledge: insights that apply across users, found by meaning and by words."""

from __future__ import annotations

from typing import Any, ClassVar

from learning_machine.state.changes import Add, Change, Refused, Revise
from learning_machine.state.config import LearnedKnowledgeConfig, StoreConfig
from learning_machine.state.entities import ALWAYS, Period
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.items import Item
from learning_machine.state.knowledge import Insight, Knowledge
from learning_machine.state.scope import Scope
from learning_machine.stores.fusing import fuse
from learning_machine.stores.hindsight import MOST, ranked, standing_query
from learning_machine.stores.indexing import Question
from learning_machine.stores.ledger_store import LedgerStore, plain_text
from learning_machine.stores.protocol import Standing
from learning_machine.stores.rendering import line, one_line
from learning_machine.stores.tools import knowledge_tools
from learning_machine.stores.uncertainty import doubt

INSIGHT = "insight"
#: How many of the best by words, and by meaning, are looked at.
CANDIDATES = 50
#: A scope with more vectors of a source than this is searched by the index, if there is one; see `build_index`.
EXACT_UP_TO = 30_000


class LearnedKnowledgeStore(LedgerStore):
    """Title, learning, where it applies, tags. The same insight in other words is recognised and merged when it is written."""

    learning_type: ClassVar[str] = "learned_knowledge"
    private: ClassVar[bool] = False
    merges: ClassVar[bool] = True
    by_question: ClassVar[bool] = True
    gathers: ClassVar[tuple[str, ...]] = (INSIGHT,)
    config_type: ClassVar[type[StoreConfig]] = LearnedKnowledgeConfig
    config: LearnedKnowledgeConfig

    def queries(self, scope: Scope, standing: Standing) -> list[tuple[str, dict[str, Any]]]:
        if not standing.question:
            return []
        if standing.as_of is not None:
            return [standing_query(self.learning_type, None, scope, standing, MOST)]
        return [("search.learnings", search_params(self.learning_type, scope, standing, standing.question))]

    def read(self, rows: list[list[dict[str, Any]]], scope: Scope, standing: Standing) -> Knowledge | None:
        found = (
            ranked([row for row in rows[0] if row["status"] == "active"], standing.question, standing.weights)
            if standing.as_of is not None
            else fuse(rows[0], standing.weights)
        )[: self.config.max_results]
        items = tuple(Item.from_row(row) for _, row in found)
        insights = tuple(
            Insight.of(item, row["namespace"], score) for item, (score, row) in zip(items, found, strict=True)
        )
        return Knowledge(insights, items) if items else None

    def lines(self, data: Any) -> list[str]:
        """Best first."""
        return [
            line(shown(insight), name=insight.title, handle=insight.handle, note=doubt(item))
            for insight, item in zip(data.insights, data.items, strict=True)
        ]

    def get_tools(self, **context: Any) -> list[Any]:
        return knowledge_tools(self, context)

    # --- items to changes ---------------------------------------------------------------------------------------------

    def add(self, one: ExtractedChange, scope: Scope, data: Any) -> list[Change | Refused]:
        text = plain_text(one.value)
        if not text:
            return [Refused(store=self.learning_type, reason="it has no value")]
        return [self.insight(one.name or "", text, context=one.subject or "", quote=one.quote)]

    def insight(
        self, title: str, learning: str, *, context: str = "", tags: tuple[str, ...] = (), quote: str | None = None
    ) -> Add:
        """One insight, as a change."""
        value: dict[str, Any] = {"context": context, "tags": list(tags)} if context or tags else {}
        return Add(
            store=self.learning_type,
            kind=INSIGHT,
            name=title,
            text=learning,
            value=value,
            quote=quote,
            index=found_by(title, learning, context, tags),
        )

    def gathered(self, kind: str, title: str, text: str) -> Add:
        return self.insight(title, text)

    def revise(self, one: ExtractedChange, item: Item) -> list[Change | Refused]:
        text = plain_text(one.value)
        if not text:
            return super().revise(one, item)
        value = item.value if isinstance(item.value, dict) else {}
        index = found_by(item.name, text, str(value.get("context") or ""), tuple(value.get("tags") or ()))
        return [
            Revise(store=self.learning_type, handle=item.handle, text=text, value=value, quote=one.quote, index=index)
        ]


def found_by(title: str, learning: str, context: str = "", tags: tuple[str, ...] = ()) -> str:
    """What an insight is found by."""
    return "\n".join(part for part in (title, learning, context, " ".join(tags)) if part)


def shown(insight: Insight) -> str:
    """An insight as the agent reads it."""
    return f"{insight.learning} (applies to: {one_line(insight.context)})" if insight.context else insight.learning


def search_params(
    source: str,
    scope: Scope,
    standing: Standing,
    question: Question,
    period: Period = ALWAYS,
    *,
    candidates: int = CANDIDATES,
) -> dict[str, Any]:
    """What a search of one source wants to know."""
    return {
        "source": source,
        "session": scope.session_id,
        "here": list(standing.here),
        "since": period.since,
        "until": period.until,
        "candidates": candidates,
        "exact_up_to": EXACT_UP_TO,
        **question.params(),
    }
