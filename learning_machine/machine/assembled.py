"""What a machine is made of: stores, a ledger, a model and a worker, put together once."""

from __future__ import annotations

import os
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langgraph.graph.state import CompiledStateGraph
from psycopg_pool import ConnectionPool

from learning_machine.embeddings import embedding_name, resolve_embeddings
from learning_machine.errors import ConfigurationError
from learning_machine.jobs import Worker
from learning_machine.models import resolve_model
from learning_machine.nodes.embedding import Embedder
from learning_machine.nodes.parts import Parts, Usage
from learning_machine.state.curation import CurationConfig, curation_from
from learning_machine.state.limits import BatchWindow, HourlyLimits
from learning_machine.state.redaction import redact as redact_secrets
from learning_machine.state.scope import Scope
from learning_machine.stores.configured import conversation_from, store_from
from learning_machine.stores.conversation import ConversationConfig, ConversationStore
from learning_machine.stores.fusing import Weights
from learning_machine.stores.ledger import Ledger
from learning_machine.stores.ledger_store import LedgerStore
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.migrate import prepare
from learning_machine.stores.postgres.transactions import check_schema
from learning_machine.stores.proposals import ProposalQueue
from learning_machine.stores.registry import Registry
from learning_machine.stores.reviewers import Reviewers, check_reviewers
from learning_machine.stores.spending import Spending
from learning_machine.stores.turns import KeepMessages, Turns

#: Where the database is when nobody says: this variable, else the embedded PostgreSQL.
DATABASE_VARIABLE = "LEARNING_MACHINE_DATABASE_URL"

Background = Literal["worker", "external", "inline"]


class Assembled(ABC):
    """A machine's settings and parts. What it does with them is told in the files beside this one."""

    def __init__(
        self,
        *,
        db: str | ConnectionPool[Any] | None = None,
        model: BaseChatModel | str | None = None,
        embeddings: Embeddings | str | None = None,
        name: str = "default",
        schema: str = "learning_machine",
        user_profile: Any = None,
        session_context: Any = None,
        learned_knowledge: Any = None,
        entity_memory: Any = None,
        custom_stores: Mapping[str, Any] | None = None,
        conversation: ConversationConfig | bool = True,
        namespace: str | None = None,
        reviewers: Reviewers | None = None,
        search: Weights | None = None,
        window: BatchWindow | None = None,
        max_calls: int | None = None,
        max_tokens: int | None = None,
        background: Background = "worker",
        redact: Callable[[str], str] | None = redact_secrets,
        keep_messages: KeepMessages = "forever",
        curate: CurationConfig | str | None = CurationConfig(),  # noqa: B008 - it is frozen
        max_context_tokens: int = 3_000,
        auto_migrate: bool = True,
    ) -> None:
        if background not in ("worker", "external", "inline"):
            raise ConfigurationError(
                f'background={background!r} is not known. Use "worker" (in this process), "external" '
                '(`learning-machine worker` elsewhere), or "inline" (in the graph, to watch it).'
            )
        if keep_messages not in ("forever", "until_learned") and not (
            isinstance(keep_messages, int) and keep_messages > 0
        ):
            raise ConfigurationError(
                f'keep_messages={keep_messages!r} is not known. Use "forever", "until_learned" or a number of days.'
            )
        self.name, self.background, self.auto_migrate = name, background, auto_migrate
        #: When what was learned is tidied up, and how.
        self.curation = curation_from(curate)
        self._db, self._model, self._schema = db, model, check_schema(schema)
        self._resolved: BaseChatModel | None = None
        self._embedded: Any = None
        self._ready = False
        self._lock = threading.RLock()
        self._window = window or BatchWindow()
        self._limits = HourlyLimits(max_calls, max_tokens)
        self._worker: Worker | None = None
        self._savers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._closed = False
        asked = {
            "user_profile": user_profile,
            "session_context": session_context,
            "learned_knowledge": learned_knowledge,
            "entity_memory": entity_memory,
        }
        if not custom_stores and not any(asked.values()):
            asked["user_profile"] = True
        self._asked, self._custom = asked, dict(custom_stores or {})
        self._redact = redact or str
        self._keep: KeepMessages = keep_messages
        self._max_context_tokens = max_context_tokens
        self._database: Database | None = None
        self._parts: Parts | None = None
        self._learn: CompiledStateGraph[Any, Any, Any, Any] | None = None
        # Stores are made now, so that what cannot work says so where it is written.
        built_in = [store_from(name, value, namespace) for name, value in asked.items() if value]
        said = [] if conversation is False or not built_in else [conversation_from(conversation)]
        self._stores = [*built_in, *said, *self._custom.values()]
        self._embeddings, self._search, self._reviewers = embeddings, search or Weights(), reviewers
        check_reviewers(
            {store.learning_type: store.mode.value for store in self._stores if hasattr(store, "mode")}, reviewers
        )
        Registry(self._stores)

    @abstractmethod
    def _wake(self) -> None:
        """See to it that somebody reads what was queued."""

    @abstractmethod
    def _extract_for(self, stores: list[Any], messages: list[Any], scope: Scope) -> Any:
        """Learn from messages for one store's own `process`."""

    # --- what it is made of -------------------------------------------------------------------------------------------

    @property
    def parts(self) -> Parts:
        """The machine as its nodes see it."""
        with self._lock:
            if self._parts is None:
                self._parts = self._assemble()
            return self._parts

    @property
    def stores(self) -> Registry:
        """The stores, by learning type."""
        return self.parts.registry

    @property
    def database(self) -> Database:
        """The database, ready: reachable, migrated, and with isolation checked."""
        self._make_ready()
        return self.parts.database

    @property
    def model(self) -> BaseChatModel:
        """The model that extracts; without one given, from the environment, or the offline one."""
        if self._resolved is None:
            self._resolved = resolve_model(self._model)
        return self._resolved

    @property
    def usage(self) -> Usage:
        """What learning has cost in this process: calls, tokens, failures."""
        return self.parts.usage

    def _assemble(self) -> Parts:
        database = Database(self._source, schema=self._schema, prepare=self._make_ready)
        ledger = Ledger(database, redact=self._redact, ready=self._make_ready)
        embedder = Embedder(lambda: resolve_embeddings(self._embeddings), embedding_name, database)
        stores = [
            store.bound(ledger, self._extract_for, embedder, self.name)
            if isinstance(store, LedgerStore | ConversationStore)
            else store
            for store in self._stores
        ]
        registry = Registry(stores)
        return Parts(
            name=self.name,
            registry=registry,
            proposals=self._queue(database, registry),
            database=database,
            ledger=ledger,
            turns=Turns(database, self.name, keep=self._keep, redact=self._redact),
            model=lambda: self.model,
            ready=self._make_ready,
            window=self._window,
            spending=Spending(database, self.name, self._limits),
            inline=self.background == "inline",
            wake=self._wake,
            usage=Usage(),
            embedder=embedder,
            weights=self._search,
            max_context_tokens=self._max_context_tokens,
        )

    def _queue(self, database: Database, registry: Registry) -> ProposalQueue:
        four_eyes = [
            store.learning_type for store in registry if getattr(getattr(store, "config", None), "four_eyes", False)
        ]
        merging = [store.learning_type for store in registry if getattr(store, "merges", False)]
        return ProposalQueue(
            database,
            self.name,
            reviewers=self._reviewers,
            four_eyes=four_eyes,
            ready=self._make_ready,
            merging=merging,
            edit=lambda store, change, text, name: registry[store].edited(change, text, name),
            vectors=lambda store, texts: registry[store].vectors(texts),
            redact=self._redact,
        )

    @property
    def proposals(self) -> ProposalQueue:
        """What waits for a person: `list`, `approve`, `edit`, `reject`, each decision with `by=`."""
        return self.parts.proposals

    def _source(self) -> str | ConnectionPool[Any]:
        if self._db is not None:
            return self._db
        url = os.environ.get(DATABASE_VARIABLE)
        if url:
            return url
        from learning_machine.stores.postgres.embedded import start

        self._embedded = start()
        return str(self._embedded.url)

    def _make_ready(self) -> None:
        if self._ready:
            return
        parts = self.parts
        with self._lock:
            if not self._ready:
                prepare(parts.database, auto=self.auto_migrate)
                self._ready = True

    def give(self, *, db: Any = None, model: Any = None, embeddings: Any = None) -> None:
        """Hand over what the machine lacks, once. Another database than the one it has is an error."""
        if db is not None:
            if self._db is not None and _place(self._db) != _place(db):
                raise ConfigurationError(
                    "The machine has a database of its own, and the agent another. Give db= to one of them."
                )
            if self._db is None and self._parts is not None:
                raise ConfigurationError(
                    "The machine has been used already, with the default database. Give db= before that."
                )
            self._db = self._db or db
        self._embeddings = self._embeddings if self._embeddings is not None else embeddings
        if model is not None and self._model is None and self._resolved is None:
            self._model = model


def _place(db: str | ConnectionPool[Any]) -> Any:
    return db if isinstance(db, str) else db.conninfo
