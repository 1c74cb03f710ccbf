"""Curation, step by step: find and apply. The judge is in `judging`, what becomes a plan in `curate_planning`."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from learning_machine.nodes.parts import Parts, attempt, note
from learning_machine.state.curation import CurationConfig, Report, Task, total
from learning_machine.state.scope import GLOBAL, USER, Scope
from learning_machine.stores.curation.applying import Applying
from learning_machine.stores.curation.pairing import pairs
from learning_machine.stores.curation.planning import NAMED, Compared, compare, gatherings
from learning_machine.stores.curation.reading import Reading, scope_of
from learning_machine.stores.curation.rows import Place, Row
from learning_machine.stores.indexing import Vectors
from learning_machine.stores.ledger_store import LedgerStore
from learning_machine.stores.spaces import modes_of
from learning_machine.stores.writing import Source

#: Texts that are embedded at once.
AT_ONCE = 1_000

T = TypeVar("T")
OnSpace = Callable[[int, int], None]
Insight = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody wants curated. `scope`: none is every space."""

    scope: Scope | None = None
    tasks: tuple[Task, ...] = ()
    stores: tuple[str, ...] = ()
    config: CurationConfig = field(default_factory=CurationConfig)
    now: datetime | None = None

    @property
    def moment(self) -> datetime:
        return self.now or datetime.now(UTC)


@dataclass(frozen=True)
class Look:
    """One space, looked at."""

    place: Place
    rows: Sequence[Row] = ()
    compared: Compared = Compared()
    groups: Sequence[Sequence[Row]] = ()


def curated(parts: Parts, wanted: Wanted) -> list[Any]:
    """The stores to be gone over: those on the ledger, or the ones that were named."""
    stores = [store for store in parts.registry if isinstance(store, LedgerStore)]
    return [store for store in stores if not wanted.stores or store.learning_type in wanted.stores]


def types(parts: Parts, wanted: Wanted) -> list[str]:
    return [store.learning_type for store in curated(parts, wanted)]


def reading(parts: Parts, wanted: Wanted) -> Reading:
    return Reading(parts.database, types(parts, wanted))


def places(parts: Parts, wanted: Wanted) -> list[Place]:
    """The spaces to go over."""
    parts.ready()
    return reading(parts, wanted).places(wanted.scope)


def in_space(parts: Parts, wanted: Wanted, step: Callable[[], T]) -> T | None:
    """A step in one space. Going over all of them, one that fails is noted, counted, and keeps nobody else waiting."""
    return step() if wanted.scope is not None else attempt(parts, "curation", step)


# --- find -------------------------------------------------------------------------------------------------------------


def look(parts: Parts, wanted: Wanted, place: Place) -> Look:
    """A space with what in it is the same, what may be, and what could be gathered."""
    reads = reading(parts, wanted)
    rows = reads.rows(place)
    if not {"deduplicate", "consolidate"}.intersection(wanted.tasks):
        return Look(place, rows)
    near = list(pairs(rows, vectors_of(parts, reads, place, rows)))
    most = max(NAMED, wanted.config.max_pairs)
    compared = compare(near, reads.judged(place), most) if "deduplicate" in wanted.tasks else Compared()
    gone = {max(pair) for pair in compared.same}
    kinds = [(store.learning_type, kind) for store in curated(parts, wanted) for kind in store.gathers]
    groups = (
        gatherings([row for row in rows if row.id not in gone], near, kinds, wanted.config.gather_from)
        if "consolidate" in wanted.tasks
        else []
    )
    return Look(place, rows, compared, groups[: wanted.config.max_insights])


def vectors_of(parts: Parts, reads: Reading, place: Place, rows: Sequence[Row]) -> dict[int, Sequence[float]]:
    """The vectors of what may be compared in other words: those of search, and new ones for what is not searched for."""
    comparable = [row for row in rows if row.in_words]
    if len(comparable) < 2:
        return {}
    try:
        found: dict[int, Sequence[float]] = dict(reads.vectors(place, comparable, parts.embedder.model))
        missing = [row for row in comparable if row.id not in found]
        for start in range(0, len(missing), AT_ONCE):
            rest = missing[start : start + AT_ONCE]
            made = parts.embedder.vectors([row.says for row in rest]).by_text
            found |= {row.id: array("f", made[row.says]) for row in rest if row.says in made}
    except Exception as error:  # noqa: BLE001 - a provider may raise anything; words still find pairs
        return note(parts, "embedding for curation", error, {})  # type: ignore[no-any-return]
    return found


# --- apply ------------------------------------------------------------------------------------------------------------


def applying(parts: Parts, wanted: Wanted) -> Applying:
    return Applying(parts.database, parts.name, types(parts, wanted))


def apply(parts: Parts, wanted: Wanted, run: UUID, place: Place) -> dict[str, Any]:
    """Do the plan of one space; what its run came to."""
    does = applying(parts, wanted)
    kept = does.plan_of(place, run)
    texts = [step["insight"].get("index") or "" for step in kept["plan"]["steps"] if step["insight"]]
    stores = curated(parts, wanted)
    own = USER if place.own else place.space.key or GLOBAL
    source = Source(
        vectors=_vectors(parts, texts),
        namespaces={store.learning_type: own for store in stores},
        merging=[store.learning_type for store in stores if store.merges],
    )
    return does.run(
        place,
        run,
        now=wanted.moment,
        grace_days=wanted.config.grace_days,
        modes=modes_of(stores, scope_of(place)),
        prepared=source,
    )


def _vectors(parts: Parts, texts: Sequence[str]) -> Vectors:
    try:
        return parts.embedder.vectors([text for text in texts if text])
    except Exception as error:  # noqa: BLE001 - a provider may raise anything; words still find it
        return note(parts, "embedding for curation", error, Vectors())  # type: ignore[no-any-return]


def failed() -> dict[str, Any]:
    """The report of a space in which nothing could be done."""
    return {"figures": {"failed": 1}, "left_out": [], "doubtful": []}


def report_of(run: UUID, ran_at: datetime | None, reports: Sequence[Mapping[str, Any]]) -> Report:
    """The reports of a run over its spaces, as one."""
    if not reports:
        return Report(id=run, ran_at=ran_at)
    return Report(
        id=run,
        ran_at=ran_at,
        figures=total([dict(one["figures"]) for one in reports]),
        left_out=tuple(entry for one in reports for entry in one["left_out"]),
        doubtful=tuple({"ids": list(pair)} for one in reports for pair in one["doubtful"]),
    )


def planned(parts: Parts, wanted: Wanted, run: UUID) -> list[Place]:
    """The spaces a preview was made for, as far as the asker may see them."""
    parts.ready()
    return reading(parts, wanted).planned_places(run, wanted.scope)
