"""Connections to the database, of a pool that is opened when it is first used and says what is wrong with it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from learning_machine.errors import ConfigurationError, DatabaseUnavailable

#: A URL, a pool, or a function that says which when the first connection is needed.
Source = str | ConnectionPool[Any] | Callable[[], str | ConnectionPool[Any]]


class Connections:
    """A pool of our own, or somebody's, opened when it is first used."""

    def __init__(self, source: Source, max_size: int) -> None:
        self._given, self._max_size = source, max_size
        self._pool: ConnectionPool[Any] | None = None
        self._failure: DatabaseUnavailable | None = None
        self._closed_until = 0.0
        self._lock = threading.Lock()

    @cached_property
    def _source(self) -> str | ConnectionPool[Any]:
        return self._given() if callable(self._given) else self._given

    @property
    def conninfo(self) -> str:
        if isinstance(self._source, str):
            return self._source
        conninfo = self._source.conninfo
        return str(conninfo() if callable(conninfo) else conninfo)

    @property
    def pool(self) -> ConnectionPool[Any]:
        with self._lock:
            if self._pool is None:
                self._pool = self._open_or_recall()
            return self._pool

    @property
    def opened(self) -> bool:
        """Whether the database has been reached."""
        return self._pool is not None

    def _open_or_recall(self) -> ConnectionPool[Any]:
        """Open, unless that failed a moment ago: who waited long for nothing is not kept waiting as long again at once."""
        began = time.monotonic()
        if self._failure is not None and began < self._closed_until:
            raise DatabaseUnavailable(str(self._failure)) from self._failure
        try:
            return self._open()
        except DatabaseUnavailable as error:
            now = time.monotonic()
            self._failure, self._closed_until = error, now + (now - began)
            raise

    def _open(self) -> ConnectionPool[Any]:
        if not isinstance(self._source, str):
            self._source.open()
            return self._source
        kwargs = {"autocommit": True, "application_name": "learning-machine"}
        try:
            # Asked for once outside the pool, which would hide why it cannot connect behind a time-out.
            psycopg.connect(self._source, connect_timeout=10).close()
        except psycopg.ProgrammingError:
            # What is wrong with it could only be said by quoting it, password and all.
            raise ConfigurationError(
                "The database URL cannot be read. Write it as postgresql://user:password@host:port/database, with special "
                "characters in the password percent-encoded."
            ) from None
        except psycopg.OperationalError as error:
            raise unavailable(error) from error
        pool: ConnectionPool[Any] = ConnectionPool(
            self._source,
            kwargs=kwargs,
            min_size=1,
            max_size=self._max_size,
            open=False,
            timeout=10,
            name="learning-machine",
        )
        pool.open()
        return pool

    @contextmanager
    def connection(self, *, prepares: bool = False) -> Iterator[psycopg.Connection[DictRow]]:
        """A connection in autocommit, whatever the pool's owner set, given back as it was.

        It `prepares` statements only where asked to and where the pool's owner did not turn that off.
        """
        try:
            with self.pool.connection() as connection:
                before = connection.autocommit, connection.prepare_threshold, connection.row_factory
                connection.prepare_threshold = 0 if prepares and before[1] is not None else None
                connection.row_factory = dict_row
                if not connection.autocommit:
                    connection.autocommit = True
                try:
                    yield connection
                finally:
                    connection.prepare_threshold, connection.row_factory = before[1:]
                    with suppress(psycopg.OperationalError):  # a lost connection is the pool's to replace
                        _settle(connection)
                        connection.autocommit = before[0]
        except (PoolTimeout, psycopg.OperationalError) as error:
            if is_outage(error):
                self._look_at_idle(error)
                raise unavailable(error) from error
            raise

    def _look_at_idle(self, error: BaseException) -> None:
        """Where one connection died, idle ones may be dead too: the next who asks gets a living one."""
        if self._pool is not None and not isinstance(error, PoolTimeout):
            self._pool.check()

    def close(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None and isinstance(self._source, str):
            pool.close()
        # Asked for again when it is used again: an embedded server may have another address by then.
        self.__dict__.pop("_source", None)


def _settle(connection: psycopg.Connection[Any]) -> None:
    """End what a failed statement left open; after an error in a pipeline only this heals the connection."""
    if connection.info.transaction_status != TransactionStatus.IDLE:
        connection.rollback()


def is_outage(error: BaseException) -> bool:
    """Whether the server could not be reached or went away, rather than refused one statement."""
    state = getattr(error, "sqlstate", None)
    return state is None or state.startswith(("08", "53", "57P", "28", "3D"))


def unavailable(error: BaseException) -> DatabaseUnavailable:
    """The error in the words of someone who can do something about it, without the URL's password."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    # Of a password with a bare @ in it, the part behind the @ is taken for the host's.
    first = re.sub(r"[^\s'\"]*@", "…@", first)
    return DatabaseUnavailable(f"The database cannot be reached: {first}. Check the URL and that the server runs.")
