"""A real PostgreSQL, once per run; a database of its own for each test, cloned from a migrated template."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from learning_machine import LearningMachine
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.embedded import start
from learning_machine.stores.postgres.migrate import prepare

# A test that needs a language model scripts one; none is ever asked for real.
for variable in (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "LEARNING_MACHINE_MODEL",
    "LEARNING_MACHINE_DATABASE_URL",
    "LANGSMITH_TRACING",
):
    os.environ.pop(variable, None)
os.environ["LANGSMITH_TRACING"] = "false"

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The embedded server, in a folder of its own, with a migrated template database."""
    embedded = start(Path(tmp_path_factory.mktemp("postgres")))
    admin = embedded.url_for("postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        # What a test wrote need not survive a power cut.
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"alter system set {setting} = off")  # type: ignore[arg-type]
        connection.execute("select pg_reload_conf()")
        connection.execute("create database template_learning")
    database = Database(embedded.url_for("template_learning"))
    prepare(database)
    database.close()
    yield embedded
    embedded.release()


@pytest.fixture
def empty_url(server: Any) -> Iterator[str]:
    """The URL of an empty database."""
    yield from _database(server, None)


@pytest.fixture
def url(server: Any) -> Iterator[str]:
    """The URL of a migrated database of this test's own."""
    yield from _database(server, "template_learning")


def _database(server: Any, template: str | None) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.url_for("postgres"), autocommit=True) as connection:
        copied = f"template {template} strategy file_copy" if template else ""  # without fsync the quicker one
        connection.execute(f"create database {name} {copied}")  # type: ignore[arg-type]
        yield server.url_for(name)
        connection.execute(f"drop database {name} with (force)")  # type: ignore[arg-type]


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A migrated database, ready to be asked."""
    found = Database(url)
    prepare(found)
    yield found
    found.close()


@pytest.fixture
def machine(url: str) -> Iterator[Callable[..., LearningMachine]]:
    """Makes machines on this test's database, and closes them."""
    made: list[LearningMachine] = []

    def make(model: Any = None, **options: Any) -> LearningMachine:
        found = LearningMachine(**{"db": url, "model": model, **options})
        made.append(found)
        return found

    yield make
    for found in made:
        found.close()


@pytest.fixture(params=["invoke", "ainvoke"])
def door(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Both ways into a graph: `door(graph, input, config, context=…)`."""
    import asyncio

    def run(graph: Any, given: Any, config: Any = None, **more: Any) -> Any:
        if request.param == "invoke":
            return graph.invoke(given, config, **more)
        return asyncio.run(graph.ainvoke(given, config, **more))

    return run
