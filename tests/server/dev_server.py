"""A `langgraph dev` to test against: started in a folder of its own, stopped by its pid."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "langgraph_cli"]

pytest.importorskip("langgraph_api", reason="langgraph-cli[inmem] is not installed")
sdk = pytest.importorskip("langgraph_sdk", reason="langgraph-sdk is not installed")

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Served:
    """A running server: where it is, what it logs, and the database it works on."""

    url: str
    log: Path
    database: str

    def client(self, user: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {user}"} if user else None
        return sdk.get_client(url=self.url, headers=headers)

    def complaints(self) -> list[str]:
        """What it says of calls that blocked its event loop; it raises an error for each."""
        bad = ("Blocking call", "BlockingError")
        return [line for line in self.log.read_text().splitlines() if any(one in line for one in bad)]


@contextlib.contextmanager
def served(folder: Path, database: str, env: dict[str, str] | None = None, **config: Any) -> Iterator[Served]:
    """`langgraph dev` on a copy of this repository's `langgraph.json`."""
    given = json.loads((ROOT / "langgraph.json").read_text())
    (folder / "langgraph.json").write_text(json.dumps({**given, **config}))
    (folder / ".env").touch()
    shutil.copy(ROOT / "pyproject.toml", folder)
    log, port = folder / "log.txt", free_port()
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
        "LEARNING_MACHINE_DATABASE_URL": database,
        "LEARNING_MACHINE_MODEL": "offline",
        "LANGGRAPH_NO_VERSION_CHECK": "true",
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGSMITH_TRACING": "false",
        **(env or {}),
    }
    command = [*COMMAND, "dev", "--no-browser", "--no-reload", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--n-jobs-per-worker", "10"]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=output, stderr=output, start_new_session=True
        )
    try:
        found = Served(f"http://127.0.0.1:{port}", log, database)
        wait_until_up(found, process)
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until_up(server: Served, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 90
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{server.url}/ok", timeout=2).status_code == 200:
                return
        assert process.poll() is None, server.log.read_text()[-4_000:]
        assert time.monotonic() < ends, server.log.read_text()[-4_000:]
        time.sleep(0.1)


@contextlib.contextmanager
def own_database(server: Any) -> Iterator[str]:
    """A migrated database for as long as a server needs it."""
    name = f"served_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.url_for("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template template_learning strategy file_copy")  # type: ignore[arg-type]
        yield server.url_for(name)
        connection.execute(f"drop database {name} with (force)")  # type: ignore[arg-type]


def ask(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


async def turn(client: Any, text: str, assistant: str = "learning_agent", **more: Any) -> dict[str, Any]:
    """A turn in a thread of its own."""
    thread = await client.threads.create()
    return await said(client, thread["thread_id"], text, assistant, **more)


async def said(client: Any, thread: str, text: str, assistant: str = "learning_agent", **more: Any) -> dict[str, Any]:
    """A turn in this thread."""
    result = await client.runs.wait(thread, assistant, input=ask(text), raise_error=True, **more)
    return dict(result)
