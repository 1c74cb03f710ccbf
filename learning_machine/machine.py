"""`LearningMachine`: stores, a ledger, a model and a worker, put together once."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Literal, Self
from uuid import UUID

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from psycopg_pool import ConnectionPool

from learning_machine.embeddings import embedding_name, resolve_embeddings
from learning_machine.errors import ConfigurationError, DatabaseUnavailable, ReadElsewhere
from learning_machine.graphs.learning import learn_graph, learning_graph
from learning_machine.jobs import Jobs, Worker, let_go, retry_parked
from learning_machine.models import resolve_model
from learning_machine.nodes.agent import inner_agent
from learning_machine.nodes.build_context import context_text
from learning_machine.nodes.embedding import Embedder
from learning_machine.nodes.parts import Parts, Usage, attempt
from learning_machine.nodes.recall import arecall_others, asked, asking, recall_others, recall_own, searches
from learning_machine.state.limits import BatchWindow, HourlyLimits
from learning_machine.state.messages import as_messages, keys_of, last_user_text, spoken, turns_of
from learning_machine.state.modes import LearningMode
from learning_machine.state.redaction import redact as redact_secrets
from learning_machine.state.scope import Scope
from learning_machine.stores.auditing import verify
from learning_machine.stores.configured import conversation_from, store_from
from learning_machine.stores.conversation import ConversationConfig, ConversationStore
from learning_machine.stores.fusing import Weights
from learning_machine.stores.indexing import Question
from learning_machine.stores.ledger import Ledger
from learning_machine.stores.ledger_store import LedgerStore
from learning_machine.stores.postgres import queue
from learning_machine.stores.postgres.database import Access, Database, check_schema
from learning_machine.stores.postgres.migrate import prepare
from learning_machine.stores.proposals import ProposalQueue
from learning_machine.stores.protocol import Standing
from learning_machine.stores.registry import Registry, call
from learning_machine.stores.reports import as_shown, what_became
from learning_machine.stores.reviewers import Reviewers, check_reviewers
from learning_machine.stores.spaces import access_of
from learning_machine.stores.spending import Spending
from learning_machine.stores.tools import forget_tools
from learning_machine.stores.turns import KeepMessages, TurnRecord, Turns

log = logging.getLogger("learning_machine")

#: How long the exit of the interpreter waits for learning that is queued, in seconds.
EXIT_PATIENCE = 10.0
#: Where the database is when nobody says: this variable, else the embedded PostgreSQL.
DATABASE_VARIABLE = "LEARNING_MACHINE_DATABASE_URL"

Background = Literal["worker", "external", "inline"]
_machines: weakref.WeakKeyDictionary[Any, LearningMachine] = weakref.WeakKeyDictionary()


class LearningMachine:
    """What an agent learns with. Complete by itself: `recall`, `process` and the rest need no graph.

    Each store takes `True`, a config, or a store. Without any store named it keeps a user profile. Nothing connects
    before it is first used.

    >>> machine = LearningMachine(user_profile=True, session_context=True)
    >>> machine.process([{"role": "user", "content": "My name is Alice."}], user_id="alice")   # doctest: +SKIP
    >>> machine.build_context(user_id="alice")                                                 # doctest: +SKIP
    """

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
        self._db, self._model, self._schema = db, model, check_schema(schema)
        self._resolved: BaseChatModel | None = None
        self._embedded: Any = None
        self._ready = False
        self._lock = threading.RLock()
        self._jobs = Jobs(name, window or BatchWindow())
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
            enqueue=self._jobs.enqueue_turn,
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

    # --- recall and context -------------------------------------------------------------------------------------------

    def recall(self, *, message: str = "", messages: Sequence[Any] = (), **scope: Any) -> dict[str, Any]:
        """What the stores know for this scope, by learning type. Types that know nothing are left out."""
        where, said = Scope(**scope), _turned(message, messages)
        standing = asking(self.parts, Standing(machine=self.name), self._question(said))
        own, _ = recall_own(self.parts, where, standing)
        return own | recall_others(self.parts, where, said)

    async def arecall(self, *, message: str = "", messages: Sequence[Any] = (), **scope: Any) -> dict[str, Any]:
        where, said = Scope(**scope), _turned(message, messages)
        question = await asyncio.to_thread(self._question, said)
        standing = asking(self.parts, Standing(machine=self.name), question)
        own, _ = await asyncio.to_thread(recall_own, self.parts, where, standing)
        return own | await arecall_others(self.parts, where, said)

    def _question(self, messages: list[Any]) -> Question:
        text = last_user_text(messages)
        return asked(self.parts, text) if text and searches(self.parts) else Question()

    def build_context(self, *, message: str = "", messages: Sequence[Any] = (), **scope: Any) -> str:
        """The text an agent reads about this scope; `""` when nothing is known."""
        return context_text(self.parts, self.recall(message=message, messages=messages, **scope))

    async def abuild_context(self, *, message: str = "", messages: Sequence[Any] = (), **scope: Any) -> str:
        return context_text(self.parts, await self.arecall(message=message, messages=messages, **scope))

    def get_tools(self, **scope: Any) -> list[Any]:
        """The tools of the stores in AGENTIC mode. With a scope they are bound to it; without, they read it from the run."""
        context: dict[str, Any] = {}
        if scope:
            bound = Scope(**scope)
            context = {**bound.keywords(), "scope": bound}
        tools: dict[str, Any] = {}
        for store in self.stores:
            made = attempt(self.parts, f"tools of {store.learning_type}", partial(call, store, "get_tools", context))
            for tool in made or ():
                tools.setdefault(getattr(tool, "name", getattr(tool, "__name__", repr(tool))), tool)
        return [*tools.values(), *forget_tools(list(self.stores), context)]

    # --- learning -----------------------------------------------------------------------------------------------------

    def process(
        self, messages: Sequence[Any], *, on_batch: Callable[[int, int], None] | None = None, **scope: Any
    ) -> list[dict[str, Any]]:
        """Learn from a conversation now: one receipt for each change. What was learned before is not learned again.

        `on_batch(read, total)` is called as turns are read.
        """
        where = Scope(**scope)
        recorded = self._record_all(messages, where)
        receipts: list[dict[str, Any]] = []
        read, more = 0, bool(recorded)
        while more:
            try:
                learned = self.learn(*recorded[-1])
            except ReadElsewhere:
                # Somebody else learns from this thread just now: what they leave is read next.
                continue
            receipts += learned["changes"]
            read, more = read + learned["turns"], learned["more"]
            if on_batch is not None:
                on_batch(min(read, len(recorded)), len(recorded))
        return receipts

    async def aprocess(self, messages: Sequence[Any], **scope: Any) -> list[dict[str, Any]]:
        recorded = await asyncio.to_thread(self._record_all, messages, Scope(**scope))
        receipts: list[dict[str, Any]] = []
        more = bool(recorded)
        while more:
            try:
                learned = await self.alearn(*recorded[-1])
            except ReadElsewhere:
                continue
            receipts += learned["changes"]
            more = learned["more"]
        return receipts

    def learn(self, space: int, turn: UUID, attempt: int = 1) -> dict[str, Any]:
        """Read the next batch of the thread this turn lies in: what a worker does for each job."""
        result = self._learner().invoke({"space": space, "turn": str(turn), "attempt": attempt})
        return dict(result["learned"])

    async def alearn(self, space: int, turn: UUID, attempt: int = 1) -> dict[str, Any]:
        result = await self._learner().ainvoke({"space": space, "turn": str(turn), "attempt": attempt})
        return dict(result["learned"])

    def _learner(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        if self._learn is None:
            self._learn = learn_graph(self.parts).compile(name="learn")
        return self._learn

    def _record_all(self, messages: Sequence[Any], scope: Scope) -> list[tuple[int, UUID]]:
        """Record a conversation turn by turn, without queueing anything."""
        if not scope.learn or not len(self.stores):
            return []
        self._make_ready()
        session = scope.session_id or ""
        plain = as_messages(messages)
        keys = keys_of(plain, session)
        recorded = []
        for said in turns_of(spoken(plain, session)):
            last = said[-1].key
            own = keys[keys.index(said[0].key) : keys.index(last) + 1]
            found = self.parts.turns.record(
                scope, TurnRecord(session=session, said=said, answer=last, keys=own, here=keys)
            )
            if found is not None:
                recorded.append(found)
        return recorded

    def _extract_for(self, stores: list[Any], messages: list[Any], scope: Scope) -> Any:
        """One store's own `process`: the machine's way of learning, for the machine as a whole."""
        return self.process(messages, **scope.model_dump(exclude_none=True))

    def learned(self, turn_id: str | UUID, **scope: Any) -> dict[str, Any]:
        """What became of a turn: its status, what was learned from it, and what was proposed.

        Status is `learned`, `waiting`, `failed` (will be tried again), `parked` (tried too often) or `unknown`.
        """
        self._make_ready()
        turn = UUID(str(turn_id))
        return what_became(turn, *self.parts.turns.state(Scope(**scope) if scope else None, turn))

    async def alearned(self, turn_id: str | UUID, **scope: Any) -> dict[str, Any]:
        return await asyncio.to_thread(self.learned, turn_id, **scope)

    def history(
        self,
        *,
        store: str | None = None,
        subject: str | None = None,
        closed: bool = True,
        limit: int = 1_000,
        **scope: Any,
    ) -> list[dict[str, Any]]:
        """Everything this scope may see, newest first, with the words behind it; with `closed` also what was replaced."""
        self._make_ready()
        with self.parts.database.transaction(access_of(Scope(**scope))) as transaction:
            rows = transaction.all(
                "recall.history", {"store": store, "subject": subject, "closed": closed, "limit": limit}
            )
        return [as_shown(row) for row in rows]

    def verify_audit(self) -> dict[str, Any]:
        """Whether the record of every change is whole, and what in it is not. Recomputes all of it."""
        self._make_ready()
        return verify(self.parts.database)

    # --- the queue ----------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """See to it that somebody reads what was queued."""
        if self.background != "external" and not self._closed:
            self.worker().start()

    def worker(self) -> Worker:
        """The worker of this process. It is started by the first turn that is recorded."""
        with self._lock:
            if self._worker is None:
                self._worker = Worker([self])
                _at_exit(self)
            return self._worker

    def flush(self, timeout: float = 60.0) -> bool:
        """Wait until all that was queued for this machine is learned. `False` when that took longer than `timeout` seconds."""
        self._make_ready()
        ends = time.monotonic() + timeout
        hastened = False
        try:
            while self._pending(ends):
                hastened = hastened or self._hasten()
                self._wake()
                if self._worker is not None:
                    self._worker.hurry.set()
                if time.monotonic() > ends:
                    return False
                time.sleep(0.02)
        finally:
            if self._worker is not None:
                self._worker.hurry.clear()
        return True

    async def aflush(self, timeout: float = 60.0) -> bool:
        return await asyncio.to_thread(self.flush, timeout)

    def _hasten(self) -> bool:
        """Do without the windows of what is queued now; whether that could be done."""
        with suppress(DatabaseUnavailable), self.parts.database.transaction(Access(admin=True)) as transaction:
            transaction.run("queue.hasten_all", {"queue": queue.queue_name(self.name)})
            return True
        return False

    def _pending(self, ends: float) -> bool:
        """Whether anything is queued. A database that is away for a moment is waited for."""
        try:
            with self.parts.database.transaction(Access()) as transaction:
                row = transaction.one("queue.pending", {"queue": queue.queue_name(self.name)})
        except DatabaseUnavailable:
            if time.monotonic() > ends:
                raise
            return True
        return bool(row and row["pending"])

    def queue_depth(self) -> dict[str, Any]:
        """How many jobs wait, wait for later, run, and are parked."""
        self._make_ready()
        return queue.depth(self.parts.database, self.name)

    def retry_parked(self) -> int:
        """Queue the turns that were given up once more; how many there were. A worker reads them."""
        self._make_ready()
        return retry_parked(self.parts)

    def close(self) -> None:
        """Finish the job at hand, stop the worker and give back connections. What waits in the queue stays there."""
        self._shut(None)

    def _closing(self, saver: Any) -> Any:
        """The checkpointer, whose connections `close` gives back too."""
        self._savers.add(saver)
        return saver

    def _shut(self, patience: float | None) -> None:
        with self._lock:
            self._closed = True
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop(patience)
        for saver in list(self._savers):
            saver.rest()
        if self._parts is not None:
            self._parts.database.close()
        if self._embedded is not None:
            self._embedded.release()
        with self._lock:
            # Used again, it opens again: by the same parts, because graphs hold them.
            self._embedded, self._ready, self._closed = None, False, False

    async def aclose(self) -> None:
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- graphs -------------------------------------------------------------------------------------------------------

    def builder(self, agent: Runnable[Any, Any] | None = None) -> StateGraph[Any, Any, Any, Any]:
        """The loop around an agent with `messages`, to be compiled; without one, around a plain agent on this machine's model."""
        if agent is None:
            return self._known(
                learning_graph(self.parts, inner_agent(self.model, self.get_tools()), reads_context=True)
            )
        agentic = [
            store.learning_type for store in self._stores if getattr(store, "mode", None) is LearningMode.AGENTIC
        ]
        if agentic:
            raise ConfigurationError(
                f"{', '.join(agentic)} learn by tools (AGENTIC), and a compiled agent's tools cannot be changed. "
                "Build the agent with machine.get_tools() among its tools, or use another mode."
            )
        return self._known(learning_graph(self.parts, agent))

    def graph(self, agent: Runnable[Any, Any] | None = None) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The loop, compiled without a checkpointer, so that it can be embedded or served as it is."""
        return self.builder(agent).compile(name="learning_agent")

    def _known(self, builder: StateGraph[Any, Any, Any, Any]) -> StateGraph[Any, Any, Any, Any]:
        _machines[builder] = self
        return builder

    @staticmethod
    def of(agent: Any) -> LearningMachine:
        """The machine of an agent made by `create_learning_agent` or `machine.graph`, also after `.with_config()`."""
        while agent is not None:
            machine = (
                _machines.get(getattr(agent, "builder", None)) if getattr(agent, "builder", None) is not None else None
            )
            if machine is not None:
                return machine
            agent = getattr(agent, "bound", None)
        raise ConfigurationError(
            "This agent has no learning machine. Make it with create_learning_agent or machine.graph()."
        )


def _turned(message: str, messages: Sequence[Any]) -> list[Any]:
    return as_messages(messages) if messages else as_messages([("user", message)]) if message else []


def _place(db: str | ConnectionPool[Any]) -> Any:
    return db if isinstance(db, str) else db.conninfo


def _at_exit(machine: LearningMachine) -> None:
    """Let what is queued be learned before the interpreter goes.

    It has to happen before the thread pools close, which is earlier than `atexit`: hence the registration that
    `concurrent.futures` itself uses, where there is one.
    """
    reference = weakref.ref(machine)

    def finish() -> None:
        found = reference()
        if found is not None and found._worker is not None:
            _finish(found)

    getattr(threading, "_register_atexit", atexit.register)(finish)


def _finish(machine: LearningMachine) -> None:
    try:
        done = machine.flush(EXIT_PATIENCE)
        if not done:
            depth = machine.queue_depth()
            log.warning(
                "learning machine %r: %d jobs wait for the next start",
                machine.name,
                depth["waiting"] + depth["later"] + depth["running"],
            )
        machine._shut(None if done else 0.0)
    except Exception as error:  # noqa: BLE001 - the interpreter is going
        log.warning(
            "learning machine %r did not finish cleanly (%s); what is queued waits for the next start",
            machine.name,
            type(error).__name__,
        )
    finally:
        let_go()
