"""AGENTIC: the agent learns by tools, and is told truly what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage

from learning_machine import (
    LearningMachine,
    LearningMode,
    SessionContextConfig,
    UserProfileConfig,
    create_learning_agent,
)
from learning_machine.errors import ConfigurationError
from learning_machine.testing import ScriptedModel, change

ALICE = {"user_id": "alice"}
BY_TOOLS: dict[str, Any] = {
    "user_profile": UserProfileConfig(mode=LearningMode.AGENTIC),
    "session_context": SessionContextConfig(mode=LearningMode.AGENTIC, enable_planning=True),
}


def calls(*wanted: tuple[str, dict[str, Any]]) -> AIMessage:
    """An assistant message that calls these tools."""
    return AIMessage(
        "", tool_calls=[{"name": name, "args": args, "id": f"c{n}"} for n, (name, args) in enumerate(wanted)]
    )


def told(result: dict[str, Any]) -> list[str]:
    """What the tools answered, in order."""
    return [message.text for message in result["messages"] if isinstance(message, ToolMessage)]


def test_five_calls_in_one_message_all_land(machine: Any, thread: Any, say: Any, door: Callable[..., Any]) -> None:
    """Five tool calls of one assistant message are all saved, each with a receipt of its own."""
    five = calls(
        ("update_profile", {"field": "name", "value": "Alice", "quote": "I'm Alice"}),
        ("update_profile", {"field": "preferences", "value": "short answers"}),
        ("remember", {"text": "Alice runs marathons.", "quote": "I run marathons"}),
        ("update_summary", {"summary": "Getting to know Alice."}),
        ("update_plan", {"goal": "run Berlin", "step": "train", "state": "doing"}),
    )
    model = ScriptedModel(answers=[five, "Noted."])
    found = machine(model, **BY_TOOLS)
    agent = create_learning_agent(model, learning=found)
    result = door(agent, say("I'm Alice, I run marathons."), thread("t1"), context=ALICE)
    receipts = told(result)
    assert [text.count("saved as k") for text in receipts] == [1, 1, 1, 1, 2]
    known = found.recall(user_id="alice", session_id="t1")
    profile, session = known["user_profile"], known["session_context"]
    assert (profile.name, profile.preferences) == ("Alice", ["short answers"])
    assert profile.observations == ("Alice runs marathons.",)
    assert (session.summary, session.goal) == ("Getting to know Alice.", "run Berlin")
    assert [(step.text, step.status) for step in session.steps] == [("train", "doing")]
    assert found.flush()
    assert model.extractions == []


def test_only_a_quote_makes_it_the_users_word(machine: Any, thread: Any, say: Any, door: Callable[..., Any]) -> None:
    """With a quote the user really said a learning is the user's word; without one, or with an invented one, an inference."""
    three = calls(
        ("update_profile", {"field": "name", "value": "Alice", "quote": "I'm Alice"}),
        ("update_profile", {"field": "role", "value": "engineer"}),
        ("update_profile", {"field": "company", "value": "Acme", "quote": "I work at Acme"}),
    )
    model = ScriptedModel(answers=[three, "Noted."])
    found = machine(model, **BY_TOOLS)
    agent = create_learning_agent(model, learning=found)
    door(agent, say("I'm Alice."), thread("t1"), context=ALICE)
    origins = {row["name"]: (row["origin"], row["quotes"]) for row in found.history(store="user_profile", **ALICE)}
    assert origins == {"name": ("user", ["I'm Alice"]), "role": ("inference", []), "company": ("inference", [])}


def test_the_users_word_is_not_overruled_by_a_guess(machine: Any, thread: Any, say: Any) -> None:
    """What the user said is not replaced by what the agent supposes; the tool says so."""
    model = ScriptedModel(
        answers=[
            calls(("update_profile", {"field": "name", "value": "Alice", "quote": "I'm Alice"})),
            "ok",
            calls(("update_profile", {"field": "name", "value": "Alicia"})),
            "ok",
        ]
    )
    found = machine(model, **BY_TOOLS)
    agent = create_learning_agent(model, learning=found)
    agent.invoke(say("I'm Alice."), thread("t1"), context=ALICE)
    receipts = told(agent.invoke(say("hola"), thread("t2"), context=ALICE))
    assert receipts[0].startswith("challenges k1, waits as k2")
    assert found.recall(**ALICE)["user_profile"].name == "Alice"


def test_receipts_are_true(machine: Any, thread: Any, say: Any, either: Callable[..., Any]) -> None:
    """Known, unknown field, unknown handle, replaced, taken away: the model is told each as it is."""
    turns = [
        calls(("update_profile", {"field": "role", "value": "engineer"})),
        calls(
            ("update_profile", {"field": "role", "value": "Engineer."}),
            ("update_profile", {"field": "shoe_size", "value": "42"}),
            ("forget", {"handle": "kzz", "quote": "forget it"}),
        ),
        calls(("update_profile", {"field": "role", "value": "manager"})),
        calls(("update_profile", {"field": "role", "value": ""})),
        calls(("update_profile", {"field": "company", "value": ""})),
    ]
    model = ScriptedModel(answers=[answer for turn in turns for answer in (turn, "ok")])
    found = machine(model, **BY_TOOLS)
    agent = create_learning_agent(model, learning=found)
    said = [told(either(agent, say("forget it"), thread(f"t{n}"), context=ALICE)) for n in range(len(turns))]
    assert said[0] == ["saved as k1"]
    assert said[1][0] == "already known as k1"
    assert said[1][1].startswith("refused: there is no field 'shoe_size'; fields are name,")
    assert said[1][2] == "refused: there is nothing with the handle kzz"
    assert said[2] == ["saved as k2, replaces k1"]
    assert said[3] == ["saved as k3, replaces k2"]
    assert said[4] == ["nothing to change: it is not known"]
    profile = found.recall(**ALICE)["user_profile"]
    assert profile.role is None and not profile.items and profile.gone == ("role",)


def test_forget_takes_it_away(machine: Any, thread: Any, say: Any, seen: Any, either: Callable[..., Any]) -> None:
    """After `forget` the next turn's context no longer holds the thing; history does."""
    model = ScriptedModel(
        answers=[
            calls(("remember", {"text": "Likes jazz", "quote": "I like jazz"})),
            "ok",
            calls(("forget", {"handle": "k1", "quote": "forget that I like jazz"})),
            "Forgotten.",
            "ok",
        ]
    )
    found = machine(model, **BY_TOOLS)
    agent = create_learning_agent(model, learning=found)
    either(agent, say("I like jazz"), thread("t1"), context=ALICE)
    result = either(agent, say("forget that I like jazz"), thread("t2"), context=ALICE)
    assert "Likes jazz [k1]" in seen(model)
    assert told(result) == ["saved as k2, replaces k1"]
    either(agent, say("hello"), thread("t3"), context=ALICE)
    assert "jazz" not in seen(model)
    assert "Likes jazz" in [row["text"] for row in found.history(**ALICE)]


def test_a_database_that_refuses_is_told_to_the_model(
    url: str, machine: Any, thread: Any, say: Any, door: Callable[..., Any]
) -> None:
    """When the database cannot write, the tool says that nothing was saved, and the agent answers."""
    model = ScriptedModel(answers=[calls(("remember", {"text": "Likes jazz"})), "ok", "ok"])
    found = machine(model, **BY_TOOLS)
    agent = create_learning_agent(model, learning=found)
    found.recall(**ALICE)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("alter table learning_machine.learning add constraint broken check (false) not valid")
    result = door(agent, say("I like jazz"), thread("t1"), context=ALICE)
    assert told(result)[0].startswith("failed: The ledger could not be written (CheckViolation), so nothing was saved.")
    assert "jazz" not in told(result)[0]
    assert result["messages"][-1].text == "ok"
    assert found.recall(**ALICE) == {}


def test_no_user_is_refused_in_words(machine: Any, thread: Any, say: Any, either: Callable[..., Any]) -> None:
    """Without a user a profile tool refuses, and says why; the session's tools work."""
    model = ScriptedModel(
        answers=[
            calls(
                ("update_profile", {"field": "name", "value": "Alice"}), ("update_summary", {"summary": "Small talk."})
            ),
            "ok",
        ]
    )
    found = machine(model, **BY_TOOLS)
    agent = create_learning_agent(model, learning=found)
    receipts = told(either(agent, say("hi"), thread("t1")))
    assert receipts[0].startswith("refused:")
    assert receipts[1] == "saved as k1"
    assert found.recall(session_id="t1")["session_context"].summary == "Small talk."
    assert [row["store"] for row in found.history(session_id="t1")] == ["session_context"]


def test_tools_outside_a_graph_are_bound_to_a_scope(machine: Any) -> None:
    """`get_tools(user_id=…)` gives tools for that user, sync and async, whose schemas hold only what a model fills in."""
    found = machine(ScriptedModel(), **BY_TOOLS)
    tools = {tool.name: tool for tool in found.get_tools(user_id="alice", session_id="t1")}
    assert set(tools) == {"update_profile", "remember", "forget", "update_summary", "update_plan"}
    for tool in tools.values():
        assert tool.description
        assert not {"runtime", "place", "scope"} & set(tool.args)
    assert tools["update_profile"].invoke({"field": "name", "value": "Alice"}) == "saved as k1"
    assert asyncio.run(tools["remember"].ainvoke({"text": "Likes jazz"})) == "saved as k2"
    assert tools["update_plan"].invoke({"step": "train"}) == "saved as k3"
    assert tools["update_plan"].invoke({"handle": "k3", "state": "done"}) == "saved as k4, replaces k3"
    known = found.recall(user_id="alice", session_id="t1")
    assert (known["user_profile"].name, known["user_profile"].observations) == ("Alice", ("Likes jazz",))
    assert [(step.text, step.status) for step in known["session_context"].steps] == [("train", "done")]
    assert found.recall(user_id="bob") == {}


def test_a_compiled_agent_cannot_be_given_tools(machine: Any) -> None:
    """AGENTIC around a compiled agent raises, and names `get_tools()`."""
    found = machine(ScriptedModel(), **BY_TOOLS)
    with pytest.raises(ConfigurationError, match=r"machine\.get_tools\(\)"):
        found.graph(create_agent(ScriptedModel()))


def test_unbound_tools_read_the_scope_of_the_run(
    machine: Any, thread: Any, say: Any, either: Callable[..., Any]
) -> None:
    """Tools of `get_tools()` in an agent people already have write for whoever's run it is."""
    model = ScriptedModel(answers=[calls(("remember", {"text": "Likes jazz", "quote": "I like jazz"})), "ok"] * 2)
    found = machine(model, user_profile=UserProfileConfig(mode=LearningMode.AGENTIC))
    agent = create_agent(model, found.get_tools())
    assert told(either(agent, say("I like jazz"), thread("t1"), context=ALICE)) == ["saved as k1"]
    rows = found.history(**ALICE)
    assert [(row["text"], row["origin"]) for row in rows] == [("Likes jazz", "user")]
    assert found.recall(user_id="bob") == {}


def test_learn_false_refuses_tools_too(machine: Any, thread: Any, say: Any, either: Callable[..., Any]) -> None:
    """In a turn with `learn=False` a tool writes nothing and says so."""
    model = ScriptedModel(answers=[calls(("remember", {"text": "Likes jazz"})), "ok"])
    found = machine(model, **BY_TOOLS)
    agent = create_learning_agent(model, learning=found)
    result = either(agent, say("I like jazz"), thread("t1"), context={**ALICE, "learn": False})
    assert told(result) == ["refused: nothing is kept of this conversation"]
    assert found.history(**ALICE) == []


def test_a_tool_call_belongs_to_its_branch(machine: Any, thread: Any, say: Any, either: Callable[..., Any]) -> None:
    """What a tool wrote in a turn that is left behind does not hold on the branch that goes on without it."""
    model = ScriptedModel(
        answers=[
            "hello",
            calls(("update_summary", {"summary": "About jazz."})),
            "ok",
            calls(("update_summary", {"summary": "About chess."})),
            "ok",
            "bye",
        ]
    )
    found = machine(model, **BY_TOOLS)
    agent = create_learning_agent(model, learning=found)
    either(agent, say("hi"), thread("t1"), context=ALICE)
    before = agent.get_state(thread("t1")).config
    either(agent, say("jazz"), thread("t1"), context=ALICE)
    left = agent.get_state(thread("t1")).config
    either(agent, say("chess"), before, context=ALICE)
    either(agent, say("and?"), thread("t1"), context=ALICE)
    assert "About chess." in model.calls[-1][0].text
    assert "About jazz." not in model.calls[-1][0].text
    back = agent.invoke(say("back to jazz"), left, context=ALICE)
    assert "About jazz." in back["learning"]["context"]
    assert "About chess." not in back["learning"]["context"]


def test_a_step_is_revised_on_an_older_branch(machine: Any, thread: Any, say: Any, either: Callable[..., Any]) -> None:
    """On a fork from an older checkpoint a tool finds the steps as they were there."""
    model = ScriptedModel(
        answers=[
            calls(("update_plan", {"step": "train"})),
            "ok",
            calls(("update_plan", {"handle": "k1", "state": "done"})),
            "ok",
            calls(("update_plan", {"handle": "k1", "state": "doing"})),
            "ok",
        ]
    )
    found = machine(model, **BY_TOOLS)
    agent = create_learning_agent(model, learning=found)
    either(agent, say("plan"), thread("t1"), context=ALICE)
    before = agent.get_state(thread("t1")).config
    either(agent, say("done"), thread("t1"), context=ALICE)
    result = either(agent, say("doing it"), before, context=ALICE)
    assert told(result)[-1].startswith("saved as k3")
    assert [(step.text, step.status) for step in steps(found, agent, thread("t1"))] == [("train", "doing")]


def steps(machine: LearningMachine, agent: Any, config: Any) -> Any:
    return machine.recall(user_id="alice", session_id="t1")["session_context"].steps


def test_extraction_does_not_touch_what_tools_keep(machine: Any, thread: Any, say: Any) -> None:
    """When one store is AGENTIC and one is not, extraction is asked for the other alone."""
    model = ScriptedModel(learns=[[change("user_profile", "Mallory", kind="field", name="name")]])
    found = machine(model, session_context=True, user_profile=UserProfileConfig(mode=LearningMode.AGENTIC))
    agent = create_learning_agent(model, learning=found)
    agent.invoke(say("I'm Alice"), thread("t1"), context=ALICE)
    assert found.flush()
    assert "`user_profile`" not in model.extractions[0][0].text
    assert found.recall(**ALICE) == {}
