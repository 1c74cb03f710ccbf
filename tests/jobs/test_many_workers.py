"""Many workers on one queue."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from token_agents import token_agent

from learning_machine import LearningMachine, Scope
from learning_machine.state.messages import Said
from learning_machine.stores.turns import TurnRecord
from learning_machine.testing import ScriptedModel

Machines = Callable[..., LearningMachine]
THREADS = 40


@pytest.fixture
def workers(start: Any, tmp_path: Path) -> Callable[..., list[Any]]:
    """Starts worker processes for `shop:tokens`, each of which writes what it reads to the file `read`."""

    def some(count: int, **env: str) -> list[Any]:
        found = [start("serve", "shop:tokens", READ=str(tmp_path / "read"), **env) for _ in range(count)]
        for worker in found:
            worker.says("serving")
        return found

    return some


def extractions(path: Path) -> list[tuple[str, float, float, list[str]]]:
    """Each extraction: by which process, from when to when, and the tokens it read."""
    found = []
    for line in path.read_text().splitlines():
        process, began, ended, *tokens = line.split()
        found.append((process, float(began), float(ended), tokens))
    return found


def test_each_message_is_read_once(machine: Machines, workers: Any, tmp_path: Path) -> None:
    """Three worker processes, forty threads of three turns recorded from four sides: each message is read exactly once."""
    agents = machine(ScriptedModel(), background="external")
    assert agents.flush(0)
    running = workers(3)

    def record(thread: int, number: int) -> None:
        said = Said(f"q{number}", "user", f"this is token-{thread}-{number}"), Said(f"a{number}", "assistant", "ok")
        keys = [f"{letter}{n}" for n in range(number + 1) for letter in "qa"]
        turn = TurnRecord(session=f"t{thread}", said=said, answer=f"a{number}", keys=keys[-2:], here=keys)
        scope = Scope(user_id=f"user {thread % 5}", session_id=f"t{thread}")
        assert agents.parts.turns.record(scope, turn, agents.parts.window)

    def side(number: int) -> None:
        for turn in range(3):
            for thread in range(number, THREADS, 4):
                record(thread, turn)

    sides = [threading.Thread(target=side, args=(number,)) for number in range(4)]
    for one in sides:
        one.start()
    for one in sides:
        one.join()
    assert agents.flush(60), [worker.said() for worker in running]
    read = extractions(tmp_path / "read")
    everything = {f"token-{thread}-{number}" for thread in range(THREADS) for number in range(3)}
    assert Counter(token for *_, tokens in read for token in tokens) == Counter(everything)
    known = [
        row["text"] for user in range(5) for row in agents.history(user_id=f"user {user}", closed=True, limit=1000)
    ]
    assert Counter(known) == Counter(everything)
    assert len({process for process, *_ in read}) > 1


def test_jobs_of_one_thread_do_not_overlap(machine: Machines, workers: Any, say: Any, tmp_path: Path) -> None:
    """Turns of one thread are read one batch after the other, however many workers there are."""
    agents = machine(ScriptedModel(), background="external")
    agent = token_agent(agents)
    running = workers(2, SECONDS="0.15", LINGER="0")
    for number in range(12):
        say(agent, f"this is token-{number}")
    assert agents.flush(60), [worker.said() for worker in running]
    read = sorted(extractions(tmp_path / "read"), key=lambda one: one[1])
    assert [token for *_, tokens in read for token in tokens] == [f"token-{number}" for number in range(12)]
    assert len(read) > 1
    assert all(ended <= began for (_, _, ended, _), (_, began, _, _) in pairwise(read))
