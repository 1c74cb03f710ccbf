"""How the gate writes one change: what stands is looked up, the outcome decided, and the row saved with its evidence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from learning_machine.errors import MissingScope
from learning_machine.state.changes import TRUST, Add, Change, Origin, Quote, Receipt, Retire, Revise, Status
from learning_machine.state.handles import SAID, handle_of, id_of
from learning_machine.state.messages import Said, clean_text, clean_value
from learning_machine.state.modes import LearningMode
from learning_machine.state.scope import Scope
from learning_machine.stores.deciding import Incumbent, Outcome, Witness, content_key, decide, says_the_same
from learning_machine.stores.echoing import Shown, echo_of
from learning_machine.stores.indexing import Question, Vectors, index, index_names, unindex
from learning_machine.stores.naming import ENTITY
from learning_machine.stores.postgres.database import Row, Transaction
from learning_machine.stores.resolving import index_keys
from learning_machine.stores.spaces import own_space
from learning_machine.stores.timing import Claim, Landing, as_end, ends_what_stands, land


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


class Saving:
    """Writes planned changes, one after the other, inside the gate's transaction."""

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

    def _write_one(self, plan: Planned) -> Receipt:
        content = self._content(plan)
        if isinstance(content, Receipt):
            return content
        if plan.kind == ENTITY and isinstance(plan.change, Add) and plan.change.about is not None:
            # Finding the name has written it.
            receipt = self._support(plan, Incumbent.of(self._rows(plan)), replace(content, text=plan.name))
            return replace(receipt, status="saved") if plan.slot in self.made else receipt
        place = self._place(plan, content.key)
        if isinstance(plan.change, Revise) and place != plan.slot:
            return self._merge(plan, plan.change)
        plan.slot = place
        incumbent = self._incumbent(plan, content)
        return self._known_already(plan, incumbent, content) or self._land(plan, incumbent, content)

    def _content(self, plan: Planned) -> Content | Receipt:
        change = plan.change
        text = clean_text(getattr(change, "text", "")).strip()
        value = clean_value(getattr(change, "value", None))
        quote = self.witness.find(change.quote)
        origin = self._origin(quote)
        sources = self._sources(change)
        if isinstance(sources, Receipt):
            return sources
        # What is derived is never more trusted than the least of what it was derived from.
        trust = min([TRUST[origin], *(row["trust"] for row in sources)])
        return Content(text, value, plan.key(text, value), quote, origin, trust, tuple(row["id"] for row in sources))

    def _sources(self, change: Change) -> list[Row] | Receipt:
        handles = getattr(change, "derived_from", ())
        if not handles:
            return []
        ids = {id_of(handle) for handle in handles}
        rows = self.transaction.all("truth.sources", {"ids": [number for number in ids if number is not None]})
        if len({row["id"] for row in rows}) < len(ids):
            return self._refuse(change, "something it is derived from is not known here")
        return rows

    def _incumbent(self, plan: Planned, content: Content) -> Incumbent:
        """What stands where the change goes. A place made for this content may have been revised to other content since."""
        incumbent, change = Incumbent.of(self._rows(plan)), plan.change
        if isinstance(change, Add) and not change.slot and incumbent.active and incumbent.content_key != content.key:
            plan.slot, incumbent = f"{plan.slot}~{uuid4().hex[:8]}", Incumbent()
        return incumbent

    def _known_already(self, plan: Planned, incumbent: Incumbent, content: Content) -> Receipt | None:
        """The receipt of what needs no writing: what no longer holds, what the agent was shown, what others say."""
        change = plan.change
        if not isinstance(change, Add) and not incumbent.active:
            return self._refuse(change, f"{change.handle} no longer holds")
        if (echo := self._echo(plan, content.text, content.origin)) is not None:
            handle = handle_of(echo.id) if echo.id else None
            return Receipt(status="known", store=change.store, handle=handle, text=content.text)
        if not incumbent.active and (twin := self._twin(plan)) is not None:
            return self._support(plan, Incumbent(id=twin["id"]), content)
        return None

    def _land(self, plan: Planned, incumbent: Incumbent, content: Content) -> Receipt:
        """Where in time the change belongs, and what becomes of it there."""
        change, now = plan.change, self.now
        assert now is not None
        claim = Claim.of(change, content.quote, now)
        if claim.impossible:
            return self._refuse(change, "it would end before it begins")
        same = incumbent.active and incumbent.content_key == content.key
        if not isinstance(change, Retire) and ends_what_stands(
            change, claim, now, same=same, began=incumbent.holds_from
        ):
            end = replace(plan, change=as_end(change, claim, handle_of(incumbent.id or 0)))
            return self._write_one(end)
        began = Landing("open", incumbent.true_from, incumbent.holds_from) if same else None
        next_start = self._next_start(plan, claim, now)
        landing = land(claim, now, next_start=next_start, had=incumbent.id is not None, inherits=began)
        if landing.kind == "past":
            return self._save_past(plan, content, landing)
        outcome = self._decide(plan, incumbent, content)
        if outcome == "known":
            return self._support(plan, incumbent, content)
        if outcome == "challenge" and (waiting := self._waiting(plan, content.key)) is not None:
            again = self._support(plan, Incumbent(id=waiting), content)
            return replace(again, status="challenged", replaced=handle_of(incumbent.id or 0))
        return self._save(plan, content, landing, incumbent, outcome)

    def _next_start(self, plan: Planned, claim: Claim, now: datetime) -> datetime | None:
        """When something began in the slot that is known to be later than what is claimed. What is taken back is over."""
        if claim.start is None or plan.slot.startswith("=") or isinstance(plan.change, Retire):
            return None
        params = {**self._where(plan), "since": claim.start, "said_at": claim.said_at or now}
        row = self.transaction.one("truth.next_start", params)
        return row["at"] if row is not None else None

    def _decide(self, plan: Planned, incumbent: Incumbent, content: Content) -> Outcome:
        """What becomes of a claim. What a thing is called only grows, so nobody contradicts anybody there."""
        change = plan.change
        if plan.kind == ENTITY and isinstance(change, Add):
            return "known" if incumbent.active and incumbent.content_key == content.key else "save"
        outcome = decide(incumbent, content.key, content.trust, actor=self.actor, shared=plan.shared)
        if outcome == "known" and content.trust >= incumbent.trust and self._dates(change, incumbent):
            # The same with the day since when: that is news.
            return "save"
        return "save" if outcome == "challenge" and self.source.decided else outcome

    def _dates(self, change: Change, incumbent: Incumbent) -> bool:
        until = getattr(change, "until", None)
        return (change.since is not None and change.since != incumbent.true_from) or until is not None

    def _save_past(self, plan: Planned, content: Content, landing: Landing) -> Receipt:
        """Closed history: it lies beside what holds, replaces nothing, and is not searched for."""
        params = {
            **self._where(plan),
            "content_key": content.key,
            "holds_from": landing.holds_from,
            "holds_to": landing.holds_to,
        }
        same = self.transaction.one("truth.same_past", params)
        if same is not None:
            return replace(self._support(plan, Incumbent(id=same["id"]), content), past=True)
        covering = self.transaction.all("truth.covering", {**params, "at": landing.since}) if landing.since else []
        against = Incumbent.of(covering)
        outcome = decide(against, content.key, content.trust, actor=self.actor, shared=plan.shared)
        if outcome == "known":
            return replace(self._support(plan, against, content), past=True)
        if outcome == "challenge" and not self.source.decided:
            return self._refuse(plan.change, "what is known of that time is better supported")
        return self._save(plan, content, landing, Incumbent(), "past")

    def _origin(self, quote: Quote | None) -> Origin:
        """The user's own words raise an inference to what the user said; nothing else does."""
        own_words = quote is not None and quote.role == "user" and self.source.origin is Origin.INFERENCE
        return Origin.USER if own_words else self.source.origin

    def _merge(self, plan: Planned, change: Revise) -> Receipt:
        """A revision to what another learning says already: that one stands, and this one goes."""
        same = {name: getattr(change, name) for name in ("store", "quote", "since")}
        gone = self._write_one(replace(plan, change=Retire(handle=change.handle, **same)))
        if gone.status != "saved":
            return gone
        content = {name: getattr(change, name) for name in ("text", "value", "index")}
        stays = self._write_one(replace(plan, change=Add(kind=plan.kind, **content, **same)))
        return replace(stays, replaced=gone.replaced)

    def _place(self, plan: Planned, key: str) -> str:
        """The slot to write to: what has none of its own goes where the same content already stands."""
        change = plan.change
        if isinstance(change, Retire) or (isinstance(change, Add) and change.slot):
            return plan.slot
        row = self.transaction.one(
            "ledger.same_content",
            {
                "space": plan.space,
                "store": change.store,
                "subject": plan.subject,
                "kind": plan.kind,
                "content_key": key,
            },
        )
        return plan.slot if row is None else str(row["slot"])

    def _twin(self, plan: Planned) -> Row | None:
        """A learning that says the same in other words."""
        change = plan.change
        if not isinstance(change, Add) or change.store not in self.source.merging:
            return None
        rows = self.transaction.all(
            "search.near",
            {
                "space": plan.space,
                "source": change.store,
                "kind": plan.kind,
                **Question.of(change.index).params(),
                "model": self.source.vectors.model,
                "vector": self.source.vectors.of(change.index),
                "session": self.scope.session_id,
                "here": list(self.source.here),
            },
        )
        return next((row for row in rows if says_the_same(change.text, row["text"], row["meaning"])), None)

    def _echo(self, plan: Planned, text: str, origin: Origin) -> Shown | None:
        """What the agent was shown and this merely repeats. The user's own words, and other sources, are no echo."""
        change = plan.change
        if isinstance(change, Retire) or origin is not Origin.INFERENCE or change.store not in self.source.guarded:
            return None
        about = change.about.name if isinstance(change, Add) and change.about and not change.towards else ""
        said = f"{about} {text}".strip()
        return echo_of(said, self._shown, store=change.store, subject=plan.subject, slot=plan.slot)

    @cached_property
    def _shown(self) -> list[Shown]:
        ids = [number for handle in self.source.shown if (number := id_of(handle)) is not None]
        said = [number for handle in self.source.shown if (number := id_of(handle, SAID)) is not None]
        rows = self.transaction.all("ledger.shown", {"ids": ids}) if ids else []
        answers = self.transaction.all("ledger.shown_answers", {"space": self.own, "ids": said}) if said else []
        return [*map(Shown.of, rows), *(Shown(row["content"]) for row in answers)]

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

    def _waiting(self, plan: Planned, key: str) -> int | None:
        """The challenge that says this already."""
        row = self.transaction.one("ledger.challenge", {**self._where(plan), "content_key": key})
        return None if row is None else int(row["id"])

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
