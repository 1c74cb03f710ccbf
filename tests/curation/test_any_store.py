"""Curation of stores of one's own on the ledger: they fade, are archived, merged and gathered as the built-in ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from langchain_core.messages import BaseMessage

from learning_machine import LearningMachine
from learning_machine.state.changes import Add
from learning_machine.state.config import StoreConfig
from learning_machine.stores.ledger_store import LedgerStore
from learning_machine.testing import ScriptedModel

LATER = datetime.now(UTC) + timedelta(days=200)
SOUPS = [f"Cooked {soup} soup for the family" for soup in ("leek", "onion", "tomato", "carrot", "pumpkin")]


class Recipes(LedgerStore):
    """What somebody cooks."""

    learning_type: ClassVar[str] = "recipes"
    gathers: ClassVar[tuple[str, ...]] = ("item",)

    def instructions(self) -> str:
        return "What the user cooks, as `item`."


@pytest.fixture
def kitchen(machine: Callable[..., LearningMachine], write: Any) -> Any:
    """A machine with the store, and what was cooked."""

    def make(*texts: str, model: Any = None, **config: Any) -> LearningMachine:
        recipes = Recipes(StoreConfig(half_life_days={"item": 30}, **config))
        found = machine(model, user_profile=False, custom_stores={"kitchen": recipes})
        for text in texts:
            item = Add(store="recipes", kind="item", text=text, value=text, quote=text)
            write(found, [item], said=text, user_id="alice")
        return found

    return make


def texts(machine: LearningMachine) -> list[str]:
    return [item.text for item in machine.recall(user_id="alice").get("recipes") or ()]


def test_merged(kitchen: Any) -> None:
    """What says the same is one, and undo makes it two again."""
    found = kitchen("Leek soup with cream", "the leek soup, with cream!")
    report = found.curator.deduplicate(user_id="alice")
    assert report.figures == {"merged": 1} and texts(found) == ["Leek soup with cream"]
    found.undo(report.id, user_id="alice")
    assert len(texts(found)) == 2


def test_faded(kitchen: Any) -> None:
    """By the half-life of its config it fades, and is archived when it is weak; what is pinned is not."""
    found = kitchen("Leek soup with cream", "Apple pie")
    pie = next(row for row in found.history(user_id="alice") if row["text"] == "Apple pie")
    found.pin(pie["handle"], user_id="alice")
    preview = found.curator.preview(user_id="alice", tasks=["decay", "prune"], now=LATER)
    assert [step["reason"] for step in preview.steps] == ["faded: neither used nor said again"]
    assert found.curator.run(preview, user_id="alice", now=LATER).figures == {"archived": 1}
    assert texts(found) == ["Apple pie"]


def test_beyond_the_limit(kitchen: Any) -> None:
    """It holds as many as its config says."""
    found = kitchen(*SOUPS, max_learnings=2)
    assert found.curator.prune(user_id="alice").figures == {"archived": 3}
    assert len(texts(found)) == 2


def test_gathered(kitchen: Any) -> None:
    """Of the kinds it names one is made of many, in its own form; the many stay, and a second run makes no second one."""

    def answer(messages: list[BaseMessage]) -> str:
        return '{"insights": [{"group": 1, "title": "soups", "text": "Cooks soups for the family"}]}'

    found = kitchen(*SOUPS, model=ScriptedModel(answers=answer))
    assert found.curator.consolidate(user_id="alice").figures == {"consolidated": 1}
    assert texts(found) == [*SOUPS, "Cooks soups for the family"]
    assert not found.curator.consolidate(user_id="alice").changed
