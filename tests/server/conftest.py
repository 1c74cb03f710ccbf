"""Two servers for all tests here, because starting one takes seconds: open to everybody, and with authentication."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from learning_machine import LearnedKnowledgeConfig, LearningMachine, LearningMode

sys.path.insert(0, str(Path(__file__).parent))
from dev_server import Served, own_database, served

_CHOICES = {
    "LEARNING_MACHINE_MACHINE": "served_app:machines",
    "LEARNING_MACHINE_MODELS": "served_app:models",
}
_HTTP = {"http": {"app": "served_http:app"}}


def _folder(factory: pytest.TempPathFactory, name: str) -> Path:
    folder = factory.mktemp(name)
    for file in Path(__file__).parent.glob("served_*.py"):
        shutil.copy(file, folder)
    return folder


@pytest.fixture(scope="session")
def open_server(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server without authentication: a client says who it is."""
    with own_database(server) as database:
        with served(_folder(tmp_path_factory, "open"), database, _CHOICES, **_HTTP) as found:
            yield found
        assert found.complaints() == []


@pytest.fixture(scope="session")
def guarded_server(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that asks who comes, and runs its nodes in event loops of their own."""
    env = {**_CHOICES, "BG_JOB_ISOLATED_LOOPS": "true"}
    auth = {"auth": {"path": "./served_auth.py:auth"}}
    with own_database(server) as database:
        with served(_folder(tmp_path_factory, "guarded"), database, env, **_HTTP, **auth) as found:
            yield found
        assert found.complaints() == []


def _beside(database: str) -> tuple[LearningMachine, LearningMachine]:
    knowledge = LearnedKnowledgeConfig(mode=LearningMode.PROPOSE, namespace="engineering")
    shared: dict[str, Any] = {"db": database, "background": "external", "conversation": False, "user_profile": True}
    plain = LearningMachine(session_context=True, learned_knowledge=True, **shared)
    return plain, LearningMachine(name="research", learned_knowledge=knowledge, **shared)


@pytest.fixture(scope="session")
def beside_open(open_server: Served) -> Iterator[tuple[LearningMachine, LearningMachine]]:
    """The machines of the open server, looking at its database from outside."""
    plain, research = _beside(open_server.database)
    with plain, research:
        yield plain, research


@pytest.fixture(scope="session")
def beside_guarded(guarded_server: Served) -> Iterator[tuple[LearningMachine, LearningMachine]]:
    """The machines of the guarded server, looking at its database from outside."""
    plain, research = _beside(guarded_server.database)
    with plain, research:
        yield plain, research
