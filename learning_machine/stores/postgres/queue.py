"""The queue of learning jobs: procrastinate on the same Postgres, in a schema of its own.

A job is a pointer: the machine's name, and where its turn lies. Enqueueing happens in the transaction that records the
turn, so there is never one without the other.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import procrastinate
import psycopg
from psycopg.conninfo import make_conninfo

from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import WRITE_TIMEOUT_MS, Access, Row, Transaction

TASK, CURATE = "learn", "curate"
#: How often a worker looks for what no notification announced, in seconds.
POLL = 0.5

Handler = Callable[..., Awaitable[None]]
OnBreak = Callable[[Transaction, Row], None]

# psycopg warns of every statement behind a failed one in a pipeline, which is the failure again and nothing new.
logging.getLogger("psycopg").addFilter(lambda record: "error ignored terminating" not in record.getMessage())


def queue_name(machine: str) -> str:
    """The queue that holds a machine's jobs; `queue_reading` in the database names it so too."""
    return f"learning:{machine}"


def worker_app(database: Database, handlers: dict[str, Handler]) -> procrastinate.App:
    """An app that runs jobs with these handlers, on a small pool of its own."""
    path = f'-c search_path="{database.names.jobs}"'
    conninfo = make_conninfo(database.conninfo, options=path, application_name="learning-machine-worker")
    return build(procrastinate.PsycopgConnector(conninfo=conninfo, min_size=1, max_size=4), handlers)


def build(connector: Any, handlers: dict[str, Handler]) -> procrastinate.App:
    """An app with tasks of its own; a task belongs to the app it was made for."""
    app = procrastinate.App(connector=connector)
    for name, handler in handlers.items():
        app.task(name=name, queue="learning")(handler)
    return app


def schedule(app: procrastinate.App, crons: dict[str, str], handler: Handler) -> None:
    """Let the curation of these machines be queued by their cron expressions: once each time, by whichever worker is first."""
    task = app.task(name=CURATE, queue="learning")(handler)
    for machine, cron in crons.items():
        lock = f"{CURATE}:{machine}"
        app.periodic(
            cron=cron,
            periodic_id=machine,
            queue=queue_name(machine),
            lock=lock,
            queueing_lock=lock,
            task_kwargs={"machine": machine},
        )(task)


def enqueue(
    transaction: Transaction, machine: str, space: int, turn: str | UUID, session: str, *, delay: float = 0.0
) -> bool:
    """Queue the reading of a thread, once: `False` when a job that will see this turn is waiting already.

    With a delay, in seconds, whichever job it is waits at least that long.
    """
    where = {"machine": machine, "space": space, "turn": turn, "session": session}
    row = transaction.one("queue.read", {**where, "delay": delay, "postpone": True})
    return bool(row and row["queued"])


def depth(database: Database, machine: str) -> Row:
    """How many jobs of a machine wait, wait for later, and run, and how many of its turns are parked: `None` where the
    connection may not see every space, because these are noted in their own."""
    with database.transaction(Access(admin=database.sees_all)) as transaction:
        found = transaction.one("queue.depth", {"queue": queue_name(machine), "machine": machine}) or {}
    return found if database.sees_all else {**found, "parked": None}


def rescue(database: Database, machines: Sequence[str], silent: float, broken_off: OnBreak = lambda *_: None) -> int:
    """Queue again what was left half done: by workers that gave no sign of life for so long, or by a failure of the
    queue itself. How many jobs that were. Several workers may do it at once.

    `broken_off` is called for each job whose worker went in the middle of it, in the transaction that queues it again.
    """
    how = {"queues": [queue_name(name) for name in machines], "silent": silent}
    with database.transaction(Access()) as transaction:
        left = transaction.all("queue.left", {**how, "id": None})
    return sum(_rescued(database, job, how, broken_off) for job in left)


def _rescued(database: Database, job: Row, how: Row, broken_off: OnBreak) -> int:
    """One of them, with its turn's space in sight; unless another worker has come first."""
    spaces = () if job["space"] is None else (job["space"],)
    with database.transaction(Access(spaces=spaces, timeout_ms=WRITE_TIMEOUT_MS)) as transaction:
        held = transaction.all("queue.left", {**how, "id": job["id"]})
        if held and job["broken_off"]:
            broken_off(transaction, job)
        return _requeue(transaction, held)


def give_back(database: Database, worker: int) -> int:
    """Queue again what a worker has in hand, because it is about to go."""
    with database.transaction(Access()) as transaction:
        return _requeue(transaction, transaction.all("queue.held", {"worker": worker}))


def _requeue(transaction: Transaction, jobs: Sequence[Row]) -> int:
    for job in jobs:
        try:
            with transaction.connection.transaction():
                transaction.run("queue.requeue", job)
        except psycopg.errors.UniqueViolation:
            # Another job for the same thread waits already and will read the same turns.
            transaction.run("queue.drop", job)
    return len(jobs)
