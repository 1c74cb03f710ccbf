"""`worker` runs jobs in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from queue import Empty, Queue
from typing import Any

import pytest

from learning_machine.testing import ScriptedModel

#: A model that learns a name, and one that never comes back.
APP = """
import threading
from learning_machine import LearningMachine
from learning_machine.testing import ScriptedModel, change
name = change("user_profile", "Alice", kind="field", name="name", quote="I'm Alice")
machine = LearningMachine(model=ScriptedModel(learns=lambda new: [name]), background="external")
def wait(new):
    print("reading", flush=True)
    threading.Event().wait()
stuck = LearningMachine(model=ScriptedModel(learns=wait), background="external")
other = LearningMachine(model=ScriptedModel(), name="other", db="postgresql://elsewhere/x")
schema = LearningMachine(model=ScriptedModel(), name="third", schema="third")
"""


class Process:
    """A command in a process of its own, and its lines as they come."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        command = [sys.executable, "-m", "learning_machine", *arguments]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
        self.running = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self.lines: Queue[str] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.running.stdout is not None
        for line in self.running.stdout:
            self.lines.put(line.rstrip("\n"))

    def line_with(self, text: str) -> str:
        """The next line that holds this text."""
        seen = []
        while True:
            try:
                seen.append(self.lines.get(timeout=60))
            except Empty:
                raise AssertionError(f"no line with {text!r} in {seen}") from None
            if text in seen[-1]:
                return seen[-1]

    def signal(self, number: int) -> None:
        self.running.send_signal(number)

    def ended(self) -> int:
        return self.running.wait(60)


@pytest.fixture
def start(app: Callable[[str], str], url: str) -> Iterator[Callable[..., Process]]:
    """Starts `worker` with machines of the test's module, on its database."""
    module = app(APP)
    started: list[Process] = []

    def start(*names: str, options: tuple[str, ...] = ()) -> Process:
        machines = [part for name in names for part in ("--machine", f"{module}:{name}")]
        started.append(Process("worker", *machines, *options, LEARNING_MACHINE_DATABASE_URL=url))
        return started[-1]

    yield start
    for one in started:
        one.running.kill()
        one.running.wait()


@pytest.fixture
def said(machine: Any) -> str:
    """The id of a turn that waits in the queue of the default machine."""
    external = machine(ScriptedModel(), background="external")
    config = {"configurable": {"thread_id": "s"}}
    result = external.graph().invoke({"messages": [("user", "I'm Alice")]}, config, context={"user_id": "alice"})
    return str(result["learning"]["turn"])


def test_worker_learns_and_stops_when_told(start: Any, said: str, machine: Any) -> None:
    """It reads what waits, says so in a line, and SIGTERM ends it with 0."""
    process = start("machine")
    assert process.line_with("learned").endswith(f"default  {said[:8]}  learned 1 user_profile")
    process.signal(signal.SIGTERM)
    process.line_with("Stopping after the jobs at hand…")
    assert process.ended() == 0
    assert machine().recall(user_id="alice")["user_profile"].name == "Alice"


def test_a_second_interrupt_ends_it_at_once(start: Any, said: str) -> None:
    """The first Ctrl-C waits for the job at hand; the second does not, and the exit code says so."""
    process = start("stuck", options=("--json",))
    assert json.loads(process.line_with('"started"'))["turn"] == said
    process.line_with("reading")
    process.signal(signal.SIGINT)
    process.line_with("Stopping")
    process.signal(signal.SIGINT)
    assert process.ended() == 130


def test_failures_are_told_by_kind(run: Any) -> None:
    """A failed job says which error, which attempt, and what comes next."""
    from learning_machine.cli.worker import _outcome

    facts = {"attempt": 2, "error": "ExtractionFailed"}
    assert _outcome("failed", facts) == "failed (ExtractionFailed), attempt 2: will be tried again"
    assert "parked" in _outcome("parked", facts)
    assert _outcome("learned", {"changes": []}) == "learned nothing new"


def test_machines_of_a_worker_share_a_database(run: Any, app: Any) -> None:
    """Machines with different databases or schemas, or with one name, are refused before anything runs."""
    module = app(APP)
    for names, says in (
        (("machine", "other"), "different databases"),
        (("machine", "schema"), "different databases or schemas"),
        (("machine", "stuck"), "the name 'default'"),
    ):
        ran = run("worker", *(part for name in names for part in ("--machine", f"{module}:{name}")))
        assert ran.code == 1 and says in ran.err and ran.out == ""


def test_worker_says_when_there_is_no_database(run: Any) -> None:
    """It does not wait for a database that cannot be reached: whoever supervises it should know."""
    ran = run("worker", "--db", "postgresql://127.0.0.1:1/x")
    assert ran.code == 1 and "cannot be reached" in ran.err


def test_concurrency_has_a_range(run: Any) -> None:
    """Zero threads are a usage error."""
    assert run("worker", "--concurrency", "0").code == 2
