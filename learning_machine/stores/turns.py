"""Turns: what was said is recorded with the job that will read it, in one transaction at the end of a turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import NAMESPACE_URL, UUID, uuid5

import psycopg
from psycopg.types.json import Jsonb

from learning_machine.state.limits import BatchWindow
from learning_machine.state.messages import Said, clean_text, clean_value
from learning_machine.state.redaction import redact as redact_secrets
from learning_machine.state.scope import Scope
from learning_machine.state.tokens import estimate_tokens
from learning_machine.stores.indexing import MESSAGES, Vectors, index
from learning_machine.stores.ledger import failed
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.steps import Ask, Steps
from learning_machine.stores.postgres.transactions import (
    WRITE_TIMEOUT_MS,
    Access,
    Row,
    Space,
    Transaction,
    not_writable,
)
from learning_machine.stores.spaces import access_of, own_space
from learning_machine.stores.tombstones import tombstone_owner
from learning_machine.telemetry import step

KeepMessages = Literal["forever", "until_learned"] | int
#: How long recording may take before the reply goes out without it, in milliseconds.
RECORD_TIMEOUT_MS = 2_000
#: How many turns one extraction reads at most.
MAX_TURNS = 20
#: And how much, in estimated tokens; a single turn that is longer is read alone.
MAX_BATCH_TOKENS = 12_000

Redact = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class TurnRecord:
    """One answer and what was said for it. `here`: keys in front of the agent; `asked`: the user's messages of the turn,
    with those that its caller's turn is `about`.
    """

    session: str
    said: Sequence[Said]
    answer: str
    keys: Sequence[str]
    here: Sequence[str]
    started: datetime | None = None
    rooted: bool = False
    shown: Sequence[str] = ()
    about: Sequence[str] = ()

    @property
    def asked(self) -> list[str]:
        return [*self.about, *(one.key for one in self.said if one.role == "user")]


@dataclass(frozen=True)
class UnreadTurn:
    """A recorded turn that extraction has not read."""

    id: UUID
    parent: UUID | None
    answer: str
    scope: Scope
    said: tuple[Said, ...] = field(default=())
    #: Handles of what the agent was shown when it answered.
    shown: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Its length in estimated tokens."""
        return sum(estimate_tokens(one.content) for one in self.said)


def turn_id(machine: str, session: str, answer: str) -> UUID:
    """The id of the turn that ends with this answer: the same whenever it is recorded again."""
    return uuid5(NAMESPACE_URL, "\0".join((machine, session, answer)))


def waits(window: BatchWindow | None) -> Row:
    """Whether a turn is queued, and how long it waits for more of its thread."""
    window, queued = window or BatchWindow(), window is not None
    most = {"most_turns": window.after_turns, "most_tokens": window.after_tokens}
    return {"queued": queued, "delay": window.delay, **most}


def _lies_in(space: Space) -> Row:
    found = space.params()
    return {"kind": found["kind"], "owner": found["owner"], "session_owner": found["session"], "grp": found["grp"]}


def _belongs(scope: Scope, turn: TurnRecord) -> Row:
    """Whose turn it is, and what they were shown."""
    known = {"scope": Jsonb(clean_value(scope.as_json())), "shown": Jsonb(list(turn.shown))}
    return {"speaker": tombstone_owner(scope), **known}


class Turns:
    """The turns of one machine."""

    def __init__(
        self, database: Database, machine: str, *, keep: KeepMessages = "forever", redact: Redact = str
    ) -> None:
        self.database, self.machine, self.keep, self.redact = database, machine, keep, redact
        #: Whether redaction is ours: somebody else's may take its time, or ask a service.
        self.redacts_at_once = redact in (str, redact_secrets)

    # --- recording ----------------------------------------------------------------------------------------------------

    def record(self, scope: Scope, turn: TurnRecord, window: BatchWindow | None = None) -> tuple[int, UUID] | None:
        """Record a turn, and with a window queue its reading, both or neither: its space and id.

        One statement, and recording twice is recording once. `None`: nothing was said, or there is nobody to keep it for.
        """
        return self.database.run(self.recording(scope, turn, window))

    def recording(
        self, scope: Scope, turn: TurnRecord, window: BatchWindow | None = None
    ) -> Steps[tuple[int, UUID] | None]:
        """`record`, step by step."""
        own = own_space(scope)
        if own is None or not turn.said:
            return None
        with step("record"):
            # Which spaces are in sight it finds out itself, because it may make one.
            access = access_of(scope, timeout_ms=RECORD_TIMEOUT_MS, spaces=())
            params = self.params(own, scope, turn, window)
            (rows,) = yield from self._recorded(Ask(access, [("turns.record", params)], writes=True))
            if not rows:
                raise not_writable(own)
            return int(rows[0]["recorded_in"]), rows[0]["recorded_as"]

    def _recorded(self, ask: Ask) -> Steps[list[list[Row]]]:
        try:
            try:
                return (yield ask)
            except psycopg.errors.ForeignKeyViolation:
                # The person was erased just now, and their space with them: what they say from here on starts anew.
                return (yield ask)
        except psycopg.Error as error:
            raise failed(error) from error

    def params(self, own: Space, scope: Scope, turn: TurnRecord, window: BatchWindow | None) -> Row:
        """What `turns.record` is given."""
        known = {**_lies_in(own), **_belongs(scope, turn), **waits(window)}
        return {**known, **self._place(turn), **self._words(turn)}

    def _place(self, turn: TurnRecord) -> Row:
        """Where a turn says it stands. Of the same words in the same place only the question tells what they answer."""
        answers = [turn.answer, *(f"{turn.answer}\0{one.key}" for one in turn.said)]
        return {
            "machine": self.machine,
            "session": turn.session,
            "answer": turn.answer,
            "ids": [turn_id(self.machine, turn.session, answer) for answer in answers],
            "here": list(turn.here),
            "line": list(turn.keys),
            "asked": turn.asked,
            "rooted": turn.rooted,
            "started": turn.started,
        }

    def _words(self, turn: TurnRecord) -> Row:
        return {
            "keys": [one.key for one in turn.said],
            "roles": [one.role for one in turn.said],
            "contents": [clean_text(self.redact(one.content)) for one in turn.said],
            "said": [one.at for one in turn.said],
            "keep_days": self.keep if isinstance(self.keep, int) else None,
        }

    # --- reading ------------------------------------------------------------------------------------------------------

    def scope_of(self, space: int, turn: UUID) -> Row | None:
        """Whose turn it is: `session`, and the `scope` it ran in. `None` when it is gone."""
        with self.database.transaction(Access(spaces=(space,))) as transaction:
            return transaction.one("turns.scope", {"space": space, "turn": turn})

    def space_of(self, turn: UUID) -> int | None:
        """Where a turn lies, by its id alone; only for who may look everywhere."""
        with self.database.transaction(Access(admin=self.database.sees_all)) as transaction:
            row = transaction.one("turns.space_of", {"turn": turn, "machine": self.machine})
        return int(row["space"]) if row else None

    def unread(self, space: int, session: str, limit: int = MAX_TURNS) -> list[UnreadTurn]:
        """The next turns to read together: the oldest unread one and those that follow on its branch."""
        with self.database.transaction(Access(spaces=(space,))) as transaction:
            rows = transaction.all(
                "turns.unread", {"space": space, "machine": self.machine, "session": session, "limit": limit}
            )
        return one_branch([_unread(row) for row in rows])

    def next(self, space: int, session: str) -> Row | None:
        """The oldest turn of a thread that extraction has not read: its `id`, and how many `failures` it has had."""
        with self.database.transaction(Access(spaces=(space,))) as transaction:
            return transaction.one("turns.next", {"space": space, "machine": self.machine, "session": session})

    def waiting(self, space: int, session: str) -> bool:
        """Whether the thread has turns that extraction has not read."""
        return self.next(space, session) is not None

    def line_before(self, space: int, turn: UUID) -> list[str]:
        """The message keys of the branch up to this turn."""
        with self.database.transaction(Access(spaces=(space,))) as transaction:
            row = transaction.one("turns.line_before", {"space": space, "turn": turn})
        return list(row["keys"]) if row else []

    def state(self, scope: Scope | None, turn: UUID) -> tuple[Row | None, list[Row], list[Row]]:
        """What became of a turn: its row, what was learned from it, what was proposed. Without a scope for any turn."""
        with self.database.transaction(Access(admin=True) if scope is None else access_of(scope)) as transaction:
            learned = transaction.all("recall.of_turn", {"turn": turn})
            return (
                transaction.one("turns.state", {"turn": turn}),
                learned,
                transaction.all("proposals.of_turn", {"turn": turn}),
            )

    def count(self, scope: Scope) -> int:
        """How many turns of a conversation are recorded."""
        with self.database.transaction(access_of(scope)) as transaction:
            row = transaction.one("turns.count", {"machine": self.machine, "session": scope.session_id or ""})
        return int(row["turns"]) if row else 0

    def unread_threads(self, scope: Scope) -> list[tuple[int, UUID, str]]:
        """Of each of a person's threads that hold something unread: the space, one such turn, and the session."""
        with self.database.transaction(access_of(scope)) as transaction:
            rows = transaction.all("turns.unread_threads", {"machine": self.machine})
        return [(row["space"], row["id"], row["session"]) for row in rows]

    def queue(self, access: Access, space: int, turn: UUID, session: str, window: BatchWindow) -> None:
        """Queue the reading of a recorded turn."""
        where = {"machine": self.machine, "space": space, "turn": turn, "session": session}
        self.database.write(access, "queue.turn", {**where, **waits(window)})

    # --- searching ----------------------------------------------------------------------------------------------------

    def index(self, space: int, texts: Mapping[tuple[UUID, str], str], vectors: Vectors) -> None:
        """Make messages findable by their texts, by turn and key. Those that are already, or are gone, are left alone."""
        if not texts:
            return
        turns = list({turn for turn, _ in texts})
        with self.database.transaction(Access(spaces=(space,), timeout_ms=WRITE_TIMEOUT_MS)) as transaction:
            for row in transaction.all("search.unindexed_messages", {"space": space, "turns": turns}):
                text = texts.get((row["turn"], row["key"]))
                if text is not None:
                    index(transaction, space, MESSAGES, row["id"], text, vectors)

    # --- upkeep -------------------------------------------------------------------------------------------------------

    def settle(self, space: int) -> None:
        """What was read has been: its failures are history, and its words go if they were only kept for this.

        Also of batches whose worker went right after it had written them.
        """
        with self.database.transaction(Access(spaces=(space,), timeout_ms=WRITE_TIMEOUT_MS)) as transaction:
            transaction.run("turns.clear_errors", {"space": space})
            if self.keep == "until_learned":
                transaction.run("turns.drop_read", {"space": space})
            transaction.run("turns.drop_expired")

    def drop_expired(self) -> None:
        """Delete the words whose time is over, whoever said them. Where not every space is seen, reading a thread does it."""
        if not self.database.sees_all:
            return
        with self.database.transaction(Access(admin=True, timeout_ms=WRITE_TIMEOUT_MS)) as transaction:
            transaction.run("turns.drop_expired")

    def note_failure(
        self, space: int, turn: UUID, attempt: int, error: str, *, parked: bool, within: Transaction | None = None
    ) -> None:
        """Keep why reading a turn failed; `within` a transaction that is open already, or in one of its own."""
        row = {"space": space, "machine": self.machine, "turn": turn, "attempt": attempt}
        with ExitStack() as opened:
            transaction = within or opened.enter_context(self.database.transaction(Access(spaces=(space,))))
            transaction.run("turns.add_error", {**row, "error": error, "parked": parked})


def one_branch(turns: Sequence[UnreadTurn]) -> list[UnreadTurn]:
    """The first turn and those that follow it one from the other, so that a batch never mixes branches or scopes nor
    grows too long."""
    batch = list(turns[:1])
    size = sum(turn.size for turn in batch)
    for turn in turns[1:]:
        if turn.parent != batch[-1].id:
            continue
        size += turn.size
        if size > MAX_BATCH_TOKENS or turn.scope != batch[0].scope:
            break
        batch.append(turn)
    return batch


def _unread(row: Row) -> UnreadTurn:
    said = tuple(
        Said(one["key"], one["role"], one["content"], datetime.fromisoformat(one["at"])) for one in row["said"]
    )
    return UnreadTurn(
        row["id"], row["parent"], row["answer"], Scope.model_validate(row["scope"]), said, tuple(row["shown"])
    )
