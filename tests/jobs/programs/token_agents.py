"""An agent whose users say tokens, and whose machine learns each token as an observation with its quote."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from learning_machine import LearningMachine, create_learning_agent
from learning_machine.testing import ScriptedModel, change


def learn_tokens(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One observation for each token a user said."""
    return [
        change("user_profile", token, kind="observation", quote=token)
        for one in new
        if one["role"] == "user"
        for token in re.findall(r"token-[\w-]+", one["text"])
    ]


def learn_stamped(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same in other words each time, so that what is learned twice is there twice."""
    time.sleep(0.03)
    stamp = f"as {os.getpid()} read it at {time.monotonic_ns()}"
    return [{**one, "value": f"{one['value']} {stamp}"} for one in learn_tokens(new)]


def slowly(
    seconds: float, before: Callable[[list[dict[str, Any]]], None] | None = None, learning: Any = learn_tokens
) -> Any:
    """Learns tokens, and takes its time."""

    def learn(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if before is not None:
            before(new)
        time.sleep(seconds)
        return learning(new)

    return learn


def token_machine(model: Any = None, **options: Any) -> LearningMachine:
    return LearningMachine(model=model or ScriptedModel(learns=learn_tokens), user_profile=True, **options)


def token_agent(machine: LearningMachine, **options: Any) -> Any:
    return create_learning_agent(ScriptedModel(answers="noted"), learning=machine, **options)


def turn(agent: Any, text: str, thread: str, user_id: str = "alice") -> Any:
    return agent.invoke(
        {"messages": [{"role": "user", "content": text}]},
        {"configurable": {"thread_id": thread}},
        context={"user_id": user_id},
    )


def settle(**settings: str) -> None:
    """Set constants of modules from environment variables: `settle(STALLED_AFTER="learning_machine.jobs")`."""
    for name, module in settings.items():
        if name in os.environ:
            setattr(sys.modules[module], name, float(os.environ[name]))


def log_to_output() -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(name)s %(levelname)s %(message)s")
