"""A run that asks for a stricter mode gets it, wherever the loop stands; the next run is as ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from learning_machine import (
    LearningMachine,
    LearningMiddleware,
    LearningMode,
    Scope,
    UserProfileConfig,
    create_learning_agent,
)
from learning_machine.testing import ScriptedModel, change

LISBON = change("user_profile", "Lisbon", kind="field", name="location", quote="I live in Lisbon")
SAID = {"messages": [{"role": "user", "content": "I live in Lisbon."}]}
ALICE = {"user_id": "alice"}
STRICT = {**ALICE, "modes": {"user_profile": "PROPOSE"}}
THREAD: Any = {"configurable": {"thread_id": "t1"}}


class Diary:
    """A store of five functions, which writes when it is told to."""

    learning_type = "diary"

    def __init__(self) -> None:
        self.read: list[str] = []

    def recall(self, **_: Any) -> None:
        return None

    def process(self, messages: list[Any], **_: Any) -> None:
        self.read += [message.text for message in messages if message.type == "human"]

    def build_context(self, data: Any) -> str:
        return ""

    def get_tools(self, **_: Any) -> list[Any]:
        return []


def loop(machine: LearningMachine, model: Any) -> Any:
    return create_learning_agent(model, learning=machine)


def middleware(machine: LearningMachine, model: Any) -> Any:
    return create_agent(
        model, middleware=[LearningMiddleware(machine)], context_schema=Scope, checkpointer=InMemorySaver()
    )


@pytest.mark.parametrize("around", [loop, middleware])
def test_what_is_learned_unseen_is_proposed(
    machine: Callable[..., LearningMachine], door: Any, around: Callable[..., Any]
) -> None:
    """The turn asks, stores nothing before it is answered, and stores it then."""
    model = ScriptedModel(learns=[[LISBON]])
    learner = machine(model, user_profile=True, conversation=False)
    agent = around(learner, model)
    asked = door(agent, SAID, THREAD, context=STRICT)
    assert "Lisbon" in str(asked["__interrupt__"])
    assert learner.flush() and learner.recall(**ALICE) == {}
    door(agent, Command(resume=[{"type": "approve"}]), THREAD, context=STRICT)
    assert learner.recall(**ALICE)["user_profile"].location == "Lisbon"


def test_a_run_without_it_is_as_ever(machine: Callable[..., LearningMachine], door: Any) -> None:
    """A looser wish, or one for a store that is not there, changes nothing."""
    model = ScriptedModel(learns=[[LISBON]])
    learner = machine(model, user_profile=True, conversation=False)
    modes = {"user_profile": "BACKGROUND", "nothing": "HITL"}
    assert "__interrupt__" not in door(loop(learner, model), SAID, THREAD, context={**ALICE, "modes": modes})
    assert learner.flush() and learner.recall(**ALICE)["user_profile"].location == "Lisbon"


def test_a_tool_that_saves_proposes(machine: Callable[..., LearningMachine], door: Any) -> None:
    """What the agent would store by a tool waits for a reviewer, and the agent is told so."""
    call = {"name": "update_profile", "args": {"field": "location", "value": "Lisbon"}, "id": "c1"}
    model = ScriptedModel(answers=[AIMessage("", tool_calls=[call]), "Noted."])
    learner = machine(
        model, user_profile=UserProfileConfig(mode=LearningMode.AGENTIC), conversation=False, reviewers=["carol"]
    )
    result = door(loop(learner, model), SAID, THREAD, context={**ALICE, "modes": {"user_profile": "HITL"}})
    assert learner.recall(**ALICE) == {}
    assert [one.mode for one in learner.proposals.list()] == ["hitl"], result["messages"][-2].text


def test_a_store_that_cannot_ask_does_not_write(machine: Callable[..., LearningMachine], door: Any) -> None:
    """A store of five functions reads every turn but the one of which a decision was asked for."""
    diary, model = Diary(), ScriptedModel()
    learner = machine(model, custom_stores={"diary": diary}, user_profile=True, conversation=False)
    agent = loop(learner, model)
    door(agent, SAID, THREAD, context={**ALICE, "modes": {"diary": "PROPOSE"}})
    door(agent, {"messages": [("user", "And I like tea.")]}, THREAD, context=ALICE)
    assert learner.flush() and diary.read == ["And I like tea."]


def test_it_stays_stricter_when_the_worker_reads(machine: Callable[..., LearningMachine], door: Any) -> None:
    """Where reading in the turn fails, the worker reads it later, and what it finds waits all the same."""
    model = ScriptedModel(learns=["no json at all", [LISBON]])
    learner = machine(model, user_profile=True, conversation=False, background="external")
    result = door(loop(learner, model), SAID, THREAD, context=STRICT)
    if "__interrupt__" not in result:
        from uuid import UUID

        space = learner.parts.turns.space_of(UUID(result["learning"]["turn"]))
        learner.learn(space or 0, UUID(result["learning"]["turn"]))
    assert learner.recall(**ALICE) == {}
