"""Background learning: what the queue runs, and the worker that runs it."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar
from uuid import UUID

import psycopg

from learning_machine.errors import BudgetExceeded, ConfigurationError, DatabaseUnavailable
from learning_machine.nodes.giving_way import gives_way
from learning_machine.nodes.learning import failed_turn
from learning_machine.nodes.parts import Parts, trace
from learning_machine.stores.postgres import queue
from learning_machine.stores.postgres.transactions import WRITE_TIMEOUT_MS, Access, Transaction
from learning_machine.telemetry import count, fields

T = TypeVar("T")

log = logging.getLogger("learning_machine")

#: How often a batch is tried before it is parked, and the pause before the second try in seconds; it doubles each time.
MAX_ATTEMPTS = 7
FIRST_PAUSE = 5.0
#: The failure that is noted when a worker dies in the middle of a job, or is silent for too long.
WORKER_GONE = "WorkerGone"
#: How long a job waits for more of the same burst before it reads, in seconds.
LINGER = 0.35
#: How long it then gives way to replies at most, in seconds, where it runs in the process that makes them.
GIVES_WAY = 2.0
#: A job whose worker gave no sign of life for this long, in seconds, is given to another.
STALLED_AFTER = 30.0
SWEEP_EVERY = 15.0
#: How often words whose time is over are looked for, in seconds.
EXPIRE_EVERY = 600.0
#: How long stopping waits for the job at hand, in seconds; then the job is given back.
STOP_PATIENCE = 10.0
#: The pause before the worker starts again when it ended unasked, in seconds; it doubles each time.
FIRST_RESTART = 0.2

OnEvent = Callable[[str, dict[str, Any]], None]


class Learner(Protocol):
    """What a worker needs of a machine."""

    @property
    def parts(self) -> Parts: ...

    def learn(self, space: int, turn: UUID, attempt: int = 1) -> dict[str, Any]:
        """Read the next batch of the thread this turn lies in."""
        ...


class Worker:
    """Runs the jobs of some machines, in a thread of its own, until it is stopped.

    It is started again whenever it ends unasked: a suspended laptop or a restarted database is no reason to stop learning.
    `beside_replies`: it runs in a process that answers people, and gives way to them.
    """

    def __init__(
        self,
        machines: Sequence[Learner],
        *,
        concurrency: int = 4,
        on_event: OnEvent | None = None,
        beside_replies: bool = False,
    ) -> None:
        self.machines = {machine.parts.name: machine for machine in machines}
        if not machines or len(self.machines) < len(machines):
            raise ConfigurationError(
                "A worker needs at least one machine, and no two of the same name. Give each a name= of its own."
            )
        self.database = machines[0].parts.database
        self.concurrency, self._on_event = concurrency, on_event
        self._patience = GIVES_WAY if beside_replies else 0.0
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

    def stop(self, timeout: float | None = None) -> None:
        """Stop after the jobs that run now. One that takes longer than the timeout is given back for another worker."""
        self._stop.set()
        loop, runner = self._loop, self._runner
        if loop is not None and runner is not None:
            with suppress(RuntimeError):  # the loop has closed meanwhile
                loop.call_soon_threadsafe(runner.stop)
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        thread.join(STOP_PATIENCE if timeout is None else timeout)
        if thread.is_alive() and runner is not None and runner.worker_id is not None:
            with suppress(DatabaseUnavailable):  # then a sweep finds it, when the database is back
                queue.give_back(self.database, runner.worker_id)

    def run(self) -> None:
        """Work in this thread until `stop`."""
        self._stop.clear()
        try:
            self._supervise()
        finally:
            let_go()

    def _supervise(self) -> None:
        pause = FIRST_RESTART
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                asyncio.run(self._work())
            except Exception as error:  # noqa: BLE001 - whatever ended it, what is queued has to be read
                kind = type(error).__name__
                log.warning("the learning worker ended (%s); it starts again", kind, extra=fields(error=kind))
                log.debug("it ended at %s", trace(error))
            pause = FIRST_RESTART if time.monotonic() - began > 30 else min(pause * 2, 30.0)
            self._stop.wait(pause)

    async def _work(self) -> None:
        asyncio.get_running_loop().set_exception_handler(_note)
        for learner in self.machines.values():
            await in_thread(learner.parts.ready)
        app = queue.worker_app(self.database, {queue.TASK: self._run_job})
        queue.schedule(app, schedules(self.machines), self._run_curation)
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
                update_heartbeat_interval=STALLED_AFTER / 3,
                stalled_worker_timeout=STALLED_AFTER,
            )
            sweeping = asyncio.create_task(self._sweep())
            try:
                if not self._stop.is_set():
                    await self._runner.run()
            finally:
                sweeping.cancel()
                self._runner = None

    async def _sweep(self) -> None:
        """Give jobs of dead workers to living ones, and now and then drop words that have had their time."""
        turns = next(iter(self.machines.values())).parts.turns
        expiry = 0.0
        while True:
            try:
                await in_thread(queue.rescue, self.database, list(self.machines), STALLED_AFTER, self._broken_off)
                if time.monotonic() >= expiry:
                    await in_thread(turns.drop_expired)
                    expiry = time.monotonic() + EXPIRE_EVERY
            except (psycopg.Error, DatabaseUnavailable) as error:
                log.warning("the sweep for stalled jobs failed (%s)", type(error).__name__)
            await asyncio.sleep(SWEEP_EVERY)

    def _broken_off(self, transaction: Transaction, job: Mapping[str, Any]) -> None:
        """A worker went while it read: that counts as a failure, so that what kills its reader is parked in the end."""
        parts, space = self.machines[job["machine"]].parts, job["space"]
        row = parts.turns.next(space, session_of(parts, space, job["turn"])) if job["turn"] else None
        if row is None:
            parts.turns.settle(space)
            return
        turn, attempt = row["id"], row["failures"] + 1
        parked = attempt >= MAX_ATTEMPTS
        parts.turns.note_failure(space, turn, attempt, WORKER_GONE, parked=parked, within=transaction)
        self._tell(
            "parked" if parked else "failed", machine=parts.name, turn=str(turn), attempt=attempt, error=WORKER_GONE
        )

    # --- one job ------------------------------------------------------------------------------------------------------

    async def _run_job(self, machine: str, space: int, turn: str) -> None:
        await in_thread(self.hurry.wait, LINGER)
        await gives_way(self._patience, lambda: self.hurry.is_set() or self._stop.is_set())
        await in_thread(self._read, self.machines[machine], space, UUID(turn))

    async def _run_curation(self, timestamp: int, machine: str) -> None:
        await in_thread(self._curate, self.machines[machine])

    def _curate(self, learner: Any) -> None:
        """Tidy up what a machine has learned. What fails is tried again when it is time again."""
        name = learner.parts.name
        try:
            report = learner.curator.run()
        except Exception as error:  # noqa: BLE001 - whatever failed, the worker goes on
            log.warning("learning machine %r: curation failed (%s)", name, type(error).__name__)
            log.debug("it failed at %s", trace(error))
            self._tell("curation failed", machine=name, error=type(error).__name__)
        else:
            self._tell("curated", machine=name, **report.figures)

    def _read(self, learner: Learner, space: int, turn: UUID) -> None:
        """Read one batch of a thread. A failure is noted and tried again later; the last one parks the batch.

        What goes wrong beside that, such as a database that is gone, ends the job, and a sweep queues it again.
        """
        parts = learner.parts
        first, attempt = next_turn(parts, space, turn)
        self._tell("started", machine=parts.name, turn=str(turn), attempt=attempt)
        learned: dict[str, Any] = {}
        failure: Exception | None = None
        try:
            learned = learner.learn(space, turn, attempt)
        except Exception as error:  # noqa: BLE001 - whatever failed is noted and tried again
            failure = error
        # Not inside the handler: what goes wrong there would carry this error, and its text, into the queue's log.
        if isinstance(failure, BudgetExceeded):
            self._tell("waiting", machine=parts.name, turn=str(turn), error="BudgetExceeded")
            again(parts, space, turn, delay=max(1.0, float(str(failure.facts.get("retry_in", 60)))))
            return
        if failure is not None:
            self._failed(parts, space, first, attempt, failure)
            return
        self._tell("learned", machine=parts.name, turn=str(turn), **learned)
        if learned.get("more"):
            again(parts, space, turn)

    def _failed(self, parts: Parts, space: int, turn: UUID, attempt: int, error: Exception) -> None:
        parked = attempt >= MAX_ATTEMPTS
        log.warning(
            "learning machine %r: reading a turn failed (%s), attempt %d%s",
            parts.name,
            type(error).__name__,
            attempt,
            ": parked" if parked else "",
            extra=fields(machine=parts.name, attempt=attempt, error=type(error).__name__, parked=parked),
        )
        log.debug("it failed at %s", trace(error))
        failed_turn(parts, space, turn, attempt, error, parked=parked)
        self._tell(
            "parked" if parked else "failed",
            machine=parts.name,
            turn=str(turn),
            attempt=attempt,
            error=type(error).__name__,
        )
        if not parked:
            again(parts, space, turn, delay=FIRST_PAUSE * 2 ** (attempt - 1))
        elif parts.turns.waiting(space, session_of(parts, space, turn)):
            again(parts, space, turn)

    def _tell(self, event: str, **facts: Any) -> None:
        count("jobs", event=event, machine=str(facts.get("machine", "")))
        if self._on_event is not None:
            self._on_event(event, facts)


def schedules(machines: Mapping[str, Any]) -> dict[str, str]:
    """The cron expression of each machine that has one."""
    settings = {name: getattr(machine, "curation", None) for name, machine in machines.items()}
    return {name: found.schedule for name, found in settings.items() if found is not None and found.schedule}


def again(parts: Parts, space: int, turn: UUID, *, delay: float = 0.0) -> None:
    """Queue the thread once more."""
    session = session_of(parts, space, turn)
    with parts.database.transaction(Access(spaces=(space,))) as transaction:
        queue.enqueue(transaction, parts.name, space, turn, session, delay=delay)


def failing(parts: Parts) -> list[dict[str, Any]]:
    """Which failures hold up how many turns, over all spaces: parked ones first."""
    with parts.database.transaction(Access(admin=True)) as transaction:
        return transaction.all("turns.failing", {"machine": parts.name})


def retry_parked(parts: Parts) -> int:
    """Forget that reading failed and queue the threads, both or neither; how many turns will be read again."""
    with parts.database.transaction(Access(admin=True, timeout_ms=WRITE_TIMEOUT_MS)) as transaction:
        turns = transaction.all("turns.unpark", {"machine": parts.name})
        threads = {(row["space"], row["session"]): row["turn"] for row in reversed(turns)}
        for (space, session), turn in threads.items():
            queue.enqueue(transaction, parts.name, space, turn, session)
    return len(turns)


def session_of(parts: Parts, space: int, turn: UUID) -> str:
    row = parts.turns.scope_of(space, turn)
    return str(row["session"]) if row else ""


def next_turn(parts: Parts, space: int, turn: UUID) -> tuple[UUID, int]:
    """The turn that holds the thread up, the oldest unread one, and which attempt to read it comes next.

    The count is the turn's own and not the job's: jobs of a busy thread replace each other.
    """
    row = parts.turns.next(space, session_of(parts, space, turn))
    return (row["id"], row["failures"] + 1) if row else (turn, 1)


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """The function's result, from a thread of its own that does not keep the interpreter alive, as asyncio's would."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            settle = partial(_settle, done, done.set_result, function(*arguments))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            settle = partial(_settle, done, done.set_exception, error)
        with suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(settle)

    threading.Thread(target=run, name="learning-machine-job", daemon=True).start()
    return await done


def let_go() -> None:
    """Let the interpreter end while a model is being asked.

    LangChain asks it in an executor's thread, which the interpreter would wait for although, being started by a daemon
    thread, it is one itself.
    """
    waited_for = getattr(concurrent.futures.thread, "_threads_queues", {})
    for thread in [thread for thread in waited_for if thread.daemon]:
        waited_for.pop(thread, None)


def _note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio has to complain of, such as a job that was finished by another worker meanwhile."""
    error = context.get("exception")
    log.debug("the learning worker's loop: %s", trace(error) if error else context.get("message"))


def _settle(done: asyncio.Future[Any], how: Callable[[Any], None], outcome: Any) -> None:
    if not done.done():
        how(outcome)
