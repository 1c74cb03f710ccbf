"""The gate in the database itself: what not even the library's own SQL may do to what was learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from learning_machine.errors import ConfigurationError
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import Access, Transaction

ALICE = Access(user_id="alice")
CONTENT = {
    "store": "'other'",
    "kind": "'other'",
    "subject": "'other'",
    "slot": "'other'",
    "name": "'other'",
    "value": """'{"other": 1}'""",
    "text": "'other'",
    "found_by": "'other'",
    "content_key": "'other'",
    "origin": "'reviewer'",
    "trust": "70",
    "true_from": "now()",
    "known_from": "now()",
    "session": "'other'",
    "turn": "gen_random_uuid()",
    "anchor": "'other'",
    "actor": "'other'",
    "agent": "'other'",
    "batch": "gen_random_uuid()",
    "supersedes": "1",
}
VERSIONS = ("schema_version", "queue_version")
#: Tables whose rows are nobody's: which models there are, what was spent, and the salt of digests.
NOBODYS = ("embedding_model", "spending", "installation")
Run = Callable[..., Any]


@pytest.fixture
def as_alice(gate: Any) -> Run:
    """Runs SQL as the library's role, in Alice's scope."""

    def run(sql: str) -> Any:
        with gate.database.transaction(ALICE) as transaction:
            return _execute(transaction, sql)

    return run


def _execute(transaction: Transaction, sql: str) -> Any:
    cursor = transaction.connection.execute(sql)  # type: ignore[arg-type]
    return cursor.fetchall() if cursor.description else cursor.rowcount


def test_a_read_writes_nothing(gate: Any) -> None:
    """A query that was asked to be read cannot write, with prepared statements and without."""
    where = {"kind": "user", "owner": "alice", "session": None, "grp": None}
    for prepares in (True, False):
        gate.database._prepares = prepares
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            gate.database.read(ALICE, [("access.ensure_space", where)])


@pytest.mark.parametrize("column", CONTENT)
def test_content_cannot_be_changed(gate: Any, as_alice: Run, column: str) -> None:
    """No column that says what was learned, of whom, when or from where can be updated."""
    gate.add("likes tea")
    with pytest.raises(psycopg.errors.RaiseException, match="cannot be changed"):
        as_alice(f"update learning set {column} = {CONTENT[column]}")
    assert gate.texts() == ["likes tea"]


def test_the_space_and_the_id_cannot_be_changed(gate: Any, as_alice: Run, see: Run) -> None:
    """A learning cannot be moved to another space, nor given another id."""
    gate.add("likes tea")
    gate.add("likes coffee", user="bob")
    bob = see("select id from space where owner = 'bob'")[0]["id"]
    with pytest.raises((psycopg.errors.RaiseException, psycopg.errors.InsufficientPrivilege)):
        as_alice(f"update learning set space = {bob}")
    with pytest.raises(psycopg.errors.GeneratedAlways):
        as_alice("update learning set id = 4711")


@pytest.mark.parametrize(
    "change", ["known_to = null", "known_to = now() + interval '1 day'", "superseded_by = null", "superseded_by = 7"]
)
def test_closed_stays_closed(gate: Any, as_alice: Run, change: str) -> None:
    """A closed row is neither opened again nor closed at another time or by another row."""
    gate.add("Bern", slot="city")
    gate.add("Basel", slot="city")
    with pytest.raises(psycopg.errors.RaiseException, match="stays closed"):
        as_alice(f"update learning set {change} where text = 'Bern'")


def test_what_may_be_changed(gate: Any, as_alice: Run) -> None:
    """Closing, pinning, expiry and the mark of an abandoned branch are no content."""
    gate.add("likes tea")
    for change in (
        "pinned = true",
        "expires_at = now() + interval '1 day'",
        "abandoned_at = now()",
        "known_to = now() + interval '1 s'",
    ):
        assert as_alice(f"update learning set {change}") == 1


def test_not_known_before_it_was_known(gate: Any, as_alice: Run) -> None:
    """A row cannot end before it begins."""
    gate.add("likes tea")
    with pytest.raises(psycopg.errors.CheckViolation):
        as_alice("update learning set known_to = known_from - interval '1 s'")


def test_one_open_row_a_slot(gate: Any, as_alice: Run) -> None:
    """Behind the gate's locks the database itself refuses a second open row in a slot, and the same content twice."""
    gate.add("Bern", slot="city")
    columns = "space, store, kind, subject, slot, text, content_key, origin, trust, status, batch"
    copied = "space, store, kind, subject, {}, text, {}, origin, trust, status, batch"
    for slot, key in (("slot", "'other'"), ("'other'", "content_key")):
        with pytest.raises(psycopg.errors.UniqueViolation):
            as_alice(f"insert into learning ({columns}) select {copied.format(slot, key)} from learning")


@pytest.mark.parametrize(
    "table", ["change", "evidence", "derived_from", "turn", "watermark", "space", "tombstone", "erasure", "judged"]
)
def test_history_cannot_be_deleted(gate: Any, as_alice: Run, table: str) -> None:
    """The library's role deletes nothing of what happened: only erasure does."""
    gate.add("likes tea")
    for sql in (f"delete from {table}", f"truncate {table} cascade", f"drop table {table} cascade"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_alice(sql)


def test_only_what_was_archived_can_be_deleted(gate: Any, as_alice: Run, see: Run) -> None:
    """Of what was learned the library's role deletes what curation archived, and nothing else; it cannot empty the table."""
    gate.add("likes tea")
    gate.add("likes coffee")
    see("update learning set status = 'archived' where text = 'likes coffee'")
    assert as_alice("delete from learning") == 1
    assert gate.texts() == ["likes tea"]
    for sql in ("truncate learning cascade", "drop table learning cascade"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_alice(sql)


@pytest.mark.parametrize("table", ["change", "evidence", "derived_from", "watermark", "space", "tombstone", "erasure"])
def test_history_cannot_be_rewritten(gate: Any, as_alice: Run, table: str) -> None:
    """What was noted of a change, its words and its source can only be added to."""
    gate.add("likes tea")
    column = {"space": "kind", "erasure": "receipt"}.get(table, "space")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_alice(f"update {table} set {column} = {column}")


@pytest.mark.parametrize("table", VERSIONS)
def test_versions_are_not_the_applications(as_alice: Run, table: str) -> None:
    """Which migrations were applied is not for the library's role to say."""
    for sql in (f"insert into {table} default values", f"update {table} set name = 'x'", f"delete from {table}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_alice(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "create table x (y int)",
        "alter table learning disable row level security",
        "drop policy visible on learning",
        "alter table learning disable trigger keep_learning",
        "create role x",
        "set row_security = off; select * from learning",
    ],
)
def test_the_role_changes_no_structure(gate: Any, as_alice: Run, sql: str) -> None:
    """The library's role can neither make tables nor take the guards away."""
    gate.add("likes tea")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_alice(sql)


def test_no_login(blank: Database, see: Run) -> None:
    """Nobody can log in as one of the library's roles, and neither bypasses row-level security."""
    rows = see(
        "select rolname, rolcanlogin or rolsuper or rolbypassrls or rolcreaterole or rolcreatedb as strong from pg_roles "
        "where rolname like 'learning_machine_%%'"
    )
    assert {row["rolname"]: row["strong"] for row in rows} == {
        "learning_machine_app": False,
        "learning_machine_admin": False,
    }


def test_every_table_is_guarded(see: Run) -> None:
    """Every table with people's rows has row-level security, forced, with the two policies and the few that some need."""
    rows = see("""
        select relname, relrowsecurity and relforcerowsecurity as guarded,
               (select array_agg(polname::text order by polname) from pg_policy where polrelid = pg_class.oid) as policies
        from pg_class where relnamespace = 'learning_machine'::regnamespace and relkind in ('r', 'p')""")
    unguarded = {row["relname"] for row in rows if not row["guarded"]}
    assert unguarded == {*VERSIONS, *NOBODYS}
    more = {row["relname"]: set(row["policies"]) ^ {"administered", "visible"} for row in rows if row["guarded"]}
    assert {table: policies for table, policies in more.items() if policies} == {
        "learning": {"archived_only"},  # deleted
        "derived_from": {"written", "shaken"},  # what rests on it may lie in spaces one cannot enter
        "tombstone": {"recognised"},  # digests, found from whatever space
        "erasure": {"visible"},  # receipts are the administrator's alone
    }


def test_every_row_has_a_space(see: Run) -> None:
    """Every guarded table says whose its rows are in one column, not null, and a table of another kind would be noticed."""
    rows = see("""
        select c.relname from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attname = 'space' and a.attnotnull
        where c.relnamespace = 'learning_machine'::regnamespace and c.relkind in ('r', 'p') and a.attname is null""")
    assert {row["relname"] for row in rows} == {"space", "erasure", *VERSIONS, *NOBODYS}


def test_unprepared(url: str) -> None:
    """A database that nobody prepared answers nothing, because isolation would not hold in it."""
    unprepared = Database(url)
    with pytest.raises(ConfigurationError, match="prepare"), unprepared.transaction(Access(user_id="alice")):
        pass
    with pytest.raises(ConfigurationError, match="prepare"):
        unprepared.read(Access(user_id="alice"), [])
    unprepared.close()
