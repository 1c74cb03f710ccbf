"""Workers in processes of their own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from token_agents import learn_tokens, token_agent

from learning_machine import LearningMachine
from learning_machine.errors import ConfigurationError
from learning_machine.jobs import Worker
from learning_machine.testing import ScriptedModel

Machines = Callable[..., LearningMachine]
Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def working(machine: Machines) -> Any:
    """Runs a worker for machines in a thread, as another process would run it, and stops it at the end."""
    running: list[tuple[Worker, threading.Thread]] = []

    def work(*machines: LearningMachine, **options: Any) -> Worker:
        worker = Worker(machines, **options)
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        running.append((worker, thread))
        return worker

    yield work
    for worker, thread in running:
        worker.stop()
        thread.join(20)
        assert not thread.is_alive()


def test_external_runs_nothing_here(machine: Machines, say: Any, sql: Ask) -> None:
    """With `background="external"` a turn is queued and nothing of this process reads it."""
    agents = machine(ScriptedModel(learns=learn_tokens), background="external")
    said = say(token_agent(agents), "this is token-1")
    assert agents.flush(0.3) is False
    assert "learning-machine-worker" not in {thread.name for thread in threading.enumerate()}
    depth = agents.queue_depth()
    assert (depth["waiting"], depth["later"], depth["running"], depth["parked"]) == (1, 0, 0, 0)
    assert agents.learned(said["learning"]["turn"])["status"] == "waiting"
    assert sql("select * from procrastinate_workers") == []


def test_external_worker_reads(machine: Machines, say: Any, working: Any, observations: Any) -> None:
    """A worker elsewhere reads what an external machine queued, and `flush` waits for it."""
    agents = machine(ScriptedModel(), background="external")
    said = say(token_agent(agents), "this is token-1")
    working(machine(ScriptedModel(learns=learn_tokens)))
    assert agents.flush(20) is True
    assert agents.learned(said["learning"]["turn"])["status"] == "learned"
    assert observations(agents) == ["token-1"]


def test_worker_makes_its_database_ready(empty_url: str, working: Any, say: Any, observations: Any, until: Any) -> None:
    """A worker that is started before anybody used the database migrates it, and serves what comes."""
    agents = LearningMachine(db=empty_url, background="external")
    reader = LearningMachine(db=empty_url, model=ScriptedModel(learns=learn_tokens))
    worker = working(reader)
    until(lambda: worker._runner, what="the worker")
    say(token_agent(agents), "this is token-1")
    assert agents.flush(20)
    assert observations(agents) == ["token-1"]
    worker.stop()
    agents.close()
    reader.close()


def test_worker_process_with_own_store_and_schema(
    start: Any, machine: Machines, say: Any, tmp_path: Path, sql: Ask
) -> None:
    """A worker process serves a machine of an application's module, with its own profile schema and its own store."""
    import shop

    visits = tmp_path / "visits"
    agents = machine(
        ScriptedModel(),
        name="shop",
        user_profile=shop.machine._asked["user_profile"],
        custom_stores={"visits": shop.Visits()},
        background="external",
    )
    worker = start("serve", "shop:machine", VISITS=str(visits))
    said = say(token_agent(agents), "I take 43", shop="Bern")
    assert agents.flush(30), worker.said()
    profile = agents.recall(user_id="alice")["user_profile"]
    assert (profile.shoe_size, sorted(profile.brands)) == (43, ["Camper", "Ecco"])
    assert visits.read_text().splitlines() == ["Bern alice human I take 43", "Bern alice ai noted"]
    told = [line for line in worker.said().splitlines() if line.startswith(("started", "learned", "failed"))]
    assert told == [f"{event} shop {said['learning']['turn']}" for event in ("started", "learned")]
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert worker.said().endswith("stopped\n")
    assert sql("select * from procrastinate_workers") == []


def test_machines_share_a_database(start: Any, machine: Machines, say: Any, sql: Ask, observations: Any) -> None:
    """Two machines on one database: each worker takes its own jobs, both read the same thread, and nothing is doubled."""
    red, blue = (machine(ScriptedModel(), name=name, background="external") for name in ("red", "blue"))
    turns = {
        one.name: say(token_agent(one, checkpointer=None), "this is token-1")["learning"]["turn"] for one in (red, blue)
    }
    first = start("serve", "shop:from_a_function")
    assert red.flush(30), first.said()
    assert blue.flush(0.3) is False
    assert (blue.queue_depth()["waiting"], red.queue_depth()["waiting"]) == (1, 0)
    assert [one.learned(turns[one.name])["status"] for one in (red, blue)] == ["learned", "waiting"]
    second = start("serve", "shop:blue")
    assert blue.flush(30), second.said()
    assert observations(red) == observations(blue) == ["token-1"]
    assert len(sql("select * from watermark")) == 2
    assert {row["machine"] for row in sql("select machine from turn")} == {"red", "blue"}
    assert first.said().count("learned red") == 1 and "blue" not in first.said()
    assert second.said().count("learned blue") == 1 and "red" not in second.said()


def test_one_worker_for_two_machines(machine: Machines, say: Any, working: Any, observations: Any) -> None:
    """One worker can serve machines of different names."""
    machines = [
        machine(ScriptedModel(learns=learn_tokens), name=name, background="external") for name in ("red", "blue")
    ]
    for one in machines:
        say(token_agent(one), f"this is token-{one.name}", one.name)
    working(*machines)
    assert all(one.flush(20) for one in machines)
    assert sorted(observations(machines[0])) == ["token-blue", "token-red"]


def test_worker_needs_machines_of_different_names(machine: Machines) -> None:
    """A worker for no machine, or for two of one name, of which it could serve only one, is refused."""
    with pytest.raises(ConfigurationError, match="same name"):
        Worker([machine(), machine()])
    with pytest.raises(ConfigurationError, match="at least one"):
        Worker([])
