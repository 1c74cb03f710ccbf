"""A way to talk to any embedding in this process, by either door."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from learning_machine import LearningMachine

sys.path.insert(0, str(Path(__file__).parent))
from embeddings import EMBEDDINGS, Embedding
from in_process import InProcess


@pytest.fixture(params=["one", pytest.param("other", marks=pytest.mark.full)])
def asynchronous(request: pytest.FixtureRequest) -> bool:
    """One of the two doors into a graph, by the test's name; the long runs take the other one too."""
    name = request.node.name.replace("-other", "-one").replace("[other", "[one")
    return (sum(map(ord, name)) % 2 == 0) == (request.param == "one")


@pytest.fixture(params=EMBEDDINGS)
def embedding(request: pytest.FixtureRequest) -> Embedding:
    """Each way to put the loop to use."""
    return EMBEDDINGS[request.param]


@pytest.fixture
def talk(embedding: Embedding, machine: Callable[..., LearningMachine], asynchronous: bool) -> Callable[..., InProcess]:
    """Makes a machine and puts it to use this way."""

    def make(model: Any, **stores: Any) -> InProcess:
        found = machine(model, **{"conversation": False, **stores})
        return InProcess(embedding.made(found, InMemorySaver()), found, asynchronous, embedding.subgraphs)

    return make
