"""What other systems wrote down: each format on a file in it, and on one that is broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from learning_machine import LearningMachine
from learning_machine.machine.imports import Imported

HERE = Path(__file__).parent / "fixtures"
SCOPE: dict[str, Any] = {"user_id": "alice", "groups": ["eng"]}

#: Of each format: a good file, what arrives, a broken one, what of it arrives, and where it is broken.
CASES: dict[str, tuple[str, int, str, int, list[str]]] = {
    "chatgpt": ("chatgpt.json", 2, "chatgpt_broken.json", 1, ["[0]", "[1]", "[2]", "[3].mapping.n1"]),
    "claude": (
        "claude.json",
        1,
        "claude_broken.json",
        1,
        ["[0]", "[1]", "[2].chat_messages[0]", "[2].chat_messages[2]", "[3]"],
    ),
    "langgraph": ("langgraph.jsonl", 5, "langgraph_broken.jsonl", 1, ["line 2", "line 3.value", "line 4", "line 5"]),
    "mem0": (
        "mem0.json",
        3,
        "mem0_broken.json",
        1,
        ["results[1]", "results[2]", "results[3]", "results[4]", "relations[0]"],
    ),
    "markdown": ("AGENTS.md", 4, "AGENTS_broken.md", 1, []),
    "agno": ("agno.json", 15, "agno_broken.json", 1, ["[1]", "[2]", "[3]", "[4]", "[5]"]),
}


def arrived(imported: Imported) -> int:
    return sum(number for what, number in imported.counts.items() if what.endswith((" saved", " found")))


def rows(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "select (select count(*) from learning_machine.learning), (select count(*) from learning_machine.message), "
            "(select count(*) from learning_machine.turn), (select count(*) from learning_machine.posting)"
        ).fetchone()
    return list(found or ())


@pytest.mark.parametrize("format", CASES)
def test_a_file_arrives_and_arrives_once(format: str, full: Callable[..., LearningMachine], url: str) -> None:
    """The format is recognised, everything in the file arrives, and importing again doubles nothing."""
    name, count, *_ = CASES[format]
    machine = full()
    imported = machine.import_(HERE / name, **SCOPE)
    elsewhere = [problem for problem in imported.problems if "another user" not in problem.reason]
    assert (imported.format, arrived(imported), elsewhere) == (format, count, [])
    before = rows(url)
    again = machine.import_(HERE / name, **SCOPE)
    assert (arrived(again), rows(url)) == (0, before)
    assert machine.verify_audit()["whole"]


@pytest.mark.parametrize("format", CASES)
def test_a_broken_file_gives_what_is_valid_and_lists_the_rest(
    format: str, full: Callable[..., LearningMachine]
) -> None:
    """What is valid arrives; what is not is listed with its place; no list quotes what the file says."""
    _, _, name, count, broken = CASES[format]
    imported = full().import_(HERE / name, format=format, **SCOPE)
    places = [problem.where for problem in imported.problems]
    assert arrived(imported) == count, imported
    assert sorted(dict.fromkeys(places)) == sorted(broken)
    assert not any("boat" in problem.reason or "tea" in problem.reason for problem in imported.problems)


@pytest.mark.parametrize("format", CASES)
def test_a_dry_run_writes_nothing(format: str, full: Callable[..., LearningMachine], url: str) -> None:
    """A dry run says what would arrive and leaves the database as it was."""
    machine = full()
    machine.database  # noqa: B018 - migrates
    before = rows(url)
    imported = machine.import_(HERE / CASES[format][0], dry_run=True, **SCOPE)
    assert imported.dry_run and arrived(imported) == CASES[format][1]
    assert rows(url) == before


def test_what_was_imported_is_recalled(full: Callable[..., LearningMachine]) -> None:
    """Imported things are found like learned ones: profile, knowledge with its context, entities and conversations."""
    machine = full()
    for name in ("agno.json", "AGENTS.md", "claude.json", "mem0.json"):
        machine.import_(HERE / name, **SCOPE)
    context = machine.build_context(message="What do retries need?", **SCOPE)
    assert "Alice Moreau" in context and "Retries need jitter. (applies to: HTTP clients)" in context
    assert "Loves oolong tea" in context and "Bob" not in context
    assert "Porto" in machine.build_context(message="What of Acme Corp?", **SCOPE)
    assert "Gannet" in machine.build_context(message="What is my boat called?", **SCOPE)
    assert "cents" in machine.build_context(message="How are amounts kept?", **SCOPE)


def test_conversations_are_read_by_the_model_where_asked(full: Callable[..., LearningMachine]) -> None:
    """Without `learn` a conversation is only kept and no model is asked; with it it is read, once."""
    from learning_machine.testing import change

    machine = full([[change("user_profile", "sails the Gannet", kind="observation", quote="My boat is called Gannet")]])
    machine.import_(HERE / "claude.json", **SCOPE)
    assert machine.usage.calls == 0 and "sails" not in machine.build_context(**SCOPE)
    for _ in range(2):
        machine.import_(HERE / "claude.json", learn=True, **SCOPE)
    assert machine.usage.calls == 1 and "sails the Gannet" in machine.build_context(**SCOPE)


def test_a_live_table_of_agno_is_read(full: Callable[..., LearningMachine], url: str) -> None:
    """A Postgres URL works like a dump of the table: this user's rows and nobody's, and no other's."""
    columns = "learning_id, learning_type, namespace, user_id, session_id, entity_id, entity_type, content, created_at"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create schema ai")
        connection.execute(
            "create table ai.agno_learnings (learning_id varchar primary key, learning_type varchar, namespace varchar, "
            "user_id varchar, agent_id varchar, team_id varchar, workflow_id varchar, session_id varchar, entity_id varchar, "
            "entity_type varchar, "
            "content jsonb, metadata jsonb, created_at bigint, updated_at bigint)"
        )
        connection.execute(
            f"insert into ai.agno_learnings ({columns}) select {columns} from jsonb_to_recordset(%s::jsonb) as t "
            "(learning_id varchar, learning_type varchar, namespace varchar, user_id varchar, session_id varchar, "
            "entity_id varchar, entity_type varchar, content jsonb, created_at bigint)",  # type: ignore[arg-type]
            [(HERE / "agno.json").read_text()],
        )
    machine = full()
    assert arrived(machine.import_(url, format="agno", **SCOPE)) == 15
    assert arrived(machine.import_(url, format="agno", **SCOPE)) == 0
