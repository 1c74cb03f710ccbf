"""A simulated year: what is left after 365 days of repeating, rephrasing, taking back and passing things, with curation.

    python bench/year.py
    python bench/year.py --held-out

A seeded generator hands the ledger what is said on each day. Time passes by making everything in the database older.
`--held-out` uses another seed and other templates, written after the curator and never used to change it. The judge of
doubtful pairs is a script that knows the truth; it is asked only about what the curator itself finds doubtful. The same
year is shown without a judge and without curation.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import year_world
from measuring import print_settings, print_table
from places import connect, own_database, query
from year_world import Meaning, Told, Year

from learning_machine import LearningMachine, Scope
from learning_machine.state.changes import Add, Change, Retire
from learning_machine.state.curation import CurationConfig
from learning_machine.state.entities import EntityRef
from learning_machine.state.handles import handle_of
from learning_machine.state.messages import Said
from learning_machine.stores.spaces import namespaces_of
from learning_machine.stores.writing import Source
from learning_machine.testing import ScriptedModel

USER = "alex"
TASKS = ("decay", "prune", "deduplicate")
SEED, HELD_OUT_SEED = 7, 2611
WAYS: dict[str, dict[str, bool]] = {
    "with a judge": {"judged": True},
    "without a judge": {"judged": False},
    "without curation": {"judged": False, "curate": False},
}
#: Kinds that can be said twice; what happens once, and what a session is about, comes and goes.
LASTING = ("field", "observation", "insight", "fact")


@dataclass
class Figures:
    """What a year came to."""

    told: int = 0
    active: int = 0
    most_active: int = 0
    lasting: int = 0
    meanings: int = 0
    lost: int = 0
    recalled: int = 0
    asked: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    slowest: float = 0.0
    checks: dict[str, str] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def duplicates(self) -> float:
        """The share of lasting learnings that say what another says."""
        return (self.lasting - self.meanings) / self.lasting if self.lasting else 0.0

    def row(self, name: str) -> list[str]:
        recalled = f"{self.recalled / self.asked:.1%}" if self.asked else "-"
        return [name, f"{self.active} ({self.most_active})", f"{self.duplicates:.1%}", recalled, str(self.lost)]


class Living:
    """One machine that goes through a year."""

    def __init__(self, url: str, year: Year, judge: ScriptedModel | None) -> None:
        self.year, self.url = year, url
        self.machine = LearningMachine(
            db=url,
            model=judge,
            user_profile=True,
            session_context=True,
            learned_knowledge=True,
            entity_memory=True,
            curate=CurationConfig(schedule=None, tasks=TASKS),
            background="external",
        )
        self.judge, self.figures = judge, Figures()

    def live(self, days: int, every: int, *, curate: bool) -> Figures:
        """All days, with curation each so many of them, and all that is counted at the end."""
        self.machine.parts.ready()
        for start in range(0, days, every):
            for day in range(start, min(start + every, days)):
                for told in self.year.on(day):
                    self.tell(told)
            self.pass_days(every)
            if curate:
                self.curate()
            self.figures.most_active = max(self.figures.most_active, len(self.active()))
        self.count()
        return self.figures

    # --- what is told -------------------------------------------------------------------------------------------------

    def tell(self, told: Told) -> None:
        self.figures.told += 1
        for change in self.changes(told):
            self.write(change, told)

    def changes(self, told: Told) -> list[Change]:
        if told.taken_back:
            gone = [row for row in self.active() if self.meaning(row) == told.meaning]
            return [Retire(store=row["store"], handle=handle_of(row["id"]), quote="no longer") for row in gone]
        registry, quote = self.machine.parts.registry, told.text.strip()
        if told.kind == "field":
            profile = registry["user_profile"]
            return [profile.set_field(profile.fields[told.name], told.text, quote)]
        if told.kind == "insight":
            return [registry["learned_knowledge"].insight("", told.text, quote=quote)]
        if told.store == "entity_memory":
            about, made = EntityRef(told.about, "company"), registry["entity_memory"]
            happened = told.kind == "event"
            return [made.event(about, told.text, None, quote) if happened else made.fact(about, told.text, quote)]
        fields: dict[str, Any] = {"store": told.store, "kind": told.kind, "text": told.text, "value": told.text}
        if told.kind == "summary":
            return [Add(**fields, subject=f"day {told.day}", slot="summary")]
        return [Add(**fields, quote=quote)]

    def write(self, change: Change, told: Told) -> None:
        parts = self.machine.parts
        where = Scope(user_id=USER, session_id=f"day {told.day}")
        words = "no longer" if told.taken_back else told.text
        index = getattr(change, "index", "")
        source = Source(
            said=[Said(f"{told.day} {self.figures.told}", "user", words)],
            machine=parts.name,
            namespaces=namespaces_of(parts.registry.extracting, where),
            merging=["learned_knowledge"],
            vectors=parts.embedder.vectors([index]),
        )
        parts.ledger.write_all([change], scope=where, source=source)

    def pass_days(self, days: int) -> None:
        """Everything there is becomes older."""
        with connect(self.url) as connection:
            connection.execute("set session_replication_role = replica")
            for name in ("age_learnings", "age_evidence", "age_turns", "age_archived"):
                connection.execute(query(name), {"days": days})

    # --- curation -----------------------------------------------------------------------------------------------------

    def curate(self) -> None:
        began = time.perf_counter()
        report = self.machine.curator.run(user_id=USER)
        self.figures.slowest = max(self.figures.slowest, time.perf_counter() - began)
        self.figures.runs.update(report.figures)

    def check(self) -> None:
        """The promises about runs: a preview is its run, a second run changes nothing, undo restores."""
        checks = self.figures.checks
        for text in ("Sorts the mail twice a day", "Sorts the mail twice a day!!", "sorts the mail  twice a day?"):
            self.tell(Told(999, "user_profile", "observation", text, "check"))
        before = self.readable()
        preview = self.machine.curator.preview(user_id=USER)
        planned = {number for step in preview.steps for number in step["ids"]}
        report = self.machine.curator.run(preview.id, user_id=USER)
        gone = {row["id"] for row in json.loads(before)} - {row["id"] for row in self.active()}
        checks["a preview is its run"] = _yes(gone == planned and bool(planned) and not report.left_out)
        after = self.readable()
        again = self.machine.curator.run(user_id=USER)
        checks["a second run changes nothing"] = _yes(not again.changed and self.readable() == after)
        undo = getattr(self.machine, "undo", None)
        if undo is None:
            checks["undo restores"] = "there is no undo here"
            return
        undo(report.id, user_id=USER)
        checks["undo restores"] = _yes(self.readable() == before)

    # --- what is there ------------------------------------------------------------------------------------------------

    def active(self) -> list[dict[str, Any]]:
        with connect(self.url) as connection:
            cursor = connection.execute(query("year_active"), {"user": USER})
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def readable(self) -> str:
        """All that can be read, byte by byte."""
        return json.dumps(self.active(), sort_keys=True, default=str)

    def meaning(self, row: dict[str, Any]) -> str | None:
        return self.year.meaning_of.get((row["store"], row["about"] or "", " ".join(row["text"].split())))

    def count(self) -> None:
        found, rows = self.figures, self.active()
        lasting = [(row, self.meaning(row)) for row in rows if row["kind"] in LASTING]
        there = {meaning for _, meaning in lasting if meaning}
        found.active, found.lasting = len(rows), len(lasting)
        found.meanings = len(there)
        seen: dict[str, str] = {}
        for row, meaning in lasting:
            if meaning and meaning in seen:
                found.left.append(f"{seen[meaning]} | {row['text']}")
            seen.setdefault(meaning or "", row["text"])
        found.lost = sum(key not in there for key in self.year.valid)
        for meaning in self.year.valid.values():
            found.asked += 1
            answered = self.answers(meaning)
            found.recalled += answered
            found.missed += [] if answered else [f"{meaning.question} ({meaning.ways[0]})"]
        found.calls = len(self.judge.calls) if self.judge else 0

    def answers(self, meaning: Meaning) -> bool:
        """Whether the context of its question says it, in whichever words."""
        text = " ".join(self.machine.build_context(message=meaning.question, user_id=USER).split()).casefold()
        return any(" ".join(way.split()).casefold() in text for way in meaning.ways)


def judge_of(year: Year) -> ScriptedModel:
    """A judge who knows the truth."""
    known = {f"{about}: {text}" if about else text: key for (_, about, text), key in year.meaning_of.items()}

    def answer(messages: list[Any]) -> str:
        said: dict[str, list[int]] = {"same": [], "different": []}
        for line in messages[-1].text.splitlines()[1:-1]:
            pair = json.loads(line)
            one, other = (known.get(" ".join(pair[side].split())) for side in ("one", "other"))
            said["same" if one is not None and one == other else "different"].append(pair["pair"])
        return json.dumps(said)

    return ScriptedModel(answers=answer)


def _yes(holds: bool) -> str:
    return "yes" if holds else "NO"


def lived(server: str | None, year: Year, days: int, every: int, *, judged: bool, curate: bool = True) -> Figures:
    """The year in a database of its own."""
    with own_database(server) as url:
        with connect(url) as connection:
            # A year is many small transactions, and none of them has to survive a power cut.
            connection.execute(query("in_a_hurry"))
        living = Living(url, year, judge_of(year) if judged else None)
        try:
            figures = living.live(days, every, curate=curate)
            if judged:
                living.check()
            return figures
        finally:
            living.machine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--held-out", action="store_true", help="other templates and another seed")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--every", type=int, default=7, help="days between two runs of curation")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--db", metavar="URL", help="a server to make a database on; default: an embedded one")
    parser.add_argument(
        "--missed", action="store_true", help="say which questions were not answered, and which duplicates are left"
    )
    parser.add_argument("--only", choices=list(WAYS), help="one of the three years alone")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else HELD_OUT_SEED if given.held_out else SEED
    year = year_world.make(seed, given.days, year_world.templates(held_out=given.held_out))
    found = {
        name: lived(given.db, year, given.days, given.every, **how)
        for name, how in WAYS.items()
        if given.only in (None, name)
    }
    report(given, seed, year, found)


def report(given: argparse.Namespace, seed: int, year: Year, found: dict[str, Figures]) -> None:
    first = next(iter(found.values()))
    heads = ["", "active (most)", "duplicates left", "valid recalled", "valid lost"]
    print_table("What is left of a year", heads, [figures.row(name) for name, figures in found.items()])
    for name, figures in found.items():
        done = ", ".join(f"{what.replace('_', ' ')} {count:,}" for what, count in figures.runs.items())
        calls = f"; {figures.calls} calls of the judge" if figures.calls else ""
        if done:
            print(f"\n{name}, each {given.every} days: {done}{calls}; the slowest run {figures.slowest:.2f} s")
        for what, answer in figures.checks.items():
            print(f"  {what}: {answer}")
    print_settings(
        templates="held out" if given.held_out else "the first set",
        seed=seed,
        told=f"{first.told:,} in {given.days} days, {len(year.valid)} of it valid in the end",
    )
    if given.missed:
        for name, figures in found.items():
            for one in figures.missed:
                print(f"{name}: not answered: {one}", file=sys.stderr)
            for one in figures.left:
                print(f"{name}: left: {one}", file=sys.stderr)


if __name__ == "__main__":
    main()
