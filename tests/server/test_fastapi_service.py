"""The plain web service of the examples, over a real port."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from dev_server import ROOT, free_port

from learning_machine import LearningMachine

pytest.importorskip("fastapi", reason="fastapi is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")


@contextlib.contextmanager
def service(database: str, log: Path) -> Iterator[httpx.Client]:
    """The example as it is, in a process of its own."""
    port = free_port()
    env = {**os.environ, "LEARNING_MACHINE_DATABASE_URL": database, "LEARNING_MACHINE_MODEL": "offline"}
    command = [sys.executable, str(ROOT / "examples" / "fastapi_service.py"), "--port", str(port)]
    with log.open("a") as output:
        process = subprocess.Popen(command, env={**env, "PYTHONPATH": str(ROOT)}, stdout=output, stderr=output)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            ends = time.monotonic() + 60
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if client.get("/ready").status_code == 200:
                        break
                assert process.poll() is None and time.monotonic() < ends, log.read_text()[-3_000:]
                time.sleep(0.1)
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def test_a_service_learns_and_its_next_process_knows(url: str, tmp_path: Path) -> None:
    """Answers come token by token; what one process left in the queue the next one reads as soon as it runs, in a
    worker that lives as long as the service; and nobody reads what another said."""
    log = tmp_path / "log.txt"
    alice = {"X-User": "alice"}
    with service(url, log) as client:
        assert client.post("/threads/1/turns", json={"text": "Hello."}).status_code == 401
        told = {"text": "My name is Alice and I live in Lisbon."}
        with client.stream("POST", "/threads/1/turns", json=told, headers=alice) as answer:
            assert len([part for part in answer.iter_text() if part]) > 1
    with service(url, log) as client, LearningMachine(db=url, background="external") as beside:
        assert beside.flush(30), "the second process began to read without being asked anything"
        assert "- name: Alice" in client.get("/me", headers=alice).json()["context"]
        assert client.get("/me", headers={"X-User": "bob"}).json() == {"context": ""}
        asked = client.post("/threads/1/turns", json={"text": "What is my name?"}, headers=alice)
        assert "Alice" in asked.text
        asked = client.post("/threads/1/turns", json={"text": "What is my name?"}, headers={"X-User": "bob"})
        assert "Alice" not in asked.text
    assert "Traceback" not in log.read_text(), log.read_text()[-3_000:]
