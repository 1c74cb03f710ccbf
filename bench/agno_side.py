"""The same recall by agno's learning machine: run by an interpreter that has agno, never imported by us.

    python agno_side.py URL SIZES ROUNDS     # sizes as 1,100,10000; prints JSON

Its tables hold what ours hold of a world, things and observations; insights would need a vector store of its own and are
left out, which spares it work. It calls no model: only recall and the building of context are timed.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import psycopg
from agno.db.postgres import PostgresDb
from agno.learn import EntityMemoryConfig, LearningMachine, UserMemoryConfig
from agno.learn.schemas import EntityMemory, Memories
from measuring import side_by_side
from sqlalchemy import create_engine
from worlds import Thing, World, crowd_of, messages_for, world_of

USER = "alice"


def machine_on(url: str, schema: str) -> LearningMachine:
    """Its machine with the two stores that hold what ours hold, in a schema of its own."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    db = PostgresDb(db_engine=engine, db_schema=schema)
    machine = LearningMachine(
        db=db,
        entity_memory=EntityMemoryConfig(db=db, namespace="user"),
        user_memory=UserMemoryConfig(db=db),
        namespace="user",
    )
    machine.build_context(user_id=USER, message="hello")  # makes its tables
    return machine


def fill(machine: LearningMachine, world: World) -> None:
    """Save a world with its own functions."""
    entities: Any = machine.entity_memory_store
    for number, thing in enumerate(world.things):
        entities._save_entity(entity_of(thing, number), user_id=USER, namespace="user")
    memories: Any = machine.user_memory_store
    notes = [{"id": f"m{number}", "content": text} for number, text in enumerate(world.observations)]
    if notes:
        memories.save(user_id=USER, memories=Memories(user_id=USER, memories=notes))


def entity_of(thing: Thing, number: int) -> EntityMemory:
    return EntityMemory(
        entity_id=f"{thing.name.lower()}_{number}",
        entity_type=thing.type,
        name=thing.name,
        facts=[{"id": f"f{at}", "content": text} for at, text in enumerate(thing.facts)],
        events=[
            {"id": f"e{at}", "content": text, "date": when.date().isoformat()}
            for at, (when, text) in enumerate(thing.events)
        ],
        relationships=[{"entity_id": name.lower(), "relation": relation} for relation, name in thing.links],
        namespace="user",
        user_id=USER,
    )


def measure(url: str, schema: str, world: World, rounds: int) -> dict[str, Any]:
    """What recalling and building the context takes for each message, and how long the context is."""
    machine = machine_on(url, schema)
    fill(machine, world)
    found: dict[str, Any] = {}
    for kind, message in messages_for(world).items():
        context = machine.build_context(user_id=USER, message=message)
        asked = {"agno": lambda _, message=message: machine.build_context(user_id=USER, message=message)}
        timing = side_by_side(asked, max(3, rounds // 4 if len(world.things) > 1_000 else rounds), warm_up=1)["agno"]
        found[kind] = {"p50": timing.p50, "p95": timing.p95, "characters": len(context)}
    return found


def main(url: str, sizes: str, rounds: str) -> None:
    found = {}
    for size in map(int, sizes.split(",")):
        found[size] = {
            "same": measure(url, f"agno_same_{size}", world_of(size), int(rounds)),
            "crowd": measure(url, f"agno_crowd_{size}", crowd_of(size), int(rounds)),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
