"""What happens to a turn that cannot be read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from token_agents import learn_tokens, token_agent

from learning_machine import LearningMachine, jobs
from learning_machine.stores.postgres import queue
from learning_machine.testing import ScriptedModel

Machines = Callable[..., LearningMachine]
Ask = Callable[..., list[dict[str, Any]]]
Say = Callable[..., dict[str, Any]]
CANARY = "canary-7f3a"


class Refusing:
    """Learns tokens, but not from messages with a certain word: then it raises, naming what was said."""

    def __init__(self, word: str = "poison", times: int = 10**6) -> None:
        self.word, self.times = word, times
        self.reads: list[tuple[float, list[str]]] = []

    def __call__(self, new: list[dict[str, Any]]) -> list[dict[str, Any]]:
        said = [one["text"] for one in new if one["role"] == "user"]
        self.reads.append((time.monotonic(), said))
        if any(self.word in text for text in said) and self.times > 0:
            self.times -= 1
            raise RuntimeError(f"I refuse to read {said}")
        return learn_tokens(new)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that a test can wait for."""
    monkeypatch.setattr(jobs, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(jobs, "LINGER", 0.0)
    monkeypatch.setattr(queue, "POLL", 0.02)


def test_failure_is_tried_again_later(
    machine: Machines, say: Say, observations: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that fails is tried again, each time after twice the pause, which `flush` keeps to; once it works nothing of
    the failure is left."""
    monkeypatch.setattr(jobs, "FIRST_PAUSE", 0.3)
    reading = Refusing(times=3)
    learner = machine(ScriptedModel(learns=reading))
    said = say(token_agent(learner), "poison and token-1")
    assert learner.flush(20)
    assert observations(learner) == ["token-1"]
    moments = [moment for moment, _ in reading.reads]
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    assert len(pauses) == 3 and all(pause >= 0.3 * 2**tries for tries, pause in enumerate(pauses))
    learned = learner.learned(said["learning"]["turn"])
    assert (learned["status"], learned["error"], len(learned["changes"])) == ("learned", None, 1)


def test_failing_turn_says_so(
    machine: Machines, say: Say, until: Any, monkeypatch: pytest.MonkeyPatch, sql: Ask
) -> None:
    """Between two tries the turn's status is `failed`, with the kind of error, and its job waits for later."""
    monkeypatch.setattr(jobs, "FIRST_PAUSE", 60.0)
    learner = machine(ScriptedModel(learns=Refusing()))
    said = say(token_agent(learner), "poison")
    until(lambda: learner.queue_depth()["later"])
    learned = learner.learned(said["learning"]["turn"])
    assert (learned["status"], learned["error"], learned["changes"]) == ("failed", "ExtractionFailed", [])
    assert learner.queue_depth()["parked"] == 0
    assert [(row["attempt"], row["parked"]) for row in sql("select * from job_error")] == [(1, False)]


def test_last_failure_parks(machine: Machines, say: Say, sql: Ask) -> None:
    """After the last try the turn is parked: visible in its status and the queue's depth, and nothing waits for it."""
    reading = Refusing()
    learner = machine(ScriptedModel(learns=reading))
    said = say(token_agent(learner), "poison")
    assert learner.flush(30)
    assert len(reading.reads) == jobs.MAX_ATTEMPTS
    assert learner.learned(said["learning"]["turn"])["status"] == "parked"
    depth = learner.queue_depth()
    assert (depth["waiting"], depth["later"], depth["running"], depth["parked"]) == (0, 0, 0, 1)
    errors = sql("select attempt, parked, error from job_error order by id")
    assert [row["attempt"] for row in errors] == list(range(1, jobs.MAX_ATTEMPTS + 1))
    assert [row["parked"] for row in errors] == [False] * (jobs.MAX_ATTEMPTS - 1) + [True]


def test_parked_turns_are_the_machine_s_own(machine: Machines, say: Say) -> None:
    """What one machine has parked is not counted for another on the same database."""
    learner, other = machine(ScriptedModel(learns=Refusing())), machine(name="other")
    say(token_agent(learner), "poison")
    assert learner.flush(30)
    assert (learner.queue_depth()["parked"], other.queue_depth()["parked"]) == (1, 0)


def test_poison_is_isolated(machine: Machines, say: Say, observations: Any, until: Any) -> None:
    """A turn that cannot be read holds up neither other threads nor, in the end, its own: from the third try on it is
    read alone, then parked, and the turns around it are learned."""
    reading = Refusing()
    queueing, learner = machine(ScriptedModel(), background="external"), machine(ScriptedModel(learns=reading))
    agent = token_agent(queueing)
    turns = {}
    for word in ("token-1", "poison", "token-2"):
        turns[word] = say(agent, word)["learning"]["turn"]
    say(agent, "token-3", "another thread")
    learner.worker().start()
    until(lambda: observations(learner) == ["token-3"], what="the other thread")
    assert queueing.flush(60)
    assert sorted(observations(learner)) == ["token-1", "token-2", "token-3"]
    assert [learner.learned(turns[word])["status"] for word in turns] == ["learned", "parked", "learned"]
    sizes = [len(said) for _, said in reading.reads if "token-3" not in said]
    assert sizes[:3] == [3, 3, 1] and reading.reads[-1][1] == ["token-2"]


def test_busy_thread_does_not_keep_poison_alive(
    machine: Machines, say: Say, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread in which a new turn is always waiting still pauses between tries, and parks what cannot be read."""
    monkeypatch.setattr(jobs, "FIRST_PAUSE", 0.15)
    gate, busy = threading.Semaphore(0), threading.Event()
    reading = Refusing()

    def learn(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
        busy.set()
        gate.acquire(timeout=20)
        return reading(new)

    learner = machine(ScriptedModel(learns=learn))
    agent = token_agent(learner)
    poison = say(agent, "poison")
    for number in (1, 2):
        assert busy.wait(20)
        busy.clear()
        # Said while the failing batch is being read, so that a job for it waits already when the failure is noted.
        say(agent, f"token-{number}")
        gate.release()
    for _ in range(40):
        gate.release()
    until(lambda: learner.learned(poison["learning"]["turn"])["status"] == "parked", 30)
    assert learner.flush(30)
    moments = [moment for moment, said in reading.reads if "poison" in said]
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    assert len(moments) == jobs.MAX_ATTEMPTS
    assert all(pause >= 0.15 * 2**tries for tries, pause in enumerate(pauses))


def test_stored_errors_hold_nothing_personal(machine: Machines, sql: Ask) -> None:
    """Neither what was said nor an exception's text that repeats it, nor who spoke, is in a stored error or a job."""
    learner = machine(ScriptedModel(learns=Refusing(CANARY)))
    token_agent(learner).invoke(
        {"messages": [{"role": "user", "content": f"this is {CANARY}"}]},
        {"configurable": {"thread_id": f"thread {CANARY}"}},
        context={"user_id": f"user {CANARY}"},
    )
    assert learner.flush(30)
    rows = sql("select * from job_error")
    assert len(rows) == jobs.MAX_ATTEMPTS and CANARY not in repr(rows)


def test_failure_of_the_queue_loses_nothing(
    machine: Machines, say: Say, observations: Any, monkeypatch: pytest.MonkeyPatch, sql: Ask
) -> None:
    """A job that ends because noting a failure failed, as with a database that is away, is queued again by the sweep."""
    monkeypatch.setattr(jobs, "SWEEP_EVERY", 0.1)
    broken: list[int] = []

    def note(*arguments: Any, **named: Any) -> None:
        if not broken:
            broken.append(1)
            raise ConnectionError("the database is away")
        noted(*arguments, **named)

    noted = jobs.failed_turn
    monkeypatch.setattr(jobs, "failed_turn", note)
    learner = machine(ScriptedModel(learns=Refusing(times=1)))
    say(token_agent(learner), "poison and token-1")
    assert learner.flush(20)
    assert broken and observations(learner) == ["token-1"]
    assert sql("select * from procrastinate_jobs") == []


def test_failing_custom_store_does_not_stop_learning(machine: Machines, say: Say, observations: Any) -> None:
    """A custom store whose `process` raises is noted, and the batch is learned by the others."""

    class Broken:
        learning_type = "broken"

        def recall(self) -> None: ...

        def process(self, messages: list[Any]) -> None:
            raise ValueError(messages[0].text)

        def build_context(self, data: Any) -> str:
            return ""

        def get_tools(self) -> list[Any]:
            return []

    learner = machine(ScriptedModel(learns=learn_tokens), user_profile=True, custom_stores={"broken": Broken()})
    said = say(token_agent(learner), "this is token-1")
    assert learner.flush(20)
    assert learner.learned(said["learning"]["turn"])["status"] == "learned"
    assert learner.usage.failures["process of broken"] == 1
    assert observations(learner) == ["token-1"]
