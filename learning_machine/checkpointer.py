"""One Postgres checkpointer for `invoke` and `ainvoke`."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg import Connection
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from learning_machine.state.messages import message_key
from learning_machine.stores.postgres.database import Access, Database
from learning_machine.stores.postgres.queries import query

T = TypeVar("T")

#: Refused checkpoints that are remembered: the runs that made them end soon.
MOST_REFUSED = 10_000


class BothDoorsSaver(PostgresSaver):
    """`PostgresSaver` whose async methods run the sync ones in threads of its own, so that both doors are open.

    It connects when it is first used, and makes its tables then, under a lock.
    """

    def __init__(self, open_database: Callable[[], Database]) -> None:
        self._open_database = open_database
        self._pool: ConnectionPool[Any] | None = None
        self._database: Database | None = None
        #: Checkpoints that were refused because their thread was erased while they were made, and what follows on them.
        self._refused: OrderedDict[str, None] = OrderedDict()
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="learning-machine-checkpoints")
        super().__init__(_NotYet())  # type: ignore[arg-type]

    def _cursor(self, *, pipeline: bool = False) -> Any:
        self._connect()
        return super()._cursor(pipeline=pipeline)

    def _connect(self) -> None:
        if self._pool is not None:
            return
        with self.lock:
            if self._pool is None:
                database = self._open_database()
                pool = open_pool(database)
                prepare(pool, database.names.schema)
                self._database, self._pool = database, pool
                self.conn = pool

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
        place = config["configurable"]
        with self._held(place["thread_id"]) as connection:
            if self._is_late(connection, place, place.get("checkpoint_id") or checkpoint["id"]):
                self._refuse(connection, place["thread_id"], checkpoint["id"])
                names = {name: place.get(name, "") for name in ("thread_id", "checkpoint_ns")}
                return {"configurable": {**names, "checkpoint_id": checkpoint["id"]}}
            return PostgresSaver(connection, serde=self.serde).put(config, checkpoint, metadata, new_versions)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        place = config["configurable"]
        with self._held(place["thread_id"]) as connection:
            if not self._is_late(connection, place, place["checkpoint_id"]):
                PostgresSaver(connection, serde=self.serde).put_writes(config, writes, task_id, task_path)

    @contextmanager
    def _held(self, thread: str) -> Iterator[Connection[Any]]:
        """A connection in a transaction that no erasure of this thread comes in between of."""
        self._connect()
        assert self._pool is not None
        with self._pool.connection() as connection, connection.transaction():
            connection.execute(query("erase.share_thread"), {"thread": thread})
            yield connection

    def _refuse(self, connection: Connection[Any], thread: str, checkpoint: str) -> None:
        """Remember that this was not saved, and drop what was written for it."""
        self._refused[checkpoint] = None
        connection.execute(query("erase.drop_writes"), {"thread": thread, "checkpoint": checkpoint})
        if len(self._refused) > MOST_REFUSED:
            self._refused.popitem(last=False)

    def _is_late(self, connection: Connection[Any], place: dict[str, Any], ground: str) -> bool:
        """Whether this stands on a checkpoint from before its thread was erased, which went with it."""
        if ground in self._refused:
            return True
        assert self._database is not None
        rows = self._database.read(Access(), [("erase.thread_erased", {"thread": place["thread_id"]})])[0]
        erased_at = rows[0]["at"] if rows else None
        if erased_at is None or made_at(ground) >= erased_at:
            return False
        asked = {"thread": place["thread_id"], "space": place.get("checkpoint_ns", ""), "checkpoint": ground}
        return connection.execute(query("erase.is_saved"), asked).fetchone() is None

    async def _in_thread(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *arguments, **named))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await self._in_thread(self.get_tuple, config)

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
        return await self._in_thread(self.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await self._in_thread(self.put_writes, config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        await self._in_thread(self.delete_thread, thread_id)


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
        database.conninfo, kwargs=kwargs, min_size=0, max_size=8, open=True, timeout=10, name="checkpoints"
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
