"""A person taken out everywhere, with a receipt."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from langchain_core.messages import AIMessage, HumanMessage

from learning_machine import LearningMachine, LearningMode, create_learning_agent
from learning_machine.state.config import LearnedKnowledgeConfig
from learning_machine.testing import ScriptedModel, change
from tests.ownership.conftest import ALICE, BOB, SAID, dump


def test_nothing_of_an_erased_person_is_left(alice: LearningMachine, url: str) -> None:
    """Their name, words and learnings are in no table any more, and the record of changes is still whole."""
    assert "Lisbon" in dump(url) and "alice" in dump(url)
    receipt = alice.erase(user_id="alice")
    left = dump(url)
    for word in ("Lisbon", "Porto", "Alice", "alice", "jitter", "Acme"):
        assert word not in left, word
    assert alice.recall(message="Where do I live?", **ALICE) == {}
    report = alice.verify_audit()
    assert report["whole"], report
    assert receipt["removed"]["turns"] == 2 and receipt["removed"]["messages"] == 4
    assert receipt["out_of_reach"] and "alice" not in json.dumps(receipt)
    assert [one["id"] for one in alice.receipts()] == [receipt["id"]]


# --- canaries ---------------------------------------------------------------------------------------------------------

WORDS = [f"canary{number:03d}bird" for number in range(200)]
FIELDS = ("name", "preferred_name", "role", "company", "work", "location")
#: What Bob and Alice both teach the group: the same insight, hers with a canary in an aside.
SHARED = "Feature flags should expire after one release"


def taught_by(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of every message a change for each store, holding words of the message."""
    found: list[dict[str, Any]] = []
    for one in said:
        if one["role"] != "user":
            continue
        text = one["text"]
        first = text.split()[0]
        if text.startswith("SHARED"):
            insight = text.removeprefix("SHARED ")
            return [change("learned_knowledge", insight, name="Flags", quote=insight)]
        found += [
            change("user_profile", text, kind="field", name=FIELDS[len(text) % len(FIELDS)], quote=text),
            change("user_profile", f"likes {text}", kind="observation", quote=text),
            change("session_context", f"about {text}", kind="summary"),
            change("session_context", f"then {text}", kind="goal"),
            change("entity_memory", f"{first} is here", kind="fact", subject=f"{first} (person)", quote=text),
            change(
                "entity_memory",
                None,
                kind="relationship",
                subject=f"{first} (person)",
                name="knows",
                target="Zoe (person)",
            ),
            change("learned_knowledge", f"Know that {text}", name=first, quote=text),
        ]
    return found


@pytest.fixture
def sown(machine: Callable[..., LearningMachine], url: str) -> Iterator[LearningMachine]:
    """A machine in which 200 canaries of Alice's sing, in every table and path, beside what Bob said."""
    found = machine(
        ScriptedModel(learns=taught_by, answers=lambda messages: f"I hear {messages[-1].text}"),
        user_profile=True,
        session_context=True,
        learned_knowledge=LearnedKnowledgeConfig(namespace="eng", mode=LearningMode.BACKGROUND),
        entity_memory=True,
        background="external",
    )
    agent = create_learning_agent(ScriptedModel(answers=lambda messages: f"I hear {messages[-1].text}"), learning=found)
    for start in range(0, 160, 40):
        said = HumanMessage(" ".join(WORDS[start : start + 40]), id=f"h{start}")
        agent.invoke({"messages": [said]}, {"configurable": {"thread_id": f"t{start // 80}"}}, context=ALICE)
        space = found.parts.turns.unread_threads(_scope(ALICE))
        for number, turn, _ in space:
            found.learn(number, turn)
    found.process(
        [HumanMessage(f"SHARED {SHARED}: {WORDS[170]}", id="s1"), AIMessage("ok", id="s2")], session_id="sa", **ALICE
    )
    found.process([HumanMessage(f"SHARED {SHARED}", id="b1"), AIMessage("ok", id="b2")], session_id="sb", **BOB)
    proposing = machine(
        ScriptedModel(learns=taught_by),
        learned_knowledge=LearnedKnowledgeConfig(namespace="eng"),
        background="external",
    )
    for number in range(171, 175):
        proposing.process(
            [HumanMessage(WORDS[number], id=f"p{number}"), AIMessage("ok", id=f"q{number}")], session_id="sp", **ALICE
        )
    waiting = proposing.proposals.list(status="pending")
    proposing.proposals.reject(waiting[0].handle, by="alice")
    agent.invoke(
        {"messages": [HumanMessage(" ".join(WORDS[160:170] + WORDS[175:]), id="unread")]},
        {"configurable": {"thread_id": "queued"}},
        context=ALICE,
    )
    yield found


def _scope(scope: dict[str, Any]) -> Any:
    from learning_machine import Scope

    return Scope(**scope)


def test_no_canary_is_left_and_none_comes_back(sown: LearningMachine, url: str) -> None:
    """Two hundred canaries over every store, table and path: none in a full dump, none after the queue and curation ran.
    What Bob said too still stands, in words that he used."""
    before = dump(url)
    assert all(word in before for word in WORDS)
    heard = str(sown.recall(message="What should I know?", **BOB)) + str(sown.history(**BOB))
    assert not any(word in heard for word in WORDS[171:]), "what waits for a decision is nobody's to read"
    receipt = sown.erase(user_id="alice")
    left = dump(url)
    assert [word for word in WORDS if word in left] == []
    assert "alice" not in left
    assert sown.flush() is not None
    sown.curator.run()
    left = dump(url)
    assert [word for word in WORDS if word in left] == []
    found = sown.build_context(message="When should feature flags expire?", **BOB)
    assert SHARED in found
    report = sown.verify_audit()
    assert report["whole"], report
    for kind in (
        "learnings",
        "messages",
        "turns",
        "evidence",
        "jobs",
        "proposals",
        "checkpoints",
        "payloads of the record",
        "vectors",
    ):
        assert receipt["removed"].get(kind), (kind, receipt["removed"])


# --- while things go on -----------------------------------------------------------------------------------------------


def test_what_was_erased_is_refused_and_a_new_conversation_starts_anew(alice: LearningMachine) -> None:
    """The export from before brings nothing back, nor does the same conversation; the same words said anew are learned."""
    lines = list(alice.export(**ALICE))
    alice.erase(user_id="alice")
    imported = alice.import_(lines, **ALICE)
    assert not [what for what in imported.counts if what.endswith(("restored", "saved"))], imported.counts
    assert imported.counts["learning refused"] and imported.counts["message refused"]
    alice.import_(lines, trusted=False, **ALICE)
    alice.process(SAID, session_id="s1", **ALICE)
    assert alice.recall(message="Where do I live?", **ALICE) == {}
    fresh = [
        {"role": "user", "content": "I am Alice and I live in Porto.", "id": "new"},
        {"role": "assistant", "content": "Hi."},
    ]
    alice.give(model=None)
    alice.model.learns = [[change("user_profile", "Porto", kind="field", name="location", quote="I live in Porto")]]
    alice.model._extracted.clear()
    alice.process(fresh, session_id="s2", **ALICE)
    assert "Porto" in alice.build_context(**ALICE)


def test_a_job_of_an_erased_turn_ends_quietly(full: Callable[..., LearningMachine], url: str) -> None:
    """A batch that is being read while its person is erased writes nothing, fails nothing, and leaves nothing queued."""
    machine = full(background="worker")

    def erased_meanwhile(said: Any) -> list[dict[str, Any]]:
        machine.erase(user_id="alice")
        return [change("user_profile", "Lisbon", kind="field", name="location", quote="I live in Lisbon")]

    machine.model.learns = erased_meanwhile
    agent = create_learning_agent(ScriptedModel(), learning=machine)
    said = HumanMessage("I live in Lisbon, says alice.", id="x1")
    agent.invoke({"messages": [said]}, {"configurable": {"thread_id": "t"}}, context={"user_id": "alice"})
    assert machine.flush()
    assert "Lisbon" not in dump(url) and "alice" not in dump(url)
    assert machine.usage.failures == {}
    assert machine.verify_audit()["whole"]


@pytest.mark.parametrize("before", [True, False])
def test_a_turn_that_ran_while_its_person_was_erased_leaves_nothing(
    before: bool, full: Callable[..., LearningMachine], url: str
) -> None:
    """A run that is under way when its person is erased records nothing, and its checkpoints do not come back."""
    machine = full()

    def answer(messages: Any) -> str:
        if "Lisbon" in messages[-1].text:
            machine.erase(user_id="alice")
        return "I see."

    agent = create_learning_agent(ScriptedModel(answers=answer), learning=machine)
    config: Any = {"configurable": {"thread_id": "t"}}
    if before:
        agent.invoke({"messages": [HumanMessage("I came from Porto", id="x0")]}, config, context={"user_id": "alice"})
    agent.invoke({"messages": [HumanMessage("I live in Lisbon", id="x1")]}, config, context={"user_id": "alice"})
    assert "Porto" not in dump(url)
    if before:
        assert "Lisbon" not in dump(url)
    agent.invoke({"messages": [HumanMessage("I like Madrid", id="x2")]}, config, context={"user_id": "alice"})
    assert "Madrid" in dump(url)


def test_in_a_thread_of_several_people_the_others_messages_stay(full: Callable[..., LearningMachine], url: str) -> None:
    """Bob's messages and the answers to him stand in the thread as before; Alice's are in no step of it."""
    machine = full()
    agent = create_learning_agent(
        ScriptedModel(answers=lambda messages: f"heard {messages[-1].text}"), learning=machine
    )
    config: Any = {"configurable": {"thread_id": "shared"}}
    for user, text in (("bob", "Bob says hello"), ("alice", "Alice lives in Lisbon"), ("bob", "Bob says bye")):
        agent.invoke({"messages": [HumanMessage(text, id=text)]}, config, context={"user_id": user})
    receipt = machine.erase(user_id="alice")
    assert "Lisbon" not in dump(url)
    texts = [message.text for message in agent.get_state(config).values["messages"]]
    assert texts == ["Bob says hello", "heard Bob says hello", "Bob says bye", "heard Bob says bye"]
    assert receipt["kept"]["threads that go on, without these words"] == 1
    agent.invoke({"messages": [HumanMessage("Bob again", id="again")]}, config, context={"user_id": "bob"})
    assert len(agent.get_state(config).values["messages"]) == 6


# --- the receipt ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "harm",
    [
        "update learning_machine.erasure set receipt = receipt || '{\"removed\": {}}'",
        "delete from learning_machine.erasure",
        "update learning_machine.change set before = null, after = null, salt = null where action = 'save' and space = %(bob)s",
        "insert into learning_machine.space (id, kind, owner) overriding system value values (%(gone)s, 'user', 'back')",
    ],
)
def test_a_false_receipt_is_found(harm: str, alice: LearningMachine, url: str) -> None:
    """`audit verify` says where a receipt was altered, is gone, or does not cover what is missing."""
    alice.model.learns = [[change("user_profile", "tea", kind="observation", quote="I like tea")]]
    alice.model._extracted.clear()
    alice.process([{"role": "user", "content": "I like tea", "id": "t1"}], session_id="sb", user_id="bob")
    receipt = alice.erase(user_id="alice")
    assert alice.verify_audit()["whole"]
    with psycopg.connect(url, autocommit=True) as connection:
        bob = connection.execute("select id from learning_machine.space where owner = 'bob'").fetchone()
        values = {"bob": str(bob[0] if bob else 0), "gone": str(receipt["spaces"][0])}
        connection.execute("alter table learning_machine.change disable trigger all")
        for name, value in values.items():
            harm = harm.replace(f"%({name})s", value)
        connection.execute(harm)  # type: ignore[arg-type]
    report = alice.verify_audit()
    assert not report["whole"]
    if "insert" not in harm:
        assert report["erasures"]


def test_threads_on_a_server_are_deleted_where_asked(alice: LearningMachine) -> None:
    """With a client of langgraph_sdk the person's threads go there too; what it refuses is on the receipt."""

    class Threads:
        deleted: list[str] = []

        def delete(self, thread: str) -> None:
            if thread == "s2":
                raise RuntimeError("busy")
            self.deleted.append(thread)

    class Client:
        threads = Threads()

    alice.process([{"role": "user", "content": "more", "id": "t1"}], session_id="s2", **ALICE)
    receipt = alice.erase(user_id="alice", server=Client())
    assert Threads.deleted == ["s1"] and receipt["removed"]["threads on a server"] == 1
    assert any("did not delete" in one for one in receipt["out_of_reach"])
