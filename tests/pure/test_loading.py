"""Which machines and models a command or server works with, as code names them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from learning_machine import LearningMachine
from learning_machine.errors import ConfigurationError
from learning_machine.loading import MACHINE_VARIABLE, MODELS_VARIABLE, load_machine, load_machines, load_models
from learning_machine.testing import ScriptedModel


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A module of somebody's own, and a folder without settings."""
    module = ModuleType("somebodys_app")
    monkeypatch.setitem(sys.modules, "somebodys_app", module)
    monkeypatch.chdir(tmp_path)
    yield module


def test_a_list_of_machines(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a list are there by name, the first first; one of them is named with a dot; one alone needs no list."""
    support, research = LearningMachine(name="support"), LearningMachine(name="research")
    app.machines, app.machine = [support, lambda: research], support
    monkeypatch.setenv(MACHINE_VARIABLE, "somebodys_app:machines")
    assert load_machines() == {"support": support, "research": research}
    assert load_machine("somebodys_app:machines.research") is research
    assert load_machines("somebodys_app:machine") == {"support": support}
    with pytest.raises(ConfigurationError, match=r"somebodys_app:machines\.support"):
        load_machine()
    with pytest.raises(ConfigurationError, match="support, research"):
        load_machine("somebodys_app:machines.nobody")


@pytest.mark.parametrize("count", [0, 2])
def test_machines_need_names_of_their_own(app: Any, count: int) -> None:
    """No machine, or two of one name, would share a queue: it is an error."""
    app.machines = [LearningMachine() for _ in range(count)]
    with pytest.raises(ConfigurationError, match="no two of the same name"):
        load_machines("somebodys_app:machines")


def test_models_to_choose_from(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dict of models or their names, from the environment or `pyproject.toml`; nobody has to offer any."""
    assert load_models() == {}
    model = ScriptedModel()
    app.models = {"quick": model, "none": "offline"}
    Path("pyproject.toml").write_text('[tool.learning_machine]\nmodels = "somebodys_app:models"\n')
    assert load_models()["quick"] is model and set(load_models()) == {"quick", "none"}
    monkeypatch.setenv(MODELS_VARIABLE, "somebodys_app:more")
    app.more = [model]
    with pytest.raises(ConfigurationError, match="no dict"):
        load_models()
