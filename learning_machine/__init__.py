"""Learning for LangGraph agents: every kind of learning is a store with five functions, and one graph runs them in a loop."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learning_machine.agents import create_learning_agent
    from learning_machine.machine import LearningMachine
    from learning_machine.middleware import LearningMiddleware
    from learning_machine.state.config import (
        EntityMemoryConfig,
        LearnedKnowledgeConfig,
        SessionContextConfig,
        StoreConfig,
        UserProfileConfig,
    )
    from learning_machine.state.curation import CurationConfig
    from learning_machine.state.modes import LearningMode
    from learning_machine.state.profile import ProfileFields, UserProfile
    from learning_machine.state.scope import Scope
    from learning_machine.state.session import SessionContext
    from learning_machine.stores.ledger_store import LedgerStore
    from learning_machine.stores.protocol import LearningStore

__all__ = [
    "CurationConfig",
    "EntityMemoryConfig",
    "LearnedKnowledgeConfig",
    "LearningMachine",
    "LearningMiddleware",
    "LearningMode",
    "LearningStore",
    "LedgerStore",
    "ProfileFields",
    "Scope",
    "SessionContext",
    "SessionContextConfig",
    "StoreConfig",
    "UserProfile",
    "UserProfileConfig",
    "create_learning_agent",
]

#: Where each name lives. They are imported when they are first used, so that `learning-machine --help` need not wait
#: for LangChain.
_MODULES = {
    "CurationConfig": "state.curation",
    "EntityMemoryConfig": "state.config",
    "LearnedKnowledgeConfig": "state.config",
    "LearningMachine": "machine",
    "LearningMiddleware": "middleware",
    "LearningMode": "state.modes",
    "LearningStore": "stores.protocol",
    "LedgerStore": "stores.ledger_store",
    "ProfileFields": "state.profile",
    "Scope": "state.scope",
    "SessionContext": "state.session",
    "SessionContextConfig": "state.config",
    "StoreConfig": "state.config",
    "UserProfile": "state.profile",
    "UserProfileConfig": "state.config",
    "create_learning_agent": "agents",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
