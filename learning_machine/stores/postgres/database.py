"""Connections and transactions: every one of them says who is asking before it reads or writes."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from learning_machine.errors import ConfigurationError, DatabaseUnavailable, DatabaseUnsuitable
from learning_machine.stores.postgres.pipelines import (
    LoopConnections,
    Statement,
    exchange,
    loop_waits,
    rows_of,
)
from learning_machine.stores.postgres.queries import positional, query
from learning_machine.stores.postgres.transactions import Access, Names, Params, Row, Transaction, check_schema

log = logging.getLogger("learning_machine")

T = TypeVar("T")
#: A URL, a pool, or a function that says which when the first connection is needed.
Source = str | ConnectionPool[Any] | Callable[[], str | ConnectionPool[Any]]

#: What a pooler answers that hands the connection to another server process between transactions, and knows nothing of
#: prepared statements.
NOT_PREPARED = (
    psycopg.errors.InvalidSqlStatementName,
    psycopg.errors.DuplicatePreparedStatement,
    psycopg.errors.FeatureNotSupported,
)


@dataclass(frozen=True)
class Ask:
    """Named statements in one transaction and one network round trip, as someone."""

    access: Access
    statements: Sequence[tuple[str, Params]]
    writes: bool = False


#: Something that asks the database, once or more: it is told the rows of each statement, or that asking failed.
Steps = Generator[Ask, list[list[Row]], T]


class Database:
    """A pool and the names in it. Open it once per process; it is safe to use from many threads."""

    def __init__(
        self,
        source: Source,
        *,
        schema: str = "learning_machine",
        max_size: int = 10,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self.names = Names(check_schema(schema))
        #: Whether it is known who to be in it. Before that nothing is asked, because nothing would be guarded.
        self._known = False
        self._prepare = prepare
        self._given, self._max_size = source, max_size
        self._pool: ConnectionPool[Any] | None = None
        self._failure: DatabaseUnavailable | None = None
        self._closed_until = 0.0
        #: Whether reading queries are planned once a connection. Planning them takes longer than answering them.
        self._prepares = True
        self._lock = threading.Lock()
        self._in_loops = LoopConnections(max_size)

    # --- connections --------------------------------------------------------------------------------------------------

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

    # --- transactions -------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, access: Access, *, first: str | None = None) -> Iterator[Transaction]:
        """A transaction as someone: committed at the end, rolled back by an exception. `first`: a named query that says
        what kind of transaction it is."""
        self._be_known()
        with ExitStack() as stack:
            yield self._on_a_live_one(lambda: self._begin(stack, access, first))

    def _begin(self, stack: ExitStack, access: Access, first: str | None = None) -> Transaction:
        with ExitStack() as opened:
            connection = opened.enter_context(self.connection())
            opened.enter_context(connection.transaction())
            if first is not None:
                connection.execute(query(first))
            with connection.pipeline():
                self._let_in(connection, access)
            stack.push(opened.pop_all())
            return Transaction(connection)

    def _on_a_live_one(self, step: Callable[[], T]) -> T:
        """The step, a second time where the connection turned out dead, as `_tries` does."""
        try:
            return step()
        except DatabaseUnavailable as error:
            if self._pool is None or isinstance(error.__cause__, PoolTimeout):
                raise
            return step()

    def _let_in(self, connection: psycopg.Connection[DictRow], access: Access) -> None:
        """Say who asks, and what they may see."""
        # Never prepared: behind a pooler a name may mean another client's statement.
        connection.execute(query("access.enter"), self._enter(access), prepare=False)
        if access.spaces is None:
            connection.execute(query("access.spaces"), prepare=False)

    # --- one round trip -----------------------------------------------------------------------------------------------

    def read(self, access: Access, queries: Sequence[tuple[str, Params]]) -> list[list[Row]]:
        """The rows of several named queries, in one network round trip."""
        return self._ask(Ask(access, queries))

    def write(self, access: Access, name: str, params: Params) -> list[Row]:
        """The rows of one named statement, in a transaction and a network round trip of its own.

        It may be carried out twice, where the connection is lost before the answer comes.
        """
        return self._ask(Ask(access, [(name, params)], writes=True))[0]

    def run(self, steps: Steps[T]) -> T:
        """The outcome of steps, which wait for the database in this thread."""
        return _driven(steps, self._ask)

    async def arun(self, steps: Steps[T]) -> T:
        """The same, while the event loop goes on. Only where it `can_wait_in_loop`."""
        return await _adriven(steps, self._aask)

    def can_wait_in_loop(self) -> bool:
        """Whether the running event loop can wait for this database without a thread.

        Only once it is open, and with a pool of our own: somebody else's may do anything when a connection is taken.
        """
        return self._known and self._pool is not None and isinstance(self._source, str) and loop_waits()

    def _ask(self, ask: Ask) -> list[list[Row]]:
        self._be_known()
        return _driven(self._tries(ask), self._once)

    async def _aask(self, ask: Ask) -> list[list[Row]]:
        return await _adriven(self._tries(ask), self._aonce)

    def _tries(self, ask: Ask) -> Steps[list[list[Row]]]:
        """It is asked again where the connection turned out dead, because a restart leaves dead ones in the pool, and
        looking at each before it is used would cost every call a round trip; and where statements do not stay prepared.
        """
        for _ in range(2):
            prepares = self._prepares
            try:
                return (yield ask)
            except NOT_PREPARED:
                # Not as it is by now: several threads may find out at the same time.
                if ask.writes or not prepares:
                    raise
                log.info("learning machine: prepared statements do not last on this connection; doing without")
                self._prepares = False
            except DatabaseUnavailable as error:
                if self._pool is None or isinstance(error.__cause__, PoolTimeout):
                    raise
        return (yield ask)

    def _once(self, ask: Ask) -> list[list[Row]]:
        with self.connection(prepares=self._prepares and not ask.writes) as connection:
            prepares = connection.prepare_threshold is not None
            under_way = exchange(connection, self._statements(ask, prepares), prepares=prepares)
            return _rows(len(ask.statements), connection, connection.wait(under_way))

    async def _aonce(self, ask: Ask) -> list[list[Row]]:
        prepares = self._prepares and not ask.writes
        statements, read = self._statements(ask, prepares), partial(_rows, len(ask.statements))
        try:
            return await self._in_loops.exchange(self.pool, statements, read, prepares=prepares)
        except (PoolTimeout, psycopg.OperationalError) as error:
            if not is_outage(error):
                raise
            await asyncio.to_thread(self._look_at_idle, error)
            raise unavailable(error) from error

    def _statements(self, ask: Ask, prepares: bool) -> list[Statement]:
        """What is sent: who asks, what they may see, and what they ask."""
        kind = () if ask.writes else ("access.plan_once" if prepares else "access.read_only",)
        sight = () if ask.access.spaces is not None else ("access.spaces",)
        entered = [
            *((name, {}) for name in kind),
            ("access.enter", self._enter(ask.access)),
            *((name, {}) for name in sight),
        ]
        return [_statement(*one) for one in (*entered, *ask.statements)]

    @property
    def sees_all(self) -> bool:
        """Whether the connection may act as the role that sees every space. Asking as it without that right raises."""
        self._be_known()
        return self.names.admin_role != "none"

    def _enter(self, access: Access) -> Row:
        if access.admin and self.names.admin_role == "none":
            # As anybody else it would see nothing of people, and take that for all there is.
            raise DatabaseUnsuitable(
                f"This needs every space, and the connection may not act as {self.names.admin}, the only role that sees them. "
                "Name whose it is, where the call takes a scope, or run learning-machine doctor for the GRANT that is missing."
            )
        # Without a user the session's own space is open; with one, what a session holds lies in the user's.
        return {
            "role": self.names.admin_role if access.admin else self.names.role,
            "search_path": self.names.search_path,
            "timeout": str(access.timeout_ms),
            "user_id": access.user_id,
            "session": access.session if access.user_id is None else None,
            "groups": list(access.groups),
            "spaces": None if access.spaces is None else list(access.spaces),
        }

    def _be_known(self) -> None:
        """Find out who to be in the database, before a connection is taken."""
        if not self._known and self._prepare is not None:
            self._prepare()
        if not self._known:
            raise ConfigurationError(
                "This database has not been prepared, so isolation would not hold. Call migrate.prepare(database) first; "
                "a LearningMachine does it by itself."
            )

    def use(self, **names: str) -> None:
        """Take over what the set-up found out about roles and schemas."""
        self.names = replace(self.names, **names)
        self._known = True


def _rows(last: int, connection: psycopg.Connection[Any], results: Sequence[PGresult]) -> list[list[Row]]:
    """The rows of so many results, the last."""
    return [rows_of(connection, result) for result in results[-last:]]


def _statement(name: str, params: Params) -> Statement:
    text, names = positional(name)
    return Statement(text, [params[one] for one in names])


def _driven(steps: Steps[T], ask: Callable[[Ask], list[list[Row]]]) -> T:
    """The outcome of steps, each of which is asked as they say."""
    try:
        asked = next(steps)
        while True:
            try:
                rows = ask(asked)
            except Exception as error:  # noqa: BLE001 - the steps decide what becomes of it
                asked = steps.throw(error)
            else:
                asked = steps.send(rows)
    except StopIteration as ended:
        outcome: T = ended.value
        return outcome
    finally:
        steps.close()


async def _adriven(steps: Steps[T], ask: Callable[[Ask], Awaitable[list[list[Row]]]]) -> T:
    try:
        asked = next(steps)
        while True:
            try:
                rows = await ask(asked)
            except Exception as error:  # noqa: BLE001 - as above
                asked = steps.throw(error)
            else:
                asked = steps.send(rows)
    except StopIteration as ended:
        outcome: T = ended.value
        return outcome
    finally:
        steps.close()


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
