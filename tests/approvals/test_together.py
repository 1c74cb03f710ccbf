"""Several people at once: one of two reviewers decides, and many who propose the same propose one thing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from learning_machine import LearningMode
from learning_machine.stores.ledger import Ledger
from learning_machine.stores.naming import Naming
from learning_machine.testing import ScriptedModel, change

GROUPS = ("engineering",)


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    """What each returned, all of them started at the same moment."""
    barrier = threading.Barrier(len(functions))

    def run(function: Callable[[], Any]) -> Any:
        barrier.wait(30)
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(run, functions))


def state(found: Any, text: str, user: str, session: str = "s") -> list[dict[str, Any]]:
    messages = [HumanMessage(f"rule: {text}"), AIMessage("ok")]
    return found.process(messages, user_id=user, session_id=f"{user} {session}", groups=GROUPS)  # type: ignore[no-any-return]


def test_two_reviewers_at_once(proposing: Any, sql: Any) -> None:
    """Of two reviewers who decide at the same moment one wins, and the other is told who did."""
    found = proposing(LearningMode.HITL, reviewers=["carol", "dan"])
    for number in range(5):
        state(found, f"Rule {number}.", "alice")
    for one in found.proposals.list():
        receipts = at_once(
            lambda handle=one.handle: found.proposals.approve(handle, by="carol")[0],
            lambda handle=one.handle: found.proposals.reject(handle, by="dan")[0],
        )
        reasons = [receipt.reason for receipt in receipts]
        assert reasons in (["", "already approved by carol"], ["already rejected by dan", "rejected"])
    approved = found.proposals.list(status="approved")
    assert len(sql("select 1 from learning")) == len(approved)
    assert len(sql("select 1 from change where action in ('approved', 'rejected')")) == 5
    assert found.verify_audit()["whole"]


def test_twenty_who_propose_the_same(proposing: Any, sql: Any) -> None:
    """Twenty people who state the same at the same moment make one proposal with twenty supporters."""
    found = proposing()
    users = [f"user {number}" for number in range(20)]
    at_once(*(lambda user=user: state(found, "Retry webhooks with backoff.", user) for user in users))
    (one,) = found.proposals.list()
    assert one.supporters == 20
    assert len(sql("select distinct space from evidence")) == 20


def test_proposing_while_it_is_decided(proposing: Any) -> None:
    """Who proposes what is just being decided either supports it or begins anew; nothing is lost, nobody waits in a circle."""
    found = proposing(reviewers=["carol"])
    for number in range(6):
        text = f"Rule {number} says nothing new."
        state(found, text, "alice")
        (one,) = found.proposals.list()
        decided, *_ = at_once(
            lambda handle=one.handle: found.proposals.approve(handle, by="carol")[0],
            lambda text=text: state(found, text, "bob"),
            lambda text=text: state(found, text, "dora"),
        )
        assert decided.status == "saved"
        found.proposals.reject(*(other.handle for other in found.proposals.list()), by="carol")
    assert found.verify_audit()["whole"]


def test_who_names_things_and_who_does_not_wait_in_no_circle(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that made a thing and goes on to a slot, and one that has the slot and goes on to the record, both finish."""
    name = change("user_profile", "Alice", kind="field", name="name")
    thing = change("entity_memory", "It ships late.", kind="fact", subject="Acme (company)")
    model = ScriptedModel(learns=lambda new: [thing, name] if "things" in new[0]["text"] else [name])
    found = machine(model, user_profile=True, entity_memory=True, conversation=False)
    named, tried_again = threading.Event(), threading.Event()
    find = Naming.subject

    def slowly(naming: Naming, ref: Any) -> Any:
        subject = find(naming, ref)
        named.set()
        # Time for the other one to come as far as it can.
        tried_again.wait(0.4)
        return subject

    monkeypatch.setattr(Naming, "subject", slowly)
    monkeypatch.setattr(Ledger, "_second_try", lambda *_: tried_again.set() or [])

    def second() -> Any:
        assert named.wait(20)
        return state(found, "only a name", "alice", "two")

    receipts = at_once(lambda: state(found, "things", "alice", "one"), second)
    assert not tried_again.is_set()
    assert [one["status"] for some in receipts for one in some] == ["saved", "saved", "known"]
