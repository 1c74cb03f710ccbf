"""How the database is reached: by a URL, by somebody's own pool; and what is said when it cannot be."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row, tuple_row
from psycopg_pool import ConnectionPool

from learning_machine import LearningMachine
from learning_machine.errors import ConfigurationError, DatabaseUnavailable
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.migrate import prepare
from learning_machine.stores.postgres.transactions import Access, check_schema
from learning_machine.testing import ScriptedModel, change

LEARNS = [change("user_profile", "Bern", kind="field", name="location")]

# --- somebody's own pool ----------------------------------------------------------------------------------------------


def state(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """What a pool's owner relies on."""
    found = {
        "autocommit": connection.autocommit,
        "prepare": connection.prepare_threshold,
        "rows": connection.row_factory,
    }
    settings = ("role", "search_path", "statement_timeout", "application_name")
    for name in settings:
        row = connection.execute("select current_setting(%s)", (name,)).fetchone()
        found[name] = next(iter(row.values())) if isinstance(row, dict) else row and row[0]
    connection.rollback()
    return found


@pytest.mark.parametrize(
    "kwargs",
    [{}, {"autocommit": True}, {"row_factory": dict_row, "prepare_threshold": 2, "application_name": "theirs"}],
    ids=["defaults", "autocommit", "own settings"],
)
def test_a_given_pool(url: str, kwargs: dict[str, Any]) -> None:
    """A pool of the user's own works, with whatever settings, and gets its connections back as they were."""
    with ConnectionPool(url, min_size=1, max_size=2, kwargs=kwargs, open=True) as pool:
        with pool.connection() as connection:
            before = state(connection)
        assert before["autocommit"] is kwargs.get("autocommit", False)
        with LearningMachine(db=pool, model=ScriptedModel(learns=LEARNS)) as machine:
            assert [
                receipt["status"] for receipt in machine.process([("user", "I live in Bern")], user_id="alice")
            ] == ["saved"]
            assert machine.recall(user_id="alice")["user_profile"].location == "Bern"
        with pool.connection() as connection, pool.connection() as other:
            assert state(connection) == before
            assert state(other) == before


def test_a_given_pool_after_failures(url: str) -> None:
    """Also after errors, in transactions and in pipelines, its connections are as they were."""
    with ConnectionPool(url, min_size=1, max_size=1, open=True) as pool:
        with pool.connection() as connection:
            before = state(connection)
        database = Database(pool)
        prepare(database)
        for fail in (fail_in_transaction, fail_in_pipeline, break_off):
            fail(database)
            with pool.connection() as connection:
                assert state(connection) == before
            assert database.read(Access(), [("recall.one", {"id": 1})]) == [[]]


FORGET = "do $$ begin execute 'deallocate all'; end $$"
READ = [("recall.one", {"id": 1})]


def prepared(pool: ConnectionPool[Any]) -> int:
    """How many statements the one connection of a pool holds prepared."""
    with pool.connection() as connection:
        row = connection.execute("select count(*) from pg_prepared_statements").fetchone()
    return int(row[0]) if row else 0


@pytest.mark.parametrize("threshold", [5, None], ids=["allowed", "turned off"])
def test_reading_is_planned_once(url: str, threshold: int | None) -> None:
    """What is read is prepared on its connection, unless the pool's owner turned that off."""
    kwargs = {"prepare_threshold": threshold}
    with ConnectionPool(url, min_size=1, max_size=1, kwargs=kwargs, open=True) as pool:
        database = Database(pool)
        prepare(database)
        for _ in range(2):
            assert database.read(Access(), READ) == [[]]
        assert (prepared(pool) > 0) is (threshold is not None)


def test_a_pooler_that_forgets(url: str) -> None:
    """Where prepared statements do not last, as behind some transaction poolers, reading goes on without them."""
    with ConnectionPool(url, min_size=1, max_size=1, open=True) as pool:
        database = Database(pool)
        prepare(database)
        assert database.read(Access(), READ) == [[]]
        with pool.connection() as connection:
            connection.execute(FORGET)
        for _ in range(3):
            assert database.read(Access(), READ) == [[]]
        assert prepared(pool) == 0


def fail_in_transaction(database: Database) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), database.transaction(Access()) as transaction:
        transaction.connection.execute("select 1 / 0")


def fail_in_pipeline(database: Database) -> None:
    with pytest.raises(psycopg.DataError):
        database.read(Access(), [("recall.one", {"id": "x"}), ("recall.one", {"id": 1})])


def break_off(database: Database) -> None:
    with pytest.raises(KeyError), database.transaction(Access()):
        raise KeyError


def test_a_given_pool_stays_open(url: str) -> None:
    """Closing the machine does not close the user's pool; a pool that is not open yet is opened."""
    pool = ConnectionPool(url, min_size=1, max_size=2, open=False)
    with LearningMachine(db=pool) as machine:
        assert machine.recall(user_id="alice") == {}
    with pool.connection() as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        assert connection.row_factory is tuple_row
    pool.close()


def test_a_closed_pool(url: str) -> None:
    """A pool that was closed is said to be so."""
    pool = ConnectionPool(url, min_size=1, open=True)
    pool.close()
    with pytest.raises(DatabaseUnavailable, match="pool"):
        LearningMachine(db=pool).recall(user_id="alice")


def test_a_small_pool_serves_many(url: str) -> None:
    """Thirty threads over two connections all get their turn."""
    database = Database(url, max_size=2)
    prepare(database)
    threads = [
        threading.Thread(target=lambda: done.append(database.read(Access(), [("recall.one", {"id": 1})])))
        for _ in range(30)
    ]
    done: list[Any] = []
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(done) == 30
    database.close()


def test_closed_and_used_again(url: str) -> None:
    """A database that was closed opens again when it is used."""
    database = Database(url)
    prepare(database)
    for _ in range(3):
        assert database.read(Access(), [("recall.one", {"id": 1})]) == [[]]
        database.close()


# --- when it cannot be reached ----------------------------------------------------------------------------------------


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where something else than PostgreSQL answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client:
                    answer(client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def web_server(client: socket.socket) -> None:
    client.recv(1000)
    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def refusing(client: socket.socket) -> None:
    """PostgreSQL, as it refuses a password."""
    client.recv(1000)  # asks for encryption
    client.sendall(b"N")
    client.recv(1000)  # says who it is
    client.sendall(b"R\0\0\0\x08\0\0\0\x03")  # asked for a password
    client.recv(1000)
    fields = b'SFATAL\0C28P01\0Mpassword authentication failed for user "app"\0\0'
    client.sendall(b"E" + (len(fields) + 4).to_bytes(4) + fields)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


SECRET = "hunter2-Secret"


def complaint(url: str) -> str:
    """What somebody reads whose database cannot be reached."""
    message = refused(url, DatabaseUnavailable)
    assert message.startswith("The database cannot be reached: ") and message.endswith(
        "Check the URL and that the server runs."
    )
    return message


def refused(url: str, *kinds: type[Exception]) -> str:
    with pytest.raises(kinds) as caught:
        LearningMachine(db=url).recall(user_id="alice")
    message = str(caught.value)
    assert "hunter2" not in message and "Secret" not in message and "\n" not in message
    return message


def test_wrong_host() -> None:
    """A host that does not exist is named."""
    assert "nowhere.invalid" in complaint(f"postgresql://app:{SECRET}@nowhere.invalid/app")


def test_wrong_port() -> None:
    """A port where nothing listens is named."""
    port = free_port()
    assert str(port) in complaint(f"postgresql://app:{SECRET}@127.0.0.1:{port}/app")


def test_not_a_database() -> None:
    """A port where something else answers."""
    with answering(web_server) as port:
        complaint(f"postgresql://app:{SECRET}@127.0.0.1:{port}/app")


def test_wrong_password() -> None:
    """A wrong password is said to be one, and not repeated."""
    with answering(refusing) as port:
        assert "password authentication failed" in complaint(f"postgresql://app:{SECRET}@127.0.0.1:{port}/app")


def test_missing_database(server: Any) -> None:
    """A database that does not exist is named."""
    assert '"nothing_here"' in complaint(server.url_for("nothing_here"))


def test_unknown_role(server: Any) -> None:
    """So is a role."""
    assert '"nobody_here"' in complaint(server.url_for("postgres").replace("postgres@", f"nobody_here:{SECRET}@"))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://app:{SECRET}@localhost:none/app",
        f"postgresql://app:{SECRET}@@localhost/app",
        f"postgresql://app:hunter2@{SECRET}@localhost:1/app",
        f"postgresql://app:{SECRET}@[localhost/app",
        f"postgresql:/app:{SECRET}@localhost/app",
        f"app:{SECRET}@localhost/app",
        f"host=localhost port=1 password={SECRET} nonsense=1",
        f"host=localhost port=1 password='{SECRET}",
        f"postgresql://app:{SECRET}%zz@localhost/app",
        f"postgresql://app:{SECRET}@localhost:1/app?nonsense={SECRET}",
        f"mysql://app:{SECRET}@localhost/app",
    ],
)
def test_malformed_url(url: str) -> None:
    """A URL with a mistake in it is refused in words that do not repeat its password."""
    refused(url, DatabaseUnavailable, ConfigurationError)


def test_the_password_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Nor does the log repeat it."""
    caplog.set_level("DEBUG")
    complaint(f"postgresql://app:{SECRET}@127.0.0.1:{free_port()}/app")
    assert "hunter2" not in caplog.text


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "Upper",
        "with space",
        "with-dash",
        'quo"te',
        "1st",
        "pg_own",
        "a" * 52,
        "ü",
        "a.b",
        "x;drop",
        "information_schema",
        "app_jobs",
        "x\n",
        "x\x00",
    ],
)
def test_schema_names_that_are_refused(schema: str) -> None:
    """A name that cannot serve for the tables, the queue and the roles is refused where it is written."""
    with pytest.raises(ConfigurationError, match=re.escape("schema")):
        check_schema(schema)
    with pytest.raises(ConfigurationError):
        LearningMachine(schema=schema, db="postgresql://localhost/x")


@pytest.mark.parametrize("schema", ["a", "_", "learning_machine", "user", "select", "a" * 51, "app2"])
def test_schema_names_that_work(empty_url: str, schema: str) -> None:
    """Any other name works, words of SQL too."""
    with LearningMachine(schema=schema, db=empty_url, model=ScriptedModel(learns=LEARNS)) as machine:
        assert [receipt["status"] for receipt in machine.process([("user", "I live in Bern")], user_id="alice")] == [
            "saved"
        ]
        assert machine.recall(user_id="alice")["user_profile"].location == "Bern"
