"""Databases for benchmarks: one of their own, gone at the end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

SQL = Path(__file__).with_name("bench.sql")


def query(name: str) -> LiteralString:
    """The SQL under `-- name: <name>` in bench.sql."""
    blocks = dict(block.split("\n", 1) for block in SQL.read_text("utf-8").split("-- name: ")[1:])
    return cast(LiteralString, blocks[name].strip())


@contextmanager
def own_database(server: str | None = None) -> Iterator[str]:
    """The URL of an empty database, dropped at the end: on this server, or on an embedded one in a folder of its own."""
    if server is not None:
        yield from _database(server)
        return
    from learning_machine.stores.postgres.embedded import start

    # A benchmark that is ended leaves no server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with TemporaryDirectory(prefix="learning-machine-bench-") as folder:
        embedded = start(Path(folder))
        try:
            yield from _database(embedded.url_for("postgres"))
        finally:
            embedded.release()


def _database(server: str) -> Iterator[str]:
    name = f"bench_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            yield make_conninfo(server, dbname=name)
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def connect(url: str, schema: str = "learning_machine") -> psycopg.Connection[Any]:
    """A connection past the library, as the user of the URL, for filling tables and asking the server."""
    return psycopg.connect(url, autocommit=True, options=f"-c search_path={schema},public")


def versions(url: str) -> dict[str, str]:
    """The versions of PostgreSQL and pgvector."""
    with connect(url) as connection:
        row = connection.execute(query("versions")).fetchone()
    return {"postgres": row[0], "pgvector": row[1]} if row else {}
