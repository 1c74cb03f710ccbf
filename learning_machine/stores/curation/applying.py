"""What a plan does, in one transaction a space: exactly the plan, less what has changed since it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from psycopg.types.json import Jsonb

from learning_machine.errors import CurationNotFound
from learning_machine.state.changes import Add, Origin, Receipt
from learning_machine.state.curation import Step
from learning_machine.state.handles import handle_of
from learning_machine.state.modes import LearningMode
from learning_machine.stores.curation.aging import Fading
from learning_machine.stores.curation.planning import Plan
from learning_machine.stores.curation.reading import access_to, rows_of, scope_of
from learning_machine.stores.curation.rows import Place, Row
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import Transaction
from learning_machine.stores.writing import Source, Writing

ACTOR = "curation"
#: What each action is called in a report.
DONE = {"archive": "archived", "merge": "merged", "delete": "deleted"}


class Applying:
    """Keeps plans and does them. A run is one batch: its id, in every space it goes over."""

    def __init__(self, database: Database, machine: str, stores: Sequence[str]) -> None:
        self.database, self.machine, self.stores = database, machine, list(stores)

    def keep(self, place: Place, run: UUID, plan: Plan) -> None:
        """Store a plan, to be looked at and done later."""
        kept = {"steps": [asdict(step) for step in plan.steps], "doubtful": plan.doubtful, "figures": plan.figures}
        with self.database.transaction(access_to(place)) as transaction:
            params = {"space": place.id, "id": run, "machine": self.machine, "plan": Jsonb(kept)}
            transaction.run("curation.plan", params)

    def strengthen(self, place: Place, fadings: Mapping[int, Fading]) -> int:
        """Keep how strong learnings are, for recall to order them by; how many of them that changed."""
        ids = sorted(fadings)
        params = {
            "space": place.id,
            "ids": ids,
            "since": [fadings[number].since for number in ids],
            "half_lives": [fadings[number].half_life for number in ids],
        }
        with self.database.transaction(access_to(place)) as transaction:
            return max(0, transaction.run("curation.strengthen", params))

    def plan_of(self, place: Place, run: UUID) -> dict[str, Any]:
        """A plan as it was kept, with the words of what it is about, for somebody who may see the space."""
        with self.database.transaction(access_to(place)) as transaction:
            found = _planned(transaction, place, run)
            ids = {number for step in found["plan"]["steps"] for number in (*step["ids"], step["survivor"] or 0)}
            ids.update(number for pair in found["plan"]["doubtful"] for number in pair)
            rows = transaction.all("curation.texts", {"space": place.id, "ids": sorted(ids)})
        return {**found, "texts": {row["id"]: row for row in rows}}

    # --- doing it -----------------------------------------------------------------------------------------------------

    def run(
        self,
        place: Place,
        run: UUID,
        *,
        now: datetime,
        grace_days: float,
        modes: Mapping[str, LearningMode],
        prepared: Source,
    ) -> dict[str, Any]:
        """Do a plan, once: a second time says what the first did. Its figures, and what was left out and why."""
        with self.database.transaction(access_to(place)) as transaction:
            transaction.all("curation.lock", {"space": place.id})
            found = _planned(transaction, place, run)
            if found["report"] is not None:
                return dict(found["report"])
            steps = [step_from(one) for one in found["plan"]["steps"]]
            doing = _Doing(transaction, place, self.stores, run, now - timedelta(days=grace_days))
            source = replace(prepared, batch=run, actor=ACTOR, machine=self.machine, modes=dict(modes))
            report = doing.all(steps, source) | {"doubtful": found["plan"]["doubtful"]}
            # What a plan wanted to write, and that is written now or was refused, stays in the ledger alone.
            done = {**found["plan"], "steps": [{**one, "insight": {}} for one in found["plan"]["steps"]]}
            params = {"space": place.id, "id": run, "report": Jsonb(report), "plan": Jsonb(done)}
            transaction.run("curation.finish", params)
            return report


class _Doing:
    """The steps of one plan, one after the other."""

    def __init__(self, transaction: Transaction, place: Place, stores: list[str], run: UUID, before: datetime) -> None:
        self.transaction, self.place, self.stores, self.run, self.before = transaction, place, stores, run, before
        self.figures: dict[str, int] = {}
        self.left_out: list[dict[str, Any]] = []

    def all(self, steps: Sequence[Step], source: Source) -> dict[str, Any]:
        now = self._rows([number for step in steps for number in (*step.ids, step.survivor or 0)])
        stale = self._stale([step for step in steps if step.action == "delete"])
        for step in steps:
            if step.action == "delete":
                self._delete(step, stale)
            elif (reason := _changed(step, now)) is not None:
                self._leave(step, reason)
            elif step.action == "consolidate":
                self._gather(step, source, now)
            else:
                self._archive(step)
        return {"figures": self.figures, "left_out": self.left_out}

    def _rows(self, ids: Sequence[int]) -> dict[int, Row]:
        return {row.id: row for row in rows_of(self.transaction, self.place, self.stores, ids)} if ids else {}

    def _stale(self, steps: Sequence[Step]) -> dict[int, dict[str, Any]]:
        ids = [number for step in steps for number in step.ids]
        place = {"space": self.place.id, "own": self.place.own}
        params = {**place, "stores": self.stores, "before": self.before, "ids": ids}
        return {row["id"]: row for row in self.transaction.all("curation.stale", params)} if ids else {}

    def _archive(self, step: Step) -> None:
        for number in step.ids:
            self._change("curation.archive", number, survivor=step.survivor, reason=step.reason)
        self._count(DONE[step.action], len(step.ids))

    def _delete(self, step: Step, stale: Mapping[int, dict[str, Any]]) -> None:
        for number in step.ids:
            row = stale.get(number)
            if row is None:
                self._leave(step, "it is no longer archived, or something rests on it")
                continue
            if row["survivor"] is not None:
                params = {"space": self.place.id, "id": number, "survivor": row["survivor"]}
                self.transaction.run("curation.inherit", params)
            # A batch of its own: what is gone for good would be in the way of undoing the rest.
            self._change("curation.delete", number, batch=uuid5(self.run, "delete"))
            self._count(DONE["delete"])

    def _gather(self, step: Step, source: Source, now: Mapping[int, Row]) -> None:
        """Through the gate: an insight goes where its sources are, by the store's mode, and rests on them."""
        least = min((now[number] for number in step.ids), key=lambda row: (row.trust, row.id))
        change = Add(store=step.store, derived_from=tuple(step.handles), **step.insight)
        bound = replace(source, origin=Origin(least.origin))
        receipt = Writing(self.transaction, scope_of(self.place), bound).run([change])[0]
        self._receive(step, receipt)

    def _receive(self, step: Step, receipt: Receipt) -> None:
        names = {"saved": "consolidated", "pending": "proposed"}
        if receipt.status in names and receipt.handle:
            self._count(names[receipt.status])
        else:
            self._leave(step, str(receipt))

    def _change(self, name: str, number: int, **more: Any) -> None:
        params = {"space": self.place.id, "id": number, "batch": self.run, "actor": ACTOR}
        self.transaction.run(name, {**params, **more})

    def _count(self, name: str, by: int = 1) -> None:
        self.figures[name] = self.figures.get(name, 0) + by

    def _leave(self, step: Step, reason: str) -> None:
        self._count("left_out")
        self.left_out.append({"handles": step.handles, "store": step.store, "action": step.action, "reason": reason})


def _changed(step: Step, now: Mapping[int, Row]) -> str | None:
    """Why a step is left out, if any of its learnings is not what it was when the plan was made."""
    for number, mark in step.marks.items():
        row = now.get(int(number))
        if row is None:
            return f"{handle_of(int(number))} no longer holds"
        # Being used says nothing against a merge, and all against having faded.
        if row.mark != mark and (step.action == "archive" or row.mark.split("/")[0] != mark.split("/")[0]):
            return f"{handle_of(int(number))} was used, said again or pinned since"
    return None


def _planned(transaction: Transaction, place: Place, run: UUID) -> dict[str, Any]:
    found = transaction.one("curation.planned", {"space": place.id, "id": run})
    if found is None:
        raise CurationNotFound()
    return found


def step_from(kept: Mapping[str, Any]) -> Step:
    """A step, as it was kept."""
    return Step(**{**kept, "ids": tuple(kept["ids"])})
