"""A transaction pooler between the library and Postgres: pgbouncer, when there is one (`PGBOUNCER` names it)."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from dev_server import free_port

from learning_machine import LearningMachine, Scope
from learning_machine.jobs import Worker
from learning_machine.state.changes import Add
from learning_machine.stores.writing import Source
from learning_machine.testing import ScriptedModel, change

PGBOUNCER = os.environ.get("PGBOUNCER") or shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not Path(PGBOUNCER).exists(), reason="pgbouncer is not installed, nor named by PGBOUNCER"),
]

SETTINGS = """
[databases]
* = host={socket} port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
logfile = {folder}/pgbouncer.log
"""


@pytest.fixture
def pooled(url: str, tmp_path: Path) -> Iterator[str]:
    """The URL of the same database behind pgbouncer, which hands four connections round, a transaction at a time."""
    parts, listen = urlsplit(url), free_port()
    place = {name: values[0] for name, values in parse_qs(parts.query).items()}
    settings = tmp_path / "pgbouncer.ini"
    settings.write_text(SETTINGS.format(socket=place["host"], port=place["port"], listen=listen, folder=tmp_path))
    somebody = []
    if os.geteuid() == 0:  # which pgbouncer refuses to be
        somebody = ["-u", Path(place["host"]).owner()]
        for folder in (tmp_path, *list(tmp_path.parents)[:2]):
            folder.chmod(0o777)
    process = subprocess.Popen([PGBOUNCER, "-q", *somebody, str(settings)], stderr=subprocess.DEVNULL)
    found = f"postgresql://postgres@127.0.0.1:{listen}{parts.path}"
    try:
        wait_for(found, process, tmp_path / "pgbouncer.log")
        yield found
    finally:
        process.terminate()
        process.wait(10)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + 15
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            assert process.poll() is None and time.monotonic() < ends, process.stderr and process.stderr.read(2_000)
            time.sleep(0.1)


def learns(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [change("user_profile", one["text"], kind="observation", quote=one["text"]) for one in new[:1]]


def test_everybody_gets_their_own_through_a_pooler(pooled: str, url: str) -> None:
    """Fifty people talk at once over four connections: turns are recorded through the pooler, a worker with a direct
    connection reads them, and recall through the pooler shows each person what is theirs and nothing else."""
    model = ScriptedModel(learns=learns)
    with (
        LearningMachine(db=pooled, model=model, user_profile=True, background="external") as web,
        LearningMachine(db=url, model=model, user_profile=True, background="external") as behind,
        ThreadPoolExecutor(25) as people,
    ):
        agent = web.graph()

        def talk(number: int) -> Any:
            given = {"messages": [{"role": "user", "content": f"I am person number-{number}-."}]}
            config: Any = {"configurable": {"thread_id": f"t{number}"}}
            return agent.invoke(given, config, context={"user_id": f"u{number}"})

        results = list(people.map(talk, range(50)))
        assert all(result["learning"]["turn"] for result in results) and not web.usage.failures
        worker = Worker([behind])
        worker.start()
        try:
            assert behind.flush(60)
        finally:
            worker.stop()
        seen = list(people.map(lambda number: web.build_context(user_id=f"u{number}"), range(50)))
        for number, context in enumerate(seen):
            assert [other for other in range(50) if f"number-{other}-" in context] == [number]


def test_writers_of_one_slot_take_turns_through_a_pooler(pooled: str) -> None:
    """Locks last as long as a transaction, and so hold over a pooler: of twenty writers of one slot none is lost."""
    with (
        LearningMachine(db=pooled, model=ScriptedModel(), user_profile=True, background="external") as machine,
        ThreadPoolExecutor(20) as writers,
    ):
        machine.build_context(user_id="alice")

        def write(number: int) -> str:
            add = Add(store="user_profile", kind="field", name="location", slot="=location", text=f"city {number}")
            return str(machine.parts.ledger.write([add], scope=Scope(user_id="alice"), source=Source())[0].status)

        assert set(writers.map(write, range(20))) == {"saved"}
        assert str(machine.build_context(user_id="alice")).count("city") == 1


def test_a_worker_behind_a_pooler_says_so(pooled: str) -> None:
    """What needs a connection of its own is refused by the pooler at once, and not half done."""
    with pytest.raises(psycopg.OperationalError, match="options"):
        psycopg.connect(pooled, options='-c search_path="learning_machine_jobs"')
