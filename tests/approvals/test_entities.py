"""Proposals about a thing that nobody has heard of yet: however many wait, in whatever order they are approved, it is one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from learning_machine import EntityMemoryConfig, LearningMachine, LearningMode
from learning_machine.testing import ScriptedModel, change

Row = dict[str, Any]


def about(subject: str, text: str = "", kind: str = "fact", **more: Any) -> Row:
    return change("entity_memory", text or None, kind=kind, subject=subject, **more)


@pytest.fixture
def told(machine: Any) -> Callable[..., LearningMachine]:
    """A machine that was told something of a thing in each of several conversations, all of it waiting."""

    def make(*turns: Row, users: tuple[str, ...] = ("alice",), namespace: str = "user") -> LearningMachine:
        config = EntityMemoryConfig(mode=LearningMode.PROPOSE, namespace=namespace)
        model = ScriptedModel(learns=[[turn] for turn in turns])
        found: LearningMachine = machine(model, entity_memory=config, conversation=False, reviewers=["carol"])
        for number in range(len(turns)):
            user = users[number % len(users)]
            messages = [HumanMessage(f"turn {number}"), AIMessage("ok")]
            found.process(messages, user_id=user, session_id=f"s{number}", groups=("team",))
        assert found.history(user_id="alice", groups=("team",)) == []
        return found

    return make


def things(found: LearningMachine, name: str = "Acme") -> list[Any]:
    return list(found.stores["entity_memory"].entities(name, user_id="alice", groups=("team",)))


PAIRS = {
    "two facts": ("Acme (company)", "Acme (company)"),
    "another spelling": ("Acme (company)", "ACME Inc."),
    "the type first": ("Acme (company)", "Acme"),
    "the type later": ("Acme", "Acme (company)"),
    "another word for the type": ("Acme (firm)", "acme (organization)"),
}


@pytest.mark.parametrize("reverse", [False, True], ids=["in order", "the other way round"])
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
def test_two_that_wait_make_one_thing(told: Any, pair: tuple[str, str], reverse: bool) -> None:
    """Two proposals that each would make the thing make it once, with what both say of it."""
    found = told(about(pair[0], "It ships late."), about(pair[1], "It is hosted in Kenya."))
    waiting = [one.handle for one in found.proposals.list()]
    assert len(waiting) == 2
    receipts = found.proposals.approve(*(waiting[::-1] if reverse else waiting), by="alice")
    assert [one.status for one in receipts] == ["saved", "saved"]
    (entity,) = things(found)
    assert sorted(item.text for item in entity.facts) == ["It is hosted in Kenya.", "It ships late."]
    assert entity.type == ("company" if "(" in "".join(pair) else "")
    assert found.verify_audit()["whole"]


def test_approved_at_the_same_moment(told: Any) -> None:
    """Also when several people approve at the same moment, the thing is made once and all are told it was saved."""
    facts = ["It ships late.", "It is hosted in Kenya.", "Bob works there.", "Its logo is a zebra."]
    found = told(*(about("Acme (company)", fact) for fact in facts), users=("alice", "bob"), namespace="team")
    waiting = [one.handle for one in found.proposals.list()]
    together = threading.Barrier(len(waiting))

    def approve(handle: str) -> Any:
        together.wait(20)
        return found.proposals.approve(handle, by="carol")[0].status

    with ThreadPoolExecutor(len(waiting)) as pool:
        assert list(pool.map(approve, waiting)) == ["saved"] * 4
    (entity,) = things(found)
    assert sorted(item.text for item in entity.facts) == sorted(facts)
    assert found.verify_audit()["whole"]


SAME = {
    "a fact": (about("Acme (company)", "It ships late."), about("ACME Inc. (company)", "it ships late")),
    "a thing by its other name": (
        about("Acme (company)", "Acme Corp of Oslo", kind="alias"),
        about("acme (company)", "Acme Corp of Oslo", kind="alias"),
    ),
    "a property": (
        about("Acme (company)", "Oslo", kind="property", name="city"),
        about("Acme", "Oslo", kind="property", name="city"),
    ),
    "a connection": (
        about("Bob (person)", kind="relationship", name="CEO of", target="Acme (company)"),
        about("bob", kind="relationship", name="CEO of", target="ACME"),
    ),
}


@pytest.mark.parametrize("turns", SAME.values(), ids=SAME.keys())
def test_the_same_again_is_one_proposal(told: Any, turns: tuple[Row, Row]) -> None:
    """What makes the same thing in the same way while the first waits is the same proposal, with one more voice."""
    found = told(*turns, users=("alice", "bob"), namespace="team")
    (one,) = found.proposals.list()
    assert one.supporters == 2
    found.proposals.approve(one.handle, by="carol")
    assert len(things(found)) == 1


def test_two_values_of_one_property(told: Any) -> None:
    """Two values proposed for one property of a thing nobody knew: the second is shown what it would replace by then."""
    found = told(*(about("Acme (company)", city, kind="property", name="city") for city in ("Oslo", "Bergen")))
    first, second = (one.handle for one in found.proposals.list())
    assert found.proposals.approve(first, by="alice")[0].status == "saved"
    assert found.proposals.approve(second, by="alice")[0].reason.endswith("look again")
    assert found.proposals.list()[0].replaces == "Oslo"
    assert found.proposals.approve(second, by="alice")[0].status == "saved"
    (entity,) = things(found)
    assert "Bergen" in str(entity.properties) and "Oslo" not in str(entity.properties)


def test_two_types_are_two_things(told: Any) -> None:
    """One name with two types is two things, and a third that does not say which is refused with the question, and waits."""
    found = told(
        about("Jordan (person)", "Likes tea."), about("Jordan (place)", "It is dry."), about("Jordan", "It grew.")
    )
    people, place, unclear = (one.handle for one in found.proposals.list())
    assert [one.status for one in found.proposals.approve(people, place, by="alice")] == ["saved", "saved"]
    assert [len(things(found, name)) for name in ("Jordan (person)", "Jordan (place)")] == [1, 1]
    (receipt,) = found.proposals.approve(unclear, by="alice")
    assert receipt.status == "refused" and "say which" in receipt.reason
    assert [one.handle for one in found.proposals.list()] == [unclear]
