"""What every embedding has to do, as scenes between people and an agent.

A scene knows the agent only by what it says and asks, so that it plays in this process, in a subgraph, or behind a server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from langchain_core.messages import BaseMessage

from learning_machine.testing import ScriptedModel, change, extraction_request

Row = dict[str, Any]
APPROVED = {"decisions": [{"type": "approve"}]}


class Talk(Protocol):
    """A way to an agent that learns: a graph in this process, or one behind a server."""

    def say(self, text: str, thread: str = "t1", user: str = "alice") -> list[Row]:
        """Say something; what the run asks people, if it asks."""

    def resume(self, answer: Any, thread: str = "t1", user: str = "alice") -> list[Row]:
        """Answer what the run asked."""

    def reply(self, thread: str = "t1") -> str:
        """What the agent said last in a thread."""

    def mark(self, thread: str = "t1") -> Any:
        """Where the thread stands now."""

    def fork(self, mark: Any, text: str) -> str:
        """Go on from a mark: the reply."""

    def regenerate(self) -> str:
        """Answer the last message of thread `t1` anew: the reply."""

    def stream(self, text: str) -> list[str]:
        """What a stream of tokens brings while the agent answers, token by token."""

    def learned(self) -> None:
        """Wait until everything said so far was learned from."""


# --- the model --------------------------------------------------------------------------------------------------------


def told(messages: Iterable[BaseMessage]) -> str:
    """What the model is told beside the conversation."""
    marked = (one.text for one in messages if one.type == "system" or "<recalled_learnings>" in one.text)
    return "\n".join(marked)


def talking() -> Callable[[list[BaseMessage]], str]:
    """A model that says what it was told of the user's name and of the session, and counts what it picks."""
    picked = 0

    def answer(messages: list[BaseMessage]) -> str:
        nonlocal picked
        if messages[-1].text == "Pick one":
            picked += 1
            return f"picked number {picked}"
        name, last = (re.search(pattern, told(messages)) for pattern in (r"- name: (\w+)", r"Last: ([\w ']+)"))
        return f"name {name[1] if name else '?'} last {last[1].strip() if last else '?'}"

    return answer


def learn(new: list[Row]) -> list[Row]:
    """The user's name from "I'm …"; of the session what was said last, and the first thing that was picked."""
    said = [one["text"] for one in new if one["role"] == "user"]
    changes = [
        change("user_profile", found[1], kind="field", name="name", quote=found[0])
        for text in said
        if (found := re.search(r"I'm (\w+)", text))
    ]
    if any(text == "Pick one" for text in said):
        first = any(one["text"] == "picked number 1" for one in new)
        return [*changes, *([change("session_context", "Last: number one", kind="summary")] if first else [])]
    return [*changes, *(change("session_context", f"Last: {text}", kind="summary") for text in said[-1:])]


def new_in(asked: list[BaseMessage]) -> list[Row]:
    """What an extraction call asks about."""
    return extraction_request(asked) or []


def model(**options: Any) -> ScriptedModel:
    return ScriptedModel(**{"answers": talking(), "learns": learn, **options})


# --- the scenes -------------------------------------------------------------------------------------------------------


def second_session_knows(talk: Talk) -> None:
    """What was said in one session is known in the next; another person's is not."""
    talk.say("I'm Alice", thread="monday")
    talk.learned()
    talk.say("Who am I?", thread="tuesday")
    assert talk.reply("tuesday") == "name Alice last ?"
    talk.say("Who am I?", thread="bobs", user="bob")
    assert talk.reply("bobs") == "name ? last ?"


def proposals_resume(talk: Talk) -> None:
    """Where a person decides, the reply stands, an answer that does not fit is asked for again, and what is approved is known."""
    (request,) = talk.say("I'm Alice", thread="monday")
    assert request["args"]["content"] == "Alice"
    assert [one["args"] for one in talk.resume("well…", thread="monday")] == [request["args"]]
    talk.say("Who am I?", thread="other")
    assert talk.reply("other").startswith("name ?")
    assert talk.resume(APPROVED, thread="monday") == []
    assert talk.reply("monday") == "name ? last ?"
    talk.say("Who am I?", thread="tuesday")
    assert talk.reply("tuesday").startswith("name Alice")


def forks_see_their_branch(talk: Talk) -> None:
    """A fork sees the session and the person as they were where it left; the newest branch goes on from the fork, and who
    returns to the branch that was left finds there what it had learned, and nothing of the fork."""
    talk.say("one")
    talk.learned()
    early = talk.mark()
    talk.say("I'm Alice")
    talk.learned()
    late = talk.mark()
    assert talk.fork(early, "fork") == "name ? last one"
    talk.learned()
    talk.say("on")
    assert talk.reply() == "name ? last fork"
    talk.learned()
    assert talk.fork(late, "back") == "name Alice last I'm Alice"
    talk.learned()
    talk.say("where?")
    assert talk.reply() == "name Alice last back"


def returns_find_their_branch(talk: Talk) -> None:
    """Whoever goes back to a branch that was left finds it as it was, its private learnings too; other threads follow."""
    talk.say("one")
    talk.learned()
    early = talk.mark()
    talk.say("I'm Alice")
    talk.learned()
    late = talk.mark()
    assert talk.fork(early, "I'm Anna") == "name ? last one"
    talk.learned()
    talk.say("Who am I?", thread="other")
    assert talk.reply("other").startswith("name Anna")
    assert talk.fork(late, "back") == "name Alice last I'm Alice"
    talk.learned()
    talk.say("Who am I?", thread="another")
    assert talk.reply("another").startswith("name Alice")


def regenerated_answers_forget(talk: Talk) -> None:
    """What was learned from an answer is gone with the answer, when another takes its place."""
    talk.say("Pick one")
    assert talk.reply() == "picked number 1"
    talk.learned()
    assert talk.regenerate() == "picked number 2"
    talk.learned()
    talk.say("Which?")
    assert talk.reply() == "name ? last ?"


def kept_answers_stay(talk: Talk) -> None:
    """What was learned from an answer that nobody replaced holds in the next turn, as the scene before relies on."""
    talk.say("Pick one")
    talk.learned()
    talk.say("Which?")
    assert talk.reply() == "name ? last number one"


def streams_are_clean(talk: Talk) -> None:
    """The reply's tokens arrive one by one, and nothing of what learning asks its model."""
    tokens = talk.stream("I'm Alice")
    assert tokens[-4:] == ["name", " ?", " last", " ?"]
    assert "changes" not in "".join(tokens)
