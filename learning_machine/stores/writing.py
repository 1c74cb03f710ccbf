"""One transaction of the gate: planned, locked, decided and written, change by change."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from learning_machine.errors import MissingScope, ReadElsewhere
from learning_machine.state.changes import TRUST, Add, Change, Origin, Quote, Receipt, Refused, Retire, Revise, Status
from learning_machine.state.entities import EntityRef
from learning_machine.state.handles import SAID, handle_of, id_of
from learning_machine.state.messages import Said, clean_text, clean_value
from learning_machine.state.modes import LearningMode
from learning_machine.state.scope import USER, Scope
from learning_machine.stores.deciding import (
    Incumbent,
    Outcome,
    Witness,
    content_key,
    decide,
    lock_key,
    says_the_same,
)
from learning_machine.stores.echoing import Shown, echo_of
from learning_machine.stores.indexing import Question, Vectors, index, index_names, unindex
from learning_machine.stores.naming import ENTITY, Naming
from learning_machine.stores.postgres.database import Row, Transaction
from learning_machine.stores.proposing import GATED, Proposing
from learning_machine.stores.resolving import index_keys
from learning_machine.stores.spaces import own_space, space_for

#: Longest text of one learning, in characters. Beyond it a change is refused, with the reason.
MAX_TEXT = 20_000
#: Longest name, kind, subject or slot: what an index surely holds.
MAX_NAME = 500


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


def refs_of(change: Add) -> list[EntityRef]:
    """The things a change names."""
    return [ref for ref in (change.about, change.towards) if ref is not None]


def too_long(change: Change) -> str | None:
    """What of a change is longer than can be kept, in words."""
    if len(getattr(change, "text", "")) > MAX_TEXT:
        return f"longer than {MAX_TEXT:,} characters; write it shorter"
    names = [getattr(change, name, None) for name in ("kind", "name", "subject", "target", "slot")]
    names += [name for ref in (refs_of(change) if isinstance(change, Add) else ()) for name in (ref.name, *ref.aliases)]
    longest = max((len(name) for name in names if name), default=0)
    return f"a name in it is longer than {MAX_NAME} characters; use a shorter one" if longest > MAX_NAME else None


class Writing:
    """One transaction of the gate."""

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

    def run(self, changes: Sequence[Change | Refused]) -> list[Receipt]:
        if self.source.reads and not self._mark_read():
            return []
        self._stand()
        changes = [self._fitting(change) for change in changes]
        targets = self._targets(changes)
        self._lock_chains(changes, targets)
        waiting = self._wait(changes, targets)
        named = self._name([change for change in changes if id(change) not in waiting])
        planned = [self._plan(change, targets) for change in named]
        self._lock([plan for plan in planned if isinstance(plan, Planned)])
        written = iter([plan if isinstance(plan, Receipt) else self._write_one(plan) for plan in planned])
        return [waiting[id(change)] if id(change) in waiting else next(written) for change in changes]

    def _lock_chains(self, changes: Sequence[Change | Refused], targets: Mapping[int, Row]) -> None:
        """Before all other locks: every write ends in its space's chain, so who holds it waits for nobody else there."""
        found = {self._target_space(one, targets) for one in changes if not isinstance(one, Refused)}
        spaces = sorted(space for space in found if isinstance(space, int))
        if spaces:
            self.transaction.all("audit.lock", {"spaces": spaces})

    def _wait(self, changes: Sequence[Change | Refused], targets: Mapping[int, Row]) -> dict[int, Receipt]:
        """What has to wait for a person's decision, as proposals: their receipts, by change."""
        gated = [one for one in changes if not isinstance(one, Refused) and self.source.modes.get(one.store) in GATED]
        if not gated:
            return {}
        proposing = Proposing(self.transaction, self.scope, self.own, self.source.machine)
        spaces = {id(change): self._target_space(change, targets) for change in gated}
        proposing.lock([(space, change) for change in gated if isinstance(space := spaces[id(change)], int)])
        return {id(change): self._propose(proposing, change, spaces[id(change)]) for change in gated}

    def _target_space(self, change: Change, targets: Mapping[int, Row]) -> int | Receipt:
        if isinstance(change, Add):
            return self._space_of(change)
        row = targets.get(id_of(change.handle) or -1)
        if row is None or change.store not in ("", row["store"]):
            return self._refuse(change, f"there is nothing with the handle {clean_text(change.handle)[:20]}")
        return int(row["space"])

    def _propose(self, proposing: Proposing, change: Change, space: int | Receipt) -> Receipt:
        if isinstance(space, Receipt):
            return space
        if not isinstance(change, Retire) and len(change.text) > MAX_TEXT:
            return self._refuse(change, f"longer than {MAX_TEXT:,} characters; write it shorter")
        quote = self.witness.find(change.quote)
        mode = self.source.modes[change.store]
        return proposing.propose(change, space, mode, quote, self._origin(quote), self.source)

    def _mark_read(self) -> bool:
        """Write the watermark. False: the batch was written before, so nothing of it is written again."""
        params = {"space": self.own, "turns": list(self.source.reads), "batch": self.source.batch}
        fresh = self.transaction.run("ledger.read", params)
        if 0 < fresh < len(self.source.reads):
            raise ReadElsewhere()
        return fresh > 0

    def _stand(self) -> None:
        """Find out which branch the conversation is on, for the rows that depend on it."""
        self.transaction.one(
            "recall.branch",
            {
                "machine": self.source.machine,
                "session": self.scope.session_id,
                "here": list(self.source.here),
                "rooted": self.source.rooted,
            },
        )

    def _fitting(self, change: Change | Refused) -> Change | Refused:
        reason = None if isinstance(change, Refused) else too_long(change)
        return change if reason is None else Refused(store=change.store, reason=reason)

    # --- names to things ----------------------------------------------------------------------------------------------

    def _name(self, changes: Sequence[Change | Refused]) -> list[Change | Refused]:
        """The changes with the things they name found or made. Names are locked before slots, by everybody."""
        naming = [(change, self._naming(change)) for change in changes if isinstance(change, Add) and refs_of(change)]
        keys = {key for change, names in naming if names is not None for key in names.lock_keys(refs_of(change))}
        places = {id(change): names for change, names in naming}
        if keys:
            self.transaction.all("ledger.lock", {"keys": sorted(keys)})
        return [self._named(change, places.get(id(change))) for change in changes]

    def _naming(self, change: Add) -> Naming | None:
        space = self._space_of(change)
        if isinstance(space, Receipt):
            return None
        place = {"session": self.scope.session_id, "here": list(self.source.here)}
        return Naming(self.transaction, space, change.store, self._save_entity, place)

    def _named(self, change: Change | Refused, naming: Naming | None) -> Change | Refused:
        if naming is None or not isinstance(change, Add):
            return change
        found: dict[str, Any] = {}
        for field_name, ref in (("subject", change.about), ("target", change.towards)):
            subject = naming.subject(ref) if ref is not None else ""
            if isinstance(subject, Refused):
                return subject
            found |= {field_name: subject} if ref is not None else {}
        return replace(change, **found)

    def _save_entity(self, change: Add, space: int) -> None:
        plan = Planned(change, space, "", change.slot or "", change.kind, change.name, space != self.own)
        if self._write_one(plan).status == "saved":
            self.made.add(plan.slot)

    # --- planning -----------------------------------------------------------------------------------------------------

    def _targets(self, changes: Sequence[Change | Refused]) -> dict[int, Row]:
        ids = {id_of(change.handle) for change in changes if isinstance(change, Revise | Retire)} - {None}
        rows = self.transaction.all("ledger.targets", {"ids": list(ids)}) if ids else []
        return {row["id"]: row for row in rows}

    def _plan(self, change: Change | Refused, targets: Mapping[int, Row]) -> Planned | Receipt:
        if isinstance(change, Refused):
            return Receipt(status="refused", store=change.store, reason=change.reason)
        if isinstance(change, Add):
            return self._plan_add(change)
        row = targets.get(id_of(change.handle) or -1)
        if row is None or change.store not in ("", row["store"]):
            return self._refuse(change, f"there is nothing with the handle {clean_text(change.handle)[:20]}")
        change, shared = replace(change, store=row["store"]), row["space"] != self.own
        return Planned(
            change, row["space"], row["subject"], row["slot"], row["kind"], row["name"], shared, row["target"]
        )

    def _plan_add(self, change: Add) -> Planned | Receipt:
        number = self._space_of(change)
        if isinstance(number, Receipt):
            return number
        kind, name, subject = clean_text(change.kind), clean_text(change.name), clean_text(change.subject)
        key = content_key(kind, name, clean_text(change.target or change.text), clean_value(change.value))
        # What has no slot of its own gets one from its content, so that two who add the same take the same lock.
        slot = clean_text(change.slot or f"={key}")
        if change.kind == ENTITY and not change.slot:
            # A thing said to exist has been found or made by its name already.
            subject, slot = "", change.subject
        return Planned(change, number, subject, slot, kind, name, number != self.own, clean_text(change.target))

    def _space_of(self, change: Add) -> int | Receipt:
        """The id of the space a change goes to, or why it cannot."""
        space = space_for(self.scope, self.source.namespaces.get(change.store, USER))
        if space is None:
            return self._refuse(change, "this turn has no user and no session to keep it for")
        if space.kind == "group" and space.key not in self.scope.groups:
            return self._refuse(change, f"this scope is not in the group {space.key!r}; name it in the scope's groups")
        return self.own if space == own_space(self.scope) else self.transaction.space(space)

    def _refuse(self, change: Change, reason: str) -> Receipt:
        return Receipt(status="refused", store=change.store, reason=reason)

    def _lock(self, planned: Sequence[Planned]) -> None:
        keys = set()
        for plan in planned:
            keys.add(lock_key(plan.space, plan.change.store, plan.subject, plan.slot))
            if plan.change.store in self.source.merging:
                keys.add(lock_key(plan.space, plan.change.store, "", "all"))
        if keys:
            self.transaction.all("ledger.lock", {"keys": sorted(keys)})

    # --- writing ------------------------------------------------------------------------------------------------------

    def _write_one(self, plan: Planned) -> Receipt:
        change = plan.change
        text = clean_text(getattr(change, "text", "")).strip()
        value = clean_value(getattr(change, "value", None))
        key = plan.key(text, value)
        quote = self.witness.find(change.quote)
        origin = self._origin(quote)
        if plan.kind == ENTITY and isinstance(change, Add) and change.about is not None:
            # Finding the name has written it.
            receipt = self._support(plan, Incumbent.of(self._rows(plan)), plan.name, quote)
            return replace(receipt, status="saved") if plan.slot in self.made else receipt
        place = self._place(plan, key)
        if isinstance(change, Revise) and place != plan.slot:
            return self._merge(plan, change)
        plan.slot = place
        incumbent = Incumbent.of(self._rows(plan))
        if isinstance(change, Add) and not change.slot and incumbent.active and incumbent.content_key != key:
            # The place was made for this content, but has been revised to other content since.
            plan.slot, incumbent = f"{plan.slot}~{uuid4().hex[:8]}", Incumbent()
        if not isinstance(change, Add) and not incumbent.active:
            return self._refuse(change, f"{change.handle} no longer holds")
        if (echo := self._echo(plan, text, origin)) is not None:
            return Receipt(
                status="known", store=change.store, handle=handle_of(echo.id) if echo.id else None, text=text
            )
        if not incumbent.active and (twin := self._twin(plan)) is not None:
            return self._support(plan, Incumbent(id=twin["id"]), text, quote)
        outcome = self._decide(plan, incumbent, key, origin)
        if outcome == "known":
            return self._support(plan, incumbent, text, quote)
        if outcome == "challenge" and (waiting := self._waiting(plan, key)) is not None:
            again = self._support(plan, Incumbent(id=waiting), text, quote)
            return replace(again, status="challenged", replaced=handle_of(incumbent.id or 0))
        return self._save(plan, key, text, origin, quote, incumbent, outcome)

    def _decide(self, plan: Planned, incumbent: Incumbent, key: str, origin: Origin) -> Outcome:
        """What becomes of a claim. What a thing is called only grows, so nobody contradicts anybody there."""
        if plan.kind == ENTITY and isinstance(plan.change, Add):
            return "known" if incumbent.active and incumbent.content_key == key else "save"
        outcome = decide(incumbent, key, TRUST[origin], actor=self.actor, shared=plan.shared)
        return "save" if outcome == "challenge" and self.source.decided else outcome

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
        return self.transaction.all(
            "ledger.slot",
            {
                "space": plan.space,
                "store": plan.change.store,
                "subject": plan.subject,
                "slot": plan.slot,
                "session": self.scope.session_id,
                "here": list(self.source.here),
            },
        )

    def _support(self, plan: Planned, incumbent: Incumbent, text: str, quote: Quote | None) -> Receipt:
        if quote is not None:
            self.transaction.run("ledger.support", {"space": plan.space, "id": incumbent.id, **self._words(quote)})
        return Receipt(status="known", store=plan.change.store, handle=handle_of(incumbent.id or 0), text=text)

    def _waiting(self, plan: Planned, key: str) -> int | None:
        """The challenge that says this already."""
        params = {"space": plan.space, "store": plan.change.store, "subject": plan.subject, "slot": plan.slot}
        row = self.transaction.one("ledger.challenge", {**params, "content_key": key})
        return None if row is None else int(row["id"])

    def _save(
        self,
        plan: Planned,
        key: str,
        text: str,
        origin: Origin,
        quote: Quote | None,
        incumbent: Incumbent,
        outcome: Outcome | str,
    ) -> Receipt:
        change = plan.change
        status = {
            "save": "retired" if isinstance(change, Retire) else "active",
            "challenge": "challenge",
        }[outcome]
        anchor = quote.message if quote and quote.role == "user" else self.source.anchor
        value = clean_value(getattr(change, "value", None))
        row = self.transaction.one(
            "ledger.save",
            {
                "space": plan.space,
                "store": change.store,
                "kind": plan.kind,
                "subject": plan.subject,
                "target": plan.target,
                "slot": plan.slot,
                "name": plan.name,
                "value": None if value is None else Jsonb(value),
                "text": text,
                "found_by": clean_text(getattr(change, "index", "")) or None,
                "content_key": key,
                "origin": origin.value,
                "trust": TRUST[origin],
                "status": status,
                "since": change.since,
                "closes": incumbent.open if outcome == "save" else None,
                "supersedes": incumbent.id,
                "action": {"save": "retire" if isinstance(change, Retire) else "save"}.get(outcome, outcome),
                "agent": self.scope.agent_id,
                "actor": self.actor,
                "batch": self.source.batch,
                # A shared learning carries nothing that tells in which conversation of whose it came up.
                "session": None if plan.shared else self.scope.session_id,
                "anchor": None if plan.shared else anchor,
                "abandoned_at": None if plan.shared else self._abandoned(anchor),
                **self._words(quote),
            },
        )
        assert row is not None
        if outcome == "save":
            self._index(plan, row["id"], incumbent.open)
        replaced = handle_of(incumbent.id) if incumbent.id and incumbent.active else None
        words: dict[str, Status] = {"save": "saved", "challenge": "challenged"}
        return Receipt(
            status=words[outcome],
            store=change.store,
            handle=handle_of(row["id"]),
            text=text,
            replaced=replaced,
        )

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
