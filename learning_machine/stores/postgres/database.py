"""Transactions and round trips: every one of them says who is asking before it reads or writes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg.pq.abc import PGresult
from psycopg.rows import DictRow
from psycopg_pool import PoolTimeout

from learning_machine.errors import ConfigurationError, DatabaseUnavailable, DatabaseUnsuitable
from learning_machine.stores.postgres.connections import Connections, Source, is_outage, unavailable
from learning_machine.stores.postgres.pipelines import (
    LoopConnections,
    Statement,
    exchange,
    loop_waits,
    rows_of,
)
from learning_machine.stores.postgres.queries import positional, query
from learning_machine.stores.postgres.steps import Ask, Steps, adriven, driven
from learning_machine.stores.postgres.transactions import Access, Names, Params, Row, Transaction, check_schema

log = logging.getLogger("learning_machine")

T = TypeVar("T")
#: What a pooler answers that hands the connection to another server process between transactions, and knows nothing of
#: prepared statements.
NOT_PREPARED = (
    psycopg.errors.InvalidSqlStatementName,
    psycopg.errors.DuplicatePreparedStatement,
    psycopg.errors.FeatureNotSupported,
)


class Database(Connections):
    """A pool and the names in it. Open it once per process; it is safe to use from many threads."""

    def __init__(
        self,
        source: Source,
        *,
        schema: str = "learning_machine",
        max_size: int = 10,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(source, max_size)
        self.names = Names(check_schema(schema))
        #: Whether it is known who to be in it. Before that nothing is asked, because nothing would be guarded.
        self._known = False
        self._prepare = prepare
        #: Whether reading queries are planned once a connection. Planning them takes longer than answering them.
        self._prepares = True
        self._in_loops = LoopConnections(max_size)

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
        return driven(steps, self._ask)

    async def arun(self, steps: Steps[T]) -> T:
        """The same, while the event loop goes on. Only where it `can_wait_in_loop`."""
        return await adriven(steps, self._aask)

    def can_wait_in_loop(self) -> bool:
        """Whether the running event loop can wait for this database without a thread.

        Only once it is open, and with a pool of our own: somebody else's may do anything when a connection is taken.
        """
        return self._known and self._pool is not None and isinstance(self._source, str) and loop_waits()

    def _ask(self, ask: Ask) -> list[list[Row]]:
        self._be_known()
        return driven(self._tries(ask), self._once)

    async def _aask(self, ask: Ask) -> list[list[Row]]:
        return await adriven(self._tries(ask), self._aonce)

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
        # Where it was closed meanwhile it is opened again, which the loop must not wait for.
        pool = self._pool if self._pool is not None else await asyncio.to_thread(lambda: self.pool)
        try:
            return await self._in_loops.exchange(pool, statements, read, prepares=prepares)
        except (PoolTimeout, psycopg.OperationalError) as error:
            if not is_outage(error):
                raise
            await asyncio.to_thread(self._look_at_idle, error)
            raise unavailable(error) from error

    def _statements(self, ask: Ask, prepares: bool) -> list[Statement]:
        """What is sent: who asks, what they may see, and what they ask."""
        entered: list[tuple[str, Params]] = [("access.enter", self._enter(ask.access))]
        if not ask.writes:
            entered.insert(0, ("access.plan_once" if prepares else "access.read_only", {}))
        if ask.access.spaces is None:
            entered.append(("access.spaces", {}))
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
    return [rows_of(connection, result) for result in results[len(results) - last :]]


def _statement(name: str, params: Params) -> Statement:
    text, names = positional(name)
    return Statement(text, [params[one] for one in names])
