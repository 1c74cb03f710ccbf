"""Who may decide, what becomes of what was decided, and what nobody sees before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.types import Command
from scenes import ALICE, BOB, contents, decisions, insight, known, requests_of, rule, say, statuses, thread

from learning_machine import (
    EntityMemoryConfig,
    LearnedKnowledgeConfig,
    LearningMachine,
    LearningMode,
    UserProfileConfig,
    create_learning_agent,
)
from learning_machine.errors import NotAllowed, ProposalNotFound
from learning_machine.testing import ScriptedModel, change

GROUPS = ("engineering",)


def state(found: LearningMachine, text: str, user: str = "alice") -> list[dict[str, Any]]:
    """Somebody of the group states a rule: the receipts."""
    return found.process([HumanMessage(f"rule: {text}"), AIMessage("ok")], user_id=user, session_id=user, groups=GROUPS)


# --- who --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reviewers",
    [["carol", "dan"], lambda who, namespace: who in ("carol", "dan") and namespace == "engineering"],
    ids=["list", "function"],
)
def test_only_reviewers_decide(asked: Any, door: Callable[..., Any], reviewers: Any) -> None:
    """In HITL only identities that `reviewers` accepts decide; whoever else tries is told so, and nothing happens."""
    found, agent = asked(LearningMode.HITL, reviewers=reviewers)
    result = door(agent, rule("Retry webhooks."), thread(), context=ALICE)
    assert "__interrupt__" not in result
    assert result["messages"][-1].text == "ok"
    for who in ("alice", "bob", "", "Carol", None):
        for act in (found.proposals.approve, found.proposals.reject):
            with pytest.raises(NotAllowed, match="only a reviewer may decide"):
                act("p1", by=who)
        with pytest.raises(NotAllowed):
            found.proposals.edit("p1", text="Never retry.", by=who)
    assert statuses(found) == ["pending"]
    assert known(found, "retry webhooks?") == ""
    assert found.proposals.approve("p1", by="dan")[0].status == "saved"
    assert "Retry webhooks." in known(found, "retry webhooks?")
    assert found.history(user_id="bob", groups=GROUPS)[0]["origin"] == "reviewer"


def test_a_function_may_tell_namespaces_apart(machine: Any) -> None:
    """A reviewer of one namespace decides nothing in another."""
    model = ScriptedModel(
        learns=[
            [
                insight("Retry webhooks."),
                change("entity_memory", "Acme ships late.", kind="fact", subject="Acme (company)"),
            ]
        ]
    )
    found = machine(
        model,
        learned_knowledge=LearnedKnowledgeConfig(mode=LearningMode.HITL, namespace="engineering"),
        entity_memory=EntityMemoryConfig(mode=LearningMode.HITL, namespace="global"),
        reviewers=lambda who, namespace: (who, namespace) in {("carol", "engineering"), ("dan", "global")},
    )
    state(found, "anything")
    places = {one.namespace: one.handle for one in found.proposals.list()}
    with pytest.raises(NotAllowed):
        found.proposals.approve(places["global"], by="carol")
    assert found.proposals.approve(places["engineering"], by="carol")[0].status == "saved"
    assert found.proposals.approve(places["global"], by="dan")[0].status == "saved"


def test_a_reviewer_is_asked_in_their_own_conversation(asked: Any) -> None:
    """A reviewer whose own turn proposes something is asked right there, and their word is a reviewer's."""
    found, agent = asked(LearningMode.HITL, reviewers=["alice"])
    assert contents(agent.invoke(rule("Retry webhooks."), thread(), context=ALICE)) == ["Retry webhooks."]
    agent.invoke(Command(resume="approve"), thread(), context=ALICE)
    assert found.history(user_id="bob", groups=GROUPS)[0]["origin"] == "reviewer"


@pytest.mark.parametrize("mode", [LearningMode.PROPOSE, LearningMode.HITL])
def test_four_eyes(asked: Any, mode: LearningMode) -> None:
    """With `four_eyes` nobody decides on what came from themselves, a reviewer neither, and they are not asked."""
    found, agent = asked(mode, four_eyes=True, reviewers=["alice", "carol"])
    assert contents(agent.invoke(rule("Retry webhooks."), thread(), context=ALICE)) == []
    with pytest.raises(NotAllowed, match="somebody else has to"):
        found.proposals.approve("p1", by="alice")
    assert found.proposals.approve("p1", by="carol")[0].status == "saved"


def test_what_does_not_exist(proposing: Any) -> None:
    """A handle of nothing, of a learning, or no handle at all is an error that says where to look."""
    found = proposing()
    for handle in ("p7", "k1", "", "drop table", "p" + "z" * 13):
        with pytest.raises(ProposalNotFound, match=r"proposals\.list"):
            found.proposals.approve(handle, by="alice")


def test_a_reviewer_is_not_held_up_by_another(machine: Any) -> None:
    """What a reviewer approves takes the place of what they were shown, also when another reviewer had approved that."""
    names = [[change("user_profile", name, kind="field", name="name")] for name in ("Alice", "Alicia")]
    found = machine(
        ScriptedModel(learns=names), user_profile=UserProfileConfig(mode=LearningMode.HITL), reviewers=["carol", "dan"]
    )
    state(found, "one")
    found.proposals.approve("p1", by="carol")
    found.process([HumanMessage("two"), AIMessage("ok")], user_id="alice", session_id="s2")
    assert found.proposals.list()[0].replaces == "Alice"
    assert found.proposals.approve("p2", by="dan")[0].replaced == "k1"
    assert found.recall(user_id="alice")["user_profile"].name == "Alicia"


def test_ones_own_word_does_not_overrule_a_reviewer(machine: Any, sql: Any) -> None:
    """Where a reviewer has decided, the user's approval is no longer enough: it says so, and leaves nothing behind."""
    names = [[change("user_profile", name, kind="field", name="name")] for name in ("Alice", "Alicia")]
    found = machine(
        ScriptedModel(learns=names), user_profile=UserProfileConfig(mode=LearningMode.PROPOSE), reviewers=["carol"]
    )
    state(found, "one")
    found.proposals.approve("p1", by="carol")
    found.process([HumanMessage("two"), AIMessage("ok")], user_id="alice", session_id="s2")
    (receipt,) = found.proposals.approve("p2", by="alice")
    assert (receipt.status, receipt.reason.split("; ")[1]) == ("refused", "a reviewer has to decide")
    assert statuses(found) == ["approved", "pending"]
    assert sql("select status from learning") == [{"status": "active"}]
    assert found.proposals.approve("p2", by="carol")[0].status == "saved"


# --- what nobody sees before ------------------------------------------------------------------------------------------


def traces(found: LearningMachine, word: str, user: str) -> list[str]:
    """Where a word turns up for somebody, wherever learning shows anything."""
    scope = {"user_id": user, "session_id": user, "groups": GROUPS}
    tools = {tool.name: tool for tool in found.get_tools(**scope)}
    places = {
        "recall": found.recall(message=word, **scope),
        "context": found.build_context(message=word, **scope),
        "history": found.history(**scope),
        "search": tools["search_learnings"].invoke({"query": word}),
        "entities": tools["search_entities"].invoke({"query": word}),
        "entity": found.stores["entity_memory"].entities("Zebra", **scope),
    }
    return [
        name
        for name, value in places.items()
        if word.lower() in str(value).lower() and "nothing is known" not in str(value)
    ]


@pytest.mark.parametrize("outcome", ["pending", "rejected", "expired"])
def test_undecided_is_unseen(machine: Any, sql: Any, outcome: str) -> None:
    """What waits, was rejected or has expired is in no recall, context, search, tool answer or history, of anybody."""
    learned = [
        insight("Zebra deployments happen at night.", name="Zebra"),
        change("entity_memory", "Zebra is hosted in Kenya.", kind="fact", subject="Zebra (service)"),
    ]
    found = machine(
        ScriptedModel(learns=[learned]),
        learned_knowledge=True,
        entity_memory=True,
        namespace="engineering",
        conversation=False,
    )
    state(found, "nothing in particular")
    assert statuses(found) == ["pending", "pending"]
    if outcome == "rejected":
        found.proposals.reject("p1", "p2", by="alice")
    if outcome == "expired":
        sql("update proposal set expires_at = now() - interval '1 second'")
    assert [one.status for one in found.proposals.list(status=outcome)] == [outcome] * 2
    assert [traces(found, "Zebra", user) for user in ("alice", "bob")] == [[], []]
    for table in ("learning", "posting", "embedding"):
        assert sql(f"select 1 from {table}") == []
    if outcome == "pending":
        found.proposals.approve("p1", "p2", by="alice")
        assert traces(found, "Zebra", "bob") == ["recall", "context", "history", "search", "entities", "entity"]


def test_an_expired_proposal_is_visible_and_dead(asked: Any, sql: Any) -> None:
    """What nobody decides in time is listed as expired, cannot be approved any more, and may be proposed again."""
    found, agent = asked()
    agent.invoke(rule("Retry webhooks."), thread(), context=ALICE)
    (waiting,) = found.proposals.list()
    assert waiting.expires_at is not None
    assert 29 < (waiting.expires_at - waiting.proposed_at).days <= 30
    sql("update proposal set expires_at = now() - interval '1 second'")
    result = agent.invoke(Command(resume="approve"), thread(), context=ALICE)
    assert result["learning"]["decided"][0]["reason"] == "already expired"
    (gone,) = found.proposals.list(status="expired")
    assert (gone.handle, gone.decided_by, gone.learning) == (waiting.handle, None, None)
    assert contents(agent.invoke(rule("Retry webhooks."), thread("t2"), context=ALICE)) == ["Retry webhooks."]
    assert statuses(found) == ["expired", "pending"]


def test_what_is_over_is_no_twin(proposing: Any, sql: Any) -> None:
    """A proposal whose time is over takes up no new voice, also before anybody has looked at the list."""
    found = proposing()
    state(found, "Retry webhooks.")
    sql("update proposal set expires_at = now() - interval '1 second'")
    assert state(found, "Retry webhooks.", "bob")[0]["handle"] == "p2"
    assert statuses(found) == ["expired", "pending"]


# --- rejected ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "again", ["Retry webhooks with backoff", "retry WEBHOOKS with backoff!", "Webhooks: retry with backoff."]
)
def test_rejected_stays_rejected(machine: Any, again: str) -> None:
    """The agent does not propose again what was rejected, in the same or nearly the same words."""
    learned = [[insight("Retry webhooks with backoff.")], [insight(again)], [insight(again, quote="hello")]]
    found = machine(ScriptedModel(learns=learned), learned_knowledge=True, namespace="engineering")
    state(found, "first")
    found.proposals.reject("p1", by="alice", reason="no")
    for text in ("second", "third"):
        (receipt,) = state(found, text)
        assert (receipt["status"], receipt["reason"]) == ("refused", "this was proposed before and rejected")
    assert statuses(found) == ["rejected"]


def test_unless_the_user_says_it_anew(proposing: Any) -> None:
    """The user's own new words bring a rejected thing up again; what else differs is another proposal."""
    found = proposing()
    state(found, "Retry webhooks with backoff.")
    found.proposals.reject("p1", by="alice")
    found.process(
        [HumanMessage("I insist.\nrule: Retry webhooks with backoff."), AIMessage("ok")],
        user_id="alice",
        session_id="alice",
        groups=GROUPS,
    )
    assert statuses(found) == ["rejected", "pending"]
    state(found, "Do not retry webhooks with backoff.")
    assert statuses(found) == ["rejected", "pending", "pending"]


# --- together ---------------------------------------------------------------------------------------------------------


def test_three_people_are_one_proposal(proposing: Any) -> None:
    """The same insight from three people is one proposal with three supporters, and one learning."""
    found = proposing(reviewers=["carol"])
    for user, text in (
        ("alice", "Retry webhooks with backoff."),
        ("bob", "retry webhooks with backoff"),
        ("dora", "Webhooks: retry with backoff."),
        ("alice", "Retry webhooks with backoff!"),
    ):
        assert state(found, text, user)[0]["handle"] == "p1"
    (one,) = found.proposals.list()
    assert (one.supporters, one.proposer) == (3, "alice")
    assert "Proposed by 3 people." in one.description
    found.proposals.approve("p1", by="carol")
    assert known(found, "webhooks?").count("backoff") == 1


def test_words_belong_to_who_said_them(proposing: Any) -> None:
    """Reviewers and group members never see another's words, before or after approval; who said them does."""
    found = proposing(reviewers=["carol"])
    found.process(
        [HumanMessage("My landlord Igor taught me.\nrule: Retry webhooks."), AIMessage("ok")],
        user_id="alice",
        session_id="s1",
        groups=GROUPS,
    )

    def quotes(**scope: Any) -> list[str]:
        return [one.quote for one in found.proposals.list(status=None, **scope)]

    assert quotes(user_id="alice", groups=GROUPS) == ["rule: Retry webhooks."]
    for _ in range(2):
        assert quotes() == quotes(user_id="carol", groups=GROUPS) == quotes(user_id="bob", groups=GROUPS) == [""]
        assert quotes(user_id="mallory") == []
        found.proposals.approve("p1", by="carol")
    (mine,), (theirs,) = (found.history(user_id=user, groups=GROUPS) for user in ("alice", "bob"))
    assert (mine["text"], mine["quotes"]) == ("Retry webhooks.", ["rule: Retry webhooks."])
    assert (theirs["text"], theirs["quotes"]) == ("Retry webhooks.", [])
    assert "Igor" not in str(theirs) and "alice" not in str(theirs)


def test_who_proposed_is_not_for_everybody(proposing: Any) -> None:
    """A member of the group sees that something was proposed, and not by whom."""
    found = proposing()
    state(found, "Retry webhooks.")
    (one,) = found.proposals.list(user_id="bob", groups=GROUPS)
    assert (one.proposer, one.quote) == (None, "")


def test_a_hundred_are_a_handful_of_calls(machine: Any) -> None:
    """A hundred mixed proposals are approved by risk and store in at most five calls."""
    learned = [insight(f"Rule number {n} applies to service s{n}x.") for n in range(50)]
    learned += [change("entity_memory", f"Runs on port {n}.", kind="fact", subject=f"svc{n}") for n in range(40)]
    learned += [insight(f"Always execute job{n} first.") for n in range(10)]
    found = machine(
        ScriptedModel(learns=[learned]), learned_knowledge=True, entity_memory=True, namespace="engineering"
    )
    state(found, "all of them")
    assert len(found.proposals.list()) == 100
    groups = [("medium", "learned_knowledge"), ("medium", "entity_memory"), ("high", "learned_knowledge")]
    sizes = []
    for risk, store in groups:
        receipts = found.proposals.approve(
            *(one.handle for one in found.proposals.list(risk=risk, store=store)), by="alice"
        )
        sizes.append(sum(receipt.status == "saved" for receipt in receipts))
    assert sizes == [50, 40, 10]
    assert found.proposals.list() == []


def test_an_approved_learning_stays_on_its_branch(machine: Any) -> None:
    """What was approved for a session belongs to the branch it came up on: a fork from before does not see it."""
    from learning_machine import SessionContextConfig

    model = ScriptedModel(
        answers="ok",
        learns=lambda new: [change("session_context", new[0]["text"], kind="summary")] if "trip" in str(new) else [],
    )
    found = machine(model, session_context=SessionContextConfig(mode=LearningMode.PROPOSE))
    agent = create_learning_agent(model, learning=found)
    agent.invoke(say("hello"), thread(), context=ALICE)
    fork = agent.get_state(thread()).config
    agent.invoke(say("a trip to Oslo"), thread(), context=ALICE)
    agent.invoke(Command(resume=decisions("approve")), thread(), context=ALICE)
    agent.invoke(say("and?"), thread(), context=ALICE)
    assert "Oslo" in str(model.calls[-1][0].text)
    agent.invoke(say("something else"), fork, context=ALICE)
    assert "Oslo" not in str(model.calls[-1][0].text)


def test_a_question_names_what_it_replaces(machine: Any) -> None:
    """What an approval would take the place of is shown, for a property of a thing too."""
    learned = [
        [change("entity_memory", city, kind="property", name="city", subject="Acme (company)")]
        for city in ("Oslo", "Bergen")
    ]
    model = ScriptedModel(learns=learned)
    found = machine(model, entity_memory=EntityMemoryConfig(mode=LearningMode.PROPOSE))
    agent = create_learning_agent(model, learning=found)
    agent.invoke(say("one"), thread(), context=BOB)
    agent.invoke(Command(resume="approve"), thread(), context=BOB)
    asked_about = requests_of(agent.invoke(say("two"), thread(), context=BOB))[0]["description"]
    assert "Replaces: Oslo" in asked_about
    agent.invoke(Command(resume="approve"), thread(), context=BOB)
    (entity,) = found.stores["entity_memory"].entities("Acme", user_id="bob")
    assert "Bergen" in str(entity) and "Oslo" not in str(entity)
