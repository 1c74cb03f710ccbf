"""Under `langgraph dev`, offline and as it is: the graphs of this repository, driven through the SDK."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from learning_machine import LearningMachine

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).parent / "langgraph"

pytest.importorskip("langgraph_api", reason="langgraph-cli[inmem] is not installed")
sdk = pytest.importorskip("langgraph_sdk", reason="langgraph-sdk is not installed")

AUTH = """
from langgraph_sdk import Auth

auth = Auth()


@auth.authenticate
async def authenticate(headers: dict) -> dict:
    token = headers.get(b"authorization", b"").decode()
    if not token.startswith("Bearer "):
        raise Auth.exceptions.HTTPException(status_code=401, detail="who are you?")
    return {"identity": token.removeprefix("Bearer ")}
"""


@dataclass(frozen=True)
class Served:
    """A running server: where it is, and what it logs."""

    url: str
    log: Path

    def client(self, user: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {user}"} if user else None
        return sdk.get_client(url=self.url, headers=headers)


@contextlib.contextmanager
def served(folder: Path, database: str, **config: Any) -> Iterator[Served]:
    """`langgraph dev` on a copy of this repository's `langgraph.json`, stopped by its pid."""
    given = json.loads((ROOT / "langgraph.json").read_text())
    (folder / "langgraph.json").write_text(json.dumps({**given, **config}))
    (folder / ".env").touch()
    shutil.copy(ROOT / "pyproject.toml", folder)
    log, port = folder / "log.txt", free_port()
    env = {
        **os.environ,
        "PATH": f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "LEARNING_MACHINE_DATABASE_URL": database,
        "LEARNING_MACHINE_MODEL": "offline",
        "LANGGRAPH_NO_VERSION_CHECK": "true",
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGSMITH_TRACING": "false",
    }
    command = [str(COMMAND), "dev", "--no-browser", "--no-reload", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=output, start_new_session=True)
    try:
        found = Served(f"http://127.0.0.1:{port}", log)
        wait_until_up(found, process)
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
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


def ask(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


async def turn(client: Any, text: str, **more: Any) -> dict[str, Any]:
    """A turn in a thread of its own."""
    thread = await client.threads.create()
    return dict(await client.runs.wait(thread["thread_id"], "learning_agent", input=ask(text), **more))


def learned(machine: LearningMachine) -> bool:
    """Whether the server's worker has read all that waits."""
    return machine.flush(30)


def test_the_graphs_run_as_they_are(url: str, tmp_path: Path) -> None:
    """What one thread taught, another thread of the same user knows, and another user does not; schemas and graphs are
    there to read; and nothing blocks the server's event loop."""

    async def drive(server: Served, machine: LearningMachine) -> None:
        client = server.client()
        await look(client)
        alice = {"user_id": "alice"}
        first = await turn(client, "My name is Alice and I live in Lisbon.", context=alice)
        assert first["learning"]["turn"]
        assert await asyncio.to_thread(learned, machine)
        await streams(client, alice)
        again = await turn(client, "What is my name?", context=alice)
        assert "- name: Alice" in again["learning"]["context"]
        assert "Alice" in again["messages"][-1]["content"]
        other = await turn(client, "What is my name?", context={"user_id": "bob"})
        assert "Alice" not in json.dumps(other)
        nobody = await turn(client, "What is my name?")
        assert "Alice" not in json.dumps(nobody)
        assert await asyncio.to_thread(learned, machine)
        profile = await machine.arecall(user_id="alice")
        assert profile["user_profile"].name == "Alice"

    run_against(url, tmp_path, drive)


async def look(client: Any) -> None:
    """The assistants, their schemas and their drawing."""
    assistants = {one["graph_id"]: one["assistant_id"] for one in await client.assistants.search()}
    assert {"learning_agent", "learn"} <= set(assistants)
    schemas = await client.assistants.get_schemas(assistants["learning_agent"])
    assert list(schemas["input_schema"]["properties"]) == ["messages"]
    assert {"messages", "learning"} <= set(schemas["output_schema"]["properties"])
    assert {"user_id", "groups", "learn"} <= set(schemas["context_schema"]["properties"])
    drawn = await client.assistants.get_graph(assistants["learning_agent"])
    names = {node["id"] for node in drawn["nodes"]}
    assert {"recall", "build_context", "agent", "extract", "approve", "store"} <= names
    learn = await client.assistants.get_schemas(assistants["learn"])
    assert {"space", "turn"} <= set(learn["input_schema"]["properties"])


async def streams(client: Any, context: dict[str, Any]) -> None:
    """A turn as a chat shows it: tokens as they come, without asking for subgraphs; and its state afterwards."""
    thread = await client.threads.create()
    options: Any = {"input": ask("Hello, who am I?"), "context": context, "stream_mode": ["messages-tuple", "updates"]}
    parts = [part async for part in client.runs.stream(thread["thread_id"], "learning_agent", **options)]
    tokens = [part.data[0]["content"] for part in parts if part.event == "messages" and part.data[0]["content"]]
    assert len(tokens) > 1
    steps = [name for part in parts if part.event == "updates" for name in part.data]
    assert steps == ["recall", "build_context", "agent", "extract", "approve", "store"]
    assert not [part for part in parts if part.event == "error"]
    state = await client.threads.get_state(thread["thread_id"])
    assert "".join(tokens) == state["values"]["messages"][-1]["content"]
    assert "recalled" not in state["values"]


def test_authentication_says_who_speaks(url: str, tmp_path: Path) -> None:
    """With custom auth the authenticated user is the one who is learned about, whatever a client's context or config says."""
    (tmp_path / "auth.py").write_text(AUTH)

    async def drive(server: Served, machine: LearningMachine) -> None:
        with pytest.raises(Exception, match=r"401|who are you"):
            await turn(server.client(), "My name is Mallory.")
        alice, mallory = server.client("alice"), server.client("mallory")
        await turn(alice, "My name is Alice.", context={"user_id": "bob"})
        assert await asyncio.to_thread(learned, machine)
        assert (await machine.arecall(user_id="alice"))["user_profile"].name == "Alice"
        assert await machine.arecall(user_id="bob") == {}
        spoofed = [
            await turn(mallory, "What is my name?", context={"user_id": "alice"}),
            await turn(mallory, "What is my name?", context={"user_id": "alice", "groups": ["alice", "team"]}),
            await turn(mallory, "What is my name?", config={"configurable": {"user_id": "alice"}}),
            await turn(mallory, "What is my name?", config={"configurable": {"langgraph_auth_user_id": "alice"}}),
        ]
        assert not any("Alice" in json.dumps(one["learning"]) for one in spoofed)
        known = await turn(alice, "What is my name?")
        assert "- name: Alice" in known["learning"]["context"]
        assert await asyncio.to_thread(learned, machine)

    run_against(url, tmp_path, drive, auth={"path": "./auth.py:auth"})


def run_against(
    url: str, folder: Path, drive: Callable[[Served, LearningMachine], Awaitable[None]], **config: Any
) -> None:
    """Drive a server, with a machine beside it that looks at the same database; then read the server's log."""
    with served(folder, url, **config) as server, LearningMachine(db=url, background="external") as machine:
        asyncio.run(drive(server, machine))  # type: ignore[arg-type]
    log = server.log.read_text()
    assert "Blocking call" not in log, log[-4_000:]
    assert "BlockingError" not in log, log[-4_000:]
    assert "Traceback" not in log, log[-4_000:]
