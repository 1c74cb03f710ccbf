"""Learning for LangGraph agents: every kind of learning is a store with five functions, and one graph runs them in a loop."""

from __future__ import annotations

from learning_machine.agents import create_learning_agent
from learning_machine.machine import LearningMachine
from learning_machine.state.config import SessionContextConfig, StoreConfig, UserProfileConfig
from learning_machine.state.modes import LearningMode
from learning_machine.state.profile import ProfileFields, UserProfile
from learning_machine.state.scope import Scope
from learning_machine.state.session import SessionContext
from learning_machine.stores.protocol import LearningStore

__all__ = [
    "LearningMachine",
    "LearningMode",
    "LearningStore",
    "ProfileFields",
    "Scope",
    "SessionContext",
    "SessionContextConfig",
    "StoreConfig",
    "UserProfile",
    "UserProfileConfig",
    "create_learning_agent",
]
