"""A machine with every store, and a person that all of them know something of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from learning_machine import LearningMachine, LearningMode
from learning_machine.state.config import EntityMemoryConfig, LearnedKnowledgeConfig, SessionContextConfig
from learning_machine.testing import ScriptedModel, change

ALICE: dict[str, Any] = {"user_id": "alice", "groups": ["eng"]}
BOB: dict[str, Any] = {"user_id": "bob", "groups": ["eng"]}
#: One turn of Alice's, and what it teaches every store.
SAID = [
    {"role": "user", "content": "I am Alice, I live in Porto. Sam of Acme said that retries need jitter.", "id": "u1"},
    {"role": "assistant", "content": "Noted: retries with jitter.", "id": "a1"},
]
TAUGHT = [
    change("user_profile", "Alice", kind="field", name="name", quote="I am Alice"),
    change("user_profile", "Porto", kind="field", name="location", quote="I live in Porto"),
    change("session_context", "Alice asks about retries.", kind="summary"),
    change("learned_knowledge", "Retries need jitter.", name="Retries", quote="retries need jitter"),
    change("entity_memory", "Sam works at Acme.", kind="fact", subject="Sam (person)", quote="Sam of Acme"),
    change(
        "entity_memory", None, kind="relationship", subject="Sam (person)", name="works at", target="Acme (company)"
    ),
]
MOVED = [
    {"role": "user", "content": "I have moved: I live in Lisbon now.", "id": "u2"},
    {"role": "assistant", "content": "Good to know.", "id": "a2"},
]
TAUGHT_LATER = [change("user_profile", "Lisbon", kind="field", name="location", quote="I live in Lisbon now")]

STORES: dict[str, Any] = {
    "user_profile": True,
    "session_context": SessionContextConfig(enable_planning=True),
    "learned_knowledge": LearnedKnowledgeConfig(namespace="eng", mode=LearningMode.BACKGROUND),
    "entity_memory": EntityMemoryConfig(),
}


@pytest.fixture
def full(machine: Callable[..., LearningMachine]) -> Callable[..., LearningMachine]:
    """Makes machines with every store, on this test's database or on another."""

    def make(learns: Any = (), **options: Any) -> LearningMachine:
        return machine(ScriptedModel(learns=list(learns)), **{**STORES, "background": "external", **options})

    return make


@pytest.fixture
def alice(full: Callable[..., LearningMachine]) -> LearningMachine:
    """A machine that has learned from Alice, in two turns and every store."""
    found = full([TAUGHT, TAUGHT_LATER])
    found.process(SAID, user_id="alice", session_id="s1", groups=["eng"])
    found.process([*SAID, *MOVED], user_id="alice", session_id="s1", groups=["eng"])
    return found


@pytest.fixture
def other_url(server: Any) -> Any:
    """The URL of another migrated database."""
    name = "test_other_space"
    with psycopg.connect(server.url_for("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)")  # type: ignore[arg-type]
        connection.execute(f"create database {name} template template_learning strategy file_copy")  # type: ignore[arg-type]
        yield server.url_for(name)
        connection.execute(f"drop database {name} with (force)")  # type: ignore[arg-type]


def dump(url: str) -> str:
    """Every row of every table of all schemas that are not the server's own, as text."""
    texts = []
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            with connection.cursor().copy(f'copy "{schema}"."{table}" to stdout') as copied:  # type: ignore[arg-type]
                data = b"".join(copied)
            texts.append(data.decode("utf-8", "replace"))
            # Binary columns are written in hex.
            texts.extend(
                bytes.fromhex(part[3:]).decode("utf-8", "replace")
                for part in data.decode().split()
                if part.startswith("\\\\x")
            )
    return "\n".join(texts)


def teach(machine: LearningMachine, taught: list[dict[str, Any]], text: str, session: str, **scope: Any) -> None:
    """Let a person say something, and the model find this in it."""
    machine.model.learns = [taught]
    machine.model._extracted.clear()
    said = {"role": "user", "content": text, "id": str(uuid4())}
    machine.process(
        [said, {"role": "assistant", "content": "ok", "id": f"{said['id']} answered"}], session_id=session, **scope
    )
