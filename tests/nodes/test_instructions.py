"""What the extraction call tells the model: short, whatever the number of stores, and as the stores are configured."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from learning_machine import (
    EntityMemoryConfig,
    LearnedKnowledgeConfig,
    LearningMachine,
    SessionContextConfig,
    UserProfileConfig,
)
from learning_machine.nodes.asking import MAX_INSTRUCTION_TOKENS, request_for, warn_of_cut
from learning_machine.state.config import StoreConfig
from learning_machine.state.tokens import estimate_tokens
from learning_machine.stores.ledger_store import LedgerStore
from learning_machine.testing import ScriptedModel

BUILT_IN: dict[str, Any] = {
    "user_profile": UserProfileConfig(),
    "session_context": SessionContextConfig(enable_planning=True),
    "learned_knowledge": LearnedKnowledgeConfig(),
    "entity_memory": EntityMemoryConfig(),
}
PIPELINE = (
    'deals worth following: `kind` "deal" with its name in `name` and its stage in `value`, one of lead, offer, won, '
    'lost; `kind` "note" for what was promised.'
)


def custom(number: int, wants: str = PIPELINE) -> LedgerStore:
    """A store of somebody's own, as the documentation has people write it."""

    class Own(LedgerStore):
        learning_type: ClassVar[str] = f"pipeline_{number}"

        def instructions(self) -> str:
            return f"`{self.learning_type}`: {wants}"

    return Own(StoreConfig())


@pytest.fixture
def system(machine: Any) -> Callable[..., str]:
    """The system message of an extraction by a machine with these stores."""

    def ask(stores: dict[str, Any], **own: LedgerStore) -> str:
        found: LearningMachine = machine(ScriptedModel(), **stores, custom_stores=own or None)
        said = [("user", "I am Alice"), ("assistant", "Hello")]
        found.process(said, user_id="alice", session_id="s1")
        return str(found.model.extractions[-1][0].text)  # type: ignore[attr-defined]

    return ask


def test_all_stores_fit(system: Any) -> None:
    """With all stores on and planning, the instructions are within 1,500 tokens, and each store is in them."""
    text = system(BUILT_IN)
    assert MAX_INSTRUCTION_TOKENS == 1_500
    assert estimate_tokens(text) <= 1_000
    assert all(f"`{name}`" in text for name in BUILT_IN)


def test_twelve_custom_stores_fit(system: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Beside them twelve stores of one's own, with instructions of a usual length, are asked for whole."""
    with caplog.at_level(logging.WARNING, logger="learning_machine"):
        text = system(BUILT_IN, **{f"pipeline_{number}": custom(number) for number in range(12)})
    assert estimate_tokens(text) <= 1_500
    assert all(f"`pipeline_{number}`: {PIPELINE}" in text for number in range(12))
    assert "instructions" not in caplog.text


def test_what_is_too_long_is_cut_and_said(caplog: pytest.LogCaptureFixture) -> None:
    """Instructions beyond the limit are cut, the longest first, visibly, and the log says once whose they were."""
    warn_of_cut.cache_clear()
    stores = [custom(number) for number in range(6)] + [custom(6, "x " * 4_000), custom(7, "y " * 2_000)]
    with caplog.at_level(logging.WARNING, logger="learning_machine"):
        texts = [str(request_for(stores, {}, [], "today")[0].text) for _ in range(3)]
    assert estimate_tokens(texts[0]) <= 1_500
    assert all(f"`pipeline_{number}`: {PIPELINE}" in texts[0] for number in range(6))
    assert "x x …" in texts[0] and "y y …" in texts[0]
    assert [record.message for record in caplog.records] == [
        "the instructions of pipeline_6, pipeline_7 are cut: all stores together may have 1500 tokens. Write them shorter."
    ]
    assert texts[0] == texts[1] == texts[2]
