"""Every store in every mode, through both doors: when something is recalled, and who decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from langchain_core.messages import AIMessage
from langgraph.types import Command
from mode_table import PAGE, PROMISES, STORES, Cell, filled

from learning_machine import (
    EntityMemoryConfig,
    LearnedKnowledgeConfig,
    LearningMachine,
    LearningMode,
    SessionContextConfig,
    UserProfileConfig,
    create_learning_agent,
)
from learning_machine.errors import ConfigurationError, NotAllowed
from learning_machine.state.config import StoreConfig
from learning_machine.stores.conversation import ConversationConfig
from learning_machine.stores.ledger_store import LedgerStore
from learning_machine.testing import ScriptedModel, change

ALICE = {"user_id": "alice"}
THREAD = {"configurable": {"thread_id": "t1"}}


class Notes(LedgerStore):
    """A store of somebody's own on the ledger: nothing but a name, and what to look for."""

    learning_type: ClassVar[str] = "notes"

    def instructions(self) -> str:
        return "notes: anything worth noting."


@dataclass(frozen=True)
class Subject:
    """A store, something it can learn, and the words by which that is recognised."""

    config: Any
    learns: dict[str, Any]
    tool: str
    arguments: dict[str, Any]
    said: str
    word: str

    def machine(self, make: Callable[..., LearningMachine], name: str, mode: LearningMode) -> LearningMachine:
        called = AIMessage("", tool_calls=[{"name": self.tool, "args": self.arguments, "id": "c1"}])
        answers = [called, "Noted."] if mode is LearningMode.AGENTIC else "Noted."
        model = ScriptedModel(answers=answers, learns=[[self.learns]])
        config = self.config(mode=mode)
        given = {"custom_stores": {"notes": Notes(config)}} if name == "notes" else {name: config}
        reviewers = ["carol"] if mode is LearningMode.HITL else None
        return make(model, conversation=False, background="external", reviewers=reviewers, **given)

    def is_known(self, machine: LearningMachine) -> bool:
        return self.word in machine.build_context(message=self.said, user_id="alice", session_id="t1")


SUBJECTS = {
    "user_profile": Subject(
        UserProfileConfig,
        change("user_profile", "Nairobi", kind="field", name="location", quote="I live in Nairobi"),
        "update_profile",
        {"field": "location", "value": "Nairobi", "quote": "I live in Nairobi"},
        "I live in Nairobi.",
        "Nairobi",
    ),
    "session_context": Subject(
        SessionContextConfig,
        change("session_context", "A trip to Oslo is being planned.", kind="summary"),
        "update_summary",
        {"summary": "A trip to Oslo is being planned."},
        "Let us plan a trip.",
        "Oslo",
    ),
    "learned_knowledge": Subject(
        LearnedKnowledgeConfig,
        change("learned_knowledge", "Retry webhooks with backoff.", kind="insight", name="Webhooks"),
        "save_learning",
        {"title": "Webhooks", "learning": "Retry webhooks with backoff."},
        "How should webhooks be retried?",
        "backoff",
    ),
    "entity_memory": Subject(
        EntityMemoryConfig,
        change("entity_memory", "Acme ships on Fridays.", kind="fact", subject="Acme (company)"),
        "remember_about",
        {"entity": "Acme (company)", "fact": "Acme ships on Fridays."},
        "When does Acme ship?",
        "Fridays",
    ),
    "notes": Subject(
        StoreConfig,
        change("notes", "The boiler was serviced in May."),
        "save_notes",
        {"text": "The boiler was serviced in May."},
        "The boiler was serviced in May.",
        "boiler",
    ),
}


@pytest.mark.parametrize("mode", list(LearningMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("store", list(SUBJECTS))
def test_what_the_mode_promises(machine: Any, door: Callable[..., Any], store: str, mode: LearningMode) -> None:
    """In every mode a store learns when the mode says, by whom the mode says, and not before."""
    subject = SUBJECTS[store]
    found = subject.machine(machine, store, mode)
    agent = create_learning_agent(found.model, learning=found)
    given = {"messages": [{"role": "user", "content": subject.said}]}
    result = door(agent, given, THREAD, context=ALICE)
    assert result["messages"][-1].text == "Noted."
    at_once, extractions = subject.is_known(found), len(found.model.extractions)  # type: ignore[attr-defined]
    asks = "__interrupt__" in result
    by, user_decides = DECIDERS[mode](found, agent, door)
    assert subject.is_known(found)
    assert Cell(asks, at_once, by, extractions, user_decides) == PROMISES[mode.value]
    assert found.verify_audit()["whole"]


def by_the_worker(found: LearningMachine, agent: Any, door: Callable[..., Any]) -> tuple[str, bool]:
    assert found.queue_depth()["waiting"] == 1
    found.background = "worker"
    assert found.flush()
    return "the worker", False


def by_the_tool(found: LearningMachine, agent: Any, door: Callable[..., Any]) -> tuple[str, bool]:
    found.background = "worker"
    assert found.flush()
    assert found.model.extractions == []  # type: ignore[attr-defined]
    return "the tool call", False


def by_the_user(found: LearningMachine, agent: Any, door: Callable[..., Any]) -> tuple[str, bool]:
    door(agent, Command(resume={"decisions": [{"type": "approve"}]}), THREAD, context=ALICE)
    (decided,) = found.proposals.list(status="approved")
    return "the user's approval", decided.decided_by == "alice"


def by_a_reviewer(found: LearningMachine, agent: Any, door: Callable[..., Any]) -> tuple[str, bool]:
    (waiting,) = found.proposals.list()
    with pytest.raises(NotAllowed):
        found.proposals.approve(waiting.handle, by="alice")
    (receipt,) = found.proposals.approve(waiting.handle, by="carol")
    assert receipt.status == "saved"
    return "a reviewer's approval", False


DECIDERS: dict[LearningMode, Callable[..., tuple[str, bool]]] = {
    LearningMode.BACKGROUND: by_the_worker,
    LearningMode.AGENTIC: by_the_tool,
    LearningMode.PROPOSE: by_the_user,
    LearningMode.HITL: by_a_reviewer,
}


def test_the_page_says_what_is_tested() -> None:
    """The table of docs/explanation/modes.md is the one that the tests hold; run tests/approvals/mode_table.py."""
    assert [store.split()[0] for store in STORES] == list(SUBJECTS)
    page = PAGE.read_text("utf-8")
    assert filled(page) == page


# --- configuring ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [LearnedKnowledgeConfig, EntityMemoryConfig])
def test_shared_without_a_mode_is_propose(machine: Any, config: Any) -> None:
    """A store with a shared namespace and no mode named proposes; with a mode named, it does as it was told."""
    name = {LearnedKnowledgeConfig: "learned_knowledge", EntityMemoryConfig: "entity_memory"}[config]
    asked = [config(namespace="team"), config(namespace="team", mode=LearningMode.BACKGROUND), config()]
    modes = [machine(**{name: one}).stores[name].mode for one in asked]
    assert modes == [LearningMode.PROPOSE, LearningMode.BACKGROUND, LearningMode.BACKGROUND]
    assert machine(**{name: True}, namespace="global").stores[name].mode is LearningMode.PROPOSE


def test_a_store_of_ones_own_shares_no_less_carefully(machine: Any) -> None:
    """A store handed over ready-made, with a shared namespace and no mode named, proposes too."""

    class Shared(Notes):
        private: ClassVar[bool] = False

    found = machine(custom_stores={"notes": Shared(StoreConfig(namespace="team"))})
    assert found.stores["notes"].mode is LearningMode.PROPOSE


@pytest.mark.parametrize("store", list(SUBJECTS))
def test_hitl_without_reviewers_is_refused(machine: Any, store: str) -> None:
    """HITL that nobody could ever answer is an error where it is written, for every store."""
    config = SUBJECTS[store].config(mode=LearningMode.HITL)
    given = {"custom_stores": {"notes": Notes(config)}} if store == "notes" else {store: config}
    with pytest.raises(ConfigurationError, match=rf"{store}: HITL .*reviewers="):
        machine(**given)
    machine(**given, reviewers=["carol"])


@pytest.mark.parametrize("mode", [LearningMode.PROPOSE, LearningMode.HITL])
def test_a_tool_of_a_gated_store_only_proposes(machine: Any, door: Callable[..., Any], mode: LearningMode) -> None:
    """Where people decide, the agent's own tools propose and forget nothing by themselves, and say so truly."""
    subject = SUBJECTS["user_profile"]
    found = subject.machine(machine, "user_profile", mode)
    agent = create_learning_agent(found.model, learning=found)
    call = [{"name": subject.tool, "args": subject.arguments, "id": "c1"}]
    found.model.answers = [AIMessage("", tool_calls=call), "Noted."]
    found.model.learns = []
    result = door(agent, {"messages": [{"role": "user", "content": subject.said}]}, THREAD, context=ALICE)
    assert [one.text for one in result["messages"] if one.type == "tool"] == ["waits for approval as p1"]
    assert not subject.is_known(found)
    assert ("__interrupt__" in result) is (mode is LearningMode.PROPOSE)
    by = "alice" if mode is LearningMode.PROPOSE else "carol"
    found.proposals.approve("p1", by=by)
    handle = found.history(**ALICE)[0]["handle"]
    forget = [{"name": "forget", "args": {"handle": handle, "quote": "forget it"}, "id": "c2"}]
    found.model.answers = [AIMessage("", tool_calls=forget), "Done."]
    found.model._asked.clear()
    again = {"messages": [{"role": "user", "content": "forget it"}]}
    result = door(agent, again, {"configurable": {"thread_id": "t2"}}, context=ALICE)
    assert [one.text for one in result["messages"] if one.type == "tool"] == ["waits for approval as p2"]
    assert subject.is_known(found)
    assert found.proposals.approve("p2", by=by)[0].status == "saved"
    assert not subject.is_known(found)


@pytest.mark.parametrize("field", [{"mode": LearningMode.HITL}, {"namespace": "team"}, {"four_eyes": True}])
def test_the_conversation_is_in_no_mode(machine: Any, field: dict[str, Any]) -> None:
    """What the conversation cannot do, as it learns nothing, is refused where it is configured, and not silently nothing."""
    with pytest.raises(ConfigurationError, match=f"has no {next(iter(field))}"):
        machine(user_profile=True, conversation=ConversationConfig(**field)).parts  # noqa: B018


# --- tools ------------------------------------------------------------------------------------------------------------

SEARCHES = {"search_learnings", "search_entities"}
WRITES = {"save_learning", "remember_about", "link_entities", "update_profile", "remember", "update_plan", "forget"}


@pytest.mark.parametrize("mode", list(LearningMode), ids=lambda mode: mode.value)
def test_what_the_agent_is_offered(machine: Any, door: Callable[..., Any], mode: LearningMode) -> None:
    """Searching in every mode, tools that write in all but BACKGROUND; and to nobody what the scope has no use for."""
    bound: list[set[str]] = []

    class Offered(ScriptedModel):
        def bind_tools(self, tools: Any, **more: Any) -> Any:
            bound.append({tool.name for tool in tools})
            return super().bind_tools(tools, **more)

    model = Offered(answers="Noted.")
    found = machine(
        model,
        user_profile=UserProfileConfig(mode=mode),
        session_context=SessionContextConfig(mode=mode, enable_planning=True),
        learned_knowledge=LearnedKnowledgeConfig(mode=mode),
        entity_memory=EntityMemoryConfig(mode=mode),
        reviewers=["carol"],
        background="external",
    )
    agent = create_learning_agent(model, learning=found)
    offered = []
    for context in (ALICE, {}):
        bound.clear()
        door(agent, {"messages": [{"role": "user", "content": "hi"}]}, THREAD, context=context)
        offered.append(set().union(*bound))
    alice, nobody = offered
    writes = WRITES if mode is not LearningMode.BACKGROUND else set()
    assert alice & (SEARCHES | WRITES) == SEARCHES | writes
    assert nobody & {"update_profile", "remember"} == set()
    assert nobody & {"update_plan"} == writes & {"update_plan"}
