"""The queue of what waits to be learned: the worker of this process, waiting for it, and closing."""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

from learning_machine.errors import DatabaseUnavailable
from learning_machine.jobs import Worker, let_go, retry_parked
from learning_machine.machine.learning import Learning
from learning_machine.stores.postgres import queue
from learning_machine.stores.postgres.transactions import Access

log = logging.getLogger("learning_machine")

#: How long the exit of the interpreter waits for learning that is queued, in seconds.
EXIT_PATIENCE = 10.0


class Working(Learning):
    """The queue and its worker."""

    def _wake(self) -> None:
        """See to it that somebody reads what was queued."""
        if self.background != "external" and not self._closed:
            self.worker().start()

    def worker(self) -> Worker:
        """The worker of this process. It is started by the first turn that is recorded."""
        with self._lock:
            if self._worker is None:
                self._worker = Worker([self], beside_replies=True)
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
        database = self.parts.database
        with suppress(DatabaseUnavailable), database.transaction(Access(admin=database.sees_all)) as transaction:
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

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """For an ASGI app, as `FastAPI(lifespan=machine.lifespan)`: ready before the first request, closed after the last.

        The worker of this process starts with it, and so also reads what an earlier process left in the queue.
        """
        await asyncio.to_thread(self._make_ready)
        self._wake()
        try:
            yield
        finally:
            await self.aclose()

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


def _at_exit(machine: Working) -> None:
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


def _finish(machine: Working) -> None:
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
