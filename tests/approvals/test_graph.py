"""PROPOSE in the graph: one question a turn, in the form that user interfaces show, and every way it can be answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command
from scenes import (
    ALICE,
    BOB,
    contents,
    decisions,
    insight,
    known,
    learn_rules,
    requests_of,
    rule,
    say,
    statuses,
    thread,
)

from learning_machine import LearningMiddleware, LearningMode, Scope, UserProfileConfig, create_learning_agent
from learning_machine.testing import ScriptedModel, change

PAYLOADS = json.loads(Path(__file__).with_name("payloads.json").read_text("utf-8"))
RULES = ["Retry webhooks with backoff.", "Deploy on Mondays.", "Name branches after tickets."]


def named(entry: dict[str, Any]) -> str:
    return f"{entry['source']}: {entry['name']}"


def filled(answer: Any, handles: list[str]) -> Any:
    """A payload with the handles of this run in it."""
    if answer == "$deep":
        return "[" * 100_000
    text = json.dumps(answer)
    for number, handle in enumerate(handles, start=1):
        text = text.replace(f"${number}", handle)
    return json.loads(text)


def propose(agent: Any, count: int, **run: Any) -> list[str]:
    """One turn that proposes so many insights: their handles."""
    text = "\n".join(f"rule: {one}" for one in RULES[:count])
    found = requests_of(agent.invoke(say(text), thread(), context=ALICE, **run))
    return [request["args"]["proposal"] for request in found]


# --- the question -----------------------------------------------------------------------------------------------------


def test_one_question_in_the_standard_form(asked: Any, door: Callable[..., Any]) -> None:
    """All that a turn proposes is one `HITLRequest`; the reply is out, and nothing of it is known yet."""
    found, agent = asked()
    result = door(agent, say("rule: Retry webhooks.\nrule: Deploy on Mondays."), thread(), context=ALICE)
    assert result["messages"][-1].text == "ok"
    (question,) = result["__interrupt__"]
    assert set(question.value) == {"action_requests", "review_configs"}
    first, second = question.value["action_requests"]
    arguments = {"proposal": "p1", "title": "Retry", "content": "Retry webhooks.", "namespace": "engineering"}
    assert {name: first[name] for name in ("name", "args", "arguments")} == {
        "name": "save_learned_knowledge",
        "args": arguments,
        "arguments": arguments,
    }
    assert second["args"]["content"] == "Deploy on Mondays."
    for part in ("Retry webhooks.", "“rule: Retry webhooks.”", "the group engineering", "Risk: medium", "p1"):
        assert part in first["description"]
    config = {"action_name": "save_learned_knowledge", "allowed_decisions": ["approve", "edit", "reject"]}
    assert question.value["review_configs"] == [config]
    json.dumps(question.value)
    assert known(found, "How do I retry webhooks?") == ""


def test_a_verdict_is_carried_out_once(asked: Any, door: Callable[..., Any]) -> None:
    """What was decided in one turn is not decided again in the next, which has nothing to ask."""
    _, agent = asked()
    door(agent, say("rule: Retry webhooks."), thread(), context=ALICE)
    decided = door(agent, Command(resume=decisions("approve")), thread(), context=ALICE)
    assert [one["status"] for one in decided["learning"]["decided"]] == ["saved"]
    later = door(agent, say("hello"), thread(), context=ALICE)
    assert "__interrupt__" not in later and not later["learning"].get("decided")
    assert not agent.get_state(thread()).values.get("learning_verdicts")


def test_several_stores_ask_together(machine: Any) -> None:
    """One question holds what every gated store proposes; a store in BACKGROUND is written without one."""
    model = ScriptedModel(
        learns=[
            [
                change("user_profile", "Alice", kind="field", name="name"),
                insight("Retry webhooks."),
                change("session_context", "About webhooks.", kind="summary"),
            ]
        ]
    )
    found = machine(
        model,
        user_profile=UserProfileConfig(mode=LearningMode.PROPOSE),
        learned_knowledge=True,
        session_context=True,
        namespace="engineering",
    )
    agent = create_learning_agent(model, learning=found)
    result = agent.invoke(say("hi"), thread(), context=ALICE)
    assert [one["name"] for one in requests_of(result)] == ["save_user_profile", "save_learned_knowledge"]
    assert found.recall(user_id="alice", session_id="t1")["session_context"].summary == "About webhooks."
    assert len(model.extractions) == 1
    agent.invoke(Command(resume=decisions("approve", "approve")), thread(), context=ALICE)
    assert found.recall(user_id="alice")["user_profile"].name == "Alice"
    assert len(model.extractions) == 1


def test_older_ones_come_first(asked: Any, door: Callable[..., Any]) -> None:
    """Who keeps talking loses nothing: the next question begins with what still waits, so that places keep their meaning."""
    found, agent = asked()
    door(agent, rule("Retry webhooks."), thread(), context=ALICE)
    result = door(agent, rule("Deploy on Mondays."), thread(), context=ALICE)
    assert result["messages"][-1].text == "ok"
    assert contents(result) == ["Retry webhooks.", "Deploy on Mondays."]
    assert contents(door(agent, say("And now?"), thread(), context=ALICE)) == ["Retry webhooks.", "Deploy on Mondays."]
    door(agent, Command(resume=decisions("reject", "approve")), thread(), context=ALICE)
    assert statuses(found) == ["rejected", "approved"]
    assert contents(door(agent, say("Anything else?"), thread(), context=ALICE)) == []


def test_other_threads_are_not_asked_about(asked: Any) -> None:
    """A thread asks about its own proposals; those of another one wait there, or in the queue."""
    found, agent = asked()
    agent.invoke(rule("Retry webhooks."), thread("t1"), context=ALICE)
    assert contents(agent.invoke(rule("Deploy on Mondays."), thread("t2"), context=ALICE)) == ["Deploy on Mondays."]
    assert len(found.proposals.list()) == 2


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", PAYLOADS["fitting"], ids=named)
def test_an_answer_that_fits(asked: Any, entry: dict[str, Any]) -> None:
    """Every form in which people and user interfaces answer is understood; each proposal is decided for itself."""
    found, agent = asked()
    handles = propose(agent, len(entry["becomes"]))
    agent.invoke(Command(resume=filled(entry["answer"], handles)), thread(), context=ALICE)
    assert statuses(found) == entry["becomes"]
    held = [row["text"] for row in found.history(user_id="bob", groups=("engineering",))]
    assert len(held) == entry["becomes"].count("approved")
    if "text" in entry:
        assert held[0] == entry["text"]


@pytest.mark.parametrize("entry", PAYLOADS["not fitting"], ids=named)
def test_an_answer_that_does_not_fit(asked: Any, entry: dict[str, Any]) -> None:
    """It applies nothing, raises nothing, says what is wrong, and the question can still be answered."""
    found, agent = asked()
    handles = propose(agent, 2)
    again = agent.invoke(Command(resume=filled(entry["answer"], handles)), thread(), context=ALICE)
    assert statuses(found) == ["pending", "pending"]
    assert contents(again) == RULES[:2]
    assert again["__interrupt__"][0].value["problem"].startswith("The last answer did not fit")
    agent.invoke(Command(resume=decisions("approve", "reject")), thread(), context=ALICE)
    assert statuses(found) == ["approved", "rejected"]


def test_who_ignores_has_not_decided(asked: Any, door: Callable[..., Any]) -> None:
    """What somebody ignores goes on waiting: the run ends, nothing is on record as decided, and the next turn asks again."""
    found, agent = asked()
    door(agent, rule("Retry webhooks."), thread(), context=ALICE)
    result = door(agent, Command(resume=[{"type": "ignore", "args": None}]), thread(), context=ALICE)
    assert "__interrupt__" not in result
    assert result["messages"][-1].text == "ok"
    (waiting,) = found.proposals.list()
    assert (waiting.decided_at, waiting.decided_by) == (None, None)
    assert contents(door(agent, say("Go on"), thread(), context=ALICE)) == ["Retry webhooks."]


def test_what_could_not_be_read_in_its_type_is_refused(machine: Any) -> None:
    """An edit that a typed field cannot hold is refused with the reason, and the proposal stays."""
    from pydantic import BaseModel

    class Person(BaseModel):
        age: int | None = None

    model = ScriptedModel(learns=[[change("user_profile", 41, kind="field", name="age")]])
    found = machine(model, user_profile=UserProfileConfig(mode=LearningMode.PROPOSE, schema=Person))
    agent = create_learning_agent(model, learning=found)
    agent.invoke(say("I am 41"), thread(), context=ALICE)
    edit = {"type": "edit", "edited_action": {"name": "x", "args": {"content": "forty-one"}}}
    result = agent.invoke(Command(resume=[edit]), thread(), context=ALICE)
    assert statuses(found) == ["pending"]
    assert result["learning"]["decided"][0]["status"] == "refused"
    assert found.proposals.edit("p1", text="42", by="alice").status == "saved"
    assert found.recall(user_id="alice")["user_profile"].age == 42


def test_secrets_in_an_edit_are_taken_out(asked: Any, sql: Any) -> None:
    """What a person types is redacted like everything else, in the learning and in the record of the decision."""
    found, agent = asked()
    propose(agent, 1)
    secret = "sk-" + "a1B2" * 12
    edit = {"type": "edit", "edited_action": {"name": "x", "args": {"content": f"The key is {secret}"}}}
    agent.invoke(Command(resume=[edit]), thread(), context=ALICE)
    assert statuses(found) == ["approved"]
    for table in ("learning", "proposal", "change", "posting"):
        assert sql(f"select 1 from {table} t where t::text ilike %s", f"%{secret}%") == []


# --- once -------------------------------------------------------------------------------------------------------------


def test_a_resume_reads_and_writes_nothing_twice(asked: Any, door: Callable[..., Any], sql: Any) -> None:
    """A resume calls no model; a second resume, with another answer, changes nothing."""
    found, agent = asked()
    door(agent, rule("Retry webhooks."), thread(), context=ALICE)
    model = found.model
    calls = (len(model.calls), len(model.extractions))
    for answer in ("what?", decisions("approve"), decisions("reject"), decisions("approve")):
        door(agent, Command(resume=answer), thread(), context=ALICE)
    assert (len(model.calls), len(model.extractions)) == calls
    assert statuses(found) == ["approved"]
    assert len(sql("select 1 from learning")) == 1
    assert len(sql("select 1 from change where action = 'approved'")) == 1


def test_a_replay_writes_nothing_twice(asked: Any, sql: Any) -> None:
    """From any earlier checkpoint on, the same answer finds it decided, says so, and writes nothing."""
    found, agent = asked()
    propose(agent, 1)
    agent.invoke(Command(resume=decisions("approve")), thread(), context=ALICE)
    earlier = [one for one in agent.get_state_history(thread()) if one.next in (("approve",), ("extract",))]
    assert len(earlier) >= 2
    for state in earlier:
        agent.invoke(None, state.config, context=ALICE)
        last = agent.invoke(Command(resume=decisions("approve")), thread(), context=ALICE)
        assert [one["status"] for one in last["learning"].get("decided", [])] in (["refused"], [])
    assert statuses(found) == ["approved"]
    assert len(sql("select 1 from learning")) == 1
    assert len(found.model.extractions) == 1


def test_a_node_that_is_tried_again_writes_nothing_twice(asked: Any, sql: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the process dies between carrying a decision out and its checkpoint, the run that follows finds it done."""
    found, agent = asked()
    propose(agent, 1)
    from learning_machine.nodes import store as module

    real = module.carried_out

    def dies(*arguments: Any) -> Any:
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "carried_out", dies)
    with pytest.raises(KeyboardInterrupt):
        agent.invoke(Command(resume=decisions("approve")), thread(), context=ALICE)
    monkeypatch.setattr(module, "carried_out", real)
    result = agent.invoke(None, thread(), context=ALICE)
    assert result["learning"]["decided"][0]["reason"] == "already approved by alice"
    assert statuses(found) == ["approved"]
    assert len(sql("select 1 from learning")) == 1


def test_decided_elsewhere_first(asked: Any, door: Callable[..., Any]) -> None:
    """What the API decided stands; a resume that comes later is told who decided, and the others of it still count."""
    found, agent = asked(reviewers=["carol"])
    door(agent, say("rule: Retry webhooks.\nrule: Deploy on Mondays."), thread(), context=ALICE)
    found.proposals.approve("p1", by="carol")
    result = door(agent, Command(resume=decisions("reject", "approve")), thread(), context=ALICE)
    told = {one["proposal"]: (one["status"], one["reason"]) for one in result["learning"]["decided"]}
    assert told == {"p1": ("refused", "already approved by carol"), "p2": ("saved", "")}
    assert statuses(found) == ["approved", "approved"]


def test_somebody_else_resumes(asked: Any, door: Callable[..., Any]) -> None:
    """Who may not decide is told so and decides nothing; the reply stands, and the proposal still waits for its person."""
    found, agent = asked()
    door(agent, rule("Retry webhooks."), thread(), context=ALICE)
    result = door(agent, Command(resume=decisions("approve")), thread(), context=BOB)
    assert result["messages"][-1].text == "ok"
    assert "'bob' may not decide p1" in result["learning"]["decided"][0]["reason"]
    result = door(agent, Command(resume=decisions("approve")), thread(), context=None)
    assert statuses(found) == ["pending"]
    assert contents(door(agent, say("Go on"), thread(), context=ALICE)) == ["Retry webhooks."]


# --- what has changed meanwhile ---------------------------------------------------------------------------------------


def profile_asking(machine: Any) -> tuple[Any, Any]:
    names = [[change("user_profile", name, kind="field", name="name")] for name in ("Alice", "Ali", "Alicia")]
    model = ScriptedModel(learns=names)
    found = machine(model, user_profile=UserProfileConfig(mode=LearningMode.PROPOSE), conversation=False)
    return found, create_learning_agent(model, learning=found)


def test_a_verdict_is_on_what_was_shown(machine: Any, door: Callable[..., Any]) -> None:
    """When what it would replace has changed since, nothing is applied: it is shown anew in the same run, and asked again."""
    found, agent = profile_asking(machine)
    door(agent, say("I am Alice"), thread("t1"), context=ALICE)
    door(agent, say("call me Ali"), thread("t2"), context=ALICE)
    door(agent, Command(resume="approve"), thread("t1"), context=ALICE)
    again = door(agent, Command(resume="approve"), thread("t2"), context=ALICE)
    assert found.recall(user_id="alice")["user_profile"].name == "Alice"
    assert contents(again) == ["Ali"]
    assert "Replaces: Alice" in requests_of(again)[0]["description"]
    result = door(agent, Command(resume="approve"), thread("t2"), context=ALICE)
    assert found.recall(user_id="alice")["user_profile"].name == "Ali"
    assert [one["status"] for one in result["learning"]["decided"]] == ["saved"]


def test_what_somebody_else_was_shown_anew_is_not_what_this_run_showed(machine: Any) -> None:
    """An approval counts for what its own run showed, also when the proposal was brought up to date elsewhere meanwhile."""
    found, agent = profile_asking(machine)
    agent.invoke(say("I am Alice"), thread("t1"), context=ALICE)
    agent.invoke(say("call me Ali"), thread("t2"), context=ALICE)
    found.proposals.approve("p1", by="alice")
    assert "look again" in found.proposals.approve("p2", by="alice")[0].reason
    again = agent.invoke(Command(resume="approve"), thread("t2"), context=ALICE)
    assert "Replaces: Alice" in requests_of(again)[0]["description"]
    assert found.recall(user_id="alice")["user_profile"].name == "Alice"


# --- where it runs ----------------------------------------------------------------------------------------------------


def test_without_a_checkpointer_it_waits(asked: Any, door: Callable[..., Any]) -> None:
    """Where a run could not be resumed it does not stop; the proposals stay pending, and an event says where."""
    found, agent = asked(agent={"checkpointer": None})
    assert "__interrupt__" not in door(agent, rule("Retry webhooks."), thread(), context=ALICE)
    assert statuses(found) == ["pending"]
    events = list(agent.stream(rule("Deploy on Mondays."), thread(), context=ALICE, stream_mode="custom"))
    (waits,) = [one for one in events if "waits" in one]
    assert waits["event"] == "proposed"
    assert waits["proposals"] == ["p1", "p2"]
    assert "machine.proposals" in waits["waits"]


def test_inside_a_parent_graph(asked: Any, door: Callable[..., Any]) -> None:
    """As a node of another graph it asks through the parent, and the parent's resume is carried out, once."""
    found, _ = asked()
    builder = StateGraph(MessagesState, context_schema=Scope)
    builder.add_node("learning", found.graph(create_agent(found.model)))
    builder.add_edge(START, "learning")
    parent = builder.compile(checkpointer=InMemorySaver())
    result = door(parent, rule("Retry webhooks."), thread(), context=ALICE)
    assert contents(result) == ["Retry webhooks."]
    assert contents(door(parent, Command(resume="hm?"), thread(), context=ALICE)) == ["Retry webhooks."]
    door(parent, Command(resume=decisions("approve")), thread(), context=ALICE)
    assert statuses(found) == ["approved"]
    assert len(found.model.extractions) == 1
    assert "Retry webhooks." in known(found, "How do I retry webhooks?")


def test_in_the_middleware(proposing: Any, door: Callable[..., Any]) -> None:
    """`LearningMiddleware` asks, understands and writes as the graph does, with one extraction and nothing twice."""
    found = proposing()
    agent = create_agent(
        found.model, middleware=[LearningMiddleware(found)], checkpointer=InMemorySaver(), context_schema=Scope
    )
    assert contents(door(agent, rule("Retry webhooks."), thread(), context=ALICE)) == ["Retry webhooks."]
    assert contents(door(agent, rule("Deploy on Mondays."), thread(), context=ALICE)) == RULES_ASKED
    assert contents(door(agent, Command(resume="hm?"), thread(), context=ALICE)) == RULES_ASKED
    result = door(agent, Command(resume=decisions("approve", "reject")), thread(), context=ALICE)
    assert result["messages"][-1].text == "ok"
    assert statuses(found) == ["approved", "rejected"]
    assert len(found.model.extractions) == 2


RULES_ASKED = ["Retry webhooks.", "Deploy on Mondays."]


@pytest.mark.parametrize("streaming", ["stream", "astream"])
def test_what_streams_tell(asked: Any, streaming: str) -> None:
    """A stream tells of recalled, saved and proposed, asks in `updates`, and after the answer tells of what was saved."""
    found, agent = asked(learned_knowledge=None, user_profile=UserProfileConfig(mode=LearningMode.PROPOSE))
    found.model.learns = [[change("user_profile", "Alice", kind="field", name="name")]]

    def stream(given: Any) -> list[Any]:
        options = {"context": ALICE, "stream_mode": ["updates", "custom"]}
        if streaming == "stream":
            return list(agent.stream(given, thread(), **options))

        async def collect() -> list[Any]:
            return [part async for part in agent.astream(given, thread(), **options)]

        return asyncio.run(collect())

    parts = stream(say("I am Alice"))
    events = [part["event"] for kind, part in parts if kind == "custom"]
    assert [one for one in events if one != "saved"] == ["recalled", "proposed"]
    asked_about = [part["__interrupt__"] for kind, part in parts if kind == "updates" and "__interrupt__" in part]
    assert len(asked_about) == 1
    parts = stream(Command(resume="approve"))
    events = [part for kind, part in parts if kind == "custom"]
    assert [one["event"] for one in events] == ["saved"]
    assert (events[0]["proposal"], events[0]["learning"]) == ("p1", "k1")
    assert "Alice" not in json.dumps(events)


def test_background_tells_that_it_queued(machine: Any) -> None:
    """In BACKGROUND a stream tells that the turn was queued."""
    model = ScriptedModel(learns=learn_rules)
    found = machine(model, learned_knowledge=True)
    agent = create_learning_agent(model, learning=found)
    events = list(agent.stream(rule("Retry webhooks."), thread(), context=ALICE, stream_mode="custom"))
    assert [one["event"] for one in events] == ["recalled", "queued"]


def test_learned_tells_what_became_of_proposals(asked: Any) -> None:
    """`machine.learned(turn)` tells of each proposal of that turn what has become of it, and what came of it."""
    found, agent = asked()
    turn = agent.invoke(say("rule: Retry webhooks.\nrule: Deploy on Mondays."), thread(), context=ALICE)["learning"][
        "turn"
    ]

    def told() -> list[tuple[str, str]]:
        became = found.learned(turn)
        assert became["status"] == "learned"
        return [(one["handle"], one["status"]) for one in became["proposals"]]

    assert told() == [("p1", "pending"), ("p2", "pending")]
    agent.invoke(Command(resume=decisions("approve", "reject")), thread(), context=ALICE)
    assert told() == [("p1", "approved"), ("p2", "rejected")]
    assert [(one["handle"], one["text"]) for one in found.learned(turn)["changes"]] == [("k1", "Retry webhooks.")]
