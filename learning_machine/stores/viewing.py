"""Rows as people look at them: learnings, things, events, connections and turns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from learning_machine.state.handles import PROPOSAL, handle_of
from learning_machine.state.views import (
    ConnectionView,
    EntitySummary,
    EventView,
    LearningView,
    Neighbourhood,
    NodeView,
    Progress,
    SaidView,
    TaughtView,
    TurnView,
    aliases_in,
    type_in,
)
from learning_machine.stores.naming import ENTITY
from learning_machine.stores.postgres.transactions import Row


def learning_of(row: Row) -> LearningView:
    same = ("store", "kind", "name", "text", "value", "namespace", "about", "towards", "origin", "status", "holds")
    times = ("known_from", "known_to", "true_from", "true_to", "expires_at", "pinned")
    return LearningView(
        handle=handle_of(row["id"]),
        **{name: row[name] for name in (*same, *times)},
        subject=row["subject"],
        target=row["target"],
        stale=row["stale_at"] is not None,
        quotes=tuple(row["quotes"] or ()),
        supersedes=handle_of(row["supersedes"]) if row["supersedes"] else None,
        superseded_by=handle_of(row["superseded_by"]) if row["superseded_by"] else None,
    )


def summary_of(row: Row) -> EntitySummary:
    return EntitySummary(**named(row), facts=row["facts"], connections=row["connections"])


def event_of(row: Row) -> EventView:
    return EventView(
        handle=handle_of(row["id"]),
        text=row["text"],
        at=when_of(row)[0],
        dated=row["true_from"] is not None,
        entity=row["subject"],
        about=row["about"],
        namespace=row["namespace"],
    )


def connection_of(row: Row) -> ConnectionView:
    return ConnectionView(
        handle=handle_of(row["id"]),
        source=row["subject"],
        source_name=row["about"] or "?",
        relation=row["name"],
        target=row["target"],
        target_name=row["towards"] or "?",
    )


def neighbourhood_of(head: Row, rows: Sequence[Row]) -> Neighbourhood:
    """Nodes and edges, from the rows of `entities.neighbours`, nearest first."""
    nodes = {head["slot"]: NodeView(id=head["slot"], name=head["name"], type=type_in(head["value"]), hops=0)}
    for row in rows:
        for end, name, value in (
            (row["subject"], row["subject_name"], row["subject_value"]),
            (row["target"], row["target_name"], row["target_value"]),
        ):
            nodes.setdefault(end, NodeView(id=end, name=name, type=type_in(value), hops=row["hops"]))
    edges = tuple(
        connection_of({**row, "about": row["subject_name"], "towards": row["target_name"]}).model_copy(
            update={"hops": row["hops"]}
        )
        for row in rows
    )
    return Neighbourhood(center=head["slot"], nodes=tuple(nodes.values()), edges=edges)


def turn_of(row: Row, learned: Sequence[Row], proposed: Sequence[Row]) -> TurnView:
    status: Progress = (
        "learned" if row["read_at"] else "parked" if row["parked"] else "failed" if row["failures"] else "waiting"
    )
    keys = set(row["messages"])
    return TurnView(
        id=row["id"],
        session=row["session"],
        recorded_at=row["recorded_at"],
        status=status,
        abandoned=row["abandoned"],
        said=tuple(SaidView(**one) for one in row["said"] or ()),
        learned=tuple(taught(one) for one in learned if one["turn"] == row["id"] or one["anchor"] in keys),
        proposed=tuple(
            TaughtView(
                handle=handle_of(one["id"], PROPOSAL), store=one["store"], text=one["text"] or "", status=one["status"]
            )
            for one in proposed
            if one["turn"] == row["id"]
        ),
    )


def taught(row: Row) -> TaughtView:
    names = ("store", "kind", "name", "text", "about", "status")
    return TaughtView(handle=handle_of(row["id"]), **{name: row[name] for name in names})


def named(row: Row) -> dict[str, Any]:
    return {
        "id": row["slot"],
        "handle": handle_of(row["id"]),
        "name": row["name"],
        "type": type_in(row["value"]),
        "aliases": aliases_in(row["value"]),
        "namespace": row["namespace"],
    }


def when_of(row: Row) -> tuple[datetime, int]:
    return (row["true_from"] or row["known_from"], row["id"])


def is_entity(row: Row) -> bool:
    return bool(row["kind"] == ENTITY and row["subject"] == "")
