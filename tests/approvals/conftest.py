"""What the tests of modes and approvals share: a machine whose insights have to be approved, and eyes on the rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from learning_machine import LearnedKnowledgeConfig, LearningMachine, LearningMode, create_learning_agent
from learning_machine.testing import ScriptedModel

sys.path.insert(0, str(Path(__file__).parent))
from scenes import Row, learn_rules


@pytest.fixture
def proposing(machine: Callable[..., LearningMachine]) -> Callable[..., LearningMachine]:
    """A machine whose insights for the group have to be approved; by whom and how is up to the options."""

    def make(mode: LearningMode = LearningMode.PROPOSE, *, four_eyes: bool = False, **options: Any) -> LearningMachine:
        config = LearnedKnowledgeConfig(mode=mode, namespace="engineering", four_eyes=four_eyes)
        model = options.pop("model", None) or ScriptedModel(answers="ok", learns=learn_rules)
        return machine(model, **{"learned_knowledge": config, "conversation": False, **options})

    return make


@pytest.fixture
def asked(proposing: Callable[..., LearningMachine]) -> Callable[..., tuple[LearningMachine, Any]]:
    """The same, with an agent around it."""

    def make(*arguments: Any, agent: Row | None = None, **options: Any) -> tuple[LearningMachine, Any]:
        found = proposing(*arguments, **options)
        return found, create_learning_agent(found.model, learning=found, **(agent or {}))

    return make


@pytest.fixture
def sql(url: str) -> Iterator[Callable[..., list[Row]]]:
    """Asks the database as its administrator, who sees every space."""
    options = "-c search_path=learning_machine,learning_machine_jobs,public"
    with psycopg.connect(url, autocommit=True, row_factory=dict_row, options=options) as connection:

        def ask(statement: Any, *parameters: Any) -> list[Row]:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

        yield ask
