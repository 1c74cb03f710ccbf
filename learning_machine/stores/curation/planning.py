"""Pure: what a run over one space would do, from what is there and what a judge has said. The same for the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from heapq import nsmallest

from learning_machine.state.curation import CurationConfig, Step
from learning_machine.stores.curation.aging import Fading
from learning_machine.stores.curation.pairing import Pair
from learning_machine.stores.curation.rows import Row
from learning_machine.stores.curation.sameness import Spoken, kinship, shared

Verdicts = Mapping[tuple[int, int], bool]

#: Doubtful pairs of one space that are named, the most alike; of the rest it is said how many there are.
NAMED = 1_000


@dataclass(frozen=True)
class Compared:
    """Pairs that say the same, and pairs that may; the most alike of these first, and how many `more` there are."""

    same: frozenset[tuple[int, int]] = frozenset()
    doubtful: tuple[tuple[int, int], ...] = ()
    more: int = 0

    def judged(self, verdicts: Verdicts) -> Compared:
        """The same, after a judge has said more."""
        same = self.same.union(pair for pair in self.doubtful if verdicts.get(pair))
        return replace(self, same=same, doubtful=tuple(pair for pair in self.doubtful if pair not in verdicts))


@dataclass(frozen=True)
class Plan:
    """What a run does in one space, in order, and what it leaves to somebody else."""

    steps: tuple[Step, ...] = ()
    doubtful: tuple[tuple[int, int], ...] = ()
    figures: dict[str, int] = field(default_factory=dict)


def compare(pairs: Iterable[Pair], judged: Verdicts, most: int = NAMED) -> Compared:
    """What of all pairs is the same: surely, or because a judge said so once. Of the doubtful so many are named at most."""
    same: set[tuple[int, int]] = set()
    doubtful: list[tuple[float, tuple[int, int]]] = []
    count, read = 0, _Reader()
    for one, other, meaning in pairs:
        key = (one.id, other.id)
        if not _may_be_one(one, other):
            continue
        mine, theirs = read(one), read(other)
        kin = kinship(mine, theirs, meaning)
        if kin == "same" or (kin == "doubtful" and one.in_words and judged.get(key) is True):
            same.add(key)
        elif kin == "doubtful" and one.in_words and key not in judged:
            doubtful.append((-max(meaning or 0.0, shared(mine, theirs)), key))
            count += 1
        if len(doubtful) > 8 * most:
            doubtful = nsmallest(most, doubtful)
    named = nsmallest(most, doubtful)
    return Compared(frozenset(same), tuple(key for _, key in named), count - len(named))


class _Reader(dict[int, Spoken]):
    """What rows say, each read once."""

    def __call__(self, row: Row) -> Spoken:
        if row.id not in self:
            self[row.id] = Spoken(row.says)
        return self[row.id]


def _may_be_one(one: Row, other: Row) -> bool:
    """An insight is not one of its sources, whoever undid a merge does not want it again, and two times are two."""
    apart = one.id in other.sources or other.id in one.sources
    undone = one.id in other.taken_back or other.id in one.taken_back
    return not apart and not undone and _same_time(one, other)


def _same_time(one: Row, other: Row) -> bool:
    """What is dated to two times happened twice."""
    return one.true_from is None or other.true_from is None or one.true_from == other.true_from


# --- merging ----------------------------------------------------------------------------------------------------------


def merges(rows: Sequence[Row], compared: Compared) -> list[Step]:
    """Each group that says the same as one: the best supported stays. Nobody goes for one that does not say the same."""
    by_id = {row.id: row for row in rows}
    alike: dict[int, set[int]] = {}
    for one, other in compared.same:
        alike.setdefault(one, set()).add(other)
        alike.setdefault(other, set()).add(one)
    gone: set[int] = set()
    steps = []
    for row in sorted((by_id[number] for number in alike), key=lambda row: row.support, reverse=True):
        if row.id in gone:
            continue
        twins = sorted(number for number in alike[row.id] if number not in gone and not by_id[number].pinned)
        twins = [number for number in twins if by_id[number].support < row.support]
        if twins:
            gone.update(twins)
            marks = {str(number): by_id[number].mark for number in (row.id, *twins)}
            steps.append(
                Step(
                    action="merge",
                    store=row.store,
                    ids=tuple(twins),
                    survivor=row.id,
                    marks=marks,
                    reason="says the same",
                )
            )
    return steps


# --- pruning ----------------------------------------------------------------------------------------------------------


def prunes(
    rows: Sequence[Row],
    fadings: Mapping[int, Fading],
    config: CurationConfig,
    limits: Mapping[str, int | None],
    now: datetime,
) -> list[Step]:
    """What has had its time: expired, faded, or beyond what a store is to hold. Never what is pinned."""
    covered = {source for row in rows for source in row.sources}
    steps: list[Step] = []
    left: dict[str, list[tuple[float, Row]]] = {}
    for row in rows:
        strength = fadings[row.id].strength(now) if row.id in fadings else 1.0
        reason = _reason(row, strength, row.id in covered, config, now)
        if reason:
            steps.append(_archive(row, reason))
        elif row.id in fadings:
            left.setdefault(row.store, []).append((strength, row))
    for store, fading in left.items():
        limit = limits.get(store)
        held = sum(row.store == store for row in rows) - sum(step.store == store for step in steps)
        beyond = held - limit if limit is not None else 0
        for _, row in sorted(fading, key=lambda one: (one[0], one[1].trust, one[1].id))[: max(0, beyond)]:
            steps.append(_archive(row, f"more than the {limit:,} learnings the store is to hold, and the weakest"))
    return steps


def _reason(row: Row, strength: float, covered: bool, config: CurationConfig, now: datetime) -> str:
    if row.pinned:
        return ""
    if row.expires_at is not None and row.expires_at <= now:
        return "its time is over"
    if strength < config.weakest:
        return "faded: neither used nor said again"
    return "faded, and an insight made of it says it too" if covered and strength < config.weakest_covered else ""


def _archive(row: Row, reason: str) -> Step:
    return Step(action="archive", store=row.store, ids=(row.id,), reason=reason, marks={str(row.id): row.mark})


# --- gathering --------------------------------------------------------------------------------------------------------


def gatherings(
    rows: Sequence[Row], pairs: Iterable[Pair], kinds: Sequence[tuple[str, str]], least: int
) -> list[list[Row]]:
    """Groups of observations that are near each other and of which no insight was made yet; the biggest first."""
    used = {source for row in rows for source in row.sources}
    able = {row.id: row for row in rows if (row.store, row.kind) in kinds and not row.sources and row.id not in used}
    near: dict[int, set[int]] = {number: set() for number in able}
    for one, other, meaning in pairs:
        if one.id in able and other.id in able and meaning is not None:
            near[one.id].add(other.id)
            near[other.id].add(one.id)
    found: list[list[Row]] = []
    taken: set[int] = set()
    for number in sorted(near, key=lambda one: (-len(near[one]), one)):
        members = sorted({number, *near[number]} - taken)
        if number not in taken and len(members) >= least:
            taken.update(members)
            found.append([able[one] for one in members])
    return found
