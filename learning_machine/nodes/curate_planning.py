"""From a look at a space to a plan, which is stored: what a run will do, exactly, and how people read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from learning_machine.nodes.curating import Insight, Look, Wanted, applying, curated, reading
from learning_machine.nodes.parts import Parts
from learning_machine.state.curation import Preview, Step, total
from learning_machine.state.handles import handle_of
from learning_machine.stores.curation.aging import Fading
from learning_machine.stores.curation.planning import Plan, merges, prunes
from learning_machine.stores.curation.rows import Place, Row

#: Steps of one sort in one run of a space, so that nobody who writes there waits long; the rest is for the next run.
MAX_STEPS = 1_000


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
    deleted = deletions(parts, wanted, found.place) if "prune" in wanted.tasks else []
    later = sum(max(0, len(steps) - MAX_STEPS) for steps in (merged, pruned, deleted))
    merged, pruned, deleted = merged[:MAX_STEPS], pruned[:MAX_STEPS], deleted[:MAX_STEPS]
    gone = {number for step in (*merged, *pruned) for number in step.ids}
    made = [step for one in insights if (step := insight_step(parts, found, one, gone)) is not None]
    doubtful = tuple(pair for pair in found.compared.doubtful if not gone.intersection(pair))
    figures = {
        "learnings": len(found.rows),
        "to_merge": sum(len(step.ids) for step in merged),
        "to_archive": len(pruned),
        "to_consolidate": len(made),
        "to_delete": len(deleted),
        **({"later": later} if later else {}),
        "doubtful": len(doubtful) + found.compared.more,
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
    store, redact = parts.registry[rows[0].store], parts.ledger.redact
    made = store.gathered(rows[0].kind, redact(insight["title"]), redact(insight["text"]))
    return Step(
        action="consolidate",
        store=made.store,
        ids=tuple(row.id for row in rows),
        marks={str(row.id): row.mark for row in rows},
        reason=f"{len(rows)} observations say one thing",
        insight={name: getattr(made, name) for name in ("kind", "name", "text", "value", "index")}
        | {"subject": rows[0].subject},
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
        verdicts = reading(parts, wanted).judged(found.place)
        found = replace(found, compared=found.compared.judged(verdicts))
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
