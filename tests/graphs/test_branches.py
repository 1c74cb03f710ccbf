"""Branches of a thread: forks, regenerated answers and edits see the session as it was there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage

from learning_machine import LearningMachine, Scope, create_learning_agent
from learning_machine.testing import ScriptedModel, change, extraction_request

ALICE = {"user_id": "alice"}


def learn(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A summary of what the user said last, and the user's city from "I live in …"."""
    said = [one["text"] for one in new if one["role"] == "user"]
    changes = [change("session_context", f"Last: {said[-1]}", kind="summary")] if said else []
    for text in said:
        if city := re.search(r"I live in (\w+)", text):
            changes.append(change("user_profile", city[1], kind="field", name="location", quote=city[0]))
    return changes


@pytest.fixture
def talk(machine: Any, thread: Any, say: Any, either: Callable[..., Any]) -> Any:
    """An agent in a conversation: `talk("Hello")` has a turn, waits until it is learned, and gives what the model was told."""

    class Talk:
        def __init__(self) -> None:
            self.model = ScriptedModel(answers=lambda messages: f"answer to {messages[-1].text}", learns=learn)
            self.machine: LearningMachine = machine(self.model, user_profile=True, session_context=True)
            self.agent: Any = create_learning_agent(self.model, learning=self.machine)

        def __call__(self, text: str | None, config: Any = None, *, flush: bool = True) -> str:
            """A turn in thread t1, or from a checkpoint; without a text it goes on from there."""
            given = None if text is None else say(text)
            result = either(self.agent, given, config or thread("t1"), context=ALICE)
            if flush:
                assert self.machine.flush()
            return str(result["learning"]["context"])

        @property
        def here(self) -> Any:
            """The checkpoint the thread stands at."""
            return self.agent.get_state(thread("t1")).config

        def before_agent(self, config: Any = None) -> Any:
            """The newest checkpoint that stands right before the agent: from it the last answer is made anew."""
            history = self.agent.get_state_history(config or thread("t1"))
            return next(state.config for state in history if state.next == ("agent",))

        def at_start(self, count: int) -> Any:
            """The checkpoint at which the turn that brought the `count`-th message begins."""
            history = self.agent.get_state_history(thread("t1"))
            return next(s.config for s in history if s.next == ("recall",) and len(s.values["messages"]) == count)

    return Talk()


def test_a_session_goes_on(talk: Any) -> None:
    """Turn by turn the summary follows the conversation, and the profile what was said."""
    assert talk("one") == ""
    assert "Last: one" in talk("I live in Lisbon")
    context = talk("three")
    assert "Last: I live in Lisbon" in context
    assert "location: Lisbon" in context
    assert "Last: one" not in context


def test_a_fork_sees_the_session_as_it_was_there(talk: Any) -> None:
    """From an earlier checkpoint the summary and the profile are those of that time; the newest branch keeps its own."""
    talk("I live in Lisbon")
    early = talk.here
    talk("I live in Porto")
    late = talk.here
    context = talk("fork", early)
    assert "Last: I live in Lisbon" in context
    assert "location: Lisbon" in context
    assert "Porto" not in context
    back = talk("back", late)
    assert "Last: I live in Porto" in back
    assert "location: Porto" in back
    assert "fork" not in back


def test_a_fork_of_a_fork_keeps_them_apart(talk: Any) -> None:
    """Three branches from one answer each see only themselves and what came before the fork."""
    talk("root")
    root = talk.here
    ends = []
    for name in ("a", "b", "c"):
        assert "Last: root" in talk(f"{name}1", root)
        ends.append((name, talk.here))
    for name, end in ends:
        context = talk(f"{name}2", end)
        assert f"Last: {name}1" in context
        assert not any(f"Last: {other}1" in context for other in "abc" if other != name)


def test_what_a_thread_left_behind_counts_nowhere(talk: Any, thread: Any) -> None:
    """Another thread of the user sees the profile of the newest branch, not of one that was left."""
    talk("hello")
    early = talk.here
    talk("I live in Porto")
    assert "location: Porto" in talk("elsewhere", thread("t2"))
    talk("I live in Lisbon", early)
    context = talk("elsewhere again", thread("t2"))
    assert "location: Lisbon" in context
    assert "Porto" not in context


def test_a_regenerated_answer_replaces_its_turn(talk: Any) -> None:
    """When the last answer is made anew, what its first form taught no longer counts, and the question is read once more."""
    talk("hello")
    talk("I live in Porto")
    before = len(talk.model.extractions)
    context = talk(None, talk.before_agent())
    assert "Last: hello" in context
    assert "Porto" not in context
    again = extraction_request(talk.model.extractions[-1])
    assert len(talk.model.extractions) == before + 1
    assert again is not None
    assert "I live in Porto" in [one["text"] for one in again]
    after = talk("and now?")
    assert "location: Porto" in after
    assert "Last: I live in Porto" in after


def test_the_first_answer_can_be_regenerated(talk: Any) -> None:
    """Made anew, the first answer of a thread sees an empty session."""
    talk("I live in Porto")
    context = talk(None, talk.before_agent())
    assert "Last:" not in context
    assert "location: Porto" in talk("and now?")


def test_an_edited_answer_is_read_once(talk: Any, thread: Any) -> None:
    """An answer that was rewritten with `update_state` is read in its new form, once, and the session goes on."""
    talk("hello")
    talk("I live in Porto")
    answer = talk.agent.get_state(thread("t1")).values["messages"][-1]
    rewritten = AIMessage("Noted: Porto.", id=answer.id)
    talk.agent.update_state(thread("t1"), {"messages": [rewritten]}, as_node="agent")
    talk(None)
    context = talk("and now?")
    read = [one["text"] for messages in talk.model.extractions for one in extraction_request(messages) or []]
    assert [read.count(text) for text in ("I live in Porto", "Noted: Porto.", "and now?")] == [1, 1, 1]
    assert "location: Porto" in context


def test_an_edited_question_is_another_one(talk: Any, thread: Any) -> None:
    """After the question was edited with `update_state` and answered anew, only the edited form counts."""
    talk("hello")
    talk("I live in Porto")
    start = talk.at_start(3)
    asked = talk.agent.get_state(start).values["messages"][-1]
    edited = HumanMessage("I live in Lisbon", id=asked.id)
    fork = talk.agent.update_state(start, {"messages": [edited]}, as_node="__start__")
    talk(None, fork)
    context = talk("and now?")
    assert "location: Lisbon" in context
    assert "Porto" not in context
    assert "Porto" not in talk("elsewhere", thread("t2"))


def test_update_state_that_adds_words_is_read_once(talk: Any, thread: Any) -> None:
    """A user message put in by `update_state` belongs to the next turn, and is read with it once."""
    talk("hello")
    talk.agent.update_state(thread("t1"), {"messages": [HumanMessage("I live in Faro")]}, as_node="__start__")
    talk(None)
    new = [one["text"] for messages in talk.model.extractions for one in extraction_request(messages) or []]
    assert new.count("I live in Faro") == 1
    assert "location: Faro" in talk("and now?")


def test_a_fork_before_it_was_learned(talk: Any, thread: Any) -> None:
    """A turn that was left behind before anything read it is learned as left behind."""
    talk("hello")
    early = talk.here
    talk.machine.background = "external"
    talk("I live in Porto", flush=False)
    talk("I live in Lisbon", early, flush=False)
    talk.machine.background = "worker"
    context = talk("and now?")
    assert talk.machine.flush()
    context = talk("and now again?")
    assert "location: Lisbon" in context
    assert "Porto" not in talk("elsewhere", thread("t2"))


def test_a_session_survives_a_restart(talk: Any, url: str, thread: Any, say: Any, either: Callable[..., Any]) -> None:
    """A new machine and a new agent on the same database go on where the thread stood, forks included."""
    talk("I live in Lisbon")
    early = talk.here
    talk("I live in Porto")
    talk.machine.close()
    model = ScriptedModel(answers="ok", learns=learn)
    with LearningMachine(db=url, user_profile=True, session_context=True) as machine:
        agent = create_learning_agent(model, learning=machine)
        result = either(agent, say("still there?"), thread("t1"), context=ALICE)
        assert [message.text for message in result["messages"][:2]] == [
            "I live in Lisbon",
            "answer to I live in Lisbon",
        ]
        assert "Last: I live in Porto" in result["learning"]["context"]
        assert "location: Porto" in result["learning"]["context"]
        assert machine.flush()
        forked = either(agent, say("fork"), early, context=ALICE)["learning"]["context"]
        assert "Last: I live in Lisbon" in forked
        assert "Porto" not in forked
        assert machine.flush()


def test_a_cut_history_keeps_session_and_profile(talk: Any, thread: Any) -> None:
    """When messages are removed from the thread, what they taught still holds."""
    talk("I live in Lisbon")
    talk("two")
    messages = talk.agent.get_state(thread("t1")).values["messages"]
    talk.agent.update_state(thread("t1"), {"messages": [RemoveMessage(id=one.id) for one in messages]}, as_node="store")
    context = talk("three")
    assert "Last: two" in context
    assert "location: Lisbon" in context
    new = [one["text"] for sent in talk.model.extractions for one in extraction_request(sent) or []]
    assert [new.count(text) for text in ("I live in Lisbon", "two", "three")] == [1, 1, 1]


def test_a_copied_thread_is_another_conversation(talk: Any, thread: Any) -> None:
    """The same messages in a thread of another name have a session of their own."""
    talk("I live in Lisbon")
    copied = talk.agent.get_state(thread("t1")).values["messages"]
    talk.agent.update_state(thread("t9"), {"messages": copied}, as_node="store")
    context = talk("hello", thread("t9"))
    assert "Last:" not in context
    assert "location: Lisbon" in context


def test_the_state_holds_a_plain_copy_of_the_session(talk: Any, thread: Any) -> None:
    """The thread's state shows the session context as plain JSON, for Studio and after a restart."""
    talk("one")
    talk("two")
    shown = talk.agent.get_state(thread("t1")).values["learning"]
    assert shown["session"] == {"summary": "Last: one"}


def test_lost_checkpoints_are_no_branch(machine: Any) -> None:
    """A thread whose checkpointer lost its memory goes on: what was learned in it is not left behind."""
    from langgraph.checkpoint.memory import InMemorySaver

    model = ScriptedModel(learns=[[change("user_profile", "Alice", kind="field", name="name", quote="I am Alice")]])
    made = machine(model, user_profile=True)
    thread = {"configurable": {"thread_id": "kept-in-memory"}}
    for text in ("I am Alice", "And now?", "Still there?"):
        agent = create_learning_agent(model, learning=made, checkpointer=InMemorySaver())
        agent.invoke({"messages": [{"role": "user", "content": text}]}, thread, context=Scope(user_id="alice"))
        made.flush()
    assert made.recall(user_id="alice")["user_profile"].name == "Alice"
