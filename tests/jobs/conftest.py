"""Programs that run beside the tests, and eyes on the queue."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from learning_machine import LearningMachine

PROGRAMS = Path(__file__).parent / "programs"
# What the programs and the tests share.
sys.path.insert(0, str(PROGRAMS))


@dataclass
class Program:
    """One of the programs, running."""

    pid: int
    output: Path
    ask: Callable[[int], int | None]
    code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; `None` while it runs."""
        if self.code is None:
            self.code = self.ask(self.pid)
        return self.code

    def wait(self, timeout: float = 30.0) -> int:
        """Its exit code, once it has ended."""
        until(lambda: self.poll() is not None, timeout, "the program to end")
        assert self.code is not None
        return self.code

    def send(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it as `kill -9` does, and see it gone."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGKILL)
        self.wait()

    def said(self) -> str:
        """What it wrote to its standard output and error."""
        return self.output.read_text("utf-8")

    def says(self, words: str, timeout: float = 30.0) -> None:
        """Wait until it has written these words."""
        until(lambda: words in self.said() or self.poll() is not None, timeout, f"{words!r}")
        assert words in self.said(), self.said()


@dataclass
class Nursery:
    """Starts programs from a process that has imported everything, by forking, so that it takes milliseconds."""

    process: subprocess.Popen[str]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def order(self, **what: Any) -> Any:
        assert self.process.stdin and self.process.stdout
        with self.lock:
            self.process.stdin.write(json.dumps(what) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def ask(self, pid: int) -> int | None:
        code: int | None = self.order(ask=pid)
        return code


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    errors = (tmp_path_factory.mktemp("nursery") / "errors").open("w")
    process = subprocess.Popen(
        [sys.executable, str(PROGRAMS / "nursery.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    yield Nursery(process)
    assert process.stdin
    process.stdin.close()
    process.wait(10)
    errors.close()


Start = Callable[..., Program]


@pytest.fixture
def start(nursery: Nursery, url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a program on this test's database: `start("turns", *arguments, NAME="value")`. `fresh=True`: by `python`."""
    started: list[Program] = []

    def run(program: str, *arguments: str, fresh: bool = False, **env: str) -> Program:
        output = tmp_path / f"{program}-{len(started)}.txt"
        output.touch()
        given = {"LEARNING_MACHINE_DATABASE_URL": url, **env}
        path = str(PROGRAMS / f"{program}.py")
        if fresh:
            with output.open("w") as to:
                process = subprocess.Popen(
                    [sys.executable, path, *arguments], env={**os.environ, **given}, stdout=to, stderr=to
                )
            found = Program(process.pid, output, lambda _: process.poll())
        else:
            pid = nursery.order(program=path, arguments=arguments, env=given, output=str(output))
            found = Program(pid, output, nursery.ask)
        started.append(found)
        return found

    yield run
    for program in started:
        if program.poll() is None:
            program.kill()


def until(condition: Callable[[], Any], timeout: float = 20.0, what: str = "it") -> Any:
    """Wait for a condition; what it returned."""
    ends = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < ends, f"waited {timeout} s for {what}"
        time.sleep(0.02)


@pytest.fixture(name="until")
def _until() -> Callable[..., Any]:
    return until


@pytest.fixture
def sql(url: str) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Asks the database as its administrator, who sees every space: `sql("select …", …)`."""
    options = "-c search_path=learning_machine,learning_machine_jobs,public"
    with psycopg.connect(url, autocommit=True, row_factory=dict_row, options=options) as connection:

        def ask(statement: Any, *parameters: Any) -> list[dict[str, Any]]:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

        yield ask


@pytest.fixture
def fetch(sql: Callable[..., list[dict[str, Any]]]) -> Callable[[str], dict[str, Any] | None]:
    """Takes the next job of a machine as a worker does, and keeps it."""
    worker = sql("insert into procrastinate_workers default values returning id")[0]["id"]

    def take(machine: str = "default") -> dict[str, Any] | None:
        job = sql("select * from procrastinate_fetch_job_v2(%s, %s)", [f"learning:{machine}"], worker)[0]
        return job if job["id"] is not None else None

    return take


@pytest.fixture
def say() -> Callable[..., dict[str, Any]]:
    """One turn of an agent: `say(agent, "text", thread="t", user_id="u")`, and what it returned."""

    def turn(agent: Any, text: str, thread: str = "thread", **scope: Any) -> dict[str, Any]:
        found: dict[str, Any] = agent.invoke(
            {"messages": [{"role": "user", "content": text}]},
            {"configurable": {"thread_id": thread}},
            context={"user_id": "alice", **scope},
        )
        return found

    return turn


@pytest.fixture
def observations() -> Callable[..., list[str]]:
    """What holds of a user, oldest first."""

    def known(machine: LearningMachine, user_id: str = "alice") -> list[str]:
        rows = machine.history(user_id=user_id, store="user_profile", closed=False)
        return [str(row["text"]) for row in reversed(rows)]

    return known
