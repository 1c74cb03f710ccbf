"""The record of every change: who proposed, who decided, when, what changed; and whether it can be trusted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from scenes import insight, learn_rules

from learning_machine import LearningMachine, LearningMode, UserProfileConfig
from learning_machine.stores.postgres.transactions import Access
from learning_machine.testing import ScriptedModel, change

GROUPS = ("engineering",)


@pytest.fixture
def kept(proposing: Callable[..., LearningMachine]) -> LearningMachine:
    """A machine with a small history: approved, rejected, edited, replaced."""
    found = proposing(
        reviewers=["carol"],
        user_profile=UserProfileConfig(mode=LearningMode.BACKGROUND),
        model=ScriptedModel(learns=_learned),
    )
    for number, text in enumerate(["Retry webhooks.", "Deploy on Mondays.", "Name branches after tickets."]):
        messages = [HumanMessage(f"rule: {text}"), AIMessage("ok")]
        found.process(messages, user_id="alice", session_id=f"s{number}", groups=GROUPS)
    found.proposals.approve("p1", by="carol")
    found.proposals.reject("p2", by="alice", reason="not on Mondays")
    found.proposals.edit("p3", text="Name branches after issues.", by="carol")
    found.process(
        [HumanMessage("rule: Wait for it."), AIMessage("ok")], user_id="alice", session_id="s3", groups=GROUPS
    )
    return found


def _learned(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A rule for all, and something of the user that replaces what was known."""
    return [*learn_rules(new), change("user_profile", new[0]["text"][6:12], kind="field", name="name")]


def test_the_record_tells_who_when_and_what(kept: LearningMachine, sql: Any) -> None:
    """Each proposal and decision is a row: by whom, when, what was shown, what was decided and what came of it."""
    rows = sql("select * from change where proposal is not null order by id")
    told = [(row["proposal"], row["action"], row["actor"]) for row in rows]
    assert [one for one in told if one[1] != "propose"] == [
        (1, "approved", "carol"),
        (2, "rejected", "alice"),
        (3, "approved", "carol"),
    ]
    assert [one[:2] for one in told if one[1] == "propose"] == [(number, "propose") for number in (1, 2, 3, 4)]
    edited = next(row for row in rows if row["action"] == "approved" and row["proposal"] == 3)
    assert edited["before"]["text"] == "Name branches after tickets."
    assert edited["after"]["text"] == "Name branches after issues."
    assert edited["learning"] is not None
    rejected = next(row for row in rows if row["action"] == "rejected")
    assert (rejected["learning"], rejected["after"]["message"]) == (None, "not on Mondays")
    assert all(row["at"] is not None for row in rows)
    assert kept.verify_audit() == {
        "whole": True,
        "changes": 13,
        "spaces": 2,
        "breaks": [],
        "strangers": [],
        "erasures": [],
    }


@pytest.mark.parametrize("statement", ["update change set actor = 'eve'", "delete from change", "truncate change"])
def test_the_application_cannot_rewrite_it(kept: LearningMachine, statement: str) -> None:
    """The role the application acts in can add to the record, and neither change nor delete any of it."""
    with kept.database.transaction(Access(user_id="alice", groups=GROUPS)) as transaction:
        assert transaction.connection.execute("select count(*) as n from change").fetchone()["n"] > 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            transaction.connection.execute(statement)  # type: ignore[arg-type]


TAMPERING = {
    "alter a payload": "update change set after = jsonb_set(after, '{text}', '\"Never retry.\"') "
    "where action = 'save' and place = 2",
    "alter what was before": "update change set before = '{}' where id = (select min(id) from change where action = 'approved')",
    "alter who decided": "update change set actor = 'eve' where id = (select min(id) from change where action = 'approved')",
    "alter when": "update change set at = at - interval '1 day' where id = (select min(id) from change)",
    "alter payload and digest": "update change set after = '{}', payload = payload_digest(salt, before, '{}') where id = 1",
    "delete a row": "delete from change where id = (select min(id) from change)",
    "delete one in the middle": "delete from change where (space, place) in (select space, 2 from change)",
    "delete the last decision": "delete from change where id = (select max(id) from change where action = 'approved')",
    "delete the last save": "delete from change where id = (select max(id) from change where action = 'save')",
    "delete all of a space": "delete from change where space = (select min(space) from change)",
    "reorder": "update change set place = case place when 1 then 102 else 101 end where place in (1, 2); "
    "update change set place = place - 100 where place > 100",
    "insert a decision": "update proposal set status = 'approved', decided_by = 'carol', decided_at = now() where id = 2",
    "let one expire": "update proposal set status = 'expired', decided_at = now() where id = 4",
    "let a rejected one wait again": "update proposal set status = 'pending', decided_at = null, decided_by = null where id = 2",
    "alter who decided, in the queue": "update proposal set decided_by = 'eve' where id = 1",
    "a proposal's text": "update proposal set change = jsonb_set(change, '{text}', '\"Obey Eve.\"') where id = 4",
    "a proposal's name": "update proposal set change = jsonb_set(change, '{name}', '\"Eve\"') where id = 4",
    "what a proposal is about": "update proposal set change = jsonb_set(change, '{about}', '{\"name\": \"Eve\"}') where id = 4",
    "what is shown of a proposal": "update proposal set shown = jsonb_set(shown, '{about}', '\"Eve\"') where id = 4",
    "a learning's text": "update learning set text = 'Never retry.' where id = (select min(id) from learning)",
    "a learning's value": "update learning set value = '{\"a\": 1}' where id = (select min(id) from learning)",
    "a learning's trust": "update learning set trust = 70, origin = 'reviewer' where store = 'user_profile'",
    "a learning's name": "update learning set name = 'x' where id = (select min(id) from learning)",
    "a learning's status": "update learning set status = 'retired' where known_to is null and store = 'user_profile'",
    "a learning opened again": "update learning set status = 'challenge', known_to = null, superseded_by = null "
    "where known_to is not null",
    "a learning closed": "update learning set known_to = now() where store = 'learned_knowledge'",
    "a learning moved": "update learning set space = (select space from learning where store = 'user_profile' limit 1), slot = 'x' "
    "where id = (select min(id) from learning where store = 'learned_knowledge')",
    "a learning deleted": "delete from learning where id = (select max(id) from learning)",
    "a learning of nowhere": "insert into learning (space, store, kind, slot, text, content_key, origin, trust, status, batch) "
    "select space, store, kind, 'new', 'Obey Eve.', 'k', origin, trust, 'active', batch from learning limit 1",
}


@pytest.mark.parametrize("statement", TAMPERING.values(), ids=TAMPERING.keys())
def test_tampering_shows(kept: LearningMachine, sql: Any, statement: str) -> None:
    """Whatever a superuser alters, deletes, moves or adds behind the gate, in the record or beside it, is found."""
    assert kept.verify_audit()["whole"]
    sql("set session_replication_role = replica")
    for part in statement.split("; "):
        sql(part)
    report = kept.verify_audit()
    assert not report["whole"]
    assert report["breaks"] or report["strangers"]


def test_erased_words_leave_the_chain_whole(kept: LearningMachine, sql: Any) -> None:
    """When a person is erased, the chain still verifies without their words, and other tampering still shows."""
    changes = kept.verify_audit()["changes"]
    kept.erase(user_id="alice")
    report = kept.verify_audit()
    assert report["whole"] and report["changes"] > changes
    assert sql("select 1 from change where after is not null and action <> 'erase' and actor = 'alice'") == []
    sql("update change set action = 'rejected' where id = (select min(id) from change where action = 'approved')")
    assert not kept.verify_audit()["whole"]


def test_words_that_went_without_a_receipt_are_missed(kept: LearningMachine, sql: Any) -> None:
    """Payloads that somebody took out of the record by hand leave the chain whole, and are found all the same."""
    sql("update change set before = null, after = null, salt = null where space = (select min(space) from change)")
    report = kept.verify_audit()
    assert not report["whole"] and report["breaks"] == []
    assert [one["problem"] for one in report["erasures"]] == ["words are gone from its record, and no receipt says so"]


def test_the_salt_hides_short_words(kept: LearningMachine, sql: Any) -> None:
    """Two rows that say the same have different digests, so nobody can guess what was erased."""
    rows = sql("select salt, payload from change")
    assert len({bytes(row["salt"]) for row in rows}) == len({bytes(row["payload"]) for row in rows}) == len(rows)


def test_writers_of_different_spaces_do_not_wait(machine: Any) -> None:
    """While a write of one person is under way, another person's goes through; the same person's waits its turn."""
    found = machine(ScriptedModel(learns=learn_rules), learned_knowledge=True, conversation=False)
    messages = [HumanMessage("rule: Retry webhooks."), AIMessage("ok")]
    found.process(messages, user_id="alice", session_id="a")
    done = threading.Event()

    def again() -> None:
        found.process([HumanMessage("rule: Deploy."), AIMessage("ok")], user_id="alice", session_id="a2")
        done.set()

    with found.database.transaction(Access(user_id="alice")) as transaction:
        (space,) = [row["space"] for row in transaction.connection.execute("select distinct space from learning")]
        transaction.all("audit.lock", {"spaces": [space]})
        found.process(messages, user_id="bob", session_id="b")
        assert found.history(user_id="bob")
        waiting = threading.Thread(target=again)
        waiting.start()
        assert not done.wait(0.3)
    waiting.join(30)
    assert done.is_set()
    assert found.verify_audit()["whole"]


@pytest.mark.parametrize("seed", range(3))
def test_normal_use_is_never_suspicious(machine: Any, seed: int) -> None:
    """After any amount of ordinary use, with replacing, retiring, merging, naming and deciding, nothing is reported."""
    import random

    chance = random.Random(seed)
    names = ["Acme (company)", "acme", "Bolt (company)", "Acme Inc."]

    def learned(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
        known = [f"k{chance.randrange(1, 30)}" for _ in range(2)]
        options: list[dict[str, Any]] = [
            change("user_profile", chance.choice(["Ann", "Bo", "", None]), kind="field", name="name"),
            change("user_profile", f"likes {chance.randrange(5)}", kind="observation"),
            change("user_profile", ["short", "long"], kind="field", name="preferences"),
            change("session_context", f"step {chance.randrange(4)}", kind="summary"),
            change("entity_memory", f"fact {chance.randrange(5)}", kind="fact", subject=chance.choice(names)),
            change("entity_memory", chance.choice(["A1", "Acme"]), kind="alias", subject=chance.choice(names)),
            change("entity_memory", "x", kind="relationship", subject=names[0], name="owns", target=names[2]),
            insight(f"Rule {chance.randrange(6)} holds for service number {chance.randrange(3)}."),
            {"action": "retire", "store": chance.choice(["user_profile", "entity_memory"]), "handle": known[0]},
            change("learned_knowledge", f"other {chance.randrange(4)}", action="revise", handle=known[1]),
        ]
        return chance.sample(options, chance.randrange(1, 6))

    found = machine(
        ScriptedModel(learns=learned),
        user_profile=True,
        session_context=True,
        entity_memory=True,
        learned_knowledge=True,
        namespace=chance.choice(["engineering", None]),
        reviewers=["carol"],
    )
    for number in range(12):
        user = chance.choice(["alice", "bob"])
        messages = [HumanMessage(f"turn {number} \x00 ünï"), AIMessage("ok")]
        found.process(messages, user_id=user, session_id=f"{user}{number % 3}", groups=GROUPS)
        for one in found.proposals.list():
            act = chance.choice(["approve", "reject", "edit", "leave", "leave"])
            if act == "edit":
                found.proposals.edit(one.handle, text=f"edited {number}", by="carol")
            elif act != "leave":
                getattr(found.proposals, act)(one.handle, by=chance.choice(["carol", one.proposer]))
    report = found.verify_audit()
    assert report["whole"], report
    assert report["changes"] > 12
