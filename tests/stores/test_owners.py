"""Whose database it is: an ordinary owner's, a strong role's, or one where we are only guests. Guarded in each, or refused."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from learning_machine import LearningMachine
from learning_machine.errors import DatabaseUnsuitable
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.migrate import prepare
from learning_machine.stores.postgres.transactions import Access
from learning_machine.testing import ScriptedModel, change

_numbers = itertools.count(1)
ORDINARY = "login nosuperuser nocreatedb nocreaterole nobypassrls"


class Place:
    """A database and the roles that a test makes in it."""

    def __init__(self, superuser: psycopg.Connection[Any], name: str, url_for: Callable[[str], str]) -> None:
        self.superuser, self.name, self._url_for = superuser, name, url_for
        self.schema = f"s{name}"
        self.roles: list[str] = []

    def role(self, rights: str) -> str:
        """A role with these rights; its name."""
        name = f"role_{self.name}_{len(self.roles)}"
        self.superuser.execute(f"create role {name} {rights}")  # type: ignore[call-overload]
        self.roles.append(name)
        return name

    def url(self, role: str) -> str:
        return self._url_for(self.name).replace("postgres@", f"{quote(role)}@")

    def run(self, sql: str) -> None:
        """As the database's administrator."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql)  # type: ignore[call-overload]

    def database(self, role: str, schema: str | None = None) -> Database:
        return Database(self.url(role), schema=schema or self.schema, max_size=2)


@pytest.fixture
def place(server: Any) -> Iterator[Place]:
    """An empty database with pgvector; its roles go with it."""
    name = f"place_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.url_for("postgres"), autocommit=True) as superuser:
        superuser.execute(f"create database {name}")  # type: ignore[call-overload]
        found = Place(superuser, name, server.url_for)
        found.run("create extension vector")
        yield found
        superuser.execute(f"drop database {name} with (force)")  # type: ignore[call-overload]
        for role in (f"{found.schema}_app", f"{found.schema}_admin", *found.roles):
            superuser.execute(f"drop role if exists {role}")  # type: ignore[call-overload]


def check_works(place: Place, role: str, schema: str | None = None) -> None:
    """The machine learns and recalls on this role's URL, and keeps people apart."""
    model = ScriptedModel(learns=lambda new: [change("user_profile", new[0]["text"], kind="field", name="name")])
    with LearningMachine(db=place.url(role), model=model, schema=schema or place.schema) as machine:
        for user in ("alice", "bob"):
            receipts = machine.process([("user", f"{user}'s name")], user_id=user, session_id="s1")
            assert [receipt["status"] for receipt in receipts] == ["saved"]
        assert machine.recall(user_id="alice")["user_profile"].name == "alice's name"
        assert machine.recall(user_id="eve") == {}
        for user, expected in (("alice", ["alice's name"]), (None, [])):
            with machine.database.transaction(Access(user_id=user)) as transaction:
                rows = transaction.connection.execute("select text from learning").fetchall()
                assert [row["text"] for row in rows] == expected


def unsuitable(place: Place, role: str, schema: str | None = None) -> str:
    """The SQL that the error asks an administrator to run."""
    database = place.database(role, schema)
    try:
        with pytest.raises(DatabaseUnsuitable) as caught:
            prepare(database)
    finally:
        database.close()
    message = str(caught.value)
    assert role in message.replace('""', '"')
    problem, _, statements = message.partition("As an administrator of it, run: ")
    assert problem and statements.endswith(";")
    return statements


def test_ordinary_owner(place: Place) -> None:
    """Somebody who owns the database and nothing else on the server can work, and row-level security binds them."""
    owner = place.role(ORDINARY)
    place.run(f"alter database {place.name} owner to {owner}")
    check_works(place, owner)
    with psycopg.connect(place.url(owner)) as connection:
        assert connection.execute(f"select count(*) from {place.schema}.learning").fetchone() == (0,)  # type: ignore[call-overload]
        assert connection.execute(f"insert into {place.schema}.space (kind) values ('global')").rowcount == 1  # type: ignore[call-overload]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"insert into {place.schema}.space (kind, owner) values ('user', 'x')")  # type: ignore[call-overload]


def test_ordinary_owner_beside_others(place: Place) -> None:
    """The library's roles may exist on the server for somebody else: an owner who is no member works without them."""
    owner = place.role(ORDINARY)
    place.run(f"alter database {place.name} owner to {owner}")
    check_works(place, owner, schema="learning_machine")


def test_owner_who_may_create_roles(place: Place) -> None:
    """Somebody who may create roles gets the library's two, and works in them."""
    owner = place.role(ORDINARY.replace("nocreaterole", "createrole"))
    place.run(f"alter database {place.name} owner to {owner}")
    database = place.database(owner)
    prepare(database)
    assert (database.names.role, database.names.admin_role) == (f"{place.schema}_app", f"{place.schema}_admin")
    database.close()
    check_works(place, owner)


@pytest.mark.parametrize("schema", [None, "learning_machine"])
def test_role_that_bypasses(place: Place, schema: str | None) -> None:
    """A role that row-level security does not bind is refused; running exactly the SQL of the message makes it work."""
    strong = place.role("login nosuperuser nocreaterole bypassrls")
    place.run(f"alter database {place.name} owner to {strong}")
    statements = unsuitable(place, strong, schema)
    assert "GRANT" in statements
    place.run(statements)
    check_works(place, strong, schema)


def test_no_right_to_create_a_schema(place: Place) -> None:
    """Where no schema may be created, the message has the grant that it takes, and no more is needed."""
    guest = place.role(ORDINARY)
    statements = unsuitable(place, guest)
    assert f'GRANT CREATE ON DATABASE "{place.name}" TO "{guest}";' in statements
    place.run(statements)
    check_works(place, guest)


def test_no_pgvector(place: Place) -> None:
    """Where pgvector is missing and may not be installed, the message has the statement that installs it."""
    place.run("drop extension vector")
    owner = place.role(ORDINARY)
    place.run(f"alter database {place.name} owner to {owner}")
    statements = unsuitable(place, owner)
    assert "CREATE EXTENSION IF NOT EXISTS vector;" in statements
    place.run(statements)
    check_works(place, owner)


def test_pgvector_elsewhere(place: Place) -> None:
    """pgvector may be installed in a schema of its own."""
    place.run(
        "drop extension vector; create schema extensions; create extension vector schema extensions;"
        "grant usage on schema extensions to public"
    )
    owner = place.role(ORDINARY)
    place.run(f"alter database {place.name} owner to {owner}")
    check_works(place, owner)


@pytest.mark.parametrize("inherits", ["inherit", "noinherit"])
def test_member_on_a_migrated_database(place: Place, inherits: str) -> None:
    """Somebody who is only a member of the library's role can recall and learn where another has migrated."""
    database = place.database("postgres")
    prepare(database)
    database.close()
    guest = place.role(f"{ORDINARY} {inherits}")
    place.run(f"grant {place.schema}_app to {guest}")
    check_works(place, guest)


def test_stranger_on_a_migrated_database(place: Place) -> None:
    """Somebody who is no member is told which membership it takes, and it is enough."""
    database = place.database("postgres")
    prepare(database)
    database.close()
    guest = place.role(ORDINARY)
    statements = unsuitable(place, guest)
    assert f'GRANT {place.schema}_app TO "{guest}";' in statements
    place.run(statements)
    check_works(place, guest)


def test_awkward_names(place: Place) -> None:
    """The SQL of the message runs as it is for a role whose name needs quotes."""
    guest = f'"Role {place.name} O\'Hara ""x"""'
    place.superuser.execute(f"create role {guest} {ORDINARY}")  # type: ignore[call-overload]
    place.roles.append(guest)
    plain = guest[1:-1].replace('""', '"')
    place.run(unsuitable(place, plain))
    check_works(place, plain)
