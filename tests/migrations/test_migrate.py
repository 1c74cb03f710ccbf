"""Migrations: whoever comes first brings the database up to date, once; and code and database that do not fit say so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
import pytest

from learning_machine import LearningMachine
from learning_machine.errors import DatabaseUnsuitable, SchemaOutOfDate, SchemaTooNew
from learning_machine.stores.postgres import migrate as migrating
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.migrate import Migration, applied, code_level, migrate, migrations, prepare
from learning_machine.stores.postgres.transactions import Access
from learning_machine.testing import ScriptedModel, change

Look = Callable[..., list[dict[str, Any]]]
Open = Callable[..., Database]
LEARNS = [change("user_profile", "Bern", kind="field", name="location")]
TABLES = "select schemaname || '.' || tablename as name from pg_tables where schemaname !~ '^(pg_|information_schema)' order by 1"


@pytest.fixture
def open_database(empty_url: str) -> Iterator[Open]:
    """Opens this test's database, as another process would."""
    opened: list[Database] = []

    def run(**options: Any) -> Database:
        opened.append(Database(empty_url, max_size=2, **options))
        return opened[-1]

    yield run
    for database in opened:
        database.close()


# --- applying ---------------------------------------------------------------------------------------------------------


def test_fresh(open_database: Open, look: Look) -> None:
    """An empty database gets everything, each in the schema it belongs to: ours, the queue's, and nothing in public."""
    database = open_database()
    assert applied(database) == []
    assert migrate(database) == [migration.name for migration in migrations()]
    schemas = {row["name"].split(".")[0] for row in look(TABLES)}
    assert schemas == {"learning_machine", "learning_machine_jobs"}
    queue = [row["name"] for row in look(TABLES) if row["name"].startswith("learning_machine_jobs.")]
    assert queue and all("procrastinate" in name for name in queue)
    assert not [row["name"] for row in look(TABLES) if "procrastinate" in row["name"] and row["name"] not in queue]
    assert look(
        "select nspname from pg_extension join pg_namespace n on n.oid = extnamespace where extname = 'vector'"
    ) == [{"nspname": "public"}]


def test_twice(open_database: Open, look: Look) -> None:
    """A second time changes nothing, in this process or another."""
    prepare(open_database())
    before = (
        look("select * from learning_machine.schema_version"),
        look("select * from learning_machine.queue_version"),
        look(TABLES),
    )
    for _ in range(2):
        database = open_database()
        assert migrate(database) == []
        assert applied(database) == [migration.name for migration in migrations()]
    assert before == (
        look("select * from learning_machine.schema_version"),
        look("select * from learning_machine.queue_version"),
        look(TABLES),
    )


def test_ten_processes_at_once(empty_url: str, look: Look) -> None:
    """Ten processes that start on an empty database all work, and migrate it once."""
    script = Path(__file__).with_name("starters.py")
    done = subprocess.run(
        [sys.executable, "-B", str(script), empty_url], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["saved"] * 10
    assert look("select count(*) as n from learning_machine.learning") == [{"n": 10}]
    assert look("select version from learning_machine.schema_version") == [
        {"version": migration.version} for migration in migrations()
    ]


def test_ten_threads_at_once(open_database: Open) -> None:
    """Nor do threads get in each other's way."""
    barrier = threading.Barrier(10)

    def start(database: Database) -> list[str]:
        barrier.wait(30)
        prepare(database)
        return applied(database)

    with ThreadPoolExecutor(10) as threads:
        results = list(threads.map(start, [open_database() for _ in range(10)]))
    assert results == [[migration.name for migration in migrations()]] * 10


def test_whoever_finds_it_up_to_date_may_use_it(open_database: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the steps of a migration others either see that it is not done, or can work: never a half."""
    states = []
    original = migrating._in_lock

    def in_lock(*arguments: Any) -> None:
        original(*arguments)
        other = open_database()
        with other.connection() as connection:
            found = migrating.standing(connection, other.names)
            if not migrating._up_to_date(connection, other.names, found):
                states.append("not done")
                return
        prepare(other, auto=False)
        states.append("works")

    monkeypatch.setattr(migrating, "_in_lock", in_lock)
    prepare(open_database())
    assert states[0] == "not done" and states[-1] == "works"


def test_interrupted(open_database: Open, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that fails leaves nothing of itself, and the next start goes on where it stopped."""
    bad = Migration(code_level() + 1, "9999_bad.sql", 1, "create table half (x int); select 1 / 0")
    monkeypatch.setattr(migrating, "migrations", lambda: (*migrations(), bad))
    with pytest.raises(psycopg.errors.DivisionByZero):
        prepare(open_database())
    assert look("select 1 from pg_tables where tablename = 'half'") == []
    monkeypatch.undo()
    database = open_database()
    prepare(database)
    assert applied(database) == [migration.name for migration in migrations()]
    check_works(database.conninfo)


def test_a_later_migration(open_database: Open, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of today gets what comes later, with rights on it, and keeps what it has."""
    check_works(open_database().conninfo)
    later = Migration(
        code_level() + 1,
        "9999_later.sql",
        1,
        "create table later (space bigint not null);"
        "alter table later enable row level security; alter table later force row level security;",
    )
    monkeypatch.setattr(migrating, "migrations", lambda: (*migrations(), later))
    database = open_database()
    assert migrate(database) == ["9999_later.sql"]
    assert migrate(database) == []
    with database.transaction(Access(user_id="alice")) as transaction:
        assert transaction.connection.execute("select * from later").fetchall() == []
    assert look("select polname from pg_policy where polrelid = 'learning_machine.later'::regclass") == [
        {"polname": "administered"}
    ]
    assert look("select text from learning_machine.learning") == [{"text": "Bern"}]
    monkeypatch.undo()
    check_works(database.conninfo, learned=True)


def test_a_later_queue(open_database: Open, look: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A newer queue brings migrations of its own: they are applied once, in its schema, with rights on what is new."""
    prepare(open_database())
    for entry in files("procrastinate.sql.migrations").iterdir():
        if entry.name.endswith(".sql"):
            (tmp_path / entry.name).write_text(entry.read_text("utf-8"), "utf-8")
    (tmp_path / "99.00.00_01_later.sql").write_text("create table later (id int)", "utf-8")
    monkeypatch.setattr(migrating, "files", lambda name: tmp_path if "procrastinate" in str(name) else files(name))
    database = open_database()
    with database.connection() as connection:
        names = database.names
        migrating._in_lock(connection, names, migrating._apply_queue)
        migrating._in_lock(connection, names, migrating._apply_queue)
    assert look("select schemaname from pg_tables where tablename = 'later'") == [
        {"schemaname": "learning_machine_jobs"}
    ]
    assert look(
        "select has_table_privilege('learning_machine_app', 'learning_machine_jobs.later', 'select') as may"
    ) == [{"may": True}]


# --- code and database ------------------------------------------------------------------------------------------------


def check_works(url: str, *, learned: bool = False) -> None:
    with LearningMachine(db=url, model=ScriptedModel(learns=LEARNS)) as machine:
        receipts = machine.process([("user", "I live in Bern")], user_id="alice")
        assert [receipt["status"] for receipt in receipts] == ([] if learned else ["saved"])
        assert machine.recall(user_id="alice")["user_profile"].location == "Bern"


def test_a_database_ahead_that_allows_it(open_database: Open, look: Look) -> None:
    """Code older than the database works as long as the newer migrations say that it may."""
    prepare(open_database())
    look("insert into learning_machine.schema_version values (9999, '9999_future.sql', %(level)s)", level=code_level())
    database = open_database()
    assert migrate(database) == []
    check_works(database.conninfo)


def test_a_database_too_far_ahead(open_database: Open, look: Look) -> None:
    """Code that a newer migration does not allow stops, says why, and touches nothing."""
    prepare(open_database())
    look(
        "insert into learning_machine.schema_version values (9999, '9999_future.sql', %(level)s)",
        level=code_level() + 1,
    )
    for auto in (True, False):
        with pytest.raises(SchemaTooNew, match=rf"level {code_level() + 1}.*Upgrade"):
            prepare(open_database(), auto=auto)
    with pytest.raises(SchemaTooNew):
        LearningMachine(db=open_database().conninfo).recall(user_id="alice")


def test_without_auto_migrate(open_database: Open, look: Look) -> None:
    """`auto_migrate=False` changes nothing: an empty database is refused with what to run, a ready one works."""
    url = open_database().conninfo
    with pytest.raises(SchemaOutOfDate, match="learning-machine migrate"):
        LearningMachine(db=url, auto_migrate=False).recall(user_id="alice")
    assert look(TABLES) == []
    migrate(open_database())
    with LearningMachine(db=url, auto_migrate=False) as machine:
        assert machine.recall(user_id="alice") == {}


def test_a_queue_is_missing(open_database: Open, look: Look) -> None:
    """A database without its queue is not up to date; it gets it."""
    prepare(open_database())
    look("drop schema learning_machine_jobs cascade; delete from learning_machine.queue_version")
    with pytest.raises(SchemaOutOfDate):
        prepare(open_database(), auto=False)
    look("create schema learning_machine_jobs")
    prepare(open_database())
    assert [row for row in look(TABLES) if row["name"] == "learning_machine_jobs.procrastinate_jobs"]


@pytest.mark.parametrize(("server", "fits"), [(140_012, False), (150_000, True), (180_004, True)])
def test_old_servers(server: int, fits: bool) -> None:
    """PostgreSQL before 15 is refused by its number."""
    if fits:
        migrating._check_server({"server": server})
        return
    with pytest.raises(DatabaseUnsuitable, match=r"PostgreSQL 14.*15 or newer"):
        migrating._check_server({"server": server})


@pytest.mark.parametrize(
    ("version", "fits"), [("0.7.4", False), ("0.8.0", True), ("0.8.5", True), ("0.10.0", True), ("1.0", True)]
)
def test_old_pgvector(version: str, fits: bool) -> None:
    """pgvector before 0.8 is refused with the statement that updates it."""
    names = Database("postgresql://localhost/x").names
    if fits:
        migrating._check_vector({"vector_version": version}, names)
        return
    with pytest.raises(DatabaseUnsuitable, match="ALTER EXTENSION vector UPDATE"):
        migrating._check_vector({"vector_version": version}, names)


def test_a_server_without_pgvector(open_database: Open, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server has no pgvector to install, the package to install is named, and nothing was made."""
    original = migrating.standing

    def standing(*arguments: Any) -> Any:
        return {**original(*arguments), "vector_available": None}

    monkeypatch.setattr(migrating, "standing", standing)
    with pytest.raises(DatabaseUnsuitable, match="postgresql-NN-pgvector"):
        prepare(open_database())
    assert look(TABLES) == []


# --- names ------------------------------------------------------------------------------------------------------------


def test_two_applications_are_strangers(empty_url: str, look: Look) -> None:
    """Two schemas in one database share nothing: not what was learned, not the queue, not even the right to look."""
    machines = [
        LearningMachine(db=empty_url, schema=schema, model=ScriptedModel(learns=LEARNS))
        for schema in ("app_one", "app_two")
    ]
    one, two = machines
    assert one.process([("user", "I live in Bern")], user_id="alice", groups=("team",))[0]["status"] == "saved"
    assert two.recall(user_id="alice", groups=("team",)) == {}
    assert one.recall(user_id="alice")["user_profile"].location == "Bern"
    for machine, other in ((one, "app_two"), (two, "app_one")):
        for table in (f"{other}.learning", f"{other}_jobs.procrastinate_jobs", f"{other}.schema_version"):
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege),
                machine.database.transaction(Access(user_id="alice")) as transaction,
            ):
                transaction.connection.execute(f"select * from {table}")  # type: ignore[call-overload]
    look("drop schema app_one, app_one_jobs cascade")
    assert two.process([("user", "I live in Bern")], user_id="alice")[0]["status"] == "saved"
    for machine in machines:
        machine.close()


def test_files_are_numbered() -> None:
    """Migrations are numbered without gaps, and each says which code may still run after it, itself at least."""
    assert [migration.version for migration in migrations()] == list(range(1, len(migrations()) + 1))
    for migration in migrations():
        assert re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", migration.name)
        assert 1 <= migration.oldest_code <= migration.version


def test_a_file_that_says_nothing() -> None:
    """A migration that forgets to say which code may still run is refused."""
    with pytest.raises(ValueError, match="oldest code"):
        migrating._migration("0002_x.sql", "create table x (y int)")
