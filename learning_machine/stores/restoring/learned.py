"""The part of an export that was learned, with its history, on its way back."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.types.json import Jsonb

from learning_machine.state.changes import TRUST, Origin
from learning_machine.state.messages import clean_text, clean_value
from learning_machine.stores.indexing import index, index_names
from learning_machine.stores.postgres.transactions import Row
from learning_machine.stores.resolving import index_keys
from learning_machine.stores.restoring.progress import Placed, moment
from learning_machine.stores.restoring.said import Said


class Learned(Said):
    """Some records in one transaction: what was learned, too."""

    def _learning(self, placed: list[Placed]) -> None:
        for _, record in placed:
            self._meet(record)
        kept = self._kept(placed)
        same = self._same([record for _, record in kept])
        for _, record in kept:
            space = self.spaces[record["space"]]
            if (id := same.get(record["id"])) is not None:
                self._known(record, space, id)
            else:
                self._restore(record, space)

    def _meet(self, record: Row) -> None:
        """A thing that is known here by the same name keeps its id here."""
        if record["kind"] != "entity" or (record["space"], record["slot"]) in self.progress.slots:
            return
        value = record.get("value") if isinstance(record.get("value"), dict) else {}
        place = {"space": self.spaces[record["space"]], "store": record["store"], "slot": record["slot"]}
        named = {"name": record.get("name") or "", "type": str((value or {}).get("type") or "")}
        row = self.transaction.one("export.same_entity", {**place, **named})
        if row is not None:
            self.progress.slots[record["space"], record["slot"]] = row["slot"]

    def _same(self, records: Sequence[Row]) -> dict[int, int]:
        names = {"ids": "id", "stores": "store", "keys": "content_key", "times": "known_from"}
        params: Row = {many: [record[one] for record in records] for many, one in names.items()}
        params["spaces"] = [self.spaces[record["space"]] for record in records]
        params["subjects"] = [self._slot(record, "subject") for record in records]
        return {row["given"]: row["id"] for row in self.transaction.all("export.same_learnings", params)}

    def _slot(self, record: Row, name: str) -> str:
        given = str(record.get(name) or "")
        return self.progress.slots.get((record["space"], given), given)

    def _known(self, record: Row, space: int, id: int) -> None:
        self.progress.learnings[record["id"]] = (space, id)
        self.progress.count("known", "learning")
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
        self.progress.learnings[record["id"]] = (space, id)
        self._search(record, space, id, hidden=stands is not None)
        self._settle(record, space, id)
        self.transaction.run("export.note_learning", {"space": space, "id": id, "batch": self.batch})
        if row["known_to"] is not None and (stands is not None or record.get("superseded_by") is None):
            self.note_end(space, id)
        self.progress.count("restored" if stands is None else "kept as history", "learning")

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
        supersedes = self.progress.learnings.get(record.get("supersedes") or 0)
        ends = (
            (stands["id"], max(stands["known_from"], moment(record["known_from"])).isoformat())
            if stands
            else (None, None)
        )
        return {
            **row,
            **{name: self._slot(record, name) for name in ("subject", "target", "slot")},
            "name": row.get("name") or "",
            "pinned": bool(row.get("pinned")),
            "batch": row.get("batch") or str(self.batch),
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
            index_names(self.transaction, space, id, index_keys(_names_of(record)))

    def _settle(self, record: Row, space: int, id: int) -> None:
        """Tie the row to what it closed, and remember what it waits for itself."""
        closed = self.progress.waiting.pop(record["id"], [])
        if closed:
            ids = [one for _, one in closed]
            self.transaction.run("export.supersede", {"space": space, "by": id, "ids": ids})
            for place in sorted(closed)[:-1]:
                self.note_end(*place)
        if record.get("known_to") is not None and record.get("superseded_by") is not None:
            target = self.progress.learnings.get(record["superseded_by"])
            if target is not None:
                self.transaction.run("export.supersede", {"space": space, "by": target[1], "ids": [id]})
                self.note_end(space, id)
            else:
                self.progress.waiting.setdefault(record["superseded_by"], []).append((space, id))

    def note_end(self, space: int, id: int) -> None:
        params = {"space": space, "id": id, "actor": f"space {self.own}", "batch": self.batch}
        self.transaction.run("export.note_end", params)


def _names_of(record: Row) -> list[str]:
    """The names by which a thing is found, as far as the record holds any."""
    value = record.get("value")
    aliases = value.get("aliases") if isinstance(value, dict) else None
    names = [record.get("name"), *(aliases if isinstance(aliases, list) else ())]
    return [clean_text(name) for name in names if isinstance(name, str)]
