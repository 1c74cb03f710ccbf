"""How Postgres answers: under row-level security, among many other people's rows, by an index and never by reading all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from learning_machine.state.limits import BatchWindow
from learning_machine.state.messages import Said
from learning_machine.state.scope import Scope
from learning_machine.stores.indexing import Question
from learning_machine.stores.learned_knowledge import CANDIDATES, search_params
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.migrate import prepare
from learning_machine.stores.postgres.queries import positional, query
from learning_machine.stores.postgres.transactions import Access, Space
from learning_machine.stores.protocol import Standing
from learning_machine.stores.turns import TurnRecord, Turns

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
-- One of them has said very much.
insert into space (kind, owner) values ('user', 'talker');
insert into turn (space, id, machine, session, answer, messages, scope)
    select id, gen_random_uuid(), 'default', 's', 't' || n, array['t' || n], '{}'
    from space, generate_series(1, 3000) n where owner = 'talker';
insert into message (space, turn, session, key, position, role, content)
    select space, id, session, answer, 0, 'user', 'words' from turn where answer like 't%';
insert into posting (space, source, lexeme, item, weight)
    select space, 'message', lexeme, id, 1 from message, unnest(array['', 'word', 'w' || id % 100]) lexeme where key like 't%';
insert into learning (space, store, kind, slot, name, text, content_key, origin, trust, status, batch)
    select space, 'learned_knowledge', 'insight', '=' || id, 'n', 'text', id::text, 'user', 60, 'active', turn
    from message where key like 't%';
insert into posting (space, source, lexeme, item, weight)
    select space, 'learned_knowledge', lexeme, id, 1 from learning, unnest(array['', 'word', 'w' || id % 100]) lexeme
    where store = 'learned_knowledge';
insert into learning (space, store, kind, subject, slot, target, name, text, content_key, origin, trust, status, batch)
    select t.space, 'entity_memory', kind, case kind when 'entity' then '' else 'entity-' || t.seq end,
           case kind when 'entity' then 'entity-' || t.seq else '=' || t.id || kind end,
           case kind when 'relationship' then 'entity-' || t.seq + 1 else '' end, 'n', 'text', t.id || kind,
           'user', 60, 'active', t.id
    from turn t, unnest(array['entity', 'fact', 'event', 'relationship']) kind where t.answer like 't%';
insert into posting (space, source, lexeme, item, weight)
    select space, 'name', slot, id, 1 from learning where kind = 'entity';
insert into embedding_model (name, dimension, active) values ('test', 2, true);
insert into embedding (space, item, source, model, vector)
    select space, id, store, 1, array[cos(id), sin(id)]::public.vector::public.halfvec
    from learning where store = 'learned_knowledge';
insert into embedding (space, item, source, model, vector)
    select space, id, 'message', 1, array[cos(id), sin(id)]::public.vector::public.halfvec from message where key like 't%';
insert into evidence (space, learning_space, learning, quote) select space, space, id, 'words' from learning;
insert into strength (space, learning, since, half_life) select space, id, now(), 365 from learning;
insert into change (space, learning, action, origin, batch) select space, id, 'save', 'user', batch from learning;
insert into root (space, learning_space, learning, session, anchor)
    select space, space, id, session, anchor from learning where anchor is not null;
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


@pytest.mark.parametrize("here", [["u6", "a6"], ["u5", "a5"]], ids=["goes on", "leaves behind"])
def test_recording_reads_no_more_than_it_needs(crowded: Database, here: list[str]) -> None:
    """Recording a turn finds where it belongs by indexes, also where it leaves another answer behind."""
    said = [Said("new", "user", "hello"), Said("answer", "assistant", "hello to you")]
    turn = TurnRecord(
        session="s7", said=said, answer="answer", keys=["new", "answer"], here=here, started=datetime.now(UTC)
    )
    scanned = "select coalesce(sum(seq_scan), 0) as scans from pg_stat_xact_user_tables where relname = any (%s)"
    watched = ["turn", "message", "learning", "root", "tombstone"]
    turns = Turns(crowded, "default")
    with crowded.transaction(Access(user_id="user 7", session="s7")) as transaction:
        before = transaction.connection.execute(scanned, [watched]).fetchone()
        scope = Scope(user_id="user 7", session_id="s7")
        row = transaction.one("turns.record", turns.params(Space("user", "user 7"), scope, turn, BatchWindow()))
        assert row is not None and row["recorded_in"]
        assert transaction.connection.execute(scanned, [watched]).fetchone() == before
        raise psycopg.Rollback


TYPES: dict[type, str] = {int: "int", list: "text[]"}


def planned_once(transaction: Any, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """How a query is answered by the plan that recall makes once a connection, for whatever is asked."""
    text, names = positional(name)
    values = [params[one] for one in names]
    types = ["int[]" if one == "words" else TYPES.get(type(params[one]), "unknown") for one in names]
    run = psycopg.ClientCursor(transaction.connection).execute
    run(query("access.plan_once"))
    run(f"prepare asked ({', '.join(types)}) as {text.decode()}".encode())
    explained = run(
        f"explain (format json, analyze) execute asked ({', '.join(['%s'] * len(values))})", values
    ).fetchone()
    run("deallocate asked")
    return next(iter((explained or {}).values()))[0]["Plan"]  # type: ignore[no-any-return]


WORDS = {"common": (["word"], [1]), "rare": (["w7"], [1]), "both": (["word", "w7"], [1, 2])}


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("search", ["search.messages", "search.learnings"])
def test_only_candidates_are_read(crowded: Database, search: str, words: str) -> None:
    """Of thousands of texts that fit a question, in a space far larger than others, recall looks up those that are among
    the best, one by one, and what stands beside them."""
    question = Question(text="x", vector="[1,0]", model=1)
    source = "message" if search == "search.messages" else "learned_knowledge"
    params = search_params(source, Scope(user_id="talker", session_id="now"), Standing(), question)
    lexemes, numbers = WORDS[words]
    with crowded.transaction(Access(user_id="talker")) as transaction:
        plan = planned_once(transaction, search, {**params, "lexemes": lexemes, "words": numbers})
    read = dict.fromkeys(("message", "turn", "learning", "evidence"), 0.0)
    for node in nodes(plan):
        if (table := node.get("Relation Name")) in read:
            read[table] += (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    assert plan["Actual Rows"] >= CANDIDATES * 0.6
    assert max(read.values()) <= 10 * CANDIDATES, read


def test_only_what_is_named_is_read(crowded: Database) -> None:
    """Of thousands of things, recall looks up the ones a text names, and what is known of them."""
    with crowded.transaction(Access(user_id="talker")) as transaction:
        named = transaction.connection.execute(
            "select slot from learning where kind = 'entity' order by id limit 3 offset 1000"
        )
        params = {**PLACE, "store": "entity_memory", "keys": [row["slot"] for row in named], "entities": 5, "each": 20}
        plan = planned_once(transaction, "entities.named", {**params, "since": None, "until": None})
    read = [
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes(plan)
        if node.get("Relation Name") == "learning"
    ]
    assert plan["Actual Rows"] >= 12
    assert max(read) <= 100, read


def test_what_stands_is_read_once(crowded: Database) -> None:
    """Of a subject with thousands of entries, recall reads each a few times at most."""
    params = {**PLACE, "store": "learned_knowledge", "subject": "", "limit": 500}
    with crowded.transaction(Access(user_id="talker")) as transaction:
        plan = planned_once(transaction, "recall.current", params)
    read = [
        node["Actual Rows"] * node["Actual Loops"] for node in nodes(plan) if node.get("Relation Name") == "learning"
    ]
    assert plan["Actual Rows"] == 500
    assert sum(read) <= 4 * 3_000, read


def test_a_forgotten_condition_is_fast_too(crowded: Database) -> None:
    """The policy itself is the index condition: a query without any condition reads one person's rows."""
    with crowded.transaction(Access(user_id="user 7")) as transaction:
        explained = transaction.connection.execute("explain (format json, analyze) select * from learning").fetchone()
    plan = next(iter((explained or {}).values()))[0]["Plan"]
    assert "Seq Scan" not in {node["Node Type"] for node in nodes(plan) if node.get("Relation Name") == "learning"}
    assert plan["Actual Rows"] == EACH
    assert max(node.get("Rows Removed by Filter", 0) for node in nodes(plan)) <= EACH
