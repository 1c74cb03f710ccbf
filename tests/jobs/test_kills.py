"""`kill -9` of agents and workers at random moments: what was acknowledged is learned, once."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from token_agents import learn_stamped, learn_tokens, token_agent

from learning_machine import LearningMachine
from learning_machine.testing import ScriptedModel

Machines = Callable[..., LearningMachine]
Ask = Callable[..., list[dict[str, Any]]]
QUICK = {"STALLED_AFTER": "1", "SWEEP_EVERY": "0.2", "LINGER": "0.05"}


def live_and_die(start: Any, notes: Path, kills: int, seed: int) -> tuple[int, int]:
    """Let agents and a worker live and be killed; how many of each died. The last agent takes its turns and ends."""
    moments = random.Random(seed)
    worker, dead_agents, dead_workers = None, 0, 0
    while dead_agents + dead_workers < kills:
        agent = start("turns", str(notes), f"life{dead_agents}x{dead_workers}", "1000", **QUICK)
        worker = worker or start("serve", "shop:stamped", **QUICK)
        time.sleep(moments.uniform(0.05, 0.9))
        if moments.random() < 0.4:
            worker.kill()
            worker, dead_workers = None, dead_workers + 1
            time.sleep(moments.uniform(0.0, 0.3))
        assert agent.poll() is None, agent.said()
        agent.kill()
        dead_agents += 1
    last = start("turns", str(notes), "last", "6", **QUICK)
    assert last.wait(60) == 0 and "done" in last.said(), last.said()
    if worker is not None:
        assert worker.poll() is None, worker.said()
        worker.kill()
    return dead_agents, dead_workers


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.full)])
def test_killed_at_random(
    start: Any, machine: Machines, sql: Ask, tmp_path: Path, observations: Any, kills: int, monkeypatch: Any
) -> None:
    """After kills at random moments every acknowledged turn is learned, none twice, and so is all that the threads hold."""
    from learning_machine import jobs

    notes = tmp_path / "acknowledged"
    dead_agents, dead_workers = live_and_die(start, notes, kills, seed=kills)
    assert dead_agents and dead_workers
    monkeypatch.setattr(jobs, "STALLED_AFTER", 1.0)
    monkeypatch.setattr(jobs, "SWEEP_EVERY", 0.2)
    learner = machine(ScriptedModel(learns=learn_stamped))
    assert learner.flush(60)
    acknowledged = notes.read_text().split()
    assert len(acknowledged) > 6
    known = Counter(row["text"].split()[0] for row in learner.history(user_id="alice", limit=100_000))
    assert {token for token in acknowledged if known[token] != 1} == set()
    # Where a reply was recorded and never reached the thread, its message was answered, and so read, once more.
    lost = "select content from message m join turn t on t.id = m.turn where t.abandoned_at is not null"
    again = {row["content"].split()[-1] for row in sql(lost)}
    assert {token for token, times in known.items() if times > 1} <= again
    assert len(again & set(known)) <= kills / 10
    # What was said in a thread that went on is learned, also where nobody saw the reply.
    agent = token_agent(learner)
    for thread in range(3):
        state = agent.get_state({"configurable": {"thread_id": f"thread {thread}"}}).values
        spoken = {message.text.split()[-1] for message in state["messages"] if message.type == "human"}
        assert spoken and spoken - set(known) == set()
    standing = "select key from message m join turn t on t.id = m.turn where t.abandoned_at is null"
    assert sql(f"{standing} group by key having count(*) > 1") == []
    assert sql("select turn, content from message where role = 'user' group by 1, 2 having count(*) > 1") == []
    assert sql("select * from procrastinate_jobs") == sql("select * from job_error") == []
    assert sql("select * from turn where id not in (select turn from watermark)") == []


@pytest.mark.parametrize("durability", ["sync", "async"])
def test_answer_killed_before_it_was_recorded(
    start: Any, machine: Machines, say: Any, observations: Any, sql: Ask, durability: str
) -> None:
    """A turn whose process was killed between its answer and its recording is learned when its thread goes on, once."""
    assert start("die_unrecorded", durability).wait() == -9
    assert sql("select * from turn") == []
    learner = machine(ScriptedModel(learns=learn_tokens))
    agent = token_agent(learner)
    if durability == "sync":
        messages = agent.get_state({"configurable": {"thread_id": "thread"}}).values["messages"]
        assert [message.type for message in messages] == ["human", "ai"]
    for text in ("this is token-2", "this is token-3"):
        say(agent, text)
    assert learner.flush(20)
    assert observations(learner) == ["token-1", "token-2", "token-3"]
    assert len(sql("select * from evidence")) == 3
