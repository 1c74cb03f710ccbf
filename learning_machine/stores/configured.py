"""From what people write, `True`, a config or a store, to stores that can do what they say."""

from __future__ import annotations

from typing import Any

from learning_machine.errors import ConfigurationError
from learning_machine.state.config import (
    EntityMemoryConfig,
    LearnedKnowledgeConfig,
    SessionContextConfig,
    StoreConfig,
    UserProfileConfig,
)
from learning_machine.state.scope import USER
from learning_machine.stores.conversation import ConversationConfig, ConversationStore
from learning_machine.stores.entity_memory import EntityMemoryStore
from learning_machine.stores.learned_knowledge import LearnedKnowledgeStore
from learning_machine.stores.ledger_store import LedgerStore
from learning_machine.stores.session_context import SessionContextStore
from learning_machine.stores.user_profile import UserProfileStore

BUILT_IN: dict[str, tuple[type[LedgerStore], type[StoreConfig]]] = {
    "user_profile": (UserProfileStore, UserProfileConfig),
    "session_context": (SessionContextStore, SessionContextConfig),
    "learned_knowledge": (LearnedKnowledgeStore, LearnedKnowledgeConfig),
    "entity_memory": (EntityMemoryStore, EntityMemoryConfig),
}


def store_from(name: str, value: Any, namespace: str | None = None) -> Any:
    """The store meant by `True`, a config or a store, in a mode and namespace that can be. `namespace`: the machine's."""
    store_type, config_type = BUILT_IN[name]
    if value is True:
        value = config_type()
    if isinstance(value, StoreConfig):
        if not isinstance(value, config_type):
            raise ConfigurationError(f"{name} was given a {type(value).__name__}. Give it a {config_type.__name__}.")
        if namespace is not None and not store_type.private and "namespace" not in value.model_fields_set:
            value = value.model_copy(update={"namespace": namespace})
        value = store_type(value)
    check_namespace(name, value)
    return value


def check_namespace(name: str, store: Any) -> None:
    """Refuse a namespace that the store cannot have."""
    namespace = getattr(getattr(store, "config", None), "namespace", USER)
    if getattr(store, "private", False) and namespace != USER:
        raise ConfigurationError(f"{name} is always private: namespace={namespace!r} cannot be. Leave it out.")


def conversation_from(value: ConversationConfig | bool) -> ConversationStore:
    return ConversationStore(value if isinstance(value, ConversationConfig) else None)
