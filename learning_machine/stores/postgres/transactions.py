"""Who asks, where rows lie, and one open transaction."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import DictRow

from learning_machine.errors import ConfigurationError
from learning_machine.stores.postgres.queries import query

Row = dict[str, Any]
Params = Mapping[str, Any]

READ_TIMEOUT_MS = 2_000
WRITE_TIMEOUT_MS = 15_000


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who asks, as the database sees it. `spaces` names them outright (a job that knows only where its turn lies)."""

    user_id: str | None = None
    session: str | None = None
    groups: tuple[str, ...] = ()
    spaces: tuple[int, ...] | None = None
    admin: bool = False
    timeout_ms: int = READ_TIMEOUT_MS


@dataclass(frozen=True)
class Space:
    """Where rows lie: a user's own space, a session's, a group's, or everyone's."""

    kind: str
    key: str | None = None

    def params(self) -> Row:
        columns = {"user": "owner", "session": "session", "group": "grp"}
        row: Row = {"kind": self.kind, "owner": None, "session": None, "grp": None}
        if self.kind in columns:
            row[columns[self.kind]] = self.key
        return row


@dataclass(frozen=True)
class Names:
    """The names a machine uses in a database: its schema, the queue's, and the two roles."""

    schema: str = "learning_machine"
    vector_schema: str = "public"
    role: str = "none"
    admin_role: str = "none"

    @property
    def jobs(self) -> str:
        return f"{self.schema}_jobs"

    @property
    def app(self) -> str:
        return f"{self.schema}_app"

    @property
    def admin(self) -> str:
        return f"{self.schema}_admin"

    @property
    def search_path(self) -> str:
        return ", ".join(f'"{name}"' for name in (self.schema, self.jobs, self.vector_schema))


class Transaction:
    """One open transaction, entered as someone."""

    def __init__(self, connection: psycopg.Connection[DictRow]) -> None:
        self.connection = connection

    def all(self, name: str, params: Params | None = None) -> list[Row]:
        return self.connection.execute(query(name), params or {}).fetchall()

    def one(self, name: str, params: Params | None = None) -> Row | None:
        return self.connection.execute(query(name), params or {}).fetchone()

    def run(self, name: str, params: Params | None = None) -> int:
        return self.connection.execute(query(name), params or {}).rowcount

    def together(self, queries: Sequence[tuple[str, Params]]) -> list[list[Row]]:
        """The rows of several statements that do not wait for each other's, in order and in one network round trip."""
        with self.connection.pipeline():
            cursors = [self.connection.execute(query(name), params) for name, params in queries]
        return [cursor.fetchall() if cursor.description else [] for cursor in cursors]

    def space(self, space: Space) -> int:
        """The id of a space, made if need be, and visible from here on."""
        where = space.params()
        _, ids, _ = self.together([("access.ensure_space", where), ("access.space_id", where), ("access.spaces", {})])
        if not ids:
            raise not_writable(space)
        return int(ids[0]["id"])


def not_writable(space: Space) -> ConfigurationError:
    return ConfigurationError(f"this scope may not write to the {space.kind} space. Name it in the scope or config.")


def check_schema(schema: str) -> str:
    """The schema's name, if it can serve as one for the tables, the queue and the roles."""
    taken = schema.startswith("pg_") or schema.endswith("_jobs") or schema == "information_schema"
    if taken or not re.fullmatch(r"[a-z_][a-z0-9_]{0,50}", schema):
        raise ConfigurationError(
            f"{schema!r} cannot be the schema. Use at most 51 lower-case letters, digits and underscores, not starting with "
            "pg_ nor ending with _jobs."
        )
    return schema
