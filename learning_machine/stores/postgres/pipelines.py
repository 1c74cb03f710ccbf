"""Several statements in one network round trip, waited for in a thread or in an event loop.

psycopg's own pipeline looks at the socket at every statement, and each look gives the interpreter away; with a hundred
conversations at once that costs more than what is asked. Here everything is sent together and waited for once, by
psycopg's wrapper of libpq. Without a `begin`, what is sent together is one transaction.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from hashlib import blake2s
from typing import Any, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg.abc import Transformer as AbstractTransformer
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, PipelineStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait
from psycopg_pool import ConnectionPool

T = TypeVar("T")
Row = dict[str, Any]
#: Something under way: it says what of the socket it waits for, and is told what came.
Exchange = Generator[Wait, Ready | int, T]
#: Makes something of the results of statements, on their connection.
Read = Callable[[psycopg.Connection[Any], list[PGresult]], T]
#: How long an event loop may wait for a connection that was idle a moment ago, in seconds.
A_MOMENT = 0.01

#: The statements that a connection has planned, by name.
_planned: WeakKeyDictionary[psycopg.Connection[Any], set[bytes]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Statement:
    """SQL with `$1`, `$2` … for its parameters."""

    text: bytes
    params: Sequence[Any] = ()


def exchange(
    connection: psycopg.Connection[Any], statements: Sequence[Statement], *, prepares: bool = False
) -> Exchange[list[PGresult]]:
    """Send the statements as one transaction: their results in order.

    `prepares`: each is planned once a connection, and not each time. Raises the error of the first statement that failed,
    `psycopg.OperationalError` where the connection was lost. A connection that something else cuts off here is closed.
    """
    transformer: AbstractTransformer = Transformer(connection)
    made = [_made(transformer, one) for one in statements]
    conn = connection.pgconn
    conn.enter_pipeline_mode()
    try:
        sent = _send_prepared(connection, made) if prepares else _send(conn, made)
        conn.pipeline_sync()
        results = yield from _results(conn)
        conn.exit_pipeline_mode()
    finally:
        if not connection.closed and conn.pipeline_status != PipelineStatus.OFF:
            connection.close()
    return _checked(connection, sent, results)


@dataclass(frozen=True)
class _Made:
    """A statement as it is sent."""

    text: bytes
    params: Sequence[Any]
    types: tuple[int, ...]
    formats: Sequence[Any] | None


@lru_cache(maxsize=1_000)
def _name(text: bytes, types: tuple[int, ...]) -> bytes:
    """What a statement is prepared as: the same words with the same types."""
    return b"lm_" + blake2s(b"%s\0%r" % (text, types), digest_size=12).hexdigest().encode()


def _made(transformer: AbstractTransformer, statement: Statement) -> _Made:
    given = [array(one) if type(one) is list else one for one in statement.params]
    params = transformer.dump_sequence(given, [PyFormat.AUTO] * len(given))
    return _Made(statement.text, params, transformer.types or (), transformer.formats)


def array(values: list[Any]) -> str | list[Any]:
    """A flat list as Postgres reads arrays, whose type it takes from where it stands; another list as it is.

    psycopg would look for the type of every element.
    """
    written = [_WRITTEN[type(one)](one) for one in values if type(one) in _WRITTEN]
    return f"{{{','.join(written)}}}" if len(written) == len(values) else values


def _quoted(text: Any) -> str:
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


#: How elements of an array are written, by their type.
_WRITTEN: dict[type, Callable[[Any], str]] = {
    str: _quoted,
    int: str,
    UUID: str,
    datetime: _quoted,
    type(None): lambda _: "NULL",
}


def _send(conn: PGconn, made: Sequence[_Made]) -> list[bytes | None]:
    """Send statements: for each result that will come, the name of what it prepares or `None`."""
    for one in made:
        conn.send_query_params(one.text, one.params, one.types, one.formats)
    return [None] * len(made)


def _send_prepared(connection: psycopg.Connection[Any], made: Sequence[_Made]) -> list[bytes | None]:
    conn, known = connection.pgconn, set(_planned.setdefault(connection, set()))
    sent: list[bytes | None] = []
    for one in made:
        if (name := _name(one.text, one.types)) not in known:
            conn.send_prepare(name, one.text, one.types)
            known.add(name)
            sent.append(name)
        conn.send_query_prepared(name, one.params, one.formats)
        sent.append(None)
    return sent


def _results(conn: PGconn) -> Exchange[list[PGresult]]:
    """The results of everything that was sent."""
    while conn.flush():
        if (yield Wait.RW) & Ready.R:
            conn.consume_input()
    found: list[PGresult] = []
    while True:
        # Looked at before it is waited for: what was sent last may have been answered already.
        while not conn.is_busy():
            result = conn.get_result()
            if conn.status == ConnStatus.BAD:
                raise psycopg.OperationalError(conn.get_error_message())
            if result is None:
                continue
            if result.status == ExecStatus.PIPELINE_SYNC:
                return found
            found.append(result)
        yield Wait.R
        conn.consume_input()


def _checked(
    connection: psycopg.Connection[Any], sent: Sequence[bytes | None], results: Sequence[PGresult]
) -> list[PGresult]:
    """The results without those of planning. Raises the first error."""
    kept = []
    for name, result in zip(sent, results, strict=True):
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise error_from_result(result, encoding=connection.info.encoding)
        if name is None:
            kept.append(result)
        else:
            _planned[connection].add(name)
    return kept


def rows_of(connection: psycopg.Connection[Any], result: PGresult) -> list[Row]:
    """The rows of a result, by column."""
    if not result.ntuples:
        return []
    transformer: AbstractTransformer = Transformer(connection)
    transformer.set_pgresult(result)
    encoding = connection.info.encoding
    names = [(result.fname(column) or b"").decode(encoding) for column in range(result.nfields)]
    return transformer.load_rows(0, result.ntuples, lambda values: dict(zip(names, values, strict=True)))


def size_of(result: PGresult) -> int:
    """The length of all values of a result together, in bytes as they were sent."""
    places = ((row, column) for row in range(result.ntuples) for column in range(result.nfields))
    return sum(len(result.get_value(*place) or b"") for place in places)


# --- in an event loop -------------------------------------------------------------------------------------------------


class LoopConnections:
    """Connections of a pool for whoever runs in an event loop, so many at a time in each, first come first served."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    async def exchange(
        self, pool: ConnectionPool[Any], statements: Sequence[Statement], read: Read[T], *, prepares: bool = False
    ) -> T:
        """`exchange` on one of them, and what is `read` of its results there. Raises `PoolTimeout`, too."""
        async with self._turn():
            connection = await _taken(pool)
            try:
                return read(connection, await awaited(connection, exchange(connection, statements, prepares=prepares)))
            finally:
                await _given_back(pool, connection)

    def _turn(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        turn = self._turns.get(loop)
        if turn is None:
            with self._lock:
                # One that somebody waited for holds its loop, so that it does not go by itself.
                for ended in [one for one in self._turns if one.is_closed()]:
                    del self._turns[ended]
                turn = self._turns.setdefault(loop, asyncio.Semaphore(self._most))
        return turn


async def _taken(pool: ConnectionPool[Any]) -> psycopg.Connection[Any]:
    """A connection of the pool: an idle one at once, else from a thread that waits for it."""
    if pool.get_stats()["pool_available"]:
        try:
            idle: psycopg.Connection[Any] = pool.getconn(timeout=A_MOMENT)
            return idle
        except Exception:  # noqa: BLE001 - somebody else was quicker, or a watchdog lets nothing wait here
            pass
    coming = asyncio.get_running_loop().run_in_executor(None, pool.getconn)
    try:
        return await asyncio.shield(coming)
    except asyncio.CancelledError:
        coming.add_done_callback(partial(_return_late, pool))
        raise


def _return_late(pool: ConnectionPool[Any], coming: asyncio.Future[psycopg.Connection[Any]]) -> None:
    """Give back what nobody waits for any more."""
    if not coming.cancelled() and coming.exception() is None:
        pool.putconn(coming.result())


async def _given_back(pool: ConnectionPool[Any], connection: psycopg.Connection[Any]) -> None:
    try:
        pool.putconn(connection)
    except Exception:  # noqa: BLE001 - as above
        await asyncio.get_running_loop().run_in_executor(None, pool.putconn, connection)


def loop_waits() -> bool:
    """Whether the running event loop can wait for a socket; that of Windows by default cannot."""
    return not type(asyncio.get_running_loop()).__name__.startswith("Proactor")


async def awaited(connection: psycopg.Connection[Any], under_way: Exchange[T]) -> T:
    """The outcome of what waits for a connection's socket."""
    loop, socket = asyncio.get_running_loop(), connection.pgconn.socket
    try:
        wanted = next(under_way)
        while True:
            wanted = under_way.send(await _ready(loop, socket, wanted))
    except StopIteration as ended:
        outcome: T = ended.value
        return outcome
    finally:
        under_way.close()


async def _ready(loop: asyncio.AbstractEventLoop, socket: int, wanted: Wait) -> Ready:
    came: asyncio.Future[None] = loop.create_future()
    loop.add_reader(socket, _come, came)
    if wanted & Wait.W:
        loop.add_writer(socket, _come, came)
    try:
        await came
    finally:
        loop.remove_reader(socket)
        if wanted & Wait.W:
            loop.remove_writer(socket)
    return Ready.RW if wanted & Wait.W else Ready.R


def _come(came: asyncio.Future[None]) -> None:
    if not came.done():
        came.set_result(None)
