"""A store on the ledger: the five functions and `Extracting`, for any kind of learning that is rows with text."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

from learning_machine.errors import ConfigurationError
from learning_machine.prompts import fill, load
from learning_machine.state.changes import Add, Change, Refused, Retire, Revise
from learning_machine.state.config import StoreConfig
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.items import Item, Items
from learning_machine.state.modes import LearningMode
from learning_machine.state.scope import USER, Scope
from learning_machine.state.times import said_when
from learning_machine.stores.hindsight import standing_query
from learning_machine.stores.indexing import Question, Vectors
from learning_machine.stores.ledger import Ledger
from learning_machine.stores.proposing import edited
from learning_machine.stores.protocol import Standing
from learning_machine.stores.rendering import block, fit, line
from learning_machine.stores.spaces import access_of
from learning_machine.stores.tools import BY_TOOLS, item_tools
from learning_machine.stores.uncertainty import doubt

#: `extract(stores, messages, scope)`: the machine's one extraction call, for these stores alone.
Extract = Callable[[list[Any], list[Any], Scope], Any]

#: Rows one recall reads of one store at most: those with a name, the best supported, the newest.
MAX_ROWS = 500


class LedgerStore:
    """Base of the built-in stores, and of yours: name a type, say what to extract, and the ledger does the rest."""

    learning_type: ClassVar[str] = ""
    #: The scope key it cannot do without, and whose value its rows are about.
    needs: ClassVar[str] = "user_id"
    private: ClassVar[bool] = True
    #: Whether its learnings are compared by meaning when they are written, and recalled by question rather than all.
    merges: ClassVar[bool] = False
    by_question: ClassVar[bool] = False
    #: Whether what it learns holds from a day and until a day, where they are said.
    dated: ClassVar[bool] = True
    #: Whether it says of a slot that its value is no longer known.
    tells_gone: ClassVar[bool] = False
    #: Whether what the agent was shown and repeats is kept from being learned again.
    guarded: ClassVar[bool] = True
    #: Kinds of which curation makes one of many that say one thing together.
    gathers: ClassVar[tuple[str, ...]] = ()
    config_type: ClassVar[type[StoreConfig]] = StoreConfig

    def __init__(
        self, config: StoreConfig | None = None, *, ledger: Ledger | None = None, extract: Extract | None = None
    ) -> None:
        self.config = decided_by_somebody(config or self.config_type())
        self._ledger, self._extract = ledger, extract
        #: The machine's embedding model, if any: `question(text)` and `vectors(texts)`.
        self.embedder: Any = None
        self.machine = ""

    def bound(self, ledger: Ledger, extract: Extract, embedder: Any = None, machine: str = "") -> Self:
        """This store at work in a machine: a copy, so that one store can serve two machines."""
        twin = copy.copy(self)
        twin._ledger, twin._extract, twin.embedder, twin.machine = ledger, extract, embedder, machine
        return twin

    @property
    def ledger(self) -> Ledger:
        if self._ledger is None:
            raise ConfigurationError(
                f"The store {self.learning_type!r} belongs to no machine yet. Give it to a LearningMachine, or pass ledger=."
            )
        # A store may be asked before its machine is: the database has to know its roles first, or nothing holds.
        self._ledger.ready()
        return self._ledger

    def question(self, text: str) -> Question:
        """What a text asks of search; without an embedding model by words alone."""
        return self.embedder.question(text) if self.embedder is not None else Question.of(text)

    def vectors(self, texts: list[str]) -> Vectors:
        """Vectors for texts that will be searched for, when there is a model for them."""
        if self.embedder is None or not any(texts):
            return Vectors()
        try:
            return self.embedder.vectors(texts)  # type: ignore[no-any-return]
        except Exception:  # noqa: BLE001 - a provider may raise anything; words still find it, and `reembed` mends it
            return Vectors()

    @property
    def mode(self) -> LearningMode:
        return self.config.mode

    @property
    def namespace(self) -> str:
        return USER if self.private else self.config.namespace

    # --- the five -----------------------------------------------------------------------------------------------------

    def recall(self, **context: Any) -> Any | None:
        """What is known for this scope, read by itself."""
        scope, standing = scope_in(context), context.get("standing") or Standing()
        queries = self.queries(scope, standing)
        if not queries:
            return None
        branch = branch_query(scope, standing)
        return self.read(self.ledger.database.read(access_of(scope), [branch, *queries])[1:], scope, standing)

    def process(self, messages: list[Any], **context: Any) -> None:
        """Extract from these messages for this store alone, and write what was found."""
        if self._extract is None:
            raise ConfigurationError(
                f"The store {self.learning_type!r} has no model. Give it to a LearningMachine, or pass extract=."
            )
        scope = scope_in(context)
        if getattr(scope, self.needs) is not None:
            self._extract([self], messages, scope)

    def build_context(self, data: Any) -> str:
        """The block the agent reads. When not all of it fits, what matters most is kept, in its place on the page."""
        if data is None:
            return ""
        lines = self.lines(data)
        order = list(self.order(data, len(lines)))
        kept = sorted(order[: len(fit((lines[place] for place in order), self.config.max_context_tokens))])
        hidden = len(lines) - len(kept) + getattr(data, "hidden", 0)
        return block(self.learning_type, [lines[place] for place in kept], hidden=hidden)

    def get_tools(self, **context: Any) -> list[Any]:
        """The tools of the modes in which the agent writes, or proposes; none in BACKGROUND."""
        return item_tools(self, context) if self.mode in BY_TOOLS else []

    # --- reading ------------------------------------------------------------------------------------------------------

    def queries(self, scope: Scope, standing: Standing) -> list[tuple[str, dict[str, Any]]]:
        if getattr(scope, self.needs) is None:
            return []
        if standing.as_of is not None:
            return [standing_query(self.learning_type, self.subject(scope), scope, standing, MAX_ROWS)]
        return [
            (
                "recall.current",
                {
                    "store": self.learning_type,
                    "subject": self.subject(scope),
                    "session": scope.session_id,
                    "here": list(standing.here),
                    "limit": MAX_ROWS,
                },
            )
        ]

    def read(self, rows: list[list[dict[str, Any]]], scope: Scope, standing: Standing) -> Any | None:
        found = rows[0] if rows else []
        items = sorted((Item.from_row(row) for row in found if row["status"] == "active"), key=lambda item: item.id)
        gone = [row["name"] for row in found if row["status"] == "retired" and row["name"]]
        if not items and not (gone and self.tells_gone):
            return None
        return self.data(Items.of(items, found[0]["total"] - len(found), dict.fromkeys(gone)), scope)

    def subject(self, scope: Scope) -> str:
        """What the rows are about: nothing beyond the user whose space they lie in."""
        return ""

    def data(self, items: tuple[Item, ...], scope: Scope) -> Any:
        """The items, oldest first, as what `recall` returns."""
        return items

    def lines(self, data: Any) -> list[str]:
        """One line an item, oldest first, so that what stands stays where it is while more comes."""
        return [line(item.text, name=item.name, handle=item.handle, note=doubt(item)) for item in self.known(data)]

    def order(self, data: Any, count: int) -> Sequence[int]:
        """The places of the lines, what matters most first: what has a name, the best supported, the strongest, the newest.

        What was recalled for a question comes best first already.
        """
        items = self.known(data)
        if self.by_question or len(items) != count:
            return range(count)
        return sorted(
            range(count),
            key=lambda at: (not items[at].name, -items[at].trust, -round(items[at].strength, 2), -items[at].id),
        )

    # --- extracting ---------------------------------------------------------------------------------------------------

    def guidance(self) -> str:
        """The store's part of the extraction prompt, as configured."""
        text = fill(self.config.instructions, **self.slots()) if self.config.instructions else self.instructions()
        return f"{text}\n{self.config.additional}" if self.config.additional else text

    def instructions(self) -> str:
        """What the store wants from extraction: the kinds it has, and what goes into each."""
        try:
            return fill(load(self.learning_type), **self.slots())
        except FileNotFoundError:
            raise ConfigurationError(
                f"The store {self.learning_type!r} does not say what to extract. "
                "Write its `instructions()`, or put them in its config."
            ) from None

    def slots(self) -> dict[str, str]:
        """What fills the slots of the instructions."""
        return {}

    def known(self, data: Any) -> Sequence[Item]:
        return tuple(getattr(data, "items", data) or ())

    def changes(self, extracted: Sequence[ExtractedChange], scope: Scope, data: Any) -> list[Change | Refused]:
        by_handle = {item.handle: item for item in self.known(data)}
        found: list[Change | Refused] = []
        for one in extracted:
            item = by_handle.get((one.handle or "").strip("[] ").lower())
            found.extend(
                dated(change, one, scope) if self.dated else change
                for change in self._read_change(one, item, scope, data)
            )
        return found

    def _read_change(self, one: ExtractedChange, item: Item | None, scope: Scope, data: Any) -> list[Change | Refused]:
        if one.action == "retire":
            return [Retire(store=self.learning_type, handle=one.handle or "", quote=one.quote)]
        if one.action == "revise" and item is not None:
            return self.revise(one, item)
        return self.add(one, scope, data)

    def add(self, one: ExtractedChange, scope: Scope, data: Any) -> list[Change | Refused]:
        """A new item, as changes: its value as text."""
        text = plain_text(one.value)
        if not text:
            return [Refused(store=self.learning_type, reason="it has no value")]
        return [
            Add(
                store=self.learning_type,
                kind=one.kind or "item",
                name=one.name or "",
                text=text,
                value=one.value,
                subject=self.subject(scope),
                quote=one.quote,
            )
        ]

    def gathered(self, kind: str, title: str, text: str) -> Add:
        """What curation writes of many of a kind that say one thing together. `title`: what a model would call it."""
        return Add(store=self.learning_type, kind=kind, text=text, value=text)

    def edited(self, change: Change, text: str | None, name: str | None) -> Change:
        """A proposed change in a person's own words."""
        return edited(change, text, name)

    def revise(self, one: ExtractedChange, item: Item) -> list[Change | Refused]:
        """Other content for an item that is known; without a value it no longer holds."""
        text = plain_text(one.value)
        if not text:
            return [Retire(store=self.learning_type, handle=item.handle, quote=one.quote)]
        return [Revise(store=self.learning_type, handle=item.handle, text=text, value=one.value, quote=one.quote)]


def dated(change: Change | Refused, one: ExtractedChange, scope: Scope) -> Change | Refused:
    """The change with the days that were said. What happened on a day does not cease on another."""
    if isinstance(change, Refused):
        return change
    since, until = said_when(one.when, scope.timezone), said_when(one.until, scope.timezone)
    if isinstance(change, Retire):
        return replace(change, since=change.since or until or since)
    ends = None if getattr(change, "kind", "") == "event" else until
    return replace(change, since=change.since or since, until=change.until or ends)


def decided_by_somebody(config: StoreConfig) -> StoreConfig:
    """What goes to others is somebody's decision, unless it was said in so many words that it is not."""
    if config.namespace == USER or "mode" in config.model_fields_set:
        return config
    return config.model_copy(update={"mode": LearningMode.PROPOSE})


def branch_query(scope: Scope, standing: Standing) -> tuple[str, dict[str, Any]]:
    """The query that every recall begins with: which branch the conversation stands on."""
    return "recall.branch", {
        "machine": standing.machine,
        "session": scope.session_id,
        "here": list(standing.here),
        "rooted": standing.rooted,
    }


def scope_in(context: dict[str, Any]) -> Scope:
    """The scope in a store's keyword arguments."""
    return Scope.model_validate({name: context[name] for name in Scope.model_fields if context.get(name) is not None})


def plain_text(value: Any) -> str:
    """A value as a person would write it in a note."""
    if value is None or isinstance(value, str):
        return (value or "").strip()
    return json.dumps(value, ensure_ascii=False)
