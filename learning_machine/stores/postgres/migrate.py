"""Bring a database to the schema this code needs, once, whoever comes first."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import LiteralString, cast

import psycopg
from procrastinate.schema import SchemaManager
from psycopg import sql
from psycopg.rows import DictRow

from learning_machine.errors import DatabaseUnsuitable, SchemaOutOfDate, SchemaTooNew
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.queries import query
from learning_machine.stores.postgres.transactions import Access, Names, Row

OLDEST_SERVER = 150_000
OLDEST_VECTOR = (0, 8)


@dataclass(frozen=True)
class Migration:
    """One numbered file. `oldest_code` is the oldest code level that may still run once it is applied."""

    version: int
    name: str
    oldest_code: int
    text: LiteralString


@cache
def migrations() -> tuple[Migration, ...]:
    """Every migration this code knows, in order."""
    folder = files(__package__) / "migrations"
    return tuple(
        _migration(entry.name, entry.read_text("utf-8"))
        for entry in sorted(folder.iterdir(), key=lambda e: e.name)
        if entry.name.endswith(".sql")
    )


def _migration(name: str, text: str) -> Migration:
    oldest = re.search(r"^-- oldest code: (\d+)$", text, re.MULTILINE)
    if oldest is None:
        raise ValueError(f"{name} does not say `-- oldest code: N`")
    return Migration(int(name[:4]), name, int(oldest[1]), cast(LiteralString, text))


def code_level() -> int:
    """The level of this code: the number of the newest migration it knows."""
    return migrations()[-1].version


# --- standing ---------------------------------------------------------------------------------------------------------


def standing(connection: psycopg.Connection[DictRow], names: Names) -> Row:
    """What the connection may do and what is installed, as one row (see `access.sql`)."""
    params = {
        "app": names.app,
        "admin": names.admin,
        "schema": names.schema,
        "jobs": names.jobs,
    }
    return cast(Row, connection.execute(query("access.standing"), params).fetchone())


def prepare(database: Database, *, auto: bool = True) -> None:
    """Make the database ready, migrating it if `auto` and needed, and check that isolation really holds."""
    with database.connection() as connection:
        found = standing(connection, database.names)
        _check_server(found)
        if not _up_to_date(connection, database.names, found):
            if not auto:
                raise SchemaOutOfDate()
            found = _migrate(connection, database.names)
        _check_vector(found, database.names)
    database.use(vector_schema=found["vector_schema"], **_roles(found, database.names))
    _check_isolation(database, found)


def migrate(database: Database) -> list[str]:
    """Apply what is missing and say the names of what was applied."""
    before = applied(database)
    prepare(database)
    return [name for name in applied(database) if name not in before]


def applied(database: Database) -> list[str]:
    """The names of the migrations the database has."""
    with database.connection() as connection:
        found = standing(connection, database.names)
        return [row["name"] for row in _versions(connection, database.names, found)] if found["migrated"] else []


def _versions(connection: psycopg.Connection[DictRow], names: Names, found: Row) -> list[Row]:
    """The versions, read as ourselves where we may, else in the library's role."""
    if not found["may_enter"] and not found["is_app"]:
        raise DatabaseUnsuitable(_remedy(found, names, f"it may not use the schema {names.schema!r}"))
    with connection.transaction():
        if not found["may_enter"]:
            connection.execute("select set_config('role', %s, true)", (names.app,))
        connection.execute("select set_config('search_path', %s, true)", (names.search_path,))
        return connection.execute(query("migrate.versions")).fetchall()


def _up_to_date(connection: psycopg.Connection[DictRow], names: Names, found: Row) -> bool:
    """Whether nothing is missing. A database ahead of us is fine until it says that code this old may not run."""
    if not (found["migrated"] and found["has_queue"]):
        return False
    rows = _versions(connection, names, found)
    oldest = max((row["oldest_code"] for row in rows), default=0)
    if oldest > code_level():
        raise SchemaTooNew(
            f"The database needs code of level {oldest} or newer; this code is at level {code_level()}. "
            "Upgrade langgraph-learning-machine here."
        )
    # Roles that were made after the migrations have been granted nothing yet.
    granted = found["granted"] is not False
    return granted and {row["version"] for row in rows} >= {migration.version for migration in migrations()}


# --- migrating --------------------------------------------------------------------------------------------------------


def _migrate(connection: psycopg.Connection[DictRow], names: Names) -> Row:
    try:
        _in_lock(connection, names, _provide)
        names = replace(names, vector_schema=standing(connection, names)["vector_schema"])
        for migration in migrations():
            _in_lock(connection, names, _apply, migration)
        _in_lock(connection, names, _apply_queue)
        _in_lock(connection, names, _grant)
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseUnsuitable(
            _remedy(standing(connection, names), names, str(error.diag.message_primary))
        ) from error
    return standing(connection, names)


def _in_lock(connection: psycopg.Connection[DictRow], names: Names, step: object, *args: object) -> None:
    """One step in a transaction of its own, under the lock that all who migrate this schema take."""
    with connection.transaction():
        connection.execute(query("migrate.lock"), {"schema": names.schema})
        connection.execute("select set_config('search_path', %s, true)", (names.search_path,))
        step(connection, names, *args)  # type: ignore[operator]


def _provide(connection: psycopg.Connection[DictRow], names: Names) -> None:
    """What migrations build on: the extension, the roles, the schemas."""
    found = standing(connection, names)
    if found["vector_version"] is None:
        if found["vector_available"] is None:
            raise DatabaseUnsuitable(
                "This PostgreSQL server has no pgvector. Install it on the server "
                "(Debian and Ubuntu: the package postgresql-NN-pgvector), then run: CREATE EXTENSION vector;"
            )
        connection.execute("select set_config('search_path', 'public', true)")
        connection.execute(query("migrate.vector"))
    if found["may_create_roles"]:
        _execute_file(connection, names, "roles.sql")
    if not found["migrated"]:
        for schema in (names.schema, names.jobs):
            connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
        connection.execute("select set_config('search_path', %s, true)", (names.search_path,))
        connection.execute(query("migrate.versions_table"))


def _apply(connection: psycopg.Connection[DictRow], names: Names, migration: Migration) -> None:
    if migration.version in {row["version"] for row in connection.execute(query("migrate.versions")).fetchall()}:
        return
    # Reading a vector loads the library, whose settings an ordinary role may only name once it is there.
    connection.execute(query("migrate.load_vector"))
    connection.execute(migration.text)
    connection.execute(
        query("migrate.record"),
        {"version": migration.version, "name": migration.name, "oldest_code": migration.oldest_code},
    )
    # In the same transaction, so that whoever finds the database up to date may use it.
    _grant(connection, names)


def _apply_queue(connection: psycopg.Connection[DictRow], names: Names) -> None:
    """The queue's own tables, in the schema of their own: all of it at first, later only its newer migrations."""
    has = {row["name"] for row in connection.execute(query("migrate.queue_versions")).fetchall()}
    known = sorted(
        entry.name for entry in files("procrastinate.sql.migrations").iterdir() if entry.name.endswith(".sql")
    )
    connection.execute("select set_config('search_path', %s, true)", (f'"{names.jobs}", "{names.schema}"',))
    if not has:
        connection.execute(SchemaManager.get_schema())
    for name in known:
        if name in has:
            continue
        if has:
            text = (files("procrastinate.sql.migrations") / name).read_text("utf-8")
            connection.execute(cast(LiteralString, text))
        connection.execute(query("migrate.record_queue"), {"name": name})
    _grant(connection, names)


def _grant(connection: psycopg.Connection[DictRow], names: Names) -> None:
    if standing(connection, names)["is_app"] is not None:
        _execute_file(connection, names, "grants.sql")


def _execute_file(connection: psycopg.Connection[DictRow], names: Names, file: str) -> None:
    text = cast(LiteralString, (files(__package__) / file).read_text("utf-8"))
    connection.execute(
        sql.SQL(text).format(
            schema=sql.Identifier(names.schema),
            jobs=sql.Identifier(names.jobs),
            vector_schema=sql.Identifier(names.vector_schema),
            app=sql.Identifier(names.app),
            admin=sql.Identifier(names.admin),
            schema_name=sql.Literal(names.schema),
            app_name=sql.Literal(names.app),
            admin_name=sql.Literal(names.admin),
        )
    )


# --- checks -----------------------------------------------------------------------------------------------------------


def _check_server(found: Row) -> None:
    if found["server"] < OLDEST_SERVER:
        raise DatabaseUnsuitable(
            f"The server is PostgreSQL {found['server'] // 10_000}, too old: 15 or newer is needed. Upgrade it or use another."
        )


def _check_vector(found: Row, names: Names) -> None:
    version = found["vector_version"]
    if version is None:
        raise DatabaseUnsuitable(_remedy(found, names, "the extension pgvector is missing in this database"))
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_VECTOR:
        raise DatabaseUnsuitable(f"pgvector is {version}, 0.8 or newer is needed. Run: ALTER EXTENSION vector UPDATE;")


def _roles(found: Row, names: Names) -> dict[str, str]:
    """The roles to enter, where they exist and we may; `none` leaves us who we are."""
    return {
        "role": names.app if found["is_app"] else "none",
        "admin_role": names.admin if found["is_admin"] else "none",
    }


def _check_isolation(database: Database, found: Row) -> None:
    """Refuse to work where row-level security would not hold for us."""
    try:
        with database.transaction(Access()) as transaction:
            row = transaction.one("access.guarded")
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseUnsuitable(_remedy(found, database.names, str(error.diag.message_primary))) from error
    if not row or not row["guarded"]:
        raise DatabaseUnsuitable(_remedy(found, database.names, "this role bypasses row-level security"))
    if not row["has_vector"]:
        role = database.names.role if found["is_app"] else found["connected_as"]
        raise DatabaseUnsuitable(
            f"The role {role!r} may not use the schema that pgvector lies in. As an administrator of the database, run: "
            f'GRANT USAGE ON SCHEMA "{database.names.vector_schema}" TO "{role}";'
        )


def rights(found: Row, names: Names) -> list[str]:
    """The statements by which an administrator lets this connection act as the library's two roles."""
    who = found["connected_as"].replace('"', '""')
    statements = []
    for role, member in ((names.app, found["is_app"]), (names.admin, found["is_admin"])):
        statements += [f"CREATE ROLE {role} NOLOGIN;"] if member is None else []
        statements += [] if member else [f'GRANT {role} TO "{who}";']
    return statements


def _remedy(found: Row, names: Names, problem: str) -> str:
    """The problem and the SQL that an administrator runs once to solve it."""
    who = found["connected_as"].replace('"', '""')
    statements = ["CREATE EXTENSION IF NOT EXISTS vector;"] if found["vector_version"] is None else []
    statements += rights(found, names)
    if not found["migrated"] and not found["may_create_schema"]:
        statements.append(f'GRANT CREATE ON DATABASE "{found["database"]}" TO "{who}";')
    if not statements:
        statements.append(f"learning-machine migrate, on the URL of the owner of the schema {names.schema!r}")
    return f"The database does not let {who!r} work safely: {problem}. As an administrator of it, run: " + " ".join(
        statements
    )
