"""Deletion, what follows from it, and absence: the bench's episodes, fewer of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from learning_machine.testing import ScriptedModel

FILE = Path(__file__).parent.parent.parent / "bench" / "meme.py"


def bench() -> ModuleType:
    import sys

    spec = importlib.util.spec_from_file_location("bench_meme", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def figures(machine: Callable[..., Any], count: int, seed: int) -> dict[str, Any]:
    model = ScriptedModel()
    made = machine(model, user_profile=True, learned_knowledge=True, max_context_tokens=2_000)
    found: dict[str, Any] = bench().measure(made, model, count, seed)
    return found


def kept(found: dict[str, Any]) -> None:
    assert found["deleted value is never read"] == 1.0
    assert found["dependents are not asserted"] >= 0.8
    assert found["slot reads no longer known"] >= 0.8
    assert found["replaced value is read"] == found["the rest is still read"] == 1.0
    assert found["most_tokens"] <= 2_000


def test_fifty_episodes(machine: Callable[..., Any]) -> None:
    """What was deleted is never read, what rested on it is not asserted, and its slot says that it is no longer known."""
    kept(figures(machine, 50, seed=7))


@pytest.mark.full
def test_five_hundred_episodes(machine: Callable[..., Any]) -> None:
    """The same of five hundred, of another seed."""
    kept(figures(machine, 500, seed=8))
