"""Some records of an export in one transaction, each brought back by its kind."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from psycopg.types.json import Jsonb

from learning_machine.state.messages import clean_value
from learning_machine.stores.importing.found import Problem
from learning_machine.stores.postgres.transactions import Row
from learning_machine.stores.restoring.learned import Learned
from learning_machine.stores.restoring.progress import Placed


class Batch(Learned):
    """Some records in one transaction: what they stand on and what waits, too."""

    def write(self, placed: Sequence[Placed]) -> None:
        for kind, group in groupby(placed, key=lambda one: str(one[1]["record"])):
            getattr(self, f"_{kind}")(list(group))

    # --- what it stands on --------------------------------------------------------------------------------------------

    def _evidence(self, placed: list[Placed]) -> None:
        rows = []
        for where, record in self._kept(placed):
            learning = self.progress.learnings.get(record.get("learning") or 0)
            proposal = self.progress.proposals.get(record.get("proposal") or 0)
            if learning is None and proposal is None:
                self._lost(where, record)
                continue
            space = learning[0] if learning else self.spaces[record["learning_space"]]
            rows.append({**record, "learning_space": space, "learning": learning and learning[1], "proposal": proposal})
        self._save("evidence", rows)

    def _derived_from(self, placed: list[Placed]) -> None:
        rows = []
        for where, record in placed:
            ends = [self.progress.learnings.get(record[name]) for name in ("learning", "source")]
            if ends[0] is None or ends[1] is None:
                self._lost(where, record)
                continue
            names = ("space", "learning", "source_space", "source")
            rows.append({**record, **dict(zip(names, (*ends[0], *ends[1]), strict=True))})
        self._save("derived_from", rows)

    def _root(self, placed: list[Placed]) -> None:
        rows = []
        for where, record in self._kept(placed):
            learning = self.progress.learnings.get(record["learning"])
            if learning is None:
                self._lost(where, record)
                continue
            rows.append({**record, "learning_space": learning[0], "learning": learning[1]})
        self._save("root", rows)

    def _archived(self, placed: list[Placed]) -> None:
        rows = []
        for where, record in placed:
            learning = self.progress.learnings.get(record["learning"])
            if learning is None:
                self._lost(where, record)
                continue
            survivor = self.progress.learnings.get(record.get("survivor") or 0)
            rows.append({**record, "space": learning[0], "learning": learning[1], "survivor": survivor and survivor[1]})
        self._save("archived", rows)

    def _lost(self, where: str, record: Row) -> None:
        """What belongs to something that was refused is refused with it; else the file lacks it."""
        if self.progress.counts["refused", "learning"] or self.progress.counts["refused", "proposal"]:
            self.progress.count("refused", record["record"])
        else:
            self.progress.problems.append(Problem(where, "what it belongs to was not brought back"))

    def _save(self, kind: str, rows: list[Row]) -> None:
        name = {"derived_from": "derived", "root": "roots"}.get(kind, kind)
        saved = self.transaction.run(f"export.save_{name}", {"space": self.own, "rows": Jsonb(clean_value(rows))})
        self.progress.count("restored", kind, saved)
        self.progress.count("known", kind, len(rows) - saved)

    # --- what waits ---------------------------------------------------------------------------------------------------

    def _proposal(self, placed: list[Placed]) -> None:
        for _, record in self._kept(placed):
            space = self.spaces[record["space"]]
            row = clean_value({name: one for name, one in record.items() if name != "record"})
            there = self.transaction.one("export.same_proposal", {**row, "space": space})
            if there is not None:
                self.progress.proposals[record["id"]] = there["id"]
                self.progress.count("known", "proposal")
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
        self.transaction.run("export.note_proposal", {"space": space, "id": id, "actor": actor, "batch": self.batch})
        self.progress.proposals[record["id"]] = id
        self.progress.count("restored", "proposal")
