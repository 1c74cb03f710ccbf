"""Curation, step by step: find → judge → preview → apply. None of it calls a model but the judge, in `judging`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from learning_machine.errors import CurationNotFound
from learning_machine.nodes.parts import Parts, note
from learning_machine.state.curation import CurationConfig, Preview, Report, Step, Task, total
from learning_machine.state.handles import handle_of
from learning_machine.state.scope import GLOBAL, USER, Scope
from learning_machine.stores.curation.aging import Fading
from learning_machine.stores.curation.applying import Applying
from learning_machine.stores.curation.pairing import Pair, pairs
from learning_machine.stores.curation.planning import Compared, Plan, compare, gatherings, merges, prunes
from learning_machine.stores.curation.reading import Reading, scope_of
from learning_machine.stores.curation.rows import Place, Row
from learning_machine.stores.indexing import Vectors
from learning_machine.stores.ledger_store import LedgerStore
from learning_machine.stores.spaces import modes_of
from learning_machine.stores.writing import Source

#: Steps of one sort in one run of a space, so that nobody who writes there waits long; the rest is for the next run.
MAX_STEPS = 1_000
#: Kinds of which one insight may be made of many.
GATHERED = (("user_profile", "observation"), ("learned_knowledge", "insight"))

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
    pairs: Sequence[Pair] = ()
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


# --- find -------------------------------------------------------------------------------------------------------------


def look(parts: Parts, wanted: Wanted, place: Place) -> Look:
    """A space with what in it is the same, what may be, and what could be gathered."""
    reads = reading(parts, wanted)
    rows = reads.rows(place)
    if not {"deduplicate", "consolidate"}.intersection(wanted.tasks):
        return Look(place, rows)
    near = list(pairs(rows, vectors_of(parts, reads, place, rows)))
    compared = compare(near, reads.judged(place)) if "deduplicate" in wanted.tasks else Compared()
    gone = {max(pair) for pair in compared.same}
    groups = (
        gatherings([row for row in rows if row.id not in gone], near, GATHERED, wanted.config.gather_from)
        if "consolidate" in wanted.tasks
        else []
    )
    return Look(place, rows, near, compared, groups[: wanted.config.max_insights])


def vectors_of(parts: Parts, reads: Reading, place: Place, rows: Sequence[Row]) -> dict[int, Sequence[float]]:
    """The vectors of what may be compared in other words: those of search, and new ones for what is not searched for."""
    comparable = [row for row in rows if row.in_words]
    if len(comparable) < 2:
        return {}
    try:
        model = parts.embedder.model
        found: dict[int, Sequence[float]] = dict(reads.vectors(place, comparable, model))
        made = parts.embedder.vectors([row.says for row in comparable if row.id not in found])
    except Exception as error:  # noqa: BLE001 - a provider may raise anything; words still find pairs
        return note(parts, "embedding for curation", error, {})  # type: ignore[no-any-return]
    return found | {row.id: made.by_text[row.says] for row in comparable if row.says in made.by_text}


# --- preview ----------------------------------------------------------------------------------------------------------


def plan_for(
    parts: Parts, wanted: Wanted, found: Look, insights: Sequence[Insight] = ()
) -> tuple[Plan, dict[int, Fading]]:
    """What a run would do in one space, and how what is there fades."""
    fadings = fadings_of(parts, wanted, found.rows)
    merged = merges(found.rows, found.compared) if "deduplicate" in wanted.tasks else []
    touched = {number for step in merged for number in (*step.ids, step.survivor)}
    rest = [row for row in found.rows if row.id not in touched]
    limits = {store.learning_type: store.config.max_learnings for store in curated(parts, wanted)}
    pruned = prunes(rest, fadings, wanted.config, limits, wanted.moment) if "prune" in wanted.tasks else []
    merged, pruned = merged[:MAX_STEPS], pruned[:MAX_STEPS]
    gone = {number for step in (*merged, *pruned) for number in step.ids}
    made = [step for one in insights if (step := insight_step(parts, found, one, gone)) is not None]
    deleted = deletions(parts, wanted, found.place)[:MAX_STEPS] if "prune" in wanted.tasks else []
    doubtful = tuple(pair for pair in found.compared.doubtful if not gone.intersection(pair))
    figures = {
        "learnings": len(found.rows),
        "to_merge": sum(len(step.ids) for step in merged),
        "to_archive": len(pruned),
        "to_consolidate": len(made),
        "to_delete": len(deleted),
        "doubtful": len(doubtful),
    }
    return Plan((*merged, *pruned, *made, *deleted), doubtful, figures), fadings


def fadings_of(parts: Parts, wanted: Wanted, rows: Sequence[Row]) -> dict[int, Fading]:
    """How each learning fades that is not timeless. Use counts where things are recalled for a question, not always."""
    stores = {store.learning_type: store for store in curated(parts, wanted)}
    days = {name: store.config.half_life_days for name, store in stores.items()}
    found = ((row.id, row.fading(days, counts_use=stores[row.store].by_question)) for row in rows)
    return {number: fading for number, fading in found if fading is not None}


def insight_step(parts: Parts, found: Look, insight: Insight, gone: set[int]) -> Step | None:
    """The step that writes an insight, unless what it was made of is about to go."""
    by_id = {row.id: row for row in found.rows}
    rows = [by_id[number] for number in insight["ids"] if number in by_id and number not in gone]
    if len(rows) < len(insight["ids"]):
        return None
    store, redact = rows[0].store, parts.ledger.redact
    title, text = redact(insight["title"]), redact(insight["text"])
    written: dict[str, Any] = {"kind": rows[0].kind, "text": text, "value": text}
    if store == "learned_knowledge":
        change = parts.registry[store].insight(title, text)
        written = {
            "kind": change.kind,
            "name": change.name,
            "text": change.text,
            "value": change.value,
            "index": change.index,
        }
    return Step(
        action="consolidate",
        store=store,
        ids=tuple(row.id for row in rows),
        marks={str(row.id): row.mark for row in rows},
        reason=f"{len(rows)} observations say one thing",
        insight=written,
    )


def deletions(parts: Parts, wanted: Wanted, place: Place) -> list[Step]:
    """What was archived and whose grace is over."""
    before = wanted.moment - timedelta(days=wanted.config.grace_days)
    return [
        Step(action="delete", store=row["store"], ids=(row["id"],), reason=f"archived on {row['at']:%Y-%m-%d}")
        for row in reading(parts, wanted).stale(place, before)
    ]


def keep(
    parts: Parts,
    wanted: Wanted,
    run: UUID,
    found: Look,
    insights: Sequence[Insight] = (),
    *,
    even_if_empty: bool = True,
) -> Plan:
    """Make the plan of one space and store it; with `decay`, also how strong things are."""
    if found.compared.doubtful:
        # Some of it may have been judged meanwhile.
        judged = reading(parts, wanted).judged(found.place)
        found = replace(found, compared=compare(found.pairs, judged))
    plan, fadings = plan_for(parts, wanted, found, insights)
    does = applying(parts, wanted)
    if plan.steps or plan.doubtful or even_if_empty:
        does.keep(found.place, run, plan)
    if "decay" in wanted.tasks:
        does.strengthen(found.place, fadings)
    return plan


def shown_plan(parts: Parts, wanted: Wanted, run: UUID, spaces: Sequence[Place]) -> Preview:
    """The stored plans of a run as one readable diff."""
    steps: list[dict[str, Any]] = []
    doubtful: list[dict[str, Any]] = []
    figures: list[dict[str, int]] = []
    made_at = None
    for place in spaces:
        kept = applying(parts, wanted).plan_of(place, run)
        texts = kept["texts"]
        steps += [_readable(place, step, texts) for step in kept["plan"]["steps"]]
        doubtful += [
            {
                "space": str(place),
                "one": _text(texts, one),
                "other": _text(texts, other),
                "reason": "nobody judged them",
            }
            for one, other in kept["plan"]["doubtful"]
        ]
        figures.append(kept["plan"]["figures"])
        made_at = min(made_at or kept["made_at"], kept["made_at"])
    return Preview(id=run, made_at=made_at, steps=tuple(steps), doubtful=tuple(doubtful), figures=total(figures))


def _readable(place: Place, step: Mapping[str, Any], texts: Mapping[int, Any]) -> dict[str, Any]:
    consolidates = step["action"] == "consolidate"
    told = [_text(texts, number) for number in step["ids"]]
    stays = [_text(texts, step["survivor"])] if step["survivor"] else []
    return {
        "space": str(place),
        "action": step["action"],
        "store": step["store"],
        "ids": list(step["ids"]),
        "survivor": step["survivor"],
        "gone": [] if consolidates else told,
        "stays": told if consolidates else stays,
        "new": [step["insight"]["text"]] if step["insight"] else [],
        "reason": step["reason"],
    }


def _text(texts: Mapping[int, Any], number: int) -> str:
    row = texts.get(number)
    return f"{row['text'] if row else 'gone'} [{handle_of(number)}]"


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
    """The spaces a preview was made for. Raises `CurationNotFound` when there is none."""
    parts.ready()
    found = reading(parts, wanted).planned_places(run, wanted.scope)
    if not found:
        raise CurationNotFound()
    return found
