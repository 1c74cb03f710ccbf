"""Pure: things in the world, from the rows of the ledger, and as the agent reads them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from learning_machine.state.entities import Entity, Relationship
from learning_machine.state.handles import handle_of
from learning_machine.state.items import Item
from learning_machine.stores.naming import ENTITY
from learning_machine.stores.rendering import inert, line, named
from learning_machine.stores.resolving import folded, name_key
from learning_machine.stores.uncertainty import NO_LONGER_KNOWN, doubt

FACT, EVENT, RELATIONSHIP, PROPERTY, ALIAS = "fact", "event", "relationship", "property", "alias"
_HIDDEN = {PROPERTY: "properties", FACT: "facts", RELATIONSHIP: "connections", EVENT: "events"}


def entities_from(rows: Sequence[Mapping[str, Any]]) -> tuple[Entity, ...]:
    """Things with all that is known of each, from the rows of `entities.named`, in their order."""
    about: dict[tuple[int, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["kind"] != ENTITY:
            for end in {row["subject"], row["target"]} if row["kind"] == RELATIONSHIP else {row["subject"]}:
                about[row["space"], end].append(row)
    heads = [row for row in rows if row["kind"] == ENTITY]
    return tuple(entity_from(row, about[row["space"], row["slot"]]) for row in without_shadows(heads))


def without_shadows(heads: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those whose names were written as they are, and of the others those that have no such namesake in their space."""
    exact = {(row["space"], folded(key)) for row in heads if row["exact"] for key in _keys(row)}
    return [row for row in heads if row["exact"] or not any((row["space"], folded(key)) in exact for key in _keys(row))]


def _keys(row: Mapping[str, Any]) -> list[str]:
    return [name_key(name) for name in (row["name"], *row["value"].get("aliases", ()))]


def entity_from(head: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Entity:
    """One thing."""
    gone = tuple(row["name"] for row in rows if row.get("status") == "retired" and row["kind"] == PROPERTY)
    rows = [row for row in rows if row.get("status", "active") == "active"]
    items = {kind: [Item.from_row(row) for row in rows if row["kind"] == kind] for kind in _HIDDEN}
    totals = {kind: max((row["total"] for row in rows if row["kind"] == kind), default=0) for kind in _HIDDEN}
    totals[PROPERTY] -= len(gone)
    return Entity(
        id=f"{head['space']}/{head['slot']}",
        name=head["name"],
        type=head["value"].get("type", ""),
        aliases=tuple(head["value"].get("aliases", ())),
        handle=handle_of(head["id"]),
        namespace=head["namespace"],
        properties={item.name: item.value for item in items[PROPERTY]},
        facts=tuple(sorted((*items[PROPERTY], *items[FACT]), key=lambda item: item.id)),
        events=tuple(sorted(items[EVENT], key=lambda item: (happened(item), item.id), reverse=True)),
        relationships=tuple(
            Relationship(row["about"] or "?", row["name"], row["towards"] or "?", handle_of(row["id"]))
            for row in sorted(rows, key=lambda row: row["id"])
            if row["kind"] == RELATIONSHIP
        ),
        connections=tuple(items[RELATIONSHIP]),
        hidden={_HIDDEN[kind]: more for kind in _HIDDEN if (more := totals[kind] - len(items[kind])) > 0},
        gone=gone,
    )


# --- as the agent reads them ------------------------------------------------------------------------------------------


def entity_lines(entity: Entity, *, namespace: bool = False) -> list[str]:
    """A thing: who it is, then facts, connections, and events newest first. `namespace`: say whose knowledge it is."""
    also = f", also called {named(', '.join(entity.aliases))}" if entity.aliases else ""
    known_to = f", known to {named(whose(entity.namespace))}" if namespace else ""
    facts = [line(item.text, name=item.name, handle=item.handle, note=doubt(item)) for item in entity.facts]
    doubts = {item.handle: doubt(item) for item in entity.connections}
    connections = [line(str(one), handle=one.handle, note=doubts.get(one.handle, "")) for one in entity.relationships]
    events = [line(dated(item), handle=item.handle, note=doubt(item)) for item in entity.events]
    gone = [line(NO_LONGER_KNOWN, name=name) for name in entity.gone]
    more = [f"- ({count} more {kind} not shown)" for kind, count in entity.hidden.items()]
    return [
        f"- {inert(named(entity.label))}{also}{known_to}:",
        *(f"  {text}" for text in (*facts, *gone, *connections, *events, *more)),
    ]


def whose(namespace: str) -> str:
    """A namespace in words."""
    return {"user": "this user", "session": "this conversation", "global": "everyone"}.get(namespace, namespace)


def told(item: Item) -> str:
    """An item that stands by itself: of whom or what it is, with its name and day where it has them."""
    text = f"{item.name}: {item.text}" if item.kind == PROPERTY and item.name else dated(item)
    return text if not item.about or item.kind == RELATIONSHIP else f"{item.about}: {text}"


def dated(item: Item) -> str:
    """An event with the day that was said; one without a day, and anything else, as it is."""
    day = str((item.value or {}).get("when") or "")[:10] if item.kind == EVENT and isinstance(item.value, dict) else ""
    return f"{day}: {item.text}" if day else item.text


def happened(item: Item) -> datetime:
    """When an event happened; unknown: when it was learned."""
    return item.true_from or item.known_from
