"""`learning-machine worker`: learn in the background, in a process of its own."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learning_machine.cli.opening import load
from learning_machine.cli.options import Db, Debug, Json
from learning_machine.cli.output import print_json_line, print_note, safe_text
from learning_machine.errors import ConfigurationError

if TYPE_CHECKING:
    from learning_machine.jobs import Worker
    from learning_machine.machine import LearningMachine

#: What a shell reports of a process that a second Ctrl-C ended.
_KILLED = 130


def worker(
    machine: Annotated[
        list[str] | None,
        typer.Option("--machine", "-m", metavar="MODULE:ATTRIBUTE", help="Whose jobs to run; may be repeated."),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=100, help="Threads to read at the same time.")] = 4,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Read what conversations left in the queue, until it is told to stop.

    Agents with background="external" learn by this alone; with the default it helps along, and learns what a process
    that ended left over. Any number may run, on any number of machines. SIGTERM or Ctrl-C lets it finish the jobs at
    hand; a second Ctrl-C ends it at once, and what it was reading is read again later.

    \b
    Examples:
      learning-machine worker
      learning-machine worker --machine app.agents:machine --machine app.support:agent --concurrency 8
    """
    paths: list[str | None] = [*(machine or (None,))]
    machines = [load(path, db) for path in paths]
    try:
        _run(machines, concurrency, _print_json if json else _print)
    finally:
        for one in machines:
            one.close()


def _run(machines: Sequence[LearningMachine], concurrency: int, tell: Callable[[str, dict[str, Any]], None]) -> None:
    from learning_machine.jobs import Worker

    _check_together(machines)
    for one in machines:
        one.database  # noqa: B018 - connects and migrates, or says why it cannot
    runner = Worker(machines, concurrency=concurrency, on_event=tell)
    _stop_on_signals(runner)
    names = ", ".join(one.name for one in machines)
    print_note(f"Working for {names}. Ctrl-C stops after the jobs at hand.")
    runner.run()
    print_note("Stopped.")


def _check_together(machines: Sequence[LearningMachine]) -> None:
    """One worker has one queue, so its machines share a database and a schema, and are told apart by name."""
    if len({_place(one) for one in machines}) > 1:
        raise ConfigurationError(
            "The machines have different databases or schemas, and a worker has one queue. Start one worker for each."
        )
    twice = [name for name, times in Counter(one.name for one in machines).items() if times > 1]
    if twice:
        raise ConfigurationError(
            f"Two machines have the name {twice[0]!r}, by which jobs find their machine. Name one of them otherwise."
        )


def _place(machine: LearningMachine) -> tuple[Any, ...]:
    from psycopg.conninfo import conninfo_to_dict

    database = machine.parts.database
    found = conninfo_to_dict(database.conninfo)
    return (
        found.get("host"),
        found.get("hostaddr"),
        str(found.get("port") or 5432),
        found.get("dbname"),
        database.names.schema,
    )


def _stop_on_signals(runner: Worker) -> None:
    def stop(number: int, frame: object) -> None:
        # Noted before anything else is done: the next signal may come right here.
        stopping.append(number)
        if len(stopping) > 1 and number == signal.SIGINT:
            # Threads that wait for a model would keep the interpreter; another worker takes over what they hold.
            os._exit(_KILLED)
        if len(stopping) == 1:
            # Not by print: the signal may have come in the middle of one.
            os.write(2, "Stopping after the jobs at hand…\n".encode())
        runner.stop()

    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


# --- what it tells ----------------------------------------------------------------------------------------------------


def _print(event: str, facts: dict[str, Any]) -> None:
    if event != "started":
        at = datetime.now().astimezone().strftime("%H:%M:%S")
        turn = str(facts["turn"])[:8]
        print(f"{at}  {safe_text(facts['machine'])}  {turn}  {_outcome(event, facts)}", flush=True)


def _outcome(event: str, facts: dict[str, Any]) -> str:
    if event == "parked":
        return f"failed {facts['attempt']} times ({facts['error']}): parked, see learning-machine doctor"
    if event == "failed":
        return f"failed ({facts['error']}), attempt {facts['attempt']}: will be tried again"
    saved = Counter(change["store"] for change in facts["changes"] if change["status"] == "saved")
    others = Counter(change["status"] for change in facts["changes"] if change["status"] != "saved")
    parts = [f"{times} {safe_text(store)}" for store, times in sorted(saved.items())]
    parts += [f"{times} {status}" for status, times in sorted(others.items())]
    return f"learned {', '.join(parts) or 'nothing new'}"


def _print_json(event: str, facts: dict[str, Any]) -> None:
    print_json_line({"at": datetime.now(UTC), "event": event, **facts})
