"""What the tests of the loop share: a model that learns what it is told, and short ways to talk to an agent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from learning_machine.testing import ScriptedModel, change

_FACT = re.compile(r"my (\w+) is ([\w' -]+)")


def learn_fields(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every "my <field> is <value>" of the user, as a profile field with the words it stands on."""
    return [
        change("user_profile", found[2], kind="field", name=found[1], quote=found[0])
        for one in new
        if one["role"] == "user"
        for found in _FACT.finditer(one["text"])
    ]


@pytest.fixture(params=["one", pytest.param("other", marks=pytest.mark.full)])
def either(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """One of the two doors into a graph, by the test's name; the long runs take the other one too."""
    name = getattr(request.node, "originalname", request.node.name)
    asynchronous = (sum(map(ord, name)) % 2 == 0) == (request.param == "one")

    def run(graph: Any, given: Any, config: Any = None, **more: Any) -> Any:
        if asynchronous:
            return asyncio.run(graph.ainvoke(given, config, **more))
        return graph.invoke(given, config, **more)

    return run


@pytest.fixture
def taught() -> Callable[..., ScriptedModel]:
    """Makes models that say "ok" and learn every "my <field> is <value>"."""

    def make(answers: Any = "ok", **options: Any) -> ScriptedModel:
        return ScriptedModel(**{"answers": answers, "learns": learn_fields, **options})

    return make


@pytest.fixture
def thread() -> Callable[..., dict[str, Any]]:
    """`thread("t1")`: the config of a thread."""

    def config(name: str, **more: Any) -> dict[str, Any]:
        return {"configurable": {"thread_id": name, **more}}

    return config


@pytest.fixture
def say() -> Callable[..., dict[str, Any]]:
    """`say("Hello")`: the input of a turn."""

    def given(*texts: str, **more: Any) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": text} for text in texts], **more}

    return given


@pytest.fixture
def count(url: str) -> Callable[[], dict[str, int]]:
    """How many rows each table of the machine's schema holds, queued jobs included."""

    def rows() -> dict[str, int]:
        with psycopg.connect(url, autocommit=True) as connection:
            names = connection.execute(
                "select schemaname || '.' || tablename from pg_tables "
                "where schemaname in ('learning_machine', 'learning_machine_jobs') "
                "and tablename not like 'checkpoint%%' and tablename <> 'embedding_model'"
            ).fetchall()
            return {name: connection.execute(f"select count(*) from {name}").fetchone()[0] for (name,) in names}  # type: ignore[arg-type, index]

    return rows


def system_text(model: ScriptedModel, call: int = -1) -> str:
    """The system messages a conversation call of the model saw."""
    return "\n".join(message.text for message in model.calls[call] if message.type == "system")


@pytest.fixture
def seen() -> Callable[..., str]:
    """`seen(model)`: the system message the model saw in its last conversation call."""
    return system_text
