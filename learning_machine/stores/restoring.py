"""An export brought back as it was: origin, trust, times and history, and the ids where they are free.

Only an operator does this, because a file could say of itself whatever it likes. Every row is noted in the record of
changes, and nothing is brought back twice or after it was erased.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from learning_machine.errors import MissingScope
from learning_machine.state.changes import TRUST, Origin
from learning_machine.state.messages import clean_text, clean_value
from learning_machine.state.scope import Scope
from learning_machine.stores.importing.found import Problem
from learning_machine.stores.indexing import MESSAGES, Vectors, index, index_names, message_text
from learning_machine.stores.postgres.database import Access, Database, Row, Space, Transaction
from learning_machine.stores.resolving import index_keys
from learning_machine.stores.spaces import access_of, own_space
from learning_machine.stores.tombstones import erased, learned_mark

#: Vectors for texts that will be searched for.
Embed = Callable[[list[str]], Vectors]
Placed = tuple[str, Row]

_STATES = ("active", "retired", "challenge", "archived", "past")
#: A batch may take as long as its vectors do.
TIMEOUT_MS = 120_000


class Restoring:
    """One file on its way back. `counts` says what became of its records, by what and kind."""

    def __init__(self, database: Database, scope: Scope, header: Row, embed: Embed) -> None:
        own = own_space(scope)
        if own is None:
            raise MissingScope()
        self.database, self.scope, self.embed, self.own_place = database, scope, embed, own
        self.given_spaces: dict[int, Space | None] = {
            int(number): self._place(one) for number, one in dict(header.get("spaces") or {}).items()
        }
        self.batch: UUID = uuid4()
        self.counts: Counter[tuple[str, str]] = Counter()
        self.problems: list[Problem] = []
        #: Ids in the file to ids here, of learnings and of proposals; and the slots of things that are known here.
        self.learnings: dict[int, tuple[int, int]] = {}
        self.proposals: dict[int, int] = {}
        self.slots: dict[tuple[int, str], str] = {}
        #: What waits for the row that closed it, by that row's id in the file.
        self.waiting: dict[int, list[tuple[int, int]]] = {}

    def _place(self, one: Row) -> Space | None:
        if one.get("kind") in ("user", "session"):
            return self.own_place
        if one.get("kind") == "global":
            return Space("global")
        return Space("group", str(one["group"])) if one.get("group") in self.scope.groups else None

    def keep_spaces(self) -> None:
        """Give the spaces the numbers they had, where these are free."""
        with self.database.transaction(Access(admin=True)) as transaction:
            for number, place in self.given_spaces.items():
                if place is not None:
                    transaction.all("export.keep_space", {"id": number, **place.params()})

    # --- batches ------------------------------------------------------------------------------------------------------

    def write(self, placed: Sequence[Placed]) -> None:
        """Bring back some records, in one transaction. What cannot be is listed, and the rest is."""
        fitting = [one for one in placed if self._fits(*one)]
        vectors = self.embed([text for _, record in fitting if (text := _searched(record))])
        ids = self._fresh_ids([record for _, record in fitting])
        state = self._state()
        try:
            with self._transaction() as transaction:
                Batch(self, transaction, vectors, ids).write(fitting)
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.RaiseException):
            self._forget(state)
            for one in fitting:
                self._write_alone(one, vectors, ids)

    def _write_alone(self, one: Placed, vectors: Vectors, ids: Row) -> None:
        """A record of a batch that did not go in as a whole: the one that is wrong is found, and the others are kept."""
        state = self._state()
        try:
            with self._transaction() as transaction:
                Batch(self, transaction, vectors, ids).write([one])
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.RaiseException) as error:
            self._forget(state)
            self.problems.append(Problem(one[0], f"the database does not take it ({type(error).__name__})"))

    def finish(self) -> None:
        """Account for the end of what was closed by something that the file does not hold."""
        left = [place for places in self.waiting.values() for place in places]
        if left:
            with self._transaction() as transaction:
                batch = Batch(self, transaction, Vectors(), {})
                for space, id in left:
                    batch.note_end(space, id)

    def _transaction(self) -> Any:
        return self.database.transaction(access_of(self.scope, timeout_ms=TIMEOUT_MS))

    def _state(self) -> tuple[Any, ...]:
        copies = {key: list(value) for key, value in self.waiting.items()}
        return (
            Counter(self.counts),
            dict(self.learnings),
            dict(self.proposals),
            dict(self.slots),
            copies,
            len(self.problems),
        )

    def _forget(self, state: tuple[Any, ...]) -> None:
        self.counts, self.learnings, self.proposals, self.slots, self.waiting = state[:5]
        del self.problems[state[5] :]

    def _fits(self, where: str, record: Row) -> bool:
        """Whether a record can be brought back here; if not, it is listed."""
        reason = self._misfit(record)
        if reason is not None:
            self.problems.append(Problem(where, reason))
        return reason is None

    def _misfit(self, record: Row) -> str | None:
        for name in ("space", "learning_space", "source_space"):
            number = record.get(name)
            if number is not None and self.given_spaces.get(number) is None:
                return "its namespace is none of this scope's; name the group it belongs to"
        if record["record"] == "learning":
            if record["origin"] not in [origin.value for origin in Origin] or record["status"] not in _STATES:
                return "its origin or status is not known"
            if not isinstance(record["id"], int) or not 0 < record["id"] < 2**62:
                return "its id is no number"
        if record["record"] in ("learning", "proposal", "message") and not isinstance(record["id"], int):
            return "its id is no number"
        return None

    # --- ids ----------------------------------------------------------------------------------------------------------

    def _fresh_ids(self, records: Sequence[Row]) -> Row:
        """Which ids of the file others have; ids that will be kept are not given out again."""
        found: Row = {}
        with self.database.transaction(Access(admin=True, timeout_ms=TIMEOUT_MS)) as transaction:
            for kind in ("learning", "proposal", "message"):
                ids = [record["id"] for record in records if record["record"] == kind]
                if not ids:
                    continue
                if kind != "message":
                    found[kind] = {row["id"] for row in transaction.all(f"export.taken_{kind}s", {"ids": ids})}
                transaction.all(f"export.raise_{kind}_ids", {"id": max(ids)})
        return found


class Batch:
    """Some records in one transaction."""

    def __init__(self, run: Restoring, transaction: Transaction, vectors: Vectors, taken: Row) -> None:
        self.run, self.transaction, self.vectors, self.taken = run, transaction, vectors, taken
        self.own = transaction.space(run.own_place)
        self.spaces = {
            number: self.own if place == run.own_place else transaction.space(place)
            for number, place in run.given_spaces.items()
            if place is not None
        }
        self.given_own = next((number for number, place in run.given_spaces.items() if place == run.own_place), None)
        transaction.all("audit.lock", {"spaces": sorted({self.own, *self.spaces.values()})})
        transaction.all("export.hold", {"space": self.own})

    def write(self, placed: Sequence[Placed]) -> None:
        for kind, group in groupby(placed, key=lambda one: one[1]["record"]):
            getattr(self, f"_{kind}")(list(group))

    def _count(self, what: str, kind: str, number: int = 1) -> None:
        if number:
            self.run.counts[what, kind] += number

    def _erased(self, asked: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        return erased(self.transaction, self.run.scope, asked)

    # --- what was said ------------------------------------------------------------------------------------------------

    def _turn(self, placed: list[Placed]) -> None:
        rows = [{**record, "scope": {**record["scope"], **self._whose()}} for _, record in placed]
        there = {str(row["id"]) for row in self.transaction.all("export.turns_there", self._ids(rows))}
        gone = self._erased([("turn", str(row["id"])) for row in rows])
        fresh = [row for row in rows if row["id"] not in there and ("turn", str(row["id"])) not in gone]
        self.transaction.run("export.save_turns", {"space": self.own, "rows": Jsonb(clean_value(fresh))})
        self.transaction.run("export.save_watermarks", {"space": self.own, "rows": Jsonb(clean_value(fresh))})
        self._count("restored", "turn", len(fresh))
        self._count("known", "turn", len(there))
        self._count("refused", "turn", len(gone))

    def _whose(self) -> Row:
        return {} if self.run.scope.user_id is None else {"user_id": self.run.scope.user_id}

    def _ids(self, rows: Sequence[Row]) -> Row:
        return {"space": self.own, "ids": [row["id"] for row in rows]}

    def _message(self, placed: list[Placed]) -> None:
        rows = [record for _, record in placed]
        gone = self._erased([("message", f"{row['session']}\x1f{row['key']}") for row in rows])
        kept = [row for row in rows if ("message", f"{row['session']}\x1f{row['key']}") not in gone]
        saved = self.transaction.all("export.save_messages", {"space": self.own, "rows": Jsonb(clean_value(kept))})
        searched = {(row["turn"], row["key"]): row for row in kept if row.get("indexed")}
        for row in saved:
            if (given := searched.get((str(row["turn"]), row["key"]))) is not None:
                index(self.transaction, self.own, MESSAGES, row["id"], _searched(given) or "", self.vectors)
        self._count("restored", "message", len(saved))
        self._count("known", "message", len(kept) - len(saved))
        self._count("refused", "message", len(gone))

    # --- what was learned ---------------------------------------------------------------------------------------------

    def _learning(self, placed: list[Placed]) -> None:
        for _, record in placed:
            self._meet(record)
        same = self._same([record for _, record in placed])
        gone = self._erased([_mark(record) for _, record in placed])
        for _, record in placed:
            space = self.spaces[record["space"]]
            if _mark(record) in gone:
                self._count("refused", "learning")
            elif (id := same.get(record["id"])) is not None:
                self._known(record, space, id)
            else:
                self._restore(record, space)

    def _meet(self, record: Row) -> None:
        """A thing that is known here by the same name keeps its id here."""
        if record["kind"] != "entity" or (record["space"], record["slot"]) in self.run.slots:
            return
        value = record.get("value") if isinstance(record.get("value"), dict) else {}
        place = {"space": self.spaces[record["space"]], "store": record["store"], "slot": record["slot"]}
        named = {"name": record.get("name") or "", "type": str((value or {}).get("type") or "")}
        row = self.transaction.one("export.same_entity", {**place, **named})
        if row is not None:
            self.run.slots[record["space"], record["slot"]] = row["slot"]

    def _same(self, records: Sequence[Row]) -> dict[int, int]:
        names = {"ids": "id", "stores": "store", "keys": "content_key", "times": "known_from"}
        params: Row = {many: [record[one] for record in records] for many, one in names.items()}
        params["spaces"] = [self.spaces[record["space"]] for record in records]
        params["subjects"] = [self._slot(record, "subject") for record in records]
        return {row["given"]: row["id"] for row in self.transaction.all("export.same_learnings", params)}

    def _slot(self, record: Row, name: str) -> str:
        given = str(record.get(name) or "")
        return self.run.slots.get((record["space"], given), given)

    def _known(self, record: Row, space: int, id: int) -> None:
        self.run.learnings[record["id"]] = (space, id)
        self._count("known", "learning")
        self._settle(record, space, id)

    def _restore(self, record: Row, space: int) -> None:
        stands = self._standing(record, space)
        if stands is not None and stands["same"]:
            self._known({**record, "superseded_by": None, "known_to": None}, space, stands["id"])
            return
        id = record["id"]
        if id in self.taken.get("learning", ()):
            fresh = self.transaction.one("export.fresh_learning_id")
            id = fresh["id"] if fresh else id
        row = self._row(record, space, id, stands)
        self.transaction.run("export.save_learning", {"row": Jsonb(row)})
        self.run.learnings[record["id"]] = (space, id)
        self._search(record, space, id, hidden=stands is not None)
        self._settle(record, space, id)
        self.transaction.run("export.note_learning", {"space": space, "id": id, "batch": self.run.batch})
        if row["known_to"] is not None and (stands is not None or record.get("superseded_by") is None):
            self.note_end(space, id)
        self._count("restored" if stands is None else "kept as history", "learning")

    def _standing(self, record: Row, space: int) -> Row | None:
        """What is open here where an open row would go: it stays, because it is what was learned since."""
        if record.get("known_to") is not None or record["status"] not in ("active", "retired"):
            return None
        place = {name: record.get(name) or "" for name in ("store", "kind", "content_key")}
        more = {"space": space, "subject": self._slot(record, "subject"), "slot": self._slot(record, "slot")}
        return self.transaction.one("export.same_content", {**place, **more})

    def _row(self, record: Row, space: int, id: int, stands: Row | None) -> Row:
        """The row as it goes into the table here."""
        row = clean_value({name: one for name, one in record.items() if name not in ("record", "indexed", "named")})
        supersedes = self.run.learnings.get(record.get("supersedes") or 0)
        ends = (
            (stands["id"], max(stands["known_from"], _time(record["known_from"])).isoformat())
            if stands
            else (None, None)
        )
        return {
            **row,
            **{name: self._slot(record, name) for name in ("subject", "target", "slot")},
            "name": row.get("name") or "",
            "pinned": bool(row.get("pinned")),
            "batch": row.get("batch") or str(self.run.batch),
            "space": space,
            "id": id,
            "trust": TRUST[Origin(record["origin"])],
            "actor": self._actor(record),
            "supersedes": supersedes[1] if supersedes else None,
            "superseded_by": ends[0],
            "known_to": ends[1] or row.get("known_to"),
        }

    def _actor(self, record: Row) -> str:
        actor = record.get("actor")
        if actor is None:
            return "space 0"
        return f"space {self.own}" if actor == f"space {self.given_own}" else clean_text(str(actor))

    def _search(self, record: Row, space: int, id: int, *, hidden: bool) -> None:
        if record.get("indexed") and not hidden:
            index(self.transaction, space, record["store"], id, clean_text(record.get("found_by") or ""), self.vectors)
        if record.get("named") and not hidden:
            aliases = (record.get("value") or {}).get("aliases") or ()
            index_names(self.transaction, space, id, index_keys([record["name"], *aliases]))

    def _settle(self, record: Row, space: int, id: int) -> None:
        """Tie the row to what it closed, and remember what it waits for itself."""
        closed = self.run.waiting.pop(record["id"], [])
        if closed:
            ids = [one for _, one in closed]
            self.transaction.run("export.supersede", {"space": space, "by": id, "ids": ids})
            for place in sorted(closed)[:-1]:
                self.note_end(*place)
        if record.get("known_to") is not None and record.get("superseded_by") is not None:
            target = self.run.learnings.get(record["superseded_by"])
            if target is not None:
                self.transaction.run("export.supersede", {"space": space, "by": target[1], "ids": [id]})
                self.note_end(space, id)
            else:
                self.run.waiting.setdefault(record["superseded_by"], []).append((space, id))

    def note_end(self, space: int, id: int) -> None:
        params = {"space": space, "id": id, "actor": f"space {self.own}", "batch": self.run.batch}
        self.transaction.run("export.note_end", params)

    # --- what it stands on --------------------------------------------------------------------------------------------

    def _evidence(self, placed: list[Placed]) -> None:
        rows = []
        for where, record in placed:
            learning = self.run.learnings.get(record.get("learning") or 0)
            proposal = self.run.proposals.get(record.get("proposal") or 0)
            if learning is None and proposal is None:
                self._lost(where, record)
                continue
            space = learning[0] if learning else self.spaces[record["learning_space"]]
            rows.append({**record, "learning_space": space, "learning": learning and learning[1], "proposal": proposal})
        self._save("evidence", rows)

    def _derived_from(self, placed: list[Placed]) -> None:
        rows = []
        for where, record in placed:
            ends = [self.run.learnings.get(record[name]) for name in ("learning", "source")]
            if ends[0] is None or ends[1] is None:
                self._lost(where, record)
                continue
            names = ("space", "learning", "source_space", "source")
            rows.append({**record, **dict(zip(names, (*ends[0], *ends[1]), strict=True))})
        self._save("derived_from", rows)

    def _root(self, placed: list[Placed]) -> None:
        rows = []
        for where, record in placed:
            learning = self.run.learnings.get(record["learning"])
            if learning is None:
                self._lost(where, record)
                continue
            rows.append({**record, "learning_space": learning[0], "learning": learning[1]})
        self._save("root", rows)

    def _lost(self, where: str, record: Row) -> None:
        """What belongs to something that was refused is refused with it; else the file lacks it."""
        if self.run.counts["refused", "learning"] or self.run.counts["refused", "proposal"]:
            self._count("refused", record["record"])
        else:
            self.run.problems.append(Problem(where, "what it belongs to was not brought back"))

    def _save(self, kind: str, rows: list[Row]) -> None:
        name = {"evidence": "evidence", "derived_from": "derived", "root": "roots"}[kind]
        saved = self.transaction.run(f"export.save_{name}", {"space": self.own, "rows": Jsonb(clean_value(rows))})
        self._count("restored", kind, saved)
        self._count("known", kind, len(rows) - saved)

    # --- what waits ---------------------------------------------------------------------------------------------------

    def _proposal(self, placed: list[Placed]) -> None:
        gone = self._erased([_mark(record) for _, record in placed])
        for _, record in placed:
            space = self.spaces[record["space"]]
            row = clean_value({name: one for name, one in record.items() if name != "record"})
            there = self.transaction.one("export.same_proposal", {**row, "space": space})
            if _mark(record) in gone:
                self._count("refused", "proposal")
            elif there is not None:
                self.run.proposals[record["id"]] = there["id"]
                self._count("known", "proposal")
            else:
                self._restore_proposal(row, record, space)

    def _restore_proposal(self, row: Row, record: Row, space: int) -> None:
        id = record["id"]
        if id in self.taken.get("proposal", ()):
            fresh = self.transaction.one("export.fresh_proposal_id")
            id = fresh["id"] if fresh else id
        scope = {**(record.get("scope") or {}), **self._whose()}
        whole = {**row, "id": id, "space": space, "speaker": self.own, "scope": scope, "learning": None}
        self.transaction.run("export.save_proposal", {"row": Jsonb(whole)})
        actor = f"space {self.own}"
        self.transaction.run(
            "export.note_proposal", {"space": space, "id": id, "actor": actor, "batch": self.run.batch}
        )
        self.run.proposals[record["id"]] = id
        self._count("restored", "proposal")


def _mark(record: Row) -> tuple[str, str]:
    text = record["text"] if record["record"] == "learning" else (record.get("shown") or {}).get("text") or ""
    return learned_mark(record["store"], record["kind"], text)


def _searched(record: Row) -> str | None:
    """What search finds a record by, if it does."""
    if not record.get("indexed"):
        return None
    if record["record"] == "message":
        return message_text(record["role"], _time(record["said_at"]), record["content"])
    return clean_text(record.get("found_by") or "") or None


def _time(value: Any) -> datetime:
    return datetime.fromisoformat(str(value))
