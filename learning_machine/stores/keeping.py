"""How what was decided is kept: a row with its evidence, its grounds, and what search finds it by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from learning_machine.errors import MissingScope
from learning_machine.state.changes import Add, Change, Origin, Quote, Receipt, Retire, Revise, Status
from learning_machine.state.handles import handle_of
from learning_machine.state.messages import Said, clean_text
from learning_machine.state.modes import LearningMode
from learning_machine.state.scope import Scope
from learning_machine.stores.deciding import Incumbent, Outcome, Witness, content_key
from learning_machine.stores.indexing import Vectors, index, index_names, unindex
from learning_machine.stores.naming import ENTITY
from learning_machine.stores.postgres.transactions import Row, Transaction
from learning_machine.stores.resolving import index_keys
from learning_machine.stores.spaces import own_space
from learning_machine.stores.timing import Landing


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the changes of one write come from.

    `said` is what quotes are checked against, `anchor` the message the rest hangs on, `here` what is in front of the
    agent, `reads` the turns whose reading this write completes, `merging` the stores whose learnings are compared by meaning,
    `shown` the handles of what the agent was shown, which the stores in `guarded` do not learn again from its mouth.
    """

    origin: Origin = Origin.INFERENCE
    actor: str | None = None
    batch: UUID = field(default_factory=uuid4)
    turn: UUID | None = None
    anchor: str | None = None
    said: Sequence[Said] = ()
    here: Sequence[str] = ()
    reads: Sequence[UUID] = ()
    machine: str = ""
    rooted: bool = False
    modes: Mapping[str, LearningMode] = field(default_factory=dict)
    namespaces: Mapping[str, str] = field(default_factory=dict)
    vectors: Vectors = field(default_factory=Vectors)
    merging: Collection[str] = ()
    shown: Collection[str] = ()
    guarded: Collection[str] = ()
    #: A reviewer saw what stands there and chose this instead: it contradicts nobody.
    decided: bool = False


@dataclass
class Planned:
    """A change with its place: the space and slot it goes to."""

    change: Change
    space: int
    subject: str
    slot: str
    kind: str
    name: str
    shared: bool
    target: str = ""

    def key(self, text: str, value: Any) -> str:
        """The key of some content here. Named slots may hold the same content; what has none of its own stands once."""
        name = self.name if self.slot.startswith("=") else f"{self.name}\0{self.slot}"
        # A connection is told by its end, however that was spelled.
        return content_key(self.kind, name, self.target if self.target and text else text, value)


@dataclass(frozen=True)
class Content:
    """What a change would write, cleaned, with what stands behind it. `sources`: ids of what it was derived from."""

    text: str
    value: Any
    key: str
    quote: Quote | None
    origin: Origin
    trust: int
    sources: tuple[int, ...] = ()


class Keeping:
    """Keeps what was decided, inside the gate's transaction."""

    def __init__(self, transaction: Transaction, scope: Scope, source: Source) -> None:
        self.transaction, self.scope, self.source = transaction, scope, source
        self.witness = Witness(source.said)
        own = own_space(scope)
        if own is None:
            raise MissingScope()
        self.own = transaction.space(own)
        self.actor = source.actor or f"space {self.own}"
        #: Slots of the things that this write made, or learned a name or type of.
        self.made: set[str] = set()
        #: When it began, by the database's clock.
        self.now: datetime | None = None

    def _refuse(self, change: Change, reason: str) -> Receipt:
        return Receipt(status="refused", store=change.store, reason=reason)

    def _rows(self, plan: Planned) -> list[Row]:
        return self.transaction.all("ledger.slot", self._where(plan))

    def _where(self, plan: Planned) -> Row:
        """The slot of a change, as queries ask for it."""
        return {
            "space": plan.space,
            "store": plan.change.store,
            "subject": plan.subject,
            "slot": plan.slot,
            "session": self.scope.session_id,
            "here": list(self.source.here),
        }

    def _support(self, plan: Planned, incumbent: Incumbent, content: Content) -> Receipt:
        id = incumbent.id or 0
        if content.quote is not None:
            self.transaction.run(
                "ledger.support",
                {"space": plan.space, "id": incumbent.id, "batch": self.source.batch, **self._words(content.quote)},
            )
        self._rest_on(plan, id, content)
        self._keep_root(plan, id, content.quote)
        return Receipt(status="known", store=plan.change.store, handle=handle_of(id), text=content.text)

    def _save(
        self, plan: Planned, content: Content, landing: Landing, incumbent: Incumbent, outcome: Outcome | str
    ) -> Receipt:
        change, closes = plan.change, incumbent.open if outcome == "save" else None
        retires = isinstance(change, Retire)
        row = self.transaction.one(
            "ledger.save",
            {
                **self._row(plan, content),
                "status": {"save": "retired" if retires else "active"}.get(outcome, outcome),
                "since": landing.since,
                "holds_from": landing.holds_from,
                "holds_to": landing.holds_to,
                "from_now": landing.from_now or (retires and landing.holds_from is None),
                "closes": closes,
                "supersedes": incumbent.id,
                "action": {"save": "retire" if retires else "save", "past": "save"}.get(outcome, outcome),
            },
        )
        assert row is not None
        if outcome == "save":
            self._index(plan, row["id"], closes)
        self._rest_on(plan, row["id"], content)
        self._keep_root(plan, row["id"], content.quote)
        replaced = handle_of(incumbent.id) if incumbent.id and incumbent.active else None
        status: Status = "challenged" if outcome == "challenge" else "saved"
        handle = handle_of(row["id"])
        return Receipt(
            status=status,
            store=change.store,
            handle=handle,
            text=content.text,
            replaced=replaced,
            past=outcome == "past",
        )

    def _row(self, plan: Planned, content: Content) -> Row:
        """What a new row says, and where it comes from."""
        change, quote = plan.change, content.quote
        anchor = self._anchor(quote)
        return {
            **{name: getattr(plan, name) for name in ("space", "subject", "slot", "kind", "name", "target")},
            "store": change.store,
            "value": None if content.value is None else Jsonb(content.value),
            "text": content.text,
            "found_by": clean_text(getattr(change, "index", "")) or None,
            "content_key": content.key,
            "origin": content.origin.value,
            "trust": content.trust,
            "agent": self.scope.agent_id,
            "actor": self.actor,
            "batch": self.source.batch,
            # A shared learning carries nothing that tells in which conversation of whose it came up.
            "session": None if plan.shared else self.scope.session_id,
            "anchor": None if plan.shared else anchor,
            "abandoned_at": None if plan.shared else self._abandoned(anchor),
            **self._words(quote),
        }

    def _anchor(self, quote: Quote | None) -> str | None:
        """The message a learning hangs on: the user's own, where it stands on their words."""
        return quote.message if quote and quote.role == "user" else self.source.anchor

    def _rest_on(self, plan: Planned, id: int, content: Content) -> None:
        """Keep what the learning was derived from; where that has fallen already, it is uncertain from the beginning."""
        if content.sources:
            params = {"space": plan.space, "id": id, "sources": list(content.sources)}
            self.transaction.run("truth.derive", params)
            self.transaction.all("truth.rest", params)

    def _keep_root(self, plan: Planned, id: int, quote: Quote | None) -> None:
        """Of a shared learning, in the speaker's own space: in which conversation it came up."""
        anchor = self._anchor(quote)
        if plan.shared and anchor is not None and self.scope.session_id is not None:
            place = {"space": self.own, "learning_space": plan.space, "learning": id}
            more = {"session": self.scope.session_id, "anchor": anchor, "abandoned_at": self._abandoned(anchor)}
            self.transaction.run("truth.keep_root", {**place, **more})

    def _index(self, plan: Planned, id: int, closed: int | None) -> None:
        """Let search find the new row, and no longer the one it closed."""
        change = plan.change
        if closed is not None:
            unindex(self.transaction, plan.space, change.store, closed)
        text = getattr(change, "index", "")
        if text:
            index(self.transaction, plan.space, change.store, id, clean_text(text), self.source.vectors)
        if plan.kind == ENTITY and isinstance(change, Add | Revise):
            aliases = (change.value or {}).get("aliases", ()) if isinstance(change.value, dict) else ()
            index_names(self.transaction, plan.space, id, index_keys([plan.name, *aliases]))

    def _words(self, quote: Quote | None) -> Row:
        return {
            "evidence_space": self.own,
            "turn": self.source.turn,
            "message": quote.message if quote else None,
            "quote": clean_text(quote.text) if quote else None,
            "said_at": quote.said_at if quote else None,
        }

    def _abandoned(self, anchor: str | None) -> Any:
        if anchor is None or self.scope.session_id is None:
            return None
        row = self.transaction.one(
            "ledger.abandoned", {"space": self.own, "session": self.scope.session_id, "anchor": anchor}
        )
        return row["abandoned_at"] if row else None
