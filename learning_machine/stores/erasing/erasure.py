"""One erasure, from finding to receipt.

All of it is one transaction, so it has happened or it has not. Who writes into a space reads the space's own row to prove
that it is there; erasure holds that row, and so whoever came too late finds nothing to write to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg

from learning_machine.errors import MissingScope, WriteFailed
from learning_machine.stores.erasing.finding import Finding
from learning_machine.stores.erasing.receipt import receipt_of, save
from learning_machine.stores.erasing.standing import Standing
from learning_machine.stores.erasing.wanted import Gone, Place, Threads, Wanted, places, places_of
from learning_machine.stores.ledger import failed
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import Access, Row, Transaction
from learning_machine.stores.tombstones import Mark, entomb, learned_mark, tombstone_owner

#: How often it is tried when somebody else's locks are in the way.
TRIES = 6
#: Queues the reading of a turn: transaction, machine, space, turn, session.
Requeue = Callable[[Transaction, str, int, UUID, str], Any]
#: Rewrites the checkpoints of a thread in which others spoke too, without these messages: how many were rewritten.
Rewrite = Callable[[Any, str, set[str]], int]


def erase(database: Database, wanted: Wanted, *, requeue: Requeue, rewrite: Rewrite, server: Threads) -> Row:
    """Take out what is wanted, and return the receipt. Raises `WriteFailed` where others are in the way for too long."""
    if wanted.scope.user_id is None and wanted.scope.session_id is None:
        raise MissingScope()
    for attempt in range(1, TRIES + 1):
        try:
            with database.transaction(Access(admin=True, timeout_ms=0)) as transaction:
                return Erasing(transaction, wanted, requeue, rewrite, server).run()
        except (
            psycopg.errors.DeadlockDetected,
            psycopg.errors.SerializationFailure,
            psycopg.errors.ForeignKeyViolation,
        ) as error:
            if attempt == TRIES:
                raise failed(error) from error
        except psycopg.Error as error:
            raise failed(error) from error
    raise WriteFailed()


def own_threads(database: Database, wanted: Wanted) -> tuple[list[str], int]:
    """The threads that go with what is wanted, in which nobody else spoke and nothing stays; and how many others there are.

    Nothing is removed yet.
    """
    with database.transaction(Access(admin=True)) as transaction:
        finding = Finding(transaction, wanted)
        gone = finding.find()
        places_ = {"spaces": gone.spaces, "sessions": sorted(gone.keys), "turns": gone.turn_ids}
        shared = {row["session"] for row in transaction.all("erase.threads_that_stay", places_)}
    return sorted(set(gone.keys) - shared), len(shared)


class Erasing:
    """One erasure, in one transaction."""

    def __init__(
        self, transaction: Transaction, wanted: Wanted, requeue: Requeue, rewrite: Rewrite, server: Threads
    ) -> None:
        self.transaction, self.wanted, self.server = transaction, wanted, server
        self.requeue, self.rewrite = requeue, rewrite
        self.id, self.whole = uuid4(), not wanted.part
        self.finding = Finding(transaction, wanted)
        self.standing = Standing(transaction, self.id)
        self.removed: Counter[str] = Counter()
        self.kept = self.standing.kept

    def run(self) -> Row:
        gone = self.finding.find()
        learned = self.transaction.all(
            "erase.standing", {**self._of(gone), **places(gone.learnings), "own": gone.spaces}
        )
        self._entomb(gone, learned)
        self.standing.look(learned, gone.learnings, gone.spaces if self.whole else ())
        self._remove_learnings(gone)
        self._remove_said(gone)
        self._remove_proposals(gone)
        renamed = self._forget_name(gone)
        record = self._clear_record(gone, renamed)
        self._read_again()
        self._empty(gone)
        self._remove_checkpoints(gone)
        return self._give_receipt(gone, record)

    def _of(self, gone: Gone) -> Row:
        return self.finding.params(gone)

    def _remove(self, what: str, query: str, params: Row) -> None:
        self.removed[what] += self.transaction.run(query, params)

    # --- remembering what not to bring back ---------------------------------------------------------------------------

    def _entomb(self, gone: Gone, learned: Sequence[Row]) -> None:
        """Digests of what goes, so that it is refused when somebody brings it in again."""
        marks: list[Mark] = [("turn", str(id)) for id in gone.turn_ids]
        marks += [("message", row["content"]) for row in self.transaction.all("erase.message_marks", self._of(gone))]
        marks += [learned_mark(row["store"], row["kind"], row["text"] or "") for row in (*learned, *gone.proposals)]
        if self.whole and gone.spaces:
            marks.append(("person", ""))
        if self.wanted.kind() == "session":
            marks.append(("thread", self.wanted.session or ""))
        self.kept["tombstones"] += entomb(self.transaction, gone.place, tombstone_owner(self.wanted.scope), marks)

    # --- removing -----------------------------------------------------------------------------------------------------

    def _remove_learnings(self, gone: Gone) -> None:
        found = places(gone.learnings)
        self._count_all(self.transaction.one("erase.drop_search", found))
        others = {**places(places_of(gone.proposals)), "own": gone.spaces}
        for row in self.transaction.all("erase.others_turns", others):
            self.standing.again.add((row["space"], row["turn"]))
        self._remove("evidence", "erase.drop_words", self._of(gone))
        self._remove("roots", "erase.drop_roots", self._of(gone))
        self.transaction.run("erase.drop_dangling", found)
        self._remove("learnings", "erase.drop_learnings", found)
        self.standing.write()

    def _count_all(self, row: Row | None) -> None:
        """Count what a query removed, by what it calls it."""
        for name, number in (row or {}).items():
            self.removed["search words" if name == "words" else name] += number

    def _remove_said(self, gone: Gone) -> None:
        self._count_all(self.transaction.one("erase.drop_said", self._of(gone)))
        self._remove("jobs", "erase.jobs", {**self._of(gone), "turns": [str(id) for id in gone.turn_ids]})
        self._remove("notes of failures", "erase.drop_errors", self._of(gone))
        self._remove("turns", "erase.drop_turns", self._of(gone))
        if not self.whole:
            # Their job may have been the one that would have read what stays.
            for row in self.transaction.all("erase.remaining", {"spaces": gone.spaces, "sessions": list(gone.keys)}):
                self.requeue(self.transaction, row["machine"], row["space"], row["turn"], row["session"])

    def _remove_proposals(self, gone: Gone) -> None:
        dropped = self.transaction.one("erase.drop_proposals", places(places_of(gone.proposals))) or {}
        self.removed["proposals"] += dropped.get("proposals", 0)
        self.removed["evidence"] += dropped.get("words", 0)
        touched = sorted({space for space, _ in gone.learnings} | set(gone.spaces))
        self._remove("plans of curation", "erase.drop_plans", {"spaces": touched})
        if self.whole:
            self._remove("voices for proposals", "erase.drop_voices", {"spaces": gone.spaces})

    def _forget_name(self, gone: Gone) -> list[Place]:
        """What the person decided for others stays, and no longer says who decided: whose record has to say so."""
        if not self.whole or self.wanted.scope.user_id is None:
            return []
        user = {"user": self.wanted.scope.user_id}
        self._remove("names of who decided", "erase.forget_decider", user)
        self._remove("names of who decided", "erase.forget_settler", user)
        return places_of(self.transaction.all("erase.forget_author", user))

    def _clear_record(self, gone: Gone, renamed: Sequence[Place]) -> Row:
        """Take the words out of the record: how many payloads of which space."""
        proposals = places(places_of(gone.proposals))
        cleared = self.transaction.all(
            "erase.drop_payloads",
            {
                **places([*gone.learnings, *renamed]),
                "proposal_spaces": proposals["spaces"],
                "proposals": proposals["ids"],
                "whole_spaces": gone.spaces if self.whole else [],
                "decider": self.wanted.scope.user_id if self.whole else None,
            },
        )
        if self.whole and self.wanted.scope.user_id is not None:
            user = {"user": self.wanted.scope.user_id}
            self._remove("names in the record", "erase.forget_actor", user)
            row = self.transaction.one("erase.named_actor", user)
            self.kept["names in the record from before they could be taken out"] += int(row["rows"]) if row else 0
        record = {str(row["space"]): int(row["payloads"]) for row in cleared}
        self.removed["payloads of the record"] += sum(record.values())
        return dict.fromkeys(map(str, gone.spaces), 0) | record

    def _read_again(self) -> None:
        """The others' own turns, where their words were kept, teach once more what stood on two."""
        again = sorted(self.standing.again, key=str)
        if not again:
            return
        params = {"spaces": [space for space, _ in again], "turns": [turn for _, turn in again]}
        for row in self.transaction.all("erase.read_again", params):
            self.requeue(self.transaction, row["machine"], row["space"], row["turn"], row["session"])
            self.kept["turns of others that are read again"] += 1

    def _empty(self, gone: Gone) -> None:
        """Of a person nothing stays, whatever table it is in; their space goes, and a new one comes when they do."""
        if not self.whole:
            return
        self.transaction.run("erase.drop_derived_of", {"spaces": gone.spaces})
        for space in gone.spaces:
            row = self.transaction.one("erase.empty_space", {"space": space})
            for name, number in ((row or {}).get("counts") or {}).items():
                self.removed[name] += number
            self.transaction.run("erase.drop_space", {"space": space})

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def _remove_checkpoints(self, gone: Gone) -> None:
        """Of a thread that nobody else spoke in, all; of the others, what this person said and was told."""
        keys = gone.keys
        # What is saved of these threads from here on waits for the end, and is refused then if it stands on what went.
        self.transaction.all("erase.hold_threads", {"sessions": list(keys)})
        self.kept["tombstones"] += entomb(self.transaction, gone.place, "", [("checkpoints", one) for one in keys])
        shared = {row["session"] for row in self.transaction.all("erase.threads_of_others", {"sessions": list(keys)})}
        self.transaction.all("erase.be_owner")
        found = self.transaction.one("erase.has_checkpoints")
        if keys and found and found["found"]:
            row = self.transaction.one("erase.checkpoints", {"threads": sorted(set(keys) - shared)})
            self.removed["checkpoints"] += int(row["rows"]) if row else 0
            rewritten = [self.rewrite(self.transaction.connection, one, keys[one]) for one in sorted(shared)]
            self.kept["threads that go on, without these words"] += sum(rewritten)
        self.transaction.all("erase.be_admin")

    # --- the receipt --------------------------------------------------------------------------------------------------

    def _give_receipt(self, gone: Gone, record: Row) -> Row:
        self.removed["threads on a server"] += self.server.removed
        receipt = receipt_of(self.wanted, gone, self.removed, self.kept, record, self.server)
        save(self.transaction, self.id, receipt)
        return {"id": str(self.id), **receipt}
