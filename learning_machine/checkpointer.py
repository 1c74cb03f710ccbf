"""One Postgres checkpointer for `invoke` and `ainvoke`."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg import Connection
from psycopg.pq.abc import PGresult
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from learning_machine.state.messages import message_key
from learning_machine.stores.postgres.collecting import collected, read_with
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.pipelines import (
    LoopConnections,
    Row,
    Statement,
    exchange,
    loop_waits,
    rows_of,
    size_of,
)
from learning_machine.stores.postgres.queries import positional, query

T = TypeVar("T")

#: What a step wrote: config, values, task and its path.
Writes = tuple[RunnableConfig, Sequence[tuple[str, Any]], str, str]
#: Connections at most.
AT_ONCE = 8
#: From how many bytes on a checkpoint is put together in a thread.
LARGE = 200_000
#: What `hold_unerased_thread` raises.
ERASED_ONCE = "LM001"
#: Refused checkpoints that are remembered: the runs that made them end soon.
MOST_REFUSED = 10_000


class BothDoorsSaver(PostgresSaver):
    """`PostgresSaver` with both doors open: the event loop waits itself for what is saved, a thread for everything else.

    It connects when it is first used, and makes its tables then, under a lock.
    """

    def __init__(self, open_database: Callable[[], Database]) -> None:
        self._open_database = open_database
        self._pool: ConnectionPool[Any] | None = None
        #: Checkpoints that were refused because their thread was erased while they were made, and what follows on them.
        self._refused: OrderedDict[str, None] = OrderedDict()
        #: Threads known to have been erased once, whose checkpoints are looked at one by one.
        self._erased: OrderedDict[str, None] = OrderedDict()
        #: What steps wrote for checkpoints of such threads that are not decided on yet.
        self._waiting: OrderedDict[str, list[Writes]] = OrderedDict()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="learning-machine-checkpoints")
        self._in_loops = LoopConnections(AT_ONCE)
        super().__init__(_NotYet())  # type: ignore[arg-type]

    @contextmanager
    def _cursor(self, *, pipeline: bool = False) -> Iterator[Any]:
        # On a connection of its own: over a pool the library's would let one at a time have any of them.
        with self._connect().connection() as connection, self._over(connection)._cursor(pipeline=pipeline) as cursor:
            yield cursor

    def _over(self, connection: Connection[Any]) -> PostgresSaver:
        return PostgresSaver(connection, serde=self.serde)

    def _connect(self) -> ConnectionPool[Any]:
        pool = self._pool
        if pool is None:
            with self.lock:
                pool = self._pool = self._pool or self._open()
        return pool

    def _open(self) -> ConnectionPool[Any]:
        database = self._open_database()
        pool = open_pool(database)
        prepare(pool, database.names.schema)
        return pool

    def rest(self) -> None:
        """Give the connections back, until it is used again."""
        with self.lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def close(self) -> None:
        """Give the connections back, and the threads."""
        self.rest()
        self._threads.shutdown(wait=False)

    # --- what was erased ----------------------------------------------------------------------------------------------

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint, unless its thread was erased while the run that makes it was under way."""
        place, id = config["configurable"], checkpoint["id"]
        if id not in self._waiting and self._at_once(
            place["thread_id"], lambda saver: saver.put(config, checkpoint, metadata, new_versions)
        ):
            return _next(place, id)
        with self._held(place["thread_id"]) as (saver, erased_at):
            # A graph inside another begins anew, and stands on the checkpoint of the one around it.
            grounds = {
                **(metadata.get("parents") or {}),
                place.get("checkpoint_ns", ""): place.get("checkpoint_id") or id,
            }
            if erased_at is not None and any(
                self._is_late(saver, place["thread_id"], *ground, erased_at) for ground in grounds.items()
            ):
                self._refuse(saver, place["thread_id"], id)
                return _next(place, id)
            saver.put(config, checkpoint, metadata, new_versions)
            for waiting in self._waiting.pop(id, ()):
                saver.put_writes(*waiting)
            return _next(place, id)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Save what a step wrote; of a thread that was erased once, when the checkpoint is saved that it belongs to."""
        place, id = config["configurable"], config["configurable"]["checkpoint_id"]
        if self._at_once(place["thread_id"], lambda saver: saver.put_writes(config, writes, task_id, task_path)):
            return
        with self._held(place["thread_id"]) as (saver, erased_at):
            if erased_at is None or _is_saved(saver, place["thread_id"], place.get("checkpoint_ns", ""), id):
                saver.put_writes(config, writes, task_id, task_path)
            elif id not in self._refused and made_at(id) >= erased_at:
                self._waiting.setdefault(id, []).append((config, writes, task_id, task_path))
                _forget_oldest(self._waiting)

    def _at_once(self, thread: str, save: Callable[[PostgresSaver], Any]) -> bool:
        """Save in one network round trip and one transaction, unless the thread was erased once: whether it was saved."""
        if thread in self._erased:
            return False
        with self._noting_erased(thread) as saved, self._connect().connection() as connection:
            connection.wait(exchange(connection, self._statements(thread, save)))
        return bool(saved)

    async def _aat_once(self, thread: str, save: Callable[[PostgresSaver], Any]) -> bool:
        """`_at_once`, while the event loop goes on. `False` also where it cannot wait for a connection."""
        if thread in self._erased or not loop_waits():
            return False
        pool = self._pool if self._pool is not None else await self._in_thread(self._connect)
        with self._noting_erased(thread) as saved:
            await self._in_loops.exchange(pool, self._statements(thread, save), lambda *_: None)
        return bool(saved)

    def _statements(self, thread: str, save: Callable[[PostgresSaver], Any]) -> list[Statement]:
        """What saves something, behind a question that raises where the thread was erased once."""
        text, _ = positional("erase.hold_unerased_thread")
        return [Statement(text, [thread]), *collected(save, self.serde)]

    @contextmanager
    def _noting_erased(self, thread: str) -> Iterator[list[bool]]:
        """A list that holds something afterwards, unless the thread turned out to have been erased, which is noted."""
        saved: list[bool] = []
        try:
            yield saved
            saved.append(True)
        except psycopg.Error as error:
            if error.sqlstate != ERASED_ONCE:
                raise
            self._erased[thread] = None
            _forget_oldest(self._erased)

    @contextmanager
    def _held(self, thread: str) -> Iterator[tuple[PostgresSaver, datetime | None]]:
        """A saver in a transaction that no erasure of this thread comes in between of, and when the thread was erased last."""
        with self._connect().connection() as connection, connection.transaction():
            row = connection.execute(query("erase.hold_thread"), {"thread": thread}).fetchone()
            # Of an erased thread it is remembered what was refused: one at a time.
            with nullcontext() if row["at"] is None else self.lock:
                yield self._over(connection), row["at"]

    def _is_late(self, saver: PostgresSaver, thread: str, space: str, ground: str, erased_at: datetime) -> bool:
        """Whether this stands on a checkpoint from before its thread was erased, which went with it."""
        before = made_at(ground) < erased_at and not _is_saved(saver, thread, space, ground)
        return ground in self._refused or before

    def _refuse(self, saver: PostgresSaver, thread: str, checkpoint: str) -> None:
        """Remember that this was not saved, and drop what graphs inside it may have saved already."""
        self._refused[checkpoint] = None
        self._waiting.pop(checkpoint, None)
        _forget_oldest(self._refused)
        with saver._cursor() as cursor:
            cursor.execute(query("erase.drop_inside"), {"thread": thread, "checkpoint": checkpoint})

    async def _in_thread(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *arguments, **named))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        if not loop_waits():
            return await self._in_thread(self.get_tuple, config)
        try:
            return await self._aread(lambda saver: saver.get_tuple(config))
        except psycopg.OperationalError:
            # A restart of the server leaves dead connections in the pool.
            return await self._in_thread(self.get_tuple, config)

    async def _aread(self, read: Callable[[PostgresSaver], T]) -> T:
        """What is read, while the event loop goes on. What is large is put together in a thread."""
        pool = self._pool if self._pool is not None else await self._in_thread(self._connect)
        answers: list[list[Row]] = []
        large = False
        while True:
            attempt = partial(read_with, answers, read, self.serde)
            found = await self._in_thread(attempt) if large else attempt()
            if not isinstance(found, Statement):
                return found
            connection, result = await self._in_loops.exchange(pool, [found], _first)
            large = size_of(result) > LARGE
            answers.append(await self._in_thread(rows_of, connection, result) if large else rows_of(connection, result))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        def collect() -> Sequence[CheckpointTuple]:
            found: Iterator[CheckpointTuple] = self.list(config, filter=filter, before=before, limit=limit)
            return list(found)

        for one in await self._in_thread(collect):
            yield one

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        place, id = config["configurable"], checkpoint["id"]
        if id not in self._waiting and await self._aat_once(
            place["thread_id"], lambda saver: saver.put(config, checkpoint, metadata, new_versions)
        ):
            return _next(place, id)
        return await self._in_thread(self.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        thread = config["configurable"]["thread_id"]
        if not await self._aat_once(thread, lambda saver: saver.put_writes(config, writes, task_id, task_path)):
            await self._in_thread(self.put_writes, config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        await self._in_thread(self.delete_thread, thread_id)


def _first(connection: Connection[Any], results: Sequence[PGresult]) -> tuple[Connection[Any], PGresult]:
    return connection, results[0]


def _next(place: Mapping[str, Any], id: str) -> RunnableConfig:
    """The config that a saved checkpoint is known by."""
    names = {name: place.get(name, "") for name in ("thread_id", "checkpoint_ns")}
    return {"configurable": {**names, "checkpoint_id": id}}


def _is_saved(saver: PostgresSaver, thread: str, space: str, checkpoint: str) -> bool:
    asked = {"thread": thread, "space": space, "checkpoint": checkpoint}
    with saver._cursor() as cursor:
        return cursor.execute(query("erase.is_saved"), asked).fetchone() is not None


def _forget_oldest(remembered: OrderedDict[str, Any]) -> None:
    if len(remembered) > MOST_REFUSED:
        remembered.popitem(last=False)


def made_at(checkpoint: str) -> datetime:
    """When a checkpoint was made, which its id tells; of an id that does not, now."""
    try:
        found = UUID(checkpoint)
    except ValueError:
        return datetime.now(UTC)
    if found.version != 6:
        return datetime.now(UTC)
    ticks = (found.int >> 80) << 12 | (found.int >> 64) & 0xFFF
    return datetime(1582, 10, 15, tzinfo=UTC) + timedelta(microseconds=ticks // 10)


def without(connection: Connection[Any], thread: str, keys: set[str]) -> int:
    """Take what somebody said and was told out of a thread in which others spoke too; whether there was anything.

    What stays is the newest state with the messages of the others, as a new checkpoint: the steps before it held the rest,
    and what other channels hold was made for whoever spoke last.
    """
    saver = PostgresSaver(connection)
    found = list(saver.list({"configurable": {"thread_id": thread, "checkpoint_ns": ""}}))
    saver.delete_thread(thread)
    newest = max(found, key=lambda one: one.checkpoint["id"], default=None)
    if newest is None:
        return 0
    kept = others_messages(newest.checkpoint["channel_values"].get("messages") or [], keys, thread)
    id = str(uuid6())
    checkpoint: Checkpoint = {**newest.checkpoint, "id": id, "channel_values": {"messages": kept}}
    version = checkpoint["channel_versions"].get("messages")
    versions = {"messages": version} if version is not None else {}
    metadata: CheckpointMetadata = {"source": "update", "step": newest.metadata.get("step", 0), "parents": {}}
    saver.put({"configurable": {"thread_id": thread, "checkpoint_ns": ""}}, checkpoint, metadata, versions)
    return 1


def others_messages(messages: Sequence[Any], keys: set[str], session: str) -> list[Any]:
    """The messages whose keys are not among these, without the results of tools that only those called."""
    kept: list[Any] = []
    called: set[str] = set()
    for position, message in enumerate(messages):
        if isinstance(message, ToolMessage):
            if message.tool_call_id in called:
                kept.append(message)
        elif message_key(message, position, session) not in keys:
            kept.append(message)
            called.update(str(call["id"]) for call in getattr(message, "tool_calls", None) or ())
    return kept


class _NotYet:
    """Stands where the pool will be."""


def open_pool(database: Database) -> ConnectionPool[Any]:
    """A pool whose connections find the checkpoint tables in the machine's schema."""
    kwargs = {
        "autocommit": True,
        "prepare_threshold": None,
        "row_factory": dict_row,
        "application_name": "learning-machine-checkpoints",
        "options": f'-c search_path="{database.names.schema}",public',
    }
    return ConnectionPool(
        database.conninfo, kwargs=kwargs, min_size=0, max_size=AT_ONCE, open=True, timeout=10, name="checkpoints"
    )


def prepare(pool: ConnectionPool[Any], schema: str) -> None:
    """Make the checkpointer's tables, once, whoever comes first."""
    key = int.from_bytes(hashlib.blake2s(f"checkpoints {schema}".encode(), digest_size=8).digest(), "big", signed=True)
    with pool.connection() as connection:
        if connection.execute("select to_regclass('checkpoint_migrations') as found").fetchone()["found"]:
            saver = PostgresSaver(connection)
            row = connection.execute("select max(v) as v from checkpoint_migrations").fetchone()
            if row["v"] is not None and row["v"] >= len(saver.MIGRATIONS) - 1:
                return
        # Asked again and again, because a statement that waits would hold up the index that `setup` builds concurrently.
        while not connection.execute("select pg_try_advisory_lock(%s) as locked", (key,)).fetchone()["locked"]:
            time.sleep(0.05)
        try:
            PostgresSaver(connection).setup()
        finally:
            connection.execute("select pg_advisory_unlock(%s)", (key,))
