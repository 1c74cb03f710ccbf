"""Which machine a command or a server works with."""

from __future__ import annotations

import importlib
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

from learning_machine.errors import ConfigurationError
from learning_machine.machine import LearningMachine

#: Names a machine as `module:attribute`, for commands and servers.
MACHINE_VARIABLE = "LEARNING_MACHINE_MACHINE"


def load_machine(path: str | None = None) -> LearningMachine:
    """The machine at `module:attribute`: a `LearningMachine`, an agent that has one, or a function that returns either.

    Without a path: `LEARNING_MACHINE_MACHINE`, `machine` under `[tool.learning_machine]` in `pyproject.toml`, or else
    one with a user profile and session context, from the environment.
    """
    path = path or os.environ.get(MACHINE_VARIABLE) or _from_pyproject()
    if not path:
        return default_machine()
    found = _attribute(path)
    if callable(found) and not isinstance(found, LearningMachine) and not hasattr(found, "builder"):
        found = found()
    return found if isinstance(found, LearningMachine) else LearningMachine.of(found)


def default_machine() -> LearningMachine:
    """A machine with every store this version has, on the database and model of the environment."""
    return LearningMachine(user_profile=True, session_context=True, learned_knowledge=True, entity_memory=True)


def _attribute(path: str) -> Any:
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise ConfigurationError(
            f"{path!r} names no machine. Write it as module:attribute, for example app.agents:machine."
        )
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{path!r}: there is no module {error.name!r}. Run from the folder it lies in, or install it."
        ) from error
    except AttributeError as error:
        raise ConfigurationError(
            f"{path!r}: the module has no {attribute!r}. Name a LearningMachine or an agent in it."
        ) from error


def _from_pyproject() -> str | None:
    file = Path("pyproject.toml")
    if not file.is_file():
        return None
    try:
        settings = tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("learning_machine", {})
    except (tomllib.TOMLDecodeError, OSError) as error:
        raise ConfigurationError(
            f"pyproject.toml cannot be read: {error}. Mend it, or name the machine with --machine."
        ) from error
    machine = settings.get("machine")
    return str(machine) if machine else None
