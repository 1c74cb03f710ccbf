"""Statements in one round trip, waited for in a thread or in an event loop: the same rows, errors and clean-up."""

from __future__ import annotations

import asyncio
import select
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.waiting import Ready, Wait
from psycopg_pool import ConnectionPool

from learning_machine import LearningMachine
from learning_machine.errors import DatabaseUnavailable
from learning_machine.nodes.parts import acarry_out
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.migrate import prepare
from learning_machine.stores.postgres.pipelines import LoopConnections, Statement, awaited, exchange, rows_of
from learning_machine.stores.postgres.queries import numbered
from learning_machine.stores.postgres.steps import Ask, Steps
from learning_machine.stores.postgres.transactions import Access, Row
from learning_machine.testing import ScriptedModel

Exchanged = Callable[..., list[list[Row]]]
#: More than a socket takes at a time.
LONG = "x" * 3_000_000
READ = [("recall.one", {"id": 1})]


@pytest.fixture
def connection(empty_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(empty_url, autocommit=True) as found:
        yield found


@pytest.fixture(params=["thread", "loop"])
def exchanged(request: pytest.FixtureRequest, connection: psycopg.Connection[Any]) -> Exchanged:
    """The rows of statements, by each of the two ways to wait for them."""

    def run(*statements: Statement, prepares: bool = False) -> list[list[Row]]:
        under_way = exchange(connection, statements, prepares=prepares)
        in_thread = request.param == "thread"
        results = connection.wait(under_way) if in_thread else asyncio.run(awaited(connection, under_way))
        return [rows_of(connection, result) for result in results]

    return run


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    found = Database(url, max_size=3)
    prepare(found)
    found.read(Access(), READ)
    yield found
    found.close()


def asking(*asks: Ask) -> Steps[list[list[list[Row]]]]:
    found = []
    for ask in asks:
        found.append((yield ask))
    return found


def test_rows_of_each_statement_in_order(exchanged: Exchanged) -> None:
    """Every statement's rows come back by name, with their types, also none and several."""
    assert exchanged(
        Statement(b"select $1::int as n, $2::text[] as words, $3::jsonb as more", [5, ["a", "ü"], '{"x": [1]}']),
        Statement(b"select 1 as n where false"),
        Statement(b"select * from generate_series(1, 3) as n"),
    ) == [[{"n": 5, "words": ["a", "ü"], "more": {"x": [1]}}], [], [{"n": 1}, {"n": 2}, {"n": 3}]]


HOSTILE = [
    "",
    " ",
    "NULL",
    "null",
    '"',
    "\\",
    '\\"',
    "{}",
    "a,b",
    "{a,b}",
    "'; drop table turn; --",
    "\n\t",
    "ü😀\u202e",
    "$1 %s",
]


@pytest.mark.parametrize("prepares", [False, True])
def test_lists(exchanged: Exchanged, prepares: bool) -> None:
    """A list comes to Postgres as it is, whatever its texts hold: also empty, with gaps, of other types, and nested."""
    when, id = datetime(2026, 2, 28, 23, 59, 59, 123456, tzinfo=timezone(timedelta(hours=-7))), UUID(int=7)
    given = [HOSTILE, [], ["a", None, "NULL"], [1, -2, None, 2**40], [when, None], [id], [["a", "b"], ["{", '"']]]
    text = b"select $1::text[] a, $2::text[] b, $3::text[] c, $4::bigint[] d, $5::timestamptz[] e, $6::uuid[] f, $7::text[] g"
    (((found,)),) = exchanged(Statement(text, given), prepares=prepares)
    assert list(found.values()) == given


@pytest.mark.parametrize("prepares", [False, True])
def test_much_at_once(exchanged: Exchanged, prepares: bool) -> None:
    """What is longer than a socket takes goes both ways, however fast it is answered."""
    for _ in range(5):
        found = exchanged(
            *[Statement(b"select length($1::text) as n", [LONG])] * 2,
            Statement(b"select $1::text as t", [LONG]),
            prepares=prepares,
        )
        assert found == [[{"n": len(LONG)}], [{"n": len(LONG)}], [{"t": LONG}]]


def test_answered_before_it_is_waited_for(connection: psycopg.Connection[Any]) -> None:
    """An answer that was read while the last of a long question went out is not waited for again."""
    under_way = exchange(connection, [Statement(b"select length($1::text) as n", [LONG])])
    assert next(under_way) == Wait.RW
    while connection.pgconn.flush():
        select.select([], [connection.fileno()], [])
    select.select([connection.fileno()], [], [], 10)
    time.sleep(0.2)  # the whole answer is there
    with pytest.raises(StopIteration) as ended:
        under_way.send(Ready.RW)
    assert rows_of(connection, ended.value.value[0]) == [{"n": len(LONG)}]


@pytest.mark.parametrize("prepares", [False, True])
def test_one_that_fails_undoes_all(exchanged: Exchanged, connection: psycopg.Connection[Any], prepares: bool) -> None:
    """They are one transaction: the first error is raised, nothing is kept, and the connection goes on."""
    connection.execute("create table kept (n int)")
    with pytest.raises(psycopg.errors.DivisionByZero):
        exchanged(
            Statement(b"insert into kept values (1)"),
            Statement(b"select 1 / 0"),
            Statement(b"select nothing from nowhere"),
            prepares=prepares,
        )
    assert connection.info.transaction_status == TransactionStatus.IDLE
    assert connection.pgconn.pipeline_status == PipelineStatus.OFF
    assert exchanged(Statement(b"select count(*) as n from kept"), prepares=prepares) == [[{"n": 0}]]


def test_what_cannot_be_sent(exchanged: Exchanged, connection: psycopg.Connection[Any]) -> None:
    """A value that no text can hold is refused before anything is sent."""
    with pytest.raises(psycopg.DataError):
        exchanged(Statement(b"select $1::text as t", ["a\0b"]))
    assert exchanged(Statement(b"select 1 as n")) == [[{"n": 1}]]
    assert not connection.closed


def test_a_statement_is_planned_once(exchanged: Exchanged, connection: psycopg.Connection[Any]) -> None:
    """The same words with the same types are prepared once, also when they come twice at once, and used again."""
    asked = Statement(b"select $1::int as n", [5])
    for _ in range(3):
        assert exchanged(asked, asked, prepares=True) == [[{"n": 5}]] * 2
        assert exchanged(Statement(asked.text, [2**40 // 2**40]), prepares=True) == [[{"n": 1}]]
    assert connection.execute("select count(*) from pg_prepared_statements").fetchone() == (1,)
    exchanged(Statement(asked.text, [None]), prepares=True)
    assert connection.execute("select count(*) from pg_prepared_statements").fetchone() == (2,)


def test_a_plan_that_failed_is_made_again(exchanged: Exchanged, connection: psycopg.Connection[Any]) -> None:
    """What could not be prepared, because of an error before it, is not taken for prepared."""
    good = Statement(b"select 7 as n")
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            exchanged(Statement(b"select 1 / 0"), good, prepares=True)
    assert exchanged(good, prepares=True) == [[{"n": 7}]]


def test_a_connection_that_is_lost(exchanged: Exchanged, connection: psycopg.Connection[Any]) -> None:
    """Where the server ends the connection the error is an outage's."""
    with pytest.raises(psycopg.OperationalError):
        exchanged(Statement(b"select pg_terminate_backend(pg_backend_pid())"), Statement(b"select 1"))
    with pytest.raises(psycopg.OperationalError):
        exchanged(Statement(b"select 1"))


def test_cut_off(connection: psycopg.Connection[Any]) -> None:
    """Who stops waiting leaves no half of an answer behind: the connection is closed."""

    async def cut() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await awaited(connection, exchange(connection, [Statement(b"select pg_sleep(30)")]))

    asyncio.run(cut())
    assert connection.closed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select 1", (b"select 1", ())),
        ("values (%s, %s), (%s, %s)", (b"values ($1, $2), ($3, $4)", ("", "", "", ""))),
        ("select %(a)s, %(b)s, %(a)s", (b"select $1, $2, $1", ("a", "b"))),
        ("select 7 %% 2, %(a)s like '100%%'", (b"select 7 % 2, $1 like '100%'", ("a",))),
    ],
)
def test_numbered(text: str, expected: tuple[bytes, tuple[str, ...]]) -> None:
    """psycopg's parameters become the server's: a name keeps its number, one without a name has its own."""
    assert numbered(text) == expected


# --- connections of a pool --------------------------------------------------------------------------------------------


def test_the_loop_goes_on(database: Database) -> None:
    """While the database works, everything else in the event loop does too."""

    async def both() -> tuple[int, Any]:
        async def ticks() -> int:
            for number in range(1_000_000):  # noqa: B007
                await asyncio.sleep(0.005)
                if slow.done():
                    break
            return number

        connections = LoopConnections(2)
        asked = [Statement(b"select pg_sleep(0.4)")]
        slow = asyncio.create_task(connections.exchange(database.pool, asked, lambda *_: "done"))
        return await ticks(), await slow

    ticked, outcome = asyncio.run(both())
    assert outcome == "done" and ticked > 20


def test_a_hundred_at_once(database: Database) -> None:
    """A hundred tasks over three connections all get their rows, in two loops at the same time, and all are given back."""

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(database.arun(asking(Ask(Access(), READ))) for _ in range(100)))

    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.extend(asyncio.run(all_of_them()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [[[[]]]] * 200
    assert idle(database)


def test_loops_come_and_go(database: Database) -> None:
    """Nothing of an event loop is kept when it has ended, however many there were."""
    connections = LoopConnections(1)

    async def two() -> None:
        asked = [Statement(b"select 1")]
        await asyncio.gather(*(connections.exchange(database.pool, asked, lambda *_: None) for _ in range(2)))

    for _ in range(5):
        asyncio.run(two())
    assert len(connections._turns) == 1


def idle(database: Database) -> bool:
    """Whether all connections are back in the pool, given a moment."""
    ends = time.monotonic() + 5
    while time.monotonic() < ends:
        stats = database.pool.get_stats()
        if stats["pool_available"] == stats["pool_size"]:
            return True
        time.sleep(0.02)
    return False


def test_a_task_that_is_cancelled(database: Database) -> None:
    """A task that is cancelled gives its connection and its turn back, whatever it waited for just then."""

    async def cancelled() -> None:
        connections = LoopConnections(2)
        slow = [Statement(b"select pg_sleep(30)")]
        tasks = [asyncio.create_task(connections.exchange(database.pool, slow, lambda *_: None)) for _ in range(6)]
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        assert all(
            isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*tasks, return_exceptions=True)
        )
        quick = [Statement(b"select 1 as n")]
        assert await connections.exchange(database.pool, quick, lambda _, results: len(results)) == 1

    asyncio.run(cancelled())
    assert idle(database)


def test_after_a_restart(database: Database) -> None:
    """Connections that died in the pool are replaced: who asks in a loop gets an answer, not an error."""
    with psycopg.connect(database.conninfo, autocommit=True) as admin:
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'learning-machine' and datname = current_database()"
        )
    assert asyncio.run(database.arun(asking(Ask(Access(), READ)))) == [[[]]]


def test_a_pooler_that_forgets(database: Database) -> None:
    """Where prepared statements do not last, a loop too reads on without them; and where they do, they are kept."""

    async def read() -> list[Any]:
        return await database.arun(asking(Ask(Access(), [*READ, *READ])))

    for _ in range(2):
        assert asyncio.run(read()) == [[[], []]]
    assert database._prepares
    with database.connection() as connection:
        connection.execute("do $$ begin execute 'deallocate all'; end $$")
    for _ in range(3):
        assert asyncio.run(read()) == [[[], []]]


def test_nothing_asked(database: Database) -> None:
    """Who asks nothing is told nothing: not what was sent to say who asks."""
    assert database.read(Access(), []) == []
    assert asyncio.run(database.arun(asking(Ask(Access(), [])))) == [[]]


def test_steps_hear_what_failed(database: Database) -> None:
    """Steps are told what went wrong, and may ask again; what they do not expect reaches the caller."""
    wrong = Ask(Access(), [("recall.one", {"id": "x"})])

    def patient() -> Steps[str]:
        try:
            yield wrong
        except psycopg.DataError:
            yield Ask(Access(), READ)
        return "asked again"

    assert database.run(patient()) == asyncio.run(database.arun(patient())) == "asked again"
    with pytest.raises(psycopg.DataError):
        database.run(asking(wrong))
    with pytest.raises(psycopg.DataError):
        asyncio.run(database.arun(asking(wrong)))


def test_where_a_loop_does_not_wait(url: str) -> None:
    """Before it is open, and with a pool that is somebody else's, the database is asked in a thread."""

    async def can(database: Database) -> bool:
        return database.can_wait_in_loop()

    own = Database(url)
    assert asyncio.run(can(own)) is False
    prepare(own)
    own.read(Access(), READ)
    assert asyncio.run(can(own)) is True
    own.close()
    assert asyncio.run(can(own)) is False
    with ConnectionPool(url, open=True) as pool:
        given = Database(pool)
        prepare(given)
        given.read(Access(), READ)
        assert asyncio.run(can(given)) is False


def test_an_outage_in_a_loop(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that has no connection to give is said to be an outage, as in a thread."""
    monkeypatch.setattr(database.pool, "timeout", 0.1)
    with database.connection(), database.connection(), database.connection(), pytest.raises(DatabaseUnavailable):
        asyncio.run(database.arun(asking(Ask(Access(), READ))))


# --- behind a reply ---------------------------------------------------------------------------------------------------


def test_a_reply_does_not_wait_for_ever(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply goes out when its patience is over, what it waited for happens all the same, and the failure is counted."""
    monkeypatch.setattr("learning_machine.nodes.parts.PATIENCE", 0.1)
    with LearningMachine(db=url, model=ScriptedModel(), user_profile=True) as machine:
        machine.recall(user_id="alice")
        happened: list[str] = []

        def slow() -> Steps[str]:
            yield Ask(Access(), [("recall.one", {"id": 1})])
            happened.append("late")
            return "in time"

        async def turn() -> Any:
            real = machine.parts.database.arun

            async def late(steps: Steps[Any]) -> Any:
                await asyncio.sleep(0.3)
                return await real(steps)

            monkeypatch.setattr(machine.parts.database, "arun", late)
            outcome = await acarry_out(machine.parts, "a step", slow, "without it")
            assert happened == []
            await asyncio.sleep(0.6)
            return outcome

        assert asyncio.run(turn()) == "without it"
        assert happened == ["late"]
        assert machine.usage.failures == {"a step": 1}


def test_what_fails_too_late_is_not_shown(url: str, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """An error that comes when nobody waits any more is not logged with its text, which could hold what a person said."""
    monkeypatch.setattr("learning_machine.nodes.parts.PATIENCE", 0.05)
    with LearningMachine(db=url, model=ScriptedModel(), user_profile=True) as machine:
        machine.recall(user_id="alice")

        async def late(_: Any) -> Any:
            await asyncio.sleep(0.15)
            raise ValueError("Alice lives in Bern")

        async def turn() -> Any:
            monkeypatch.setattr(machine.parts.database, "arun", late)
            outcome = await acarry_out(machine.parts, "a step", lambda: asking(), "without it")
            await asyncio.sleep(0.3)
            return outcome

        assert asyncio.run(turn()) == "without it"
    assert "Bern" not in caplog.text
