"""Background learning: what the queue runs, and the worker that runs it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

import procrastinate
from procrastinate.exceptions import ConnectorException

from learning_machine.nodes.learning import failed_turn
from learning_machine.nodes.parts import Parts
from learning_machine.stores.postgres import queue
from learning_machine.stores.postgres.database import Access, Transaction
from learning_machine.stores.turns import thread_lock

log = logging.getLogger("learning_machine")

#: How often a batch is tried before it is parked, and the pause before the second try in seconds; it doubles each time.
MAX_ATTEMPTS = 5
FIRST_PAUSE = 5.0
#: How long a job waits for more of the same burst before it reads, in seconds.
LINGER = 0.35
#: A job whose worker gave no sign of life for this long, in seconds, is given to another.
STALLED_AFTER = 30
SWEEP_EVERY = 15.0

OnEvent = Callable[[str, dict[str, Any]], None]


class Learner(Protocol):
    """What a worker needs of a machine."""

    @property
    def parts(self) -> Parts: ...

    def learn(self, space: int, turn: UUID, attempt: int = 1) -> dict[str, Any]:
        """Read the next batch of the thread this turn lies in."""
        ...


class Jobs:
    """The queue of one machine, from the side that fills it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._app = queue.enqueuer()

    def enqueue(
        self, transaction: Transaction, space: int, turn: UUID, lock: str, *, delay: float = 0.0, attempt: int = 1
    ) -> bool:
        """Queue the reading of a thread in this transaction, unless a job that will see it is waiting already."""
        return queue.enqueue(self._app, transaction, self.name, space, str(turn), lock, delay=delay, attempt=attempt)


class Worker:
    """Runs the jobs of some machines, in a thread of its own, until it is stopped.

    It is started again whenever it ends unasked: a suspended laptop or a restarted database is no reason to stop learning.
    """

    def __init__(self, machines: Sequence[Learner], *, concurrency: int = 4, on_event: OnEvent | None = None) -> None:
        self.machines = {machine.parts.name: machine for machine in machines}
        self.database = machines[0].parts.database
        self.concurrency, self._on_event = concurrency, on_event
        #: Set while somebody waits for the queue: jobs then do not linger.
        self.hurry = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: Any = None
        self._lock = threading.Lock()

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread, once. A stopped worker can be started again."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._stop.clear()
                self._thread = threading.Thread(target=self._supervise, name="learning-machine-worker", daemon=True)
                self._thread.start()

    def stop(self, timeout: float | None = 10.0) -> None:
        """Stop after the jobs that run now."""
        self._stop.set()
        loop, runner = self._loop, self._runner
        if loop is not None and runner is not None and not loop.is_closed():
            loop.call_soon_threadsafe(runner.stop)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def run(self) -> None:
        """Work in this thread until `stop`."""
        self._stop.clear()
        self._supervise()

    def _supervise(self) -> None:
        pause = 0.2
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                asyncio.run(self._work())
            except (ConnectorException, OSError) as error:
                log.warning("the learning worker lost its database (%s); it will try again", type(error).__name__)
            pause = 0.2 if time.monotonic() - began > 30 else min(pause * 2, 30.0)
            self._stop.wait(0 if self._stop.is_set() else pause)

    async def _work(self) -> None:
        app = queue.worker_app(self.database, {queue.TASK: self._run_job})
        async with app.open_async():
            self._loop = asyncio.get_running_loop()
            self._runner = app._worker(
                queues=[queue.queue_name(name) for name in self.machines],
                concurrency=self.concurrency,
                wait=True,
                fetch_job_polling_interval=queue.POLL,
                install_signal_handlers=False,
                delete_jobs="successful",
                shutdown_graceful_timeout=30,
            )
            sweeping = asyncio.create_task(self._sweep(app))
            try:
                if not self._stop.is_set():
                    await self._runner.run()
            finally:
                sweeping.cancel()
                self._runner = None

    async def _sweep(self, app: procrastinate.App) -> None:
        """Give jobs of dead workers to living ones, again and again."""
        while True:
            try:
                await rescue(app)
            except ConnectorException as error:
                log.warning("the sweep for stalled jobs failed (%s)", type(error).__name__)
            await asyncio.sleep(SWEEP_EVERY)

    # --- one job ------------------------------------------------------------------------------------------------------

    async def _run_job(self, machine: str, space: int, turn: str, attempt: int = 1) -> None:
        """Read one batch of a thread. A failure is noted and tried again later; the last one parks the batch."""
        learner = self.machines[machine]
        await asyncio.to_thread(self.hurry.wait, LINGER)
        self._tell("started", machine=machine, turn=turn, attempt=attempt)
        try:
            learned = await asyncio.to_thread(learner.learn, space, UUID(turn), attempt)
        except Exception as error:  # noqa: BLE001 - whatever failed is noted and tried again
            await asyncio.to_thread(self._failed, learner.parts, space, UUID(turn), attempt, error)
            return
        self._tell("learned", machine=machine, turn=turn, **learned)
        if learned.get("more"):
            await asyncio.to_thread(again, learner.parts, space, UUID(turn))

    def _failed(self, parts: Parts, space: int, turn: UUID, attempt: int, error: Exception) -> None:
        parked = attempt >= MAX_ATTEMPTS
        log.warning(
            "learning machine %r: reading a turn failed (%s), attempt %d%s",
            parts.name,
            type(error).__name__,
            attempt,
            ": parked" if parked else "",
        )
        log.debug("details", exc_info=error)
        first = next_turn(parts, space, turn) or turn
        failed_turn(parts, space, first, attempt, error, parked=parked)
        self._tell(
            "parked" if parked else "failed",
            machine=parts.name,
            turn=str(first),
            attempt=attempt,
            error=type(error).__name__,
        )
        if not parked:
            again(parts, space, turn, delay=FIRST_PAUSE * 2 ** (attempt - 1), attempt=attempt + 1)
        elif parts.turns.waiting(space, session_of(parts, space, turn)):
            again(parts, space, turn)

    def _tell(self, event: str, **facts: Any) -> None:
        if self._on_event is not None:
            self._on_event(event, facts)


def again(parts: Parts, space: int, turn: UUID, *, delay: float = 0.0, attempt: int = 1) -> None:
    """Queue the thread once more."""
    lock = thread_lock(parts.name, space, session_of(parts, space, turn))
    with parts.database.transaction(Access(spaces=(space,))) as transaction:
        Jobs(parts.name).enqueue(transaction, space, turn, lock, delay=delay, attempt=attempt)


def session_of(parts: Parts, space: int, turn: UUID) -> str:
    row = parts.turns.scope_of(space, turn)
    return str(row["session"]) if row else ""


def next_turn(parts: Parts, space: int, turn: UUID) -> UUID | None:
    """The turn that holds the thread up: the oldest unread one."""
    turns = parts.turns.unread(space, session_of(parts, space, turn), 1)
    return turns[0].id if turns else None


async def rescue(app: procrastinate.App) -> int:
    """Queue again what a dead worker left half done; how many there were."""
    stalled = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER)
    count = 0
    for job in stalled:
        count += 1
        try:
            await app.job_manager.retry_job(job)
        except ConnectorException:
            # Another job for the same thread waits already and will read the same turns.
            await app.job_manager.finish_job(job, procrastinate.jobs.Status.FAILED, delete_job=True)
    return count
