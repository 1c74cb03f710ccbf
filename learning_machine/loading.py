"""Which machines and models a command or a server works with."""

from __future__ import annotations

import importlib
import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.graph.state import CompiledStateGraph

from learning_machine.errors import ConfigurationError
from learning_machine.graphs.serving import agent_of, context_for
from learning_machine.machine import LearningMachine
from learning_machine.models import resolve_model

#: Names a machine, or a list of them, as `module:attribute`, for commands and servers.
MACHINE_VARIABLE = "LEARNING_MACHINE_MACHINE"
#: Names a dict of the chat models a server's assistants may choose from, as `module:attribute`.
MODELS_VARIABLE = "LEARNING_MACHINE_MODELS"


def load_machine(path: str | None = None) -> LearningMachine:
    """The machine at `module:attribute`: a `LearningMachine`, an agent that has one, or a function that returns either.

    Of a list of machines one is named as `module:attribute.name`. Without a path: `LEARNING_MACHINE_MACHINE`, `machine`
    under `[tool.learning_machine]` in `pyproject.toml`, or else one with every store, from the environment.
    """
    found = load_machines(path)
    if len(found) > 1:
        named = path or _said("machine", MACHINE_VARIABLE)
        raise ConfigurationError(
            f"{named!r} is a list of machines: {', '.join(found)}. Name one of them, for example {named}.{next(iter(found))}."
        )
    return next(iter(found.values()))


def load_machines(path: str | None = None) -> dict[str, LearningMachine]:
    """The machines at `module:attribute`, by name, the default first: a list of what `load_machine` takes, or one of it."""
    path = path or _said("machine", MACHINE_VARIABLE)
    if not path:
        machine = default_machine()
        return {machine.name: machine}
    module, _, rest = path.partition(":")
    attribute, _, name = rest.partition(".")
    found = _attribute(f"{module}:{attribute}" if attribute else path)
    machines = [_machine(one) for one in (found if isinstance(found, list | tuple) else [found])]
    by_name = _by_name(path, machines)
    if name and name not in by_name:
        raise ConfigurationError(f"{path!r}: there is no machine {name!r} in it. There are: {', '.join(by_name)}.")
    return {name: by_name[name]} if name else by_name


def load_models() -> dict[str, BaseChatModel]:
    """The chat models that assistants may choose from, by the name each has in code; none unless some were named."""
    path = _said("models", MODELS_VARIABLE)
    if not path:
        return {}
    found = _attribute(path)
    if not isinstance(found, Mapping):
        raise ConfigurationError(
            f'{path!r} is no dict of chat models. Write it as {{"quick": "openai:gpt-4.1-mini", "thorough": model}}.'
        )
    return {str(name): resolve_model(model) for name, model in found.items()}


def default_machine() -> LearningMachine:
    """A machine with every store this version has, on the database and model of the environment."""
    return LearningMachine(user_profile=True, session_context=True, learned_knowledge=True, entity_memory=True)


def served_agents(
    machines: Mapping[str, LearningMachine], models: Mapping[str, BaseChatModel]
) -> dict[str, CompiledStateGraph[Any, Any, Any, Any]]:
    """The loop of each machine around a plain agent, by the machine's name, compiled without a checkpointer."""
    context = context_for(machines, models)
    return {
        name: machine._known(agent_of(machine.parts, machine.model, machine.get_tools(), models, context)).compile(
            name="learning_agent"
        )
        for name, machine in machines.items()
    }


def _machine(found: Any) -> LearningMachine:
    if callable(found) and not isinstance(found, LearningMachine) and not hasattr(found, "builder"):
        found = found()
    return found if isinstance(found, LearningMachine) else LearningMachine.of(found)


def _by_name(path: str, machines: Sequence[LearningMachine]) -> dict[str, LearningMachine]:
    found = {machine.name: machine for machine in machines}
    if not machines or len(found) < len(machines):
        raise ConfigurationError(
            f"{path!r} needs at least one machine, and no two of the same name. Give each a name= of its own."
        )
    return found


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


def _said(setting: str, variable: str) -> str | None:
    """What the environment says, or `pyproject.toml` here."""
    if os.environ.get(variable):
        return os.environ[variable]
    file = Path("pyproject.toml")
    if not file.is_file():
        return None
    try:
        settings = tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("learning_machine", {})
    except (tomllib.TOMLDecodeError, OSError) as error:
        raise ConfigurationError(
            f"pyproject.toml cannot be read: {error}. Mend it, or name the machine with --machine."
        ) from error
    found = settings.get(setting)
    return str(found) if found else None
