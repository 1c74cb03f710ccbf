"""Several people at once: one of two reviewers decides, and many who propose the same propose one thing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from scenes import insight

from learning_machine import EntityMemoryConfig, LearningMode, UserProfileConfig
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
            lambda: found.proposals.approve(one.handle, by="carol")[0],
            lambda: found.proposals.reject(one.handle, by="dan")[0],
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
    assert found.usage.failures == {}


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


def test_mixed_modes_do_not_block_each_other(machine: Any, sql: Any) -> None:
    """Threads of one user that propose in one store and write in two others finish without a deadlock."""
    learned = [
        change("user_profile", "Alice", kind="field", name="name"),
        change("entity_memory", "Acme ships late.", kind="fact", subject="Acme (company)"),
        change("entity_memory", "Bolt ships early.", kind="fact", subject="Bolt (company)"),
        insight("Retry webhooks."),
    ]
    model = ScriptedModel(learns=lambda new: learned if len(new[0]["text"]) % 2 else learned[::-1])
    found = machine(
        model,
        user_profile=UserProfileConfig(mode=LearningMode.BACKGROUND),
        entity_memory=EntityMemoryConfig(mode=LearningMode.BACKGROUND),
        learned_knowledge=True,
        namespace="engineering",
        conversation=False,
    )
    before = sql("select deadlocks from pg_stat_database where datname = current_database()")
    at_once(*(lambda n=n: [state(found, "x" * n, "alice", f"{n} {m}") for m in range(3)] for n in range(1, 9)))
    assert sql("select deadlocks from pg_stat_database where datname = current_database()") == before
    assert found.usage.failures == {}
    assert found.recall(user_id="alice")["user_profile"].name == "Alice"
    assert len(found.proposals.list()) == 1
