"""Subagents that learn, alone and beside the agent that calls them; and the examples that show it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import embedding_scenes as scenes
import pytest
from embeddings import chat, delegating, learner, with_subagent
from in_process import InProcess, say, thread
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from learning_machine import LearnedKnowledgeConfig, LearningMachine, LearningMiddleware, LearningMode, Scope
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


@pytest.fixture
def talk(machine: Machines, asynchronous: bool) -> Callable[..., InProcess]:
    """An agent whose one tool is an agent that learns: `levels` of them, called by what `answers` says."""

    def make(answers: Any = delegating, levels: int = 1, **stores: Any) -> InProcess:
        found = machine(scenes.model(), **{"conversation": False, **stores})
        inner = learner(found)
        for _ in range(levels - 1):
            inner = with_subagent(inner)
        return InProcess(with_subagent(inner, InMemorySaver(), answers), found, asynchronous)

    return make


BOTH = {"user_profile": True, "session_context": True}


@pytest.mark.parametrize("scene", [scenes.returns_find_their_branch, scenes.regenerated_answers_forget])
def test_a_subagents_subagent_sees_the_branch(talk: Any, scene: Callable[[Any], None]) -> None:
    """However deep it lies, the branch is that of the thread."""
    scene(talk(levels=2, **BOTH))


def test_the_loops_own_graph_as_a_subagent(machine: Machines, asynchronous: bool) -> None:
    """`machine.graph(agent)` called as a tool sees the branch as the middleware does."""
    found = machine(scenes.model(), conversation=False, **BOTH)
    graph = with_subagent(found.graph(chat(found)), InMemorySaver())
    scenes.returns_find_their_branch(InProcess(graph, found, asynchronous))


@pytest.mark.parametrize("together", [True, False])
def test_two_calls_in_one_turn(talk: Any, together: bool) -> None:
    """Both calls of a turn, at once or one after the other, are learned from, and a fork from before sees neither."""

    def answers(messages: list[Any]) -> Any:
        done = sum(one.type == "tool" for one in reversed(messages[last_user(messages) :]))
        said = messages[last_user(messages)].text
        if (said != "both" and done) or done == 2:
            return messages[-1].text
        tasks = ["I'm Alice", "two"] if said == "both" else [said]
        calls = [{"name": "delegate", "args": {"task": task}, "id": f"c{task}"} for task in tasks]
        return AIMessage("", tool_calls=calls if together else calls[done : done + 1])

    talked = talk(answers, **BOTH)
    talked.say("one")
    talked.learned()
    early = talked.mark()
    talked.say("both")
    talked.learned()
    late = talked.mark()
    assert talked.fork(early, "fork") == "name ? last one"
    talked.learned()
    assert talked.fork(late, "back").startswith("name Alice last ")
    assert not talked.machine.usage.failures


def last_user(messages: list[Any]) -> int:
    return max(at for at, one in enumerate(messages) if one.type == "human")


def test_a_subagent_that_was_not_called_before(talk: Any) -> None:
    """In a thread that began without the subagent too, what it learned from an answer goes when the answer is made anew."""
    talked = talk(lambda messages: "hello" if messages[-1].text == "hi" else delegating(messages), **BOTH)
    talked.say("hi")
    scenes.regenerated_answers_forget(talked)


def test_what_a_subagents_tools_save_and_find_is_on_its_branch(machine: Machines) -> None:
    """AGENTIC in a subagent: what its tool saved on a branch that was left is not found on the one gone back to."""

    def answers(messages: list[Any]) -> Any:
        said = messages[-1].text
        if messages[-1].type == "tool":
            return said
        insight = {"title": "Backups", "learning": said}
        called = (
            ("save_learning", insight) if said.startswith("Backups") else ("search_learnings", {"query": "backups"})
        )
        return AIMessage("", tool_calls=[{"name": called[0], "args": called[1], "id": "c1"}])

    agentic = LearnedKnowledgeConfig(mode=LearningMode.AGENTIC)
    found = machine(scenes.model(answers=answers), learned_knowledge=agentic, conversation=False)
    talked = InProcess(with_subagent(learner(found), InMemorySaver()), found, False)
    talked.say("What of backups?")
    early = talked.mark()
    talked.say("Backups run at noon.")
    talked.say("What of backups?")
    assert "noon" in talked.reply()
    late = talked.mark()
    assert talked.fork(early, "What of backups?").startswith("nothing is known")
    assert "noon" in talked.fork(late, "What of backups?")
    talked.learned()


def test_a_first_answer_made_anew_begins_with_nothing(talk: Any) -> None:
    """When the thread's first answer is made anew, the subagent is told nothing that came from the one it replaces."""
    talked = talk(**BOTH)
    talked.say("one")
    talked.learned()
    talked.say("two")
    assert talked.reply() == "name ? last one"
    talked.learned()
    history = list(talked.graph.get_state_history(thread()))
    first = next(one for one in reversed(history) if one.values.get("messages") and one.next)
    assert talked.run(None, first.config)["messages"][-1].text == "name ? last ?"
    talked.learned()


def test_without_checkpoints_on_the_way_what_it_learned_is_the_threads(machine: Machines) -> None:
    """With `durability="exit"` the call is not kept while the subagent runs: what it learns belongs to the whole thread, also
    after a fork, and nothing fails or is lost."""
    found = machine(scenes.model(), conversation=False, **BOTH)
    graph = with_subagent(learner(found), InMemorySaver())

    def said(text: str, config: Any = None) -> str:
        result = graph.invoke(say(text), config or thread(), context={"user_id": "alice"}, durability="exit")
        assert found.flush()
        return str(result["messages"][-1].text)

    said("one")
    early = graph.get_state(thread()).config
    said("I'm Alice")
    assert said("two") == "name Alice last I'm Alice"
    assert said("fork", early) == "name Alice last two"
    assert not found.usage.failures


@pytest.mark.parametrize("error", [NotImplementedError("the other door"), ConnectionError("down")])
def test_a_checkpointer_that_cannot_be_asked(machine: Machines, error: Exception) -> None:
    """The turn is recalled and learned all the same; only what is not by design is counted as a failure."""

    class Silent(InMemorySaver):
        """Answers the graph itself, and nobody who asks for a checkpoint by the name of its caller."""

        def get_tuple(self, config: Any) -> Any:
            if "checkpoint_map" not in config["configurable"] and config["configurable"].get("checkpoint_id"):
                raise error
            return super().get_tuple(config)

    found = machine(scenes.model(), conversation=False, **BOTH)
    talked = InProcess(with_subagent(learner(found), Silent()), found, False)
    talked.say("I'm Alice")
    talked.learned()
    talked.say("Who am I?")
    assert talked.reply() == "name Alice last I'm Alice"
    talked.learned()
    assert set(found.usage.failures) == (
        set() if isinstance(error, NotImplementedError) else {"looking for the caller"}
    )


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


def test_the_example_with_deepagents(url: str) -> None:
    """`examples/deep_agent.py` runs offline, and on the second day the agent's subagent knows."""
    assert played("deep_agent.py", url) == ["Noted.", "A draft for Alice."]
