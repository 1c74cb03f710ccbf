"""How Postgres answers: under row-level security, among many other people's rows, by an index and never by reading all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from learning_machine.stores.postgres.database import Access, Database
from learning_machine.stores.postgres.migrate import prepare
from learning_machine.stores.postgres.queries import query

PEOPLE, EACH = 400, 50
FILL = """
set search_path = learning_machine;
insert into space (kind, owner) select 'user', 'user ' || n from generate_series(1, %(people)s) n;
insert into turn (space, id, machine, session, answer, messages, scope)
    select space.id, gen_random_uuid(), 'default', 's' || n, 'a' || n, array['u' || n, 'a' || n], '{}'
    from space, generate_series(1, %(each)s) n;
insert into message (space, turn, session, key, position, role, content)
    select space, id, session, answer, 0, 'user', 'words' from turn;
insert into learning (space, store, kind, slot, text, content_key, origin, trust, status, batch, session, anchor)
    select space, 'user_profile', 'observation', '=' || id, 'text ' || id, id::text, 'user', 60, 'active', id, session, answer
    from turn;
insert into evidence (space, learning_space, learning, quote) select space, space, id, 'words' from learning;
insert into strength (space, learning, since, half_life) select space, id, now(), 365 from learning;
insert into change (space, learning, action, origin, batch) select space, id, 'save', 'user', batch from learning;
insert into tombstone (space, digest) select space, sha256(id::text::bytea) from turn;
analyze;
"""
PLACE = {"machine": "default", "session": "s7", "here": ["u6", "a6"]}


@pytest.fixture(scope="module")
def crowded(server: Any) -> Iterator[Database]:
    """A database with twenty thousand rows of four hundred people."""
    with psycopg.connect(server.url_for("postgres"), autocommit=True) as superuser:
        superuser.execute("create database crowded template template_learning")
        with psycopg.connect(server.url_for("crowded"), autocommit=True) as connection:
            connection.execute(FILL.replace("%(people)s", str(PEOPLE)).replace("%(each)s", str(EACH)))  # type: ignore[call-overload]
        database = Database(server.url_for("crowded"))
        prepare(database)
        yield database
        database.close()
        superuser.execute("drop database crowded with (force)")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


QUERIES: dict[str, dict[str, Any]] = {
    "recall.branch": {**PLACE, "rooted": True},
    "recall.current": {**PLACE, "store": "user_profile", "subject": "", "limit": 500},
    "recall.history": {"store": "user_profile", "subject": None, "closed": True, "limit": 100},
    "recall.one": {"id": 4711},
    "recall.of_turn": {"turn": uuid4()},
    "ledger.targets": {"ids": [4711]},
    "ledger.same_content": {
        "space": 7,
        "store": "user_profile",
        "subject": "",
        "kind": "observation",
        "content_key": "x",
    },
    "ledger.slot": {**PLACE, "space": 7, "store": "user_profile", "subject": "", "slot": "=x"},
    "ledger.abandoned": {"space": 7, "session": "s7", "anchor": "a7"},
    "turns.recorded": {**PLACE, "space": 7, "keys": ["u7"], "speaker": "user 7", "started": datetime.now(UTC)},
    "turns.position": {**PLACE, "space": 7, "answer": "a7", "asked": ["u7"], "started": None, "rooted": True},
    "turns.unread": {**PLACE, "space": 7, "limit": 20},
    "turns.line_before": {"space": 7, "turn": uuid4()},
    "turns.next": {**PLACE, "space": 7},
    "turns.state": {"turn": uuid4()},
}


@pytest.mark.parametrize("name", QUERIES)
def test_no_query_reads_everything(crowded: Database, name: str) -> None:
    """In the library's role, with row-level security on, the query finds its rows among the others' by an index."""
    with crowded.transaction(Access(user_id="user 7", session="s7")) as transaction:
        connection = transaction.connection
        row = connection.execute("select current_user as role, row_security_active('learning') as active").fetchone()
        assert row == {"role": "learning_machine_app", "active": True}
        connection.execute(query("recall.branch"), QUERIES["recall.branch"])
        explained = connection.execute("explain (format json, analyze) " + query(name), QUERIES[name]).fetchone()
    plan = next(iter((explained or {}).values()))[0]["Plan"]
    scans = {(node["Node Type"], node["Relation Name"]) for node in nodes(plan) if "Relation Name" in node}
    assert not {table for kind, table in scans if kind == "Seq Scan"} - {
        "space",
        "installation",  # one row
        "watermark",
        "job_error",
        "proposal",
    }, json.dumps(plan, indent=1)
    assert scans


def test_a_forgotten_condition_is_fast_too(crowded: Database) -> None:
    """The policy itself is the index condition: a query without any condition reads one person's rows."""
    with crowded.transaction(Access(user_id="user 7")) as transaction:
        explained = transaction.connection.execute("explain (format json, analyze) select * from learning").fetchone()
    plan = next(iter((explained or {}).values()))[0]["Plan"]
    assert "Seq Scan" not in {node["Node Type"] for node in nodes(plan) if node.get("Relation Name") == "learning"}
    assert plan["Actual Rows"] == EACH
    assert max(node.get("Rows Removed by Filter", 0) for node in nodes(plan)) <= EACH
