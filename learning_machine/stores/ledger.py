"""The one write gate: changes go in, receipts come out, in one transaction.

Whoever learns, by extraction, tool, API or import, writes through `Ledger.write`. It binds the origin, checks quotes,
keeps one open row a slot, never lets a less trusted claim close a more trusted one, and tells the truth about the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from learning_machine.errors import DatabaseUnavailable, MissingScope, WriteFailed
from learning_machine.state.changes import TRUST, Add, Change, Origin, Quote, Receipt, Refused, Retire, Revise, Status
from learning_machine.state.handles import handle_of, id_of
from learning_machine.state.messages import Said, clean_text, clean_value, map_text
from learning_machine.state.modes import LearningMode
from learning_machine.state.scope import GLOBAL, USER, Scope
from learning_machine.stores.deciding import Incumbent, Outcome, Witness, content_key, decide, lock_key
from learning_machine.stores.postgres.database import WRITE_TIMEOUT_MS, Access, Database, Row, Space, Transaction

log = logging.getLogger(__name__)

#: Longest text of one learning, in characters. Beyond it a change is refused, with the reason.
MAX_TEXT = 20_000


def own_space(scope: Scope) -> Space | None:
    """Where the speaker's own words lie: their space, or without a user the session's."""
    if scope.user_id is not None:
        return Space("user", scope.user_id)
    return Space("session", scope.session_id) if scope.session_id is not None else None


def space_for(scope: Scope, namespace: str) -> Space | None:
    """The space a namespace means for this scope."""
    if namespace == USER:
        return own_space(scope)
    return Space("global") if namespace == GLOBAL else Space("group", namespace)


def access_of(scope: Scope, **more: Any) -> Access:
    """The scope as the database sees it."""
    return Access(user_id=scope.user_id, session=scope.session_id, groups=scope.groups, **more)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the changes of one write come from.

    `said` is what quotes are checked against, `anchor` the message the rest hangs on, `here` what is in front of the
    agent, `reads` the turns whose reading this write completes, `line_of` the turn whose branch it stands on.
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


class Ledger:
    """What has been learned, in one database. Safe with many threads, tasks, processes and machines."""

    def __init__(self, database: Database, *, redact: Callable[[str], str] = str) -> None:
        self.database, self.redact = database, redact

    def write(self, changes: Sequence[Change | Refused], *, scope: Scope, source: Source) -> list[Receipt]:
        """Write changes, one receipt each, in order. A failure is a `failed` receipt for each and leaves nothing behind."""
        try:
            return self.write_all(changes, scope=scope, source=source)
        except (WriteFailed, DatabaseUnavailable) as error:
            return [Receipt(status="failed", store=change.store, reason=str(error)) for change in changes]

    def write_all(self, changes: Sequence[Change | Refused], *, scope: Scope, source: Source) -> list[Receipt]:
        """Like `write`, but a failure raises `WriteFailed`, so that a job can try the whole batch again."""
        try:
            return self._write(changes, scope, source)
        except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            # The locks make this rare; what is left is settled by doing it once more with what the others wrote.
            return self._second_try(changes, scope, source)
        except psycopg.Error as error:
            raise failed(error) from error

    def _second_try(self, changes: Sequence[Change | Refused], scope: Scope, source: Source) -> list[Receipt]:
        try:
            return self._write(changes, scope, source)
        except psycopg.Error as error:
            raise failed(error) from error

    def _write(self, changes: Sequence[Change | Refused], scope: Scope, source: Source) -> list[Receipt]:
        with self.database.transaction(access_of(scope, timeout_ms=WRITE_TIMEOUT_MS)) as transaction:
            return _Writing(transaction, scope, source).run([self._redacted(change) for change in changes])

    def _redacted(self, change: Change | Refused) -> Change | Refused:
        """The change with secrets taken out of everything that would be stored."""
        fields = {
            name: map_text(self.redact, getattr(change, name))
            for name in ("text", "value", "quote", "name", "subject")
            if getattr(change, name, None)
        }
        return replace(change, **fields) if fields else change


def failed(error: psycopg.Error) -> WriteFailed:
    """What went wrong by its SQLSTATE. Postgres' own text could hold what a person said, so it is left out."""
    log.warning("a write to the ledger failed: %s (%s)", type(error).__name__, error.sqlstate)
    return WriteFailed(
        f"The ledger could not be written ({type(error).__name__}), so nothing was saved. It is safe to try again."
    )


@dataclass
class _Planned:
    """A change with its place: the space and slot it goes to."""

    change: Change
    space: int
    subject: str
    slot: str
    kind: str
    name: str
    shared: bool


class _Writing:
    """One transaction of the gate."""

    def __init__(self, transaction: Transaction, scope: Scope, source: Source) -> None:
        self.transaction, self.scope, self.source = transaction, scope, source
        self.witness = Witness(source.said)
        own = own_space(scope)
        if own is None:
            raise MissingScope()
        self.own = transaction.space(own)
        self.actor = source.actor or f"space {self.own}"

    def run(self, changes: Sequence[Change | Refused]) -> list[Receipt]:
        if self.source.reads and not self._mark_read():
            return []
        targets = self._targets(changes)
        planned = [self._plan(change, targets) for change in changes]
        self._lock(plan for plan in planned if isinstance(plan, _Planned))
        self._stand()
        return [plan if isinstance(plan, Receipt) else self._write_one(plan) for plan in planned]

    def _mark_read(self) -> bool:
        """Write the watermark. False: the batch was written before, so nothing of it is written again."""
        params = {"space": self.own, "turns": list(self.source.reads), "batch": self.source.batch}
        fresh = self.transaction.run("ledger.read", params)
        if 0 < fresh < len(self.source.reads):
            raise WriteFailed("Another worker read part of this batch. It is safe to try again.")
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

    # --- planning -----------------------------------------------------------------------------------------------------

    def _targets(self, changes: Sequence[Change | Refused]) -> dict[int, Row]:
        ids = {id_of(change.handle) for change in changes if isinstance(change, Revise | Retire)} - {None}
        rows = self.transaction.all("ledger.targets", {"ids": list(ids)}) if ids else []
        return {row["id"]: row for row in rows}

    def _plan(self, change: Change | Refused, targets: Mapping[int, Row]) -> _Planned | Receipt:
        if isinstance(change, Refused):
            return Receipt(status="refused", store=change.store, reason=change.reason)
        if isinstance(change, Add | Revise) and len(change.text) > MAX_TEXT:
            return self._refuse(change, f"longer than {MAX_TEXT:,} characters; write it shorter")
        if isinstance(change, Add):
            return self._plan_add(change)
        row = targets.get(id_of(change.handle) or -1)
        if row is None or change.store not in ("", row["store"]):
            return self._refuse(change, f"there is nothing with the handle {clean_text(change.handle)[:20]}")
        return _Planned(
            change, row["space"], row["subject"], row["slot"], row["kind"], row["name"], row["space"] != self.own
        )

    def _plan_add(self, change: Add) -> _Planned | Receipt:
        space = space_for(self.scope, self.source.namespaces.get(change.store, USER))
        if space is None:
            return self._refuse(change, "this turn has no user and no session to keep it for")
        if space.kind == "group" and space.key not in self.scope.groups:
            return self._refuse(change, f"this scope is not in the group {space.key!r}; name it in the scope's groups")
        number = self.own if space == own_space(self.scope) else self.transaction.space(space)
        key = content_key(change.kind, clean_text(change.name), clean_text(change.text), clean_value(change.value))
        # What has no slot of its own gets one from its content, so that two who add the same take the same lock.
        slot = change.slot or f"={key}"
        return _Planned(
            change, number, clean_text(change.subject), slot, change.kind, clean_text(change.name), number != self.own
        )

    def _refuse(self, change: Change, reason: str) -> Receipt:
        return Receipt(status="refused", store=change.store, reason=reason)

    def _lock(self, planned: Iterable[_Planned]) -> None:
        keys = {lock_key(plan.space, plan.change.store, plan.subject, plan.slot) for plan in planned}
        if keys:
            self.transaction.all("ledger.lock", {"keys": sorted(keys)})

    # --- writing ------------------------------------------------------------------------------------------------------

    def _write_one(self, plan: _Planned) -> Receipt:
        change = plan.change
        text = clean_text(getattr(change, "text", "")).strip()
        value = clean_value(getattr(change, "value", None))
        key = content_key(plan.kind, plan.name, text, value)
        quote = self.witness.find(change.quote)
        origin = self._origin(quote)
        self._settle(plan, key)
        incumbent = Incumbent.of(self._rows(plan))
        if isinstance(change, Add) and not change.slot and incumbent.active and incumbent.content_key != key:
            # The place was made for this content, but has been revised to other content since.
            plan.slot, incumbent = f"{plan.slot}~{uuid4().hex[:8]}", Incumbent()
        if not isinstance(change, Add) and not incumbent.active:
            return self._refuse(change, f"{change.handle} no longer holds")
        if self.source.modes.get(change.store) in (LearningMode.PROPOSE, LearningMode.HITL):
            return self._save(plan, key, text, origin, quote, incumbent, "pending")
        outcome = decide(incumbent, key, TRUST[origin], actor=self.actor, shared=plan.shared)
        if outcome == "known":
            return self._support(plan, incumbent, text, quote)
        return self._save(plan, key, text, origin, quote, incumbent, outcome)

    def _origin(self, quote: Quote | None) -> Origin:
        """The user's own words raise an inference to what the user said; nothing else does."""
        own_words = quote is not None and quote.role == "user" and self.source.origin is Origin.INFERENCE
        return Origin.USER if own_words else self.source.origin

    def _settle(self, plan: _Planned, key: str) -> None:
        """What stands without a slot of its own goes where the same content already stands."""
        change = plan.change
        if isinstance(change, Retire) or (isinstance(change, Add) and change.slot):
            return
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
        if row is not None:
            plan.slot = row["slot"]

    def _rows(self, plan: _Planned) -> list[Row]:
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

    def _support(self, plan: _Planned, incumbent: Incumbent, text: str, quote: Quote | None) -> Receipt:
        if quote is not None:
            self.transaction.run("ledger.support", {"space": plan.space, "id": incumbent.id, **self._words(quote)})
        return Receipt(status="known", store=plan.change.store, handle=handle_of(incumbent.id or 0), text=text)

    def _save(
        self,
        plan: _Planned,
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
            "pending": "pending",
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
                "slot": plan.slot,
                "name": plan.name,
                "value": None if value is None else Jsonb(value),
                "text": text,
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
        replaced = handle_of(incumbent.id) if incumbent.id and incumbent.active else None
        words: dict[str, Status] = {"save": "saved", "challenge": "challenged"}
        return Receipt(
            status=words.get(outcome, "pending"),
            store=change.store,
            handle=handle_of(row["id"]),
            text=text,
            replaced=replaced,
        )

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
