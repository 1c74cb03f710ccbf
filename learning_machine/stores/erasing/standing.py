"""What others said too goes on standing: told from their words alone, asked again, or opened again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from learning_machine.state.changes import TRUST, Origin
from learning_machine.stores.erasing.rederiving import Remaining, remaining
from learning_machine.stores.erasing.wanted import Place, places
from learning_machine.stores.indexing import Vectors, index, index_names
from learning_machine.stores.postgres.transactions import Row, Transaction
from learning_machine.stores.resolving import index_keys


class Standing:
    """What stays of the learnings that go: looked at before they do, and written when they are gone."""

    def __init__(self, transaction: Transaction, batch: UUID) -> None:
        self.transaction, self.batch = transaction, batch
        self.kept: Counter[str] = Counter()
        #: Turns of others that said the same in other words, by space: they are read again.
        self.again: set[tuple[int, UUID]] = set()
        self._told: list[tuple[Remaining, Row]] = []
        self._closed: Sequence[Row] = ()

    # --- before -------------------------------------------------------------------------------------------------------

    def look(self, learned: Sequence[Row], going: Sequence[Place], lost: Sequence[int]) -> None:
        """Find what of each learning stands on the words of others. `lost`: spaces of which nothing stays."""
        for row in learned:
            if row["space"] not in lost:
                self._look_at(row)
        self._closed = self.transaction.all("erase.closed_by", places(going))

    def _look_at(self, row: Row) -> None:
        quotes, sources = row["quotes"] or [], row["sources"] or []
        grounds = [one["quote"] for one in quotes] + [one["text"] for one in sources] + list(row["told"] or ())
        if not grounds or row["known_to"] is not None or row["status"] != "active":
            return
        found = remaining(row, grounds)
        if found is not None:
            ids = {"space": row["space"], "old": row["id"], "quotes": [one["id"] for one in quotes]}
            words = self.transaction.all("erase.keep_words_aside", ids)
            self._told.append((found, {**row, "quotes": quotes, "sources": sources, "words": words}))
        else:
            self.kept["learnings dropped, because others said it in other words"] += 1
            self.again.update((one["space"], UUID(one["turn"])) for one in quotes if one["turn"])

    # --- after --------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Write what remains, with the words and sources it stands on, and open what was closed by what is gone."""
        for found, row in self._told:
            self._write_anew(found, row)
        for row in self._closed:
            if self.transaction.run("erase.stand_again", {"space": row["space"], "id": row["id"], "batch": self.batch}):
                self._index(row["space"], row["id"], row)
                self.kept["learnings that stand again"] += 1

    def _write_anew(self, found: Remaining, row: Row) -> None:
        quotes, sources = row["quotes"], row["sources"]
        origin = Origin.USER if any(one["role"] == "user" for one in quotes) else Origin.INFERENCE
        actor = f"space {quotes[0]['space']}" if quotes else sources[0]["actor"] if sources else "space 0"
        place = {name: row[name] for name in ("space", "store", "kind", "subject", "target", "slot")}
        content: dict[str, Any] = {name: getattr(found, name) for name in ("text", "name", "found_by", "content_key")}
        content["value"] = None if found.value is None else Jsonb(found.value)
        bound = {"origin": origin.value, "trust": TRUST[origin], "actor": actor, "batch": self.batch}
        saved = self.transaction.one("erase.rewrite", {**place, **content, **bound})
        if saved is None:
            return
        self._give_grounds(row, saved["id"])
        told = {"store": row["store"], "kind": row["kind"], "name": found.name, "value": found.value}
        self._index(row["space"], saved["id"], {**told, "found_by": found.found_by})
        self.transaction.run("erase.note", {"space": row["space"], "id": saved["id"]})
        self.kept["learnings rewritten from what others said"] += 1

    def _give_grounds(self, row: Row, id: int) -> None:
        for words in row["words"]:
            self.transaction.run("erase.give_words", {**words, "id": id, "batch": self.batch})
        sources = row["sources"]
        given = {"source_spaces": [one["space"] for one in sources], "sources": [one["id"] for one in sources]}
        self.transaction.run("erase.keep_sources", {"space": row["space"], "id": id, **given})

    def _index(self, space: int, id: int, row: Row) -> None:
        """Found by its words at once; `reembed` gives it a vector."""
        if row["found_by"]:
            index(self.transaction, space, row["store"], id, row["found_by"], Vectors())
        if row["kind"] == "entity":
            value = row["value"] if isinstance(row["value"], dict) else {}
            index_names(self.transaction, space, id, index_keys([row["name"], *(value.get("aliases") or ())]))
