"""What nobody decides in time: closed by nobody, on record, and by whoever comes first, with the administrator's rights or not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from scenes import ALICE, BOB, contents, decisions, known, learn_rules, rule, say, thread

from learning_machine import (
    LearnedKnowledgeConfig,
    LearningMachine,
    LearningMode,
    UserProfileConfig,
    create_learning_agent,
)
from learning_machine.cli.doctor import database_checks
from learning_machine.errors import DatabaseUnsuitable, NotAllowed, ProposalNotFound
from learning_machine.jobs import Worker
from learning_machine.testing import ScriptedModel, change

GROUPS = ("engineering",)
LATE = "update proposal set expires_at = now() - interval '1 second'"


def state(found: LearningMachine, text: str, user: str = "alice") -> Any:
    messages = [HumanMessage(f"rule: {text}"), AIMessage("ok")]
    return found.process(messages, user_id=user, session_id=user, groups=GROUPS)


# --- on record --------------------------------------------------------------------------------------------------------


def listed(found: LearningMachine) -> None:
    found.proposals.list()


def proposed_again(found: LearningMachine) -> None:
    state(found, "Retry webhooks.", "bob")


def decided(found: LearningMachine) -> None:
    assert found.proposals.approve("p1", by="alice")[0].reason == "already expired"


@pytest.mark.parametrize("come", [listed, proposed_again, decided])
def test_expiry_is_on_record(proposing: Any, sql: Any, come: Callable[..., None]) -> None:
    """Whoever comes first after its time leaves one row of the chain: nobody did it, and what it showed."""
    found = proposing()
    state(found, "Retry webhooks.")
    sql(LATE)
    come(found)
    listed(found)
    (row,) = sql("select * from change where action = 'expired'")
    assert (row["proposal"], row["actor"], row["origin"], row["learning"]) == (1, None, "time", None)
    assert (row["before"]["text"], row["after"]["status"]) == ("Retry webhooks.", "expired")
    assert found.verify_audit()["whole"]


def test_many_expire_once(proposing: Any, sql: Any) -> None:
    """However many look at once, what is over in several spaces expires once each, and nobody waits in a circle."""
    profile = UserProfileConfig(mode=LearningMode.PROPOSE)
    model = ScriptedModel(
        learns=lambda new: [*learn_rules(new), change("user_profile", new[0]["text"], kind="field", name="name")]
    )
    found = proposing(model=model, user_profile=profile)
    for user in ("alice", "bob", "carol"):
        state(found, f"Rule of {user} number one.", user)
    sql(LATE)
    together = threading.Barrier(6)

    def look(number: int) -> None:
        together.wait(20)
        user = ("alice", "bob", "carol")[number % 3]
        if number < 3:
            state(found, f"Something else for {user}.", user)
        else:
            found.proposals.list(**({"user_id": user, "groups": GROUPS} if number < 5 else {}))

    threads = [threading.Thread(target=look, args=(number,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert not any(one.is_alive() for one in threads)
    found.proposals.list()
    assert len(sql("select 1 from proposal where status = 'expired'")) == 6
    assert sql("select 1 from change where action = 'expired' group by space, proposal having count(*) > 1") == []
    assert len(sql("select 1 from change where action = 'expired'")) == 6
    assert found.verify_audit()["whole"]


# --- without the administrator's role ---------------------------------------------------------------------------------


@pytest.fixture
def ordinary(url: str, server: Any) -> Iterator[str]:
    """The URL of somebody who is a member of the library's first role and not of the administrator's."""
    name = f"ordinary_{url.rsplit('/', 1)[-1].partition('?')[0]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create role {name} login nosuperuser nocreaterole nobypassrls")  # type: ignore[arg-type]
        connection.execute(f"grant learning_machine_app to {name}")  # type: ignore[arg-type]
        yield url.replace("postgres@", f"{name}@")
        connection.execute(f"drop role {name}")  # type: ignore[arg-type]


@pytest.fixture
def guest(machine: Any, ordinary: str) -> Callable[..., LearningMachine]:
    """A machine on that URL whose insights and profiles have to be approved."""

    def make(**options: Any) -> LearningMachine:
        model = ScriptedModel(
            answers="ok",
            learns=lambda new: [
                *learn_rules(new),
                *[
                    change("user_profile", one["text"][5:], kind="field", name="name")
                    for one in new
                    if one["text"].startswith("name:")
                ],
            ],
        )
        return machine(  # type: ignore[no-any-return]
            model,
            db=ordinary,
            learned_knowledge=LearnedKnowledgeConfig(mode=LearningMode.PROPOSE, namespace="engineering"),
            user_profile=UserProfileConfig(mode=LearningMode.PROPOSE),
            conversation=False,
            **options,
        )

    return make


def test_a_guest_is_asked_and_answers(guest: Any, door: Callable[..., Any]) -> None:
    """Without the administrator's role the graph asks, shows anew, and carries out, as with it."""
    found = guest()
    agent = create_learning_agent(found.model, learning=found, checkpointer=InMemorySaver())
    asked = contents(door(agent, say("rule: Retry webhooks.", "name: Ali"), thread(), context=ALICE))
    assert asked == ["Ali", "Retry webhooks."]
    door(agent, Command(resume="hm?"), thread(), context=ALICE)
    result = door(agent, Command(resume=decisions("reject", "approve")), thread(), context=ALICE)
    assert [one["status"] for one in result["learning"]["decided"]] == ["refused", "saved"]
    assert "Retry webhooks." in known(found, "How do I retry webhooks?")
    door(agent, rule("Deploy on Mondays."), thread("t2"), context=ALICE)
    result = door(agent, Command(resume=decisions("approve")), thread("t2"), context=BOB)
    assert "'bob' may not decide p3" in result["learning"]["decided"][0]["reason"]


def test_a_guest_decides_within_a_scope(guest: Any) -> None:
    """By API one's own are found by who decides, a group's by the scope given; eyes lent by somebody else decide nothing."""
    found = guest(reviewers=["carol"])
    state(found, "Retry webhooks.")
    state(found, "Deploy on Mondays.")
    found.process([HumanMessage("name: Ali"), AIMessage("ok")], user_id="alice", session_id="s2")
    assert found.proposals.approve("p3", by="alice")[0].status == "saved"
    with pytest.raises(ProposalNotFound, match="'p1' in this scope"):
        found.proposals.approve("p1", by="carol")
    with pytest.raises(NotAllowed):
        found.proposals.approve("p1", by="bob", groups=GROUPS, user_id="alice")
    assert found.proposals.approve("p1", by="carol", groups=GROUPS)[0].status == "saved"
    assert found.proposals.edit("p2", text="Deploy on Fridays.", by="carol", groups=GROUPS).status == "saved"


def test_a_guest_s_proposals_expire_when_read(guest: Any, sql: Any) -> None:
    """Under the application's role a scope that reads its queue finds its own expired, on record; others' wait for theirs."""
    found = guest()
    for user in ("alice", "bob"):
        found.process([HumanMessage(f"name: {user}"), AIMessage("ok")], user_id=user, session_id=user)
    sql(LATE)
    assert found.proposals.list(user_id="alice") == []
    assert [one.status for one in found.proposals.list(status=None, user_id="alice")] == ["expired"]
    assert sql("select status from proposal order by id") == [{"status": "expired"}, {"status": "pending"}]
    assert len(sql("select 1 from change where action = 'expired'")) == 1


def test_what_needs_all_spaces_says_so(guest: Any) -> None:
    """What cannot be seen is never reported as nothing: each call that needs every space raises and says what to do."""
    found = guest()
    agent = create_learning_agent(found.model, learning=found, checkpointer=InMemorySaver())
    said = agent.invoke(rule("Retry webhooks."), thread(), context=ALICE)
    turn = said["learning"]["turn"]
    for ask in (
        found.proposals.list,
        found.retry_parked,
        found.verify_audit,
        lambda: found.learned(turn),
    ):
        with pytest.raises(DatabaseUnsuitable, match="may not act as learning_machine_admin"):
            ask()
    assert found.queue_depth()["parked"] is None
    assert found.learned(turn, user_id="alice")["status"] == "learned"
    assert [one.text for one in found.proposals.list(user_id="bob", groups=GROUPS)] == ["Retry webhooks."]
    checks = {check.name: check for check in database_checks(found)}
    assert checks["rights"].verdict == "warning" and "parked turns" in checks["rights"].found
    assert checks["rights"].remedy.startswith("As an administrator run: GRANT learning_machine_admin TO ")
    assert [check.verdict for check in checks.values()].count("problem") == 0


def test_a_guest_s_worker_works(guest: Any) -> None:
    """A worker without the administrator's role reads what is queued; what it may not sweep ends nothing."""
    found = guest(background="external")
    worker = Worker([found])
    found.parts.turns.drop_expired()
    agent = create_learning_agent(found.model, learning=found, checkpointer=InMemorySaver())
    agent.invoke(say("hello"), thread(), context=ALICE)
    worker.start()
    try:
        assert found.flush(30)
    finally:
        worker.stop()
