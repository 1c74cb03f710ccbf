"""Embeddings × behaviours: whichever way the loop is put to use, it does the same."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import embedding_scenes as scenes
from embeddings import Embedding
from in_process import InProcess, say, thread
from langgraph.checkpoint.memory import InMemorySaver

from learning_machine import LearningMachine, LearningMode, UserProfileConfig

BOTH = {"user_profile": True, "session_context": True}
PROPOSE = {"user_profile": UserProfileConfig(mode=LearningMode.PROPOSE)}

Made = Callable[..., InProcess]


def test_a_second_session_knows(talk: Made) -> None:
    """What was said in one session is known in the next."""
    scenes.second_session_knows(talk(scenes.model(), user_profile=True))


def test_a_proposal_resumes(talk: Made) -> None:
    """PROPOSE asks at the top, is answered there, and reads the turn once."""
    talked = talk(scenes.model(), **PROPOSE)
    scenes.proposals_resume(talked)
    said = [one["text"] for asked in talked.machine.model.extractions for one in scenes.new_in(asked)]
    assert said.count("I'm Alice") == 1


def test_a_fork_sees_its_branch(talk: Made) -> None:
    """A fork sees the session as it was where it left."""
    scenes.forks_see_their_branch(talk(scenes.model(), **BOTH))


def test_a_return_finds_its_branch(talk: Made) -> None:
    """A fork, and back to where it left: each branch has what was learned on it, and other threads what the newest has."""
    scenes.returns_find_their_branch(talk(scenes.model(), **BOTH))


def test_a_replaced_answer_is_forgotten(talk: Made) -> None:
    """What was learned from an answer goes with it."""
    scenes.regenerated_answers_forget(talk(scenes.model(), **BOTH))


def test_a_kept_answer_stays(talk: Made) -> None:
    """And stays with it."""
    scenes.kept_answers_stay(talk(scenes.model(), **BOTH))


def test_tokens_stream_clean(talk: Made) -> None:
    """Tokens of the reply stream, also where extraction runs in the turn; nothing of the extraction does."""
    scenes.streams_are_clean(talk(scenes.model(), **BOTH, background="inline"))


def test_nothing_of_the_context_stays_in_messages(talk: Made) -> None:
    """What the model was told is in no thread."""
    talked = talk(scenes.model(), user_profile=True)
    talked.say("I'm Alice")
    talked.learned()
    talked.say("Who am I?")
    assert talked.reply() == "name Alice last ?"
    assert not any("<learnings>" in one.text for one in talked.messages())
    assert {one.type for one in talked.messages()} <= {"human", "ai", "tool"}


def test_both_doors_do_the_same(embedding: Embedding, machine: Callable[..., LearningMachine]) -> None:
    """`invoke` and `ainvoke` say and learn the same, from one graph, in one thread each."""
    found = machine(scenes.model(), **BOTH)
    graph = embedding.made(found, InMemorySaver())
    for text in ("I'm Alice", "Pick two", "Who am I?"):
        graph.invoke(say(text), thread("sync"), context={"user_id": "alice"})
        asyncio.run(graph.ainvoke(say(text), thread("async"), context={"user_id": "anna"}))
        assert found.flush()
    sync, other = ([one.text for one in graph.get_state(thread(name)).values["messages"]] for name in ("sync", "async"))
    assert sync == other
    assert sync[-1] == "name Alice last Pick two"
    known = [
        re.sub(r"\[k\w+\]", "[handle]", found.build_context(user_id=user, session_id=name))
        for user, name in (("alice", "sync"), ("anna", "async"))
    ]
    assert known[0] == known[1] != ""


def test_the_schema_is_as_it_was(embedding: Embedding, machine: Callable[..., LearningMachine]) -> None:
    """What the graph takes and gives is what it takes and gives without the loop; the loop's own graph also says what it did."""
    found = machine(scenes.model(), **BOTH)
    graph, without = embedding.made(found, None), embedding.without(found)
    assert set(graph.get_input_jsonschema()["properties"]) == set(without.get_input_jsonschema()["properties"])
    gives, gave = (set(one.get_output_jsonschema()["properties"]) for one in (graph, without))
    assert gives - set(embedding.gives) == gave
    if not embedding.gives:
        assert graph.get_input_jsonschema() == without.get_input_jsonschema()
        assert graph.get_output_jsonschema() == without.get_output_jsonschema()
    given: Any = graph.invoke(say("I'm Alice"), thread("t1"), context={"user_id": "alice"})
    assert set(given) - set(embedding.gives) == {"messages"}
    assert found.flush()
