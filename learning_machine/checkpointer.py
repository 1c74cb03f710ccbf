"""One Postgres checkpointer for `invoke` and `ainvoke`."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from learning_machine.stores.postgres.database import Database

T = TypeVar("T")


class BothDoorsSaver(PostgresSaver):
    """`PostgresSaver` whose async methods run the sync ones in threads of its own, so that both doors are open.

    It connects when it is first used, and makes its tables then, under a lock.
    """

    def __init__(self, open_database: Callable[[], Database]) -> None:
        self._open_database = open_database
        self._pool: ConnectionPool[Any] | None = None
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
                self._pool = self.conn = pool

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
