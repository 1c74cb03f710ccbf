"""When the database fails: nothing claims success, nothing is destroyed, and what works again works at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from learning_machine import LearningMachine, LearningMode, UserProfileConfig
from learning_machine.errors import DatabaseUnavailable, LearningMachineError, WriteFailed
from learning_machine.state.changes import Add
from learning_machine.state.scope import Scope
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import Access
from learning_machine.stores.writing import Source
from learning_machine.testing import ScriptedModel, change

See = Callable[..., list[dict[str, Any]]]
MESSAGES = [{"role": "user", "content": "I live in Bern."}]
LEARNS = [change("user_profile", "Bern", kind="field", name="location", quote="I live in Bern")]


class Failures:
    """Faults that the superuser puts into the database."""

    def __init__(self, see: See) -> None:
        self.see = see

    def on(self, event: str, table: str = "learning") -> None:
        """Every such statement on the table raises."""
        self.see(
            "create or replace function fault() returns trigger language plpgsql as $$ begin raise exception 'fault'; end $$"
        )
        self.see(
            f"create or replace trigger fault before {event} on {table} for each statement execute function fault()"
        )

    def end(self) -> None:
        self.see("drop function if exists fault() cascade")


@pytest.fixture
def faults(see: See) -> Iterator[Failures]:
    found = Failures(see)
    yield found
    found.end()


@pytest.fixture
def learner(blank: Database) -> Iterator[Callable[..., LearningMachine]]:
    """Makes machines on this test's database."""
    made: list[LearningMachine] = []

    def make(**options: Any) -> LearningMachine:
        model = ScriptedModel(learns=[LEARNS, LEARNS, LEARNS])
        made.append(LearningMachine(**{"db": blank.conninfo, "model": model, "background": "external", **options}))
        return made[-1]

    yield make
    for machine in made:
        machine.close()


# --- writes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["learning", "change", "evidence"])
def test_a_failed_insert_is_reported(gate: Any, faults: Failures, see: See, says: Any, table: str) -> None:
    """Whichever insert of a write fails, every receipt says so, and nothing is left of it."""
    faults.on("insert", table)
    said = says("I like tea")
    receipt = gate.add("likes tea", quote="I like tea", said=said)
    assert (receipt.status, receipt.handle) == ("failed", None)
    assert str(receipt).startswith("failed: ")
    with pytest.raises(WriteFailed):
        gate.ledger.write_all(
            [Add(store="notes", kind="note", text="x", quote="I like tea")],
            scope=Scope(user_id="alice"),
            source=Source(said=said),
        )
    assert see(
        "select (select count(*) from learning) + (select count(*) from change) + (select count(*) from evidence) as n"
    ) == [{"n": 0}]
    faults.end()
    assert gate.add("likes tea").status == "saved"


def test_a_failed_write_closes_nothing(gate: Any, faults: Failures) -> None:
    """What held before a failed write holds after it."""
    gate.add("Bern", slot="city")
    faults.on("insert")
    assert gate.add("Basel", slot="city").status == "failed"
    assert gate.texts() == ["Bern"]


def test_process_raises(learner: Callable[..., LearningMachine], faults: Failures) -> None:
    """`process` and `aprocess` raise when nothing could be written; tried again, the same messages are learned."""
    machine = learner()
    machine.recall(user_id="alice")
    faults.on("insert")
    with pytest.raises(WriteFailed):
        machine.process(MESSAGES, user_id="alice", session_id="s1")
    with pytest.raises(WriteFailed):
        asyncio.run(machine.aprocess(MESSAGES, user_id="alice", session_id="s1"))
    assert machine.recall(user_id="alice") == {}
    faults.end()
    assert [receipt["status"] for receipt in machine.process(MESSAGES, user_id="alice", session_id="s1")] == ["saved"]
    assert machine.recall(user_id="alice")["user_profile"].location == "Bern"


def test_process_raises_when_the_turn_cannot_be_recorded(
    learner: Callable[..., LearningMachine], faults: Failures
) -> None:
    """What could not even be recorded raises too: nothing is taken as read."""
    machine = learner()
    machine.recall(user_id="alice")
    faults.on("insert", "message")
    with pytest.raises(WriteFailed):
        machine.process(MESSAGES, user_id="alice")
    faults.end()
    assert [receipt["status"] for receipt in machine.process(MESSAGES, user_id="alice")] == ["saved"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("update_profile", {"field": "location", "value": "Bern"}),
        ("remember", {"text": "likes tea"}),
        ("forget", {"handle": "k{}", "quote": ""}),
    ],
)
def test_tools_say_failed(
    learner: Callable[..., LearningMachine], gate: Any, faults: Failures, see: See, name: str, arguments: dict[str, str]
) -> None:
    """A tool whose write failed tells the model so."""
    machine = learner(user_profile=UserProfileConfig(mode=LearningMode.AGENTIC))
    tools = {tool.name: tool for tool in machine.get_tools(user_id="alice")}
    assert "saved" in tools["remember"].invoke({"text": "plays chess"})
    handle = machine.recall(user_id="alice")["user_profile"].items[0].handle
    faults.on("insert")
    answer = tools[name].invoke({key: value.replace("k{}", handle) for key, value in arguments.items()})
    assert answer.startswith("failed: ") and "saved as" not in answer
    assert machine.recall(user_id="alice")["user_profile"].observations == ("plays chess",)


# --- reads ------------------------------------------------------------------------------------------------------------


def test_a_failed_recall_destroys_nothing(learner: Callable[..., LearningMachine], see: See) -> None:
    """A recall that fails raises and changes nothing; the next one has all of it."""
    machine = learner()
    machine.process(MESSAGES, user_id="alice")
    before = see("select * from learning order by id")
    see("alter table learning rename column trust to trust_")
    try:
        for _ in range(3):
            with pytest.raises((psycopg.Error, LearningMachineError)):
                machine.recall(user_id="alice")
    finally:
        see("alter table learning rename column trust_ to trust")
    assert machine.recall(user_id="alice")["user_profile"].location == "Bern"
    assert see("select * from learning order by id") == before


def test_a_failed_read_never_leads_to_an_overwrite(learner: Callable[..., LearningMachine], see: See) -> None:
    """When what is known cannot be read, nothing is extracted on top of it."""
    machine = learner()
    machine.process(MESSAGES, user_id="alice", session_id="s1")
    see("alter table learning rename column trust to trust_")
    try:
        with pytest.raises((psycopg.Error, LearningMachineError)):
            machine.process(
                [*MESSAGES, {"role": "assistant", "content": "Nice."}, {"role": "user", "content": "Yes."}],
                user_id="alice",
                session_id="s1",
            )
    finally:
        see("alter table learning rename column trust_ to trust")
    assert see("select text, known_to from learning") == [{"text": "Bern", "known_to": None}]


def test_statement_timeout(database: Database, url: str) -> None:
    """A query that takes too long is cut off; the connection serves the next one."""
    access = Access(user_id="alice", timeout_ms=100)
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(psycopg.errors.QueryCanceled), database.transaction(access) as transaction:
            transaction.connection.execute("select pg_sleep(20)")
    assert time.monotonic() - began < 5
    with database.transaction(access) as transaction:
        assert transaction.connection.execute("select 1 as one").fetchone() == {"one": 1}


def test_slow_recall_is_cut_off(make_gate: Any, database: Database, url: str) -> None:
    """A recall that the database cannot answer in time fails within its limit of two seconds, and heals by itself."""
    gate = make_gate(database)
    gate.add("likes tea")
    with psycopg.connect(url, autocommit=True) as superuser:
        superuser.execute("begin; lock table learning_machine.learning in access exclusive mode")
        began = time.monotonic()
        with pytest.raises((psycopg.Error, LearningMachineError)):
            gate.texts()
        assert 1.5 < time.monotonic() - began < 6
        superuser.execute("rollback")
    assert gate.texts() == ["likes tea"]


# --- outages ----------------------------------------------------------------------------------------------------------


def cut(url: str) -> int:
    """End every connection to this database, as a restart does; how many there were."""
    with psycopg.connect(url, autocommit=True) as superuser:
        rows = superuser.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        ).fetchall()
    return len(rows)


def test_restart_between_calls(make_gate: Any, database: Database, url: str) -> None:
    """After the database went away and came back, the very next call works: a recall, and a write."""
    gate = make_gate(database)
    assert gate.add("one").status == "saved"
    assert cut(url) >= 1
    assert gate.texts() == ["one"]
    assert cut(url) >= 1
    assert gate.add("two").status == "saved"
    assert gate.texts() == ["one", "two"]


def test_restart_with_many_connections(make_gate: Any, database: Database, url: str) -> None:
    """Also when every connection of a full pool was lost."""
    gate = make_gate(database)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: gate.add(f"note {number}"), range(40)))
        assert cut(url) >= 4
        assert {receipt.status for receipt in threads.map(lambda number: gate.add(f"more {number}"), range(40))} == {
            "saved"
        }
    assert len(gate.texts()) == 80


def test_cut_in_the_middle(make_gate: Any, database: Database, url: str) -> None:
    """A write that loses its connection half way says that it failed, and nothing of it is left."""
    gate = make_gate(database)
    gate.add("one")
    with pytest.raises(DatabaseUnavailable), database.transaction(Access(user_id="alice")) as transaction:
        transaction.connection.execute("update learning set pinned = true")
        cut(url)
        transaction.connection.execute("select 1")
    with database.transaction(Access(user_id="alice")) as transaction:
        assert transaction.connection.execute("select pinned from learning").fetchall() == [{"pinned": False}]
