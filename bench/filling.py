"""A world into a machine's tables by COPY: the rows the gate and the indexing write, without their time.

A test keeps it true: what is recalled is the same as when the gate wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from measuring import step
from places import connect, query
from psycopg.types.json import Jsonb
from worlds import START, Thing, World

from learning_machine import LearningMachine, Scope
from learning_machine.state.changes import TRUST, Add, Origin
from learning_machine.state.entities import EntityRef
from learning_machine.state.extraction import ExtractedChange
from learning_machine.stores.deciding import content_key
from learning_machine.stores.indexing import MESSAGES, NAMES, message_text, weights
from learning_machine.stores.naming import ENTITY
from learning_machine.stores.postgres.transactions import Access, Space
from learning_machine.stores.resolving import index_keys

SESSION = "before"


def fill(machine: LearningMachine, world: World, user: str) -> int:
    """Put a world into the user's space; the id of that space."""
    database = machine.database
    with database.transaction(Access(user_id=user)) as transaction:
        space = transaction.space(Space("user", user))
    changes = list(changes_of(machine, world, user))
    with connect(database.conninfo, database.names.schema) as connection, connection.transaction():
        first = _reserve(connection, "learning", len(changes))
        texts = [(add.store, first + number, add.index) for number, (add, _, _) in enumerate(changes) if add.index]
        _copy(connection, "learning", _learning_rows(space, first, changes))
        texts += _say(connection, space, machine.name, world.said)
        names = [(first + n, add.name) for n, (add, _, _) in enumerate(changes) if add.kind == ENTITY]
        with step(f"  lexemes of {len(texts):,} texts"):
            _copy(connection, "posting", _posting_rows(space, texts, names))
        with step("  vectors"):
            vectors = machine.parts.embedder.vectors([text for _, _, text in texts])
        _copy(
            connection,
            "embedding",
            (
                (space, item, source, vectors.model, vectors.of(text))
                for source, item, text in texts
                if vectors.of(text)
            ),
        )
    with connect(database.conninfo) as connection:
        connection.execute("vacuum analyze")  # as autovacuum would have done
    return space


def changes_of(machine: LearningMachine, world: World, user: str) -> Iterator[tuple[Add, str, str]]:
    """A world as its stores would have it written: each change with the ids of the things it is about and leads to."""
    ids = {thing.name: f"{ENTITY}-{number:016x}" for number, thing in enumerate(world.things)}
    profile, knowledge = machine.stores["user_profile"], machine.stores["learned_knowledge"]
    for text in world.observations:
        observation = ExtractedChange(store="user_profile", kind="observation", value=text)
        yield from ((add, "", "") for add in profile.add(observation, Scope(user_id=user), None))
    for title, learning in world.insights:
        yield knowledge.insight(title, learning), "", ""
    for thing in world.things:
        for add in thing_changes(machine, thing):
            target = ids[add.towards.name] if add.towards else ""
            yield (
                add,
                "" if add.kind == ENTITY else ids[thing.name],
                target or (ids[thing.name] if add.kind == ENTITY else ""),
            )


def thing_changes(machine: LearningMachine, thing: Thing) -> Iterator[Add]:
    """A thing as the entity store would have it written."""
    store, about = machine.stores["entity_memory"], EntityRef(thing.name, thing.type)
    yield store.named(about)
    yield from (store.fact(about, text) for text in thing.facts)
    yield from (store.event(about, text, when) for when, text in thing.events)
    yield from (store.relationship(about, relation, EntityRef(name)) for relation, name in thing.links)


def _reserve(connection: psycopg.Connection[Any], table: str, count: int) -> int:
    """The first of so many ids of a table, that nobody else will get."""
    row = connection.execute(query("reserve"), {"table": table, "count": count}).fetchone()
    return int(row[0]) if row else 0


def _learning_rows(space: int, first: int, changes: Sequence[tuple[Add, str, str]]) -> Iterator[tuple[Any, ...]]:
    batch = uuid4()
    for number, (add, subject, target) in enumerate(changes):
        is_entity = add.kind == ENTITY
        key = content_key(add.kind, f"{add.name}\0{target}" if is_entity else add.name, add.text, add.value)
        slot, target = (target, "") if is_entity else (add.slot or f"={key}", target)
        yield (
            *(space, first + number, add.store, add.kind, subject, slot, add.name, target),
            *(None if add.value is None else Jsonb(add.value), add.text, add.index or None, key),
            *(Origin.INFERENCE.value, TRUST[Origin.INFERENCE], "active", add.since, batch),
        )


def _say(
    connection: psycopg.Connection[Any], space: int, machine: str, said: Sequence[tuple[str, str]]
) -> list[tuple[str, int, str]]:
    """Record what was said, a turn for two messages, as texts to be indexed."""
    first = _reserve(connection, "message", len(said))
    turns = [UUID(int=first + number) for number in range(0, len(said), 2)]
    keys = [f"{first + number}~bench" for number in range(len(said))]
    pairs = [keys[at : at + 2] for at in range(0, len(keys), 2)]
    scope = Jsonb({})
    _copy(
        connection,
        "turn",
        ((space, turn, machine, SESSION, own[-1], own, scope) for turn, own in zip(turns, pairs, strict=True)),
    )
    times = [START + timedelta(hours=number) for number in range(len(said))]
    _copy(
        connection,
        "message",
        (
            (space, first + number, turns[number // 2], SESSION, keys[number], number % 2, role, content, times[number])
            for number, (role, content) in enumerate(said)
        ),
    )
    return [(MESSAGES, first + n, message_text(role, times[n], content)) for n, (role, content) in enumerate(said)]


def _posting_rows(
    space: int, texts: Iterable[tuple[str, int, str]], names: Iterable[tuple[int, str]]
) -> Iterator[tuple[Any, ...]]:
    for source, item, text in texts:
        yield from ((space, source, lexeme, item, weight) for lexeme, weight in zip(*weights(text), strict=True))
    for item, name in names:
        yield from ((space, NAMES, key, item, 1.0) for key in index_keys([name]))


def _copy(connection: psycopg.Connection[Any], table: str, rows: Iterable[Sequence[Any]]) -> None:
    with connection.cursor() as cursor, cursor.copy(query(f"copy_{table}")) as copy:
        for row in rows:
            copy.write_row(row)
