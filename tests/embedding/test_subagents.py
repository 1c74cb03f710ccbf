"""Subagents that learn, alone and beside the agent that calls them; and the examples that show it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import embedding_scenes as scenes
import pytest
from embeddings import delegating, learner, with_subagent
from in_process import InProcess, say, thread
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from learning_machine import LearningMachine, LearningMiddleware, Scope
from learning_machine.testing import ScriptedModel

EXAMPLES = Path(__file__).parents[2] / "examples"
Machines = Callable[..., LearningMachine]


def test_both_learn_with_one_machine(machine: Machines, asynchronous: bool) -> None:
    """An agent and its subagent learn with one machine in one thread: neither takes the other's for a branch left behind."""
    found = machine(scenes.model(), user_profile=True, conversation=False)
    inner = learner(found)

    @tool
    async def delegate(task: str) -> str:
        """Hand a task over."""
        return str((await inner.ainvoke(say(task)))["messages"][-1].text)

    @tool("delegate")
    def delegate_now(task: str) -> str:
        """Hand a task over."""
        return str(inner.invoke(say(task))["messages"][-1].text)

    outer = create_agent(
        ScriptedModel(answers=delegating),
        [delegate if asynchronous else delegate_now],
        middleware=[LearningMiddleware(found)],
        context_schema=Scope,
        checkpointer=InMemorySaver(),
    )
    talk = InProcess(outer, found, asynchronous)
    for text in ("I'm Alice", "two", "three", "four"):
        talk.say(text)
        talk.learned()
    assert talk.reply() == "name Alice last ?"
    assert found.recall(user_id="alice", session_id="t1")["user_profile"].name == "Alice"
    talk.say("Who am I?", thread="t2")
    assert talk.reply("t2") == "name Alice last ?"


def test_a_subagent_keeps_nothing_of_its_own_in_the_thread(machine: Machines) -> None:
    """A subagent's keys are its own: the calling agent's state holds messages only."""
    found = machine(scenes.model(), user_profile=True)
    outer = with_subagent(learner(found), InMemorySaver())
    outer.invoke(say("I'm Alice"), thread(), context={"user_id": "alice"})
    assert set(outer.get_state(thread()).values) == {"messages"}
    assert found.flush()


def played(name: str, url: str, python: str = sys.executable) -> list[str]:
    """What an example prints, run as a person would."""
    settings = {**os.environ, "LEARNING_MACHINE_DATABASE_URL": url, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [python, str(EXAMPLES / name)]
    found = subprocess.run(command, capture_output=True, text=True, env=settings, timeout=120, check=False)
    assert found.returncode == 0, found.stderr
    return [line.partition("agent: ")[2] for line in found.stdout.splitlines() if "agent: " in line]


def test_the_example_with_a_subagent(url: str) -> None:
    """`examples/subagents.py` runs offline, and on the second day the subagent knows."""
    assert played("subagents.py", url) == ["Noted.", "Acme's offer goes to Ines, in Portuguese."]


@pytest.mark.skipif(not importlib.util.find_spec("deepagents"), reason="deepagents is not among the development tools")
def test_the_example_with_deepagents(url: str) -> None:
    """`examples/deep_agent.py` runs offline, and on the second day the agent's subagent knows."""
    assert played("deep_agent.py", url) == ["Noted.", "A draft for Alice."]
