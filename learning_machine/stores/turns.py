"""Turns: what was said is recorded with the job that will read it, in one transaction at the end of a turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2s
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

import psycopg
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from learning_machine.errors import DatabaseUnavailable
from learning_machine.state.messages import Said, clean_text, clean_value
from learning_machine.state.scope import Scope
from learning_machine.state.tokens import estimate_tokens
from learning_machine.stores.indexing import MESSAGES, Vectors, index
from learning_machine.stores.ledger import failed
from learning_machine.stores.postgres.database import WRITE_TIMEOUT_MS, Access, Database, Row, Space, Transaction
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
Enqueue = Callable[[Transaction, int, UUID, str], Any]


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


def thread_lock(machine: str, space: int, session: str) -> str:
    """The name under which a thread's jobs exclude each other. It tells nothing of who or what it is about."""
    return blake2s("\0".join((machine, str(space), session)).encode(), digest_size=12).hexdigest()


def _asked_for(turn: TurnRecord) -> Row:
    """Where a turn says it stands."""
    lists = {"here": list(turn.here), "asked": turn.asked}
    return {**lists, "answer": turn.answer, "started": turn.started, "rooted": turn.rooted}


def _said(scope: Scope, turn: TurnRecord) -> Row:
    """What was said in it, and by whom, to be told from what is recorded already or was erased."""
    return {"keys": [one.key for one in turn.said], "speaker": tombstone_owner(scope), "started": turn.started}


class Turns:
    """The turns of one machine."""

    def __init__(
        self, database: Database, machine: str, *, keep: KeepMessages = "forever", redact: Redact = str
    ) -> None:
        self.database, self.machine, self.keep, self.redact = database, machine, keep, redact

    # --- recording ----------------------------------------------------------------------------------------------------

    @step("record")
    def record(self, scope: Scope, turn: TurnRecord, enqueue: Enqueue | None = None) -> tuple[int, UUID] | None:
        """Record a turn and queue its reading, both or neither: its space and id.

        `None`: nothing was said, or there is nobody to keep it for.
        """
        own = own_space(scope)
        if own is None or not turn.said:
            return None
        try:
            return self._record_in(own, scope, turn, enqueue)
        except DatabaseUnavailable as error:
            if isinstance(error.__cause__, PoolTimeout):
                raise
            # The connection had died unnoticed. Recording twice is recording once.
            return self._record_in(own, scope, turn, enqueue)

    def _record_in(self, own: Space, scope: Scope, turn: TurnRecord, enqueue: Enqueue | None) -> tuple[int, UUID]:
        try:
            try:
                return self._record_once(own, scope, turn, enqueue)
            except psycopg.errors.ForeignKeyViolation:
                # The person was erased just now, and their space with them: what they say from here on starts anew.
                return self._record_once(own, scope, turn, enqueue)
        except psycopg.Error as error:
            raise failed(error) from error

    def _record_once(self, own: Space, scope: Scope, turn: TurnRecord, enqueue: Enqueue | None) -> tuple[int, UUID]:
        with self.database.transaction(access_of(scope, timeout_ms=RECORD_TIMEOUT_MS)) as transaction:
            space = transaction.space(own)
            return space, self._record(transaction, space, scope, turn, enqueue)

    def _record(
        self, transaction: Transaction, space: int, scope: Scope, turn: TurnRecord, enqueue: Enqueue | None
    ) -> UUID:
        lock = thread_lock(self.machine, space, turn.session)
        place = {"space": space, "machine": self.machine, "session": turn.session}
        id = turn_id(self.machine, turn.session, turn.answer)
        said = ("turns.recorded", {**place, **_said(scope, turn)})
        _, found, known, taken = transaction.together(
            [
                ("turns.lock", {"key": lock}),
                ("turns.position", {**place, **_asked_for(turn)}),
                said,
                ("turns.scope", {"space": space, "turn": id}),
            ]
        )
        parent, rest = found[0]["newest"], [("turns.unmark_learnings", {**place, "line": list(turn.keys)})]
        if found[0]["forks"]:
            parent, rest = self._leave_behind(transaction, place, turn, found[0]["head"]), []
            known = transaction.all(*said)
        fresh = [one for one in turn.said if one.key not in {row["key"] for row in known}]
        if fresh and taken:
            # The same words in the same place answer something else: without ids only the question tells them apart.
            id = turn_id(self.machine, turn.session, f"{turn.answer}\0{fresh[0].key}")
        if fresh:
            rest += self._inserts(place, id, None if parent == id else parent, scope, turn, fresh)
        transaction.together(rest)
        if fresh and enqueue is not None:
            enqueue(transaction, space, id, lock)
        return id

    def _leave_behind(self, transaction: Transaction, place: Row, turn: TurnRecord, head: UUID | None) -> UUID | None:
        """Mark the turns that this one, which follows `head`, leaves behind, and what came from them."""
        row = transaction.one("turns.leave_behind", {**place, "head": head})
        line = [*(row or {}).get("line", ()), *turn.here, *turn.keys]
        transaction.run("turns.mark_learnings", {**place, "line": line})
        # What it taught others is theirs by now: somebody looks at it again.
        transaction.all("truth.flag_roots", {**place, "line": line})
        return head

    def _inserts(
        self, place: Row, id: UUID, parent: UUID | None, scope: Scope, turn: TurnRecord, fresh: Sequence[Said]
    ) -> list[tuple[str, Row]]:
        """The turn's own row, and one for each message."""
        messages = list(dict.fromkeys([*(one.key for one in fresh), *turn.keys, turn.answer]))
        row = {
            **place,
            "id": id,
            "answer": turn.answer,
            "messages": messages,
            "parent": parent,
            "scope": Jsonb(clean_value(scope.as_json())),
            "shown": Jsonb(list(turn.shown)),
        }
        where = {"space": place["space"], "turn": id, "session": turn.session}
        spoken = [("turns.insert_message", {**where, **self._words(at, one)}) for at, one in enumerate(fresh)]
        return [("turns.insert", row), *spoken]

    def _words(self, position: int, one: Said) -> Row:
        return {
            "key": one.key,
            "position": position,
            "role": one.role,
            "content": clean_text(self.redact(one.content)),
            "said_at": one.at,
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

    def queue(self, scope: Scope, enqueue: Enqueue, space: int, turn: UUID, lock: str) -> None:
        """Queue the reading of a recorded turn."""
        with self.database.transaction(access_of(scope, timeout_ms=WRITE_TIMEOUT_MS)) as transaction:
            enqueue(transaction, space, turn, lock)

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
