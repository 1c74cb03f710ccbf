"""Erasure: a person, or a part of what is known of them, taken out everywhere at once, with a receipt.

All of it is one transaction, so it has happened or it has not. Who writes into a space reads the space's own row to prove
that it is there; erasure holds that row, and so whoever came too late finds nothing to write to.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from learning_machine.errors import MissingScope, WriteFailed
from learning_machine.state.changes import TRUST, Origin
from learning_machine.state.scope import Scope
from learning_machine.stores.indexing import Vectors, index, index_names
from learning_machine.stores.ledger import failed
from learning_machine.stores.postgres.database import Access, Database, Row, Transaction
from learning_machine.stores.rederiving import Remaining, remaining
from learning_machine.stores.resolving import index_keys
from learning_machine.stores.spaces import access_of, own_space
from learning_machine.stores.tombstones import learned_mark, tombstone_owner

#: How often it is tried when somebody else's locks are in the way.
TRIES = 6
#: What this library cannot reach, said on every receipt.
BEYOND = (
    "backups and replicas of the database, and its write-ahead log",
    "traces, such as LangSmith's, and logs of the application and its models' providers",
    "exports that were made before, and whatever was copied elsewhere",
)
#: Queues the reading of a turn: transaction, machine, space, turn, session.
Requeue = Callable[[Transaction, str, int, UUID, str], Any]
#: Rewrites the checkpoints of a thread in which others spoke too, without these messages: how many were rewritten.
Rewrite = Callable[[Any, str, set[str]], int]
Place = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be erased: all of a person, or of theirs what belongs to a conversation, a thing, a file or a time."""

    scope: Scope
    entity: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def part(self) -> bool:
        narrowed = (self.entity, self.source, self.since, self.until)
        return any(one is not None for one in narrowed) or self.session is not None

    @property
    def session(self) -> str | None:
        """The conversation that is meant; of who has no user it is all there is."""
        return self.scope.session_id if self.scope.user_id is not None else None

    @property
    def about_turns(self) -> bool:
        """Whether conversations go, too: a thing or a file is in none."""
        return self.entity is None and self.source is None

    def kind(self) -> str:
        kinds = {"session": self.session, "entity": self.entity, "source": self.source}
        named = [name for name, one in kinds.items() if one is not None]
        return " and ".join(named + (["time"] if self.since or self.until else [])) or "person"


@dataclass
class Gone:
    """What goes, as it was found."""

    spaces: list[int]
    turns: list[Row] = field(default_factory=list)
    learnings: list[Place] = field(default_factory=list)
    proposals: list[Row] = field(default_factory=list)
    things: list[str] | None = None
    batches: list[UUID] | None = None

    @property
    def turn_ids(self) -> list[UUID]:
        return [turn["id"] for turn in self.turns]

    @property
    def sessions(self) -> list[str]:
        return list(dict.fromkeys(turn["session"] for turn in self.turns))


def places(found: Sequence[Place]) -> Row:
    return {"spaces": [space for space, _ in found], "ids": [id for _, id in found]}


def erase(database: Database, wanted: Wanted, *, requeue: Requeue, rewrite: Rewrite, server: Row) -> Row:
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


def own_threads(database: Database, wanted: Wanted) -> list[str]:
    """The threads of who is to be erased, in which nobody else spoke. Nothing is removed yet."""
    with database.transaction(Access(admin=True)) as transaction:
        erasing = Erasing(transaction, wanted, lambda *_: None, lambda *_: 0, {})
        where = {"user": wanted.scope.user_id, "session": wanted.scope.session_id}
        gone = Gone([row["id"] for row in transaction.all("erase.spaces_of", where)])
        sessions = (
            {row["session"] for row in transaction.all("erase.turns", erasing.of(gone))}
            if wanted.about_turns
            else set()
        )
        of_others = transaction.all("erase.spoken_by_others", {"spaces": gone.spaces, "sessions": sorted(sessions)})
        return sorted(sessions - {row["session"] for row in of_others})


def receipts(database: Database) -> list[Row]:
    """The receipts of all erasures, oldest first."""
    with database.transaction(Access(admin=True)) as transaction:
        rows = transaction.all("erase.receipts")
    return [{"id": str(row["id"]), **row["receipt"]} for row in rows]


def note_import(database: Database, scope: Scope, batch: UUID, source: str) -> None:
    """Keep which file a batch came from, so that what came from it can be taken out again."""
    own = own_space(scope)
    if own is not None and source:
        with database.transaction(access_of(scope)) as transaction:
            params = {"space": transaction.space(own), "batch": batch, "source": source}
            transaction.run("erase.note_import", params)


class Erasing:
    """One erasure, in one transaction."""

    def __init__(
        self, transaction: Transaction, wanted: Wanted, requeue: Requeue, rewrite: Rewrite, server: Row
    ) -> None:
        self.transaction, self.wanted, self.requeue, self.rewrite, self.server = (
            transaction,
            wanted,
            requeue,
            rewrite,
            server,
        )
        self.id, self.whole = uuid4(), not wanted.part
        self.removed: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self.again: set[tuple[int, UUID]] = set()
        #: Things the transaction rewrote: what others said, too, stands on.
        self.grounds: dict[Place, tuple[Remaining, Row]] = {}

    def run(self) -> Row:
        gone = self._find()
        self._entomb(gone)
        self._rewrite_all(gone)
        self._remove_learnings(gone)
        self._remove_said(gone)
        self._remove_rest(gone)
        record = self._clear_record(gone)
        self._read_again()
        self._empty(gone)
        checkpoints = self._checkpoints(gone)
        return self._receipt(gone, record, checkpoints)

    # --- finding ------------------------------------------------------------------------------------------------------

    def _find(self) -> Gone:
        wanted = self.wanted
        where = {"user": wanted.scope.user_id, "session": wanted.scope.session_id}
        spaces = [row["id"] for row in self.transaction.all("erase.spaces_of", where)]
        shared = [row["id"] for row in self.transaction.all("erase.lock_shared")]
        self.transaction.all("audit.lock", {"spaces": sorted({*spaces, *shared})})
        self.transaction.all("erase.hold_spaces", {"spaces": spaces})
        gone = Gone(spaces)
        if wanted.entity is not None:
            rows = self.transaction.all("erase.things", {**self.of(gone), "name": wanted.entity})
            gone.things = [row["slot"] for row in rows]
        if wanted.source is not None:
            rows = self.transaction.all("erase.batches", {"spaces": spaces, "source": wanted.source})
            gone.batches = [row["batch"] for row in rows]
        if wanted.about_turns:
            gone.turns = self.transaction.all("erase.turns", self.of(gone))
        found = self.transaction.all("erase.own_learnings", self.of(gone))
        found += self.transaction.all("erase.shared_learnings", self.of(gone))
        gone.learnings = _places(found)
        gone.learnings = sorted(
            {*gone.learnings, *_places(self.transaction.all("erase.resting", places(gone.learnings)))}
        )
        gone.proposals = self._proposals(gone)
        return gone

    def of(self, gone: Gone) -> Row:
        """The parameters that most queries have."""
        return {
            "spaces": gone.spaces,
            "actors": [f"space {space}" for space in gone.spaces],
            "turns": gone.turn_ids,
            "session": self.wanted.session,
            "since": self.wanted.since,
            "until": self.wanted.until,
            "entity": self.wanted.entity,
            "things": gone.things,
            "batches": gone.batches,
            "whole": self.whole,
        }

    def _proposals(self, gone: Gone) -> list[Row]:
        learnings = places(gone.learnings)
        return self.transaction.all(
            "erase.proposals", {**self.of(gone), "learning_spaces": learnings["spaces"], "ids": learnings["ids"]}
        )

    # --- remembering what not to bring back ---------------------------------------------------------------------------

    def _entomb(self, gone: Gone) -> None:
        """Digests of what goes, so that it is refused when somebody brings it in again."""
        marks = [("turn", str(turn["id"])) for turn in gone.turns]
        said = self.transaction.all("erase.message_marks", self.of(gone))
        marks += [("message", row["content"]) for row in said]
        learned = self.transaction.all("erase.standing", {**self._standing(gone)})
        marks += [learned_mark(row["store"], row["kind"], row["text"] or "") for row in (*learned, *gone.proposals)]
        owner = tombstone_owner(self.wanted.scope)
        if self.whole and gone.spaces:
            marks.append(("person", ""))
        if self.wanted.about_turns and self.wanted.session is not None and not self._has_window:
            marks.append(("thread", self.wanted.session))
        space = gone.spaces[0] if gone.spaces else 0
        self._write_marks(space, owner, marks)
        self._write_marks(space, "", [("checkpoints", session) for session in gone.sessions])
        self.learned = learned

    @property
    def _has_window(self) -> bool:
        return self.wanted.since is not None or self.wanted.until is not None

    def _write_marks(self, space: int, owner: str, marks: list[tuple[str, str]]) -> None:
        distinct = list(dict.fromkeys(marks))
        if distinct:
            params = {"whats": [what for what, _ in distinct], "contents": [content for _, content in distinct]}
            self.kept["tombstones"] += self.transaction.run("erase.entomb", {"space": space, "owner": owner, **params})

    def _standing(self, gone: Gone) -> Row:
        return {**places(gone.learnings), "own": gone.spaces, "turns": gone.turn_ids, "whole": self.whole}

    # --- what several people said -------------------------------------------------------------------------------------

    def _rewrite_all(self, gone: Gone) -> None:
        """Find what of each learning stands on the words of others; where nothing does, they are asked again."""
        for row in self.learned:
            quotes, sources = row["quotes"] or [], row["sources"] or []
            if row["space"] in gone.spaces and self.whole:
                continue
            grounds = [one["quote"] for one in quotes] + [one["text"] for one in sources] + list(row["told"] or ())
            if not grounds or row["known_to"] is not None or row["status"] != "active":
                continue
            found = remaining(row, grounds)
            if found is not None:
                words = self._words(row, quotes)
                self.grounds[row["space"], row["id"]] = (found, {**row, "words": words})
            else:
                self.kept["learnings dropped, because others said it in other words"] += 1
                self.again.update((one["space"], UUID(one["turn"])) for one in quotes if one["turn"])

    def _words(self, row: Row, quotes: Sequence[Row]) -> list[Row]:
        params = {"space": row["space"], "old": row["id"], "quotes": [one["id"] for one in quotes]}
        return self.transaction.all("erase.keep_words_aside", params)

    def _write_anew(self) -> None:
        """Write what remains, with the words and sources it stands on, when what it was has gone."""
        for found, row in self.grounds.values():
            quotes, sources = row["quotes"] or [], row["sources"] or []
            origin = Origin.USER if any(one["role"] == "user" for one in quotes) else Origin.INFERENCE
            actor = f"space {quotes[0]['space']}" if quotes else sources[0]["actor"] if sources else "space 0"
            names = ("space", "store", "kind", "subject", "target", "slot")
            params = {name: row[name] for name in names}
            fields = {name: getattr(found, name) for name in ("text", "name", "found_by", "content_key")}
            value = None if found.value is None else Jsonb(found.value)
            more = {"value": value, "origin": origin.value, "trust": TRUST[origin], "actor": actor, "batch": self.id}
            saved = self.transaction.one("erase.rewrite", {**params, **fields, **more})
            if saved is None:
                continue
            self._give_grounds(row, saved["id"], sources)
            self._index(found, row, saved["id"])
            self.transaction.run("erase.note", {"space": row["space"], "id": saved["id"]})
            self.kept["learnings rewritten from what others said"] += 1

    def _give_grounds(self, row: Row, id: int, sources: Sequence[Row]) -> None:
        for words in row["words"]:
            self.transaction.run("erase.give_words", {**words, "id": id, "batch": self.id})
        params = {"source_spaces": [one["space"] for one in sources], "sources": [one["id"] for one in sources]}
        self.transaction.run("erase.keep_sources", {"space": row["space"], "id": id, **params})

    def _index(self, found: Remaining, row: Row, id: int) -> None:
        """Found by its words at once; `reembed` gives it a vector."""
        if found.found_by:
            index(self.transaction, row["space"], row["store"], id, found.found_by, Vectors())
        if row["kind"] == "entity":
            aliases = (found.value or {}).get("aliases") or () if isinstance(found.value, dict) else ()
            index_names(self.transaction, row["space"], id, index_keys([found.name, *aliases]))

    # --- removing -----------------------------------------------------------------------------------------------------

    def _remove_learnings(self, gone: Gone) -> None:
        found = places(gone.learnings)
        search = self.transaction.one("erase.drop_search", found) or {}
        self.removed["search words"] += search.get("words", 0)
        self.removed["vectors"] += search.get("vectors", 0)
        if gone.proposals:
            others = {**places(_places(gone.proposals)), "own": gone.spaces}
            self.again.update((row["space"], row["turn"]) for row in self.transaction.all("erase.others_turns", others))
        if self.wanted.about_turns:
            self.removed["evidence"] += self.transaction.run("erase.drop_words_of_turns", self.of(gone))
            self.removed["roots"] += self.transaction.run("erase.drop_roots", self.of(gone))
        self.transaction.run("erase.drop_dangling", found)
        self.removed["learnings"] += self.transaction.run("erase.drop_learnings", found)
        self._write_anew()

    def _remove_said(self, gone: Gone) -> None:
        said = self.transaction.one("erase.drop_said", self.of(gone)) or {}
        for what, name in (("messages", "messages"), ("words", "search words"), ("vectors", "vectors")):
            self.removed[name] += said.get(what, 0)
        turns = [str(id) for id in gone.turn_ids]
        self.removed["jobs"] += self.transaction.run("erase.jobs", {**self.of(gone), "turns": turns})
        self.removed["notes of failures"] += self.transaction.run("erase.drop_errors", self.of(gone))
        self.removed["turns"] += self.transaction.run("erase.drop_turns", self.of(gone))
        if not self.whole:
            # Their job may have been the one that would have read what stays.
            for row in self.transaction.all("erase.remaining", {"spaces": gone.spaces, "sessions": gone.sessions}):
                self.requeue(self.transaction, row["machine"], row["space"], row["turn"], row["session"])

    def _remove_rest(self, gone: Gone) -> None:
        proposed = self.transaction.one("erase.drop_proposals", places(_places(gone.proposals))) or {}
        self.removed["proposals"] += proposed.get("proposals", 0)
        self.removed["evidence"] += proposed.get("words", 0)
        touched = sorted({space for space, _ in gone.learnings} | set(gone.spaces))
        self.removed["plans of curation"] += self.transaction.run("erase.drop_plans", {"spaces": touched})
        if not self.whole:
            return
        self.removed["voices for proposals"] += self.transaction.run("erase.drop_voices", {"spaces": gone.spaces})
        if self.wanted.scope.user_id is not None:
            user = {"user": self.wanted.scope.user_id}
            self.removed["names of who decided"] += self.transaction.run("erase.forget_decider", user)
            self.renamed = _places(self.transaction.all("erase.forget_author", user))

    renamed: Sequence[Place] = ()

    def _clear_record(self, gone: Gone) -> Row:
        """Take the words out of the record: how many payloads of which space."""
        learnings = places([*gone.learnings, *self.renamed])
        proposals = places(_places(gone.proposals))
        params = {**learnings, "proposal_spaces": proposals["spaces"], "proposals": proposals["ids"]}
        whole = gone.spaces if self.whole else []
        cleared = self.transaction.all("erase.drop_payloads", {**params, "whole_spaces": whole})
        if self.whole and self.wanted.scope.user_id is not None:
            user = {"user": self.wanted.scope.user_id}
            self.removed["names in the record"] += self.transaction.run("erase.forget_actor", user)
            row = self.transaction.one("erase.named_actor", user)
            self.kept["names in the record from before they could be taken out"] += int(row["rows"]) if row else 0
        record = {str(row["space"]): int(row["payloads"]) for row in cleared}
        self.removed["payloads of the record"] += sum(record.values())
        for space in gone.spaces:
            record.setdefault(str(space), 0)
        return record

    def _read_again(self) -> None:
        """The others' own turns, where their words were kept, teach once more what stood on two."""
        again = sorted(self.again, key=str)
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

    def _checkpoints(self, gone: Gone) -> Row:
        """Of a thread that nobody else spoke in, all; of the others, what this person said and was told."""
        if not gone.sessions:
            return {}
        shared = {
            row["session"] for row in self.transaction.all("erase.threads_of_others", {"sessions": gone.sessions})
        }
        self.transaction.all("erase.be_owner")
        found = self.transaction.one("erase.has_checkpoints")
        if not found or not found["found"]:
            return {}
        own = [session for session in gone.sessions if session not in shared]
        row = self.transaction.one("erase.checkpoints", {"threads": own})
        keys = {
            session: {key for turn in gone.turns if turn["session"] == session for key in turn["messages"]}
            for session in shared
        }
        rewritten = sum(self.rewrite(self.transaction.connection, session, keys[session]) for session in sorted(shared))
        return {"rows": int(row["rows"]) if row else 0, "rewritten": rewritten}

    # --- the receipt --------------------------------------------------------------------------------------------------

    def _receipt(self, gone: Gone, record: Row, checkpoints: Row) -> Row:
        self.removed["threads on a server"] += self.server.get("removed", 0)
        self.removed["checkpoints"] += checkpoints.get("rows", 0)
        self.kept["threads of several people, without this person's words"] += checkpoints.get("rewritten", 0)
        receipt = {
            "what": self.wanted.kind(),
            "at": datetime.now(UTC).isoformat(),
            "removed": {name: number for name, number in sorted(self.removed.items()) if number},
            "kept": {name: number for name, number in sorted(self.kept.items()) if number},
            "spaces": gone.spaces if self.whole else [],
            "record": record,
            "out_of_reach": [*BEYOND, *self._more_beyond(gone)],
        }
        # Back to the administrator, after the checkpoints.
        self.transaction.all("erase.be_admin")
        for space, payloads in record.items():
            after = Jsonb({"payloads": payloads, "what": receipt["what"]})
            params = {"space": int(space), "after": after, "actor": "operator", "batch": self.id}
            self.transaction.run("erase.note_erasure", params)
        self.transaction.run("erase.save_receipt", {"id": self.id, "receipt": json.dumps(receipt)})
        return {"id": str(self.id), **receipt}

    def _more_beyond(self, gone: Gone) -> list[str]:
        beyond = []
        if not self.server.get("asked"):
            beyond.append("threads on a LangGraph server: no client for it was given")
        elif self.server.get("left"):
            beyond.append(f"{self.server['left']} threads on the LangGraph server, which did not delete them")
        if self.wanted.about_turns:
            beyond.append("checkpoints of conversations that were not recorded, or kept by another checkpointer")
        return beyond


def _places(rows: Sequence[Row]) -> list[Place]:
    return [(row["space"], row["id"]) for row in rows]
