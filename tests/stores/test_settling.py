"""Two values that contradict each other: shown as such to the agent and to people, and settled in one action."""

from __future__ import annotations

from typing import Any

import pytest

from learning_machine import LearnedKnowledgeConfig, LearningMode
from learning_machine.errors import NotAllowed, ProposalNotFound
from learning_machine.state.changes import Add, Origin, Receipt, Retire
from learning_machine.state.proposals import Proposal
from learning_machine.state.scope import Scope
from learning_machine.stores.writing import Source

TEAM = {"namespaces": {"learned_knowledge": "team"}, "groups": ("team",)}


class Dispute:
    """Claims about where Alice lives, and what a team holds true."""

    def __init__(self, world: Any) -> None:
        self.world, self.machine = world, world.machine

    def write(self, change: Any, *, user: str = "alice", groups: tuple[str, ...] = (), **source: Any) -> Receipt:
        source = {"origin": Origin.USER, **source}
        scope = Scope(user_id=user, groups=groups)
        return self.machine.parts.ledger.write([change], scope=scope, source=Source(**source))[0]

    def lives(self, city: str, origin: Origin = Origin.USER) -> Receipt:
        change = Add(store="user_profile", kind="field", name="location", slot="location", text=city, value=city)
        return self.write(change, origin=origin)

    def rate(self, text: str, user: str) -> Receipt:
        change = Add(store="learned_knowledge", kind="insight", slot="rate", text=text, value={}, index=f"rate {text}")
        return self.write(change, user=user, **TEAM)

    def waiting(self, **scope: Any) -> list[Proposal]:
        return self.machine.proposals.list(**scope)

    def location(self) -> str | None:
        return self.machine.recall(user_id="alice")["user_profile"].location  # type: ignore[no-any-return]


@pytest.fixture
def dispute(make_world: Any) -> Dispute:
    shared = LearnedKnowledgeConfig(namespace="team", mode=LearningMode.BACKGROUND)
    return Dispute(make_world(learned_knowledge=shared, reviewers=["carol"]))


def test_shown_to_the_agent(dispute: Dispute) -> None:
    """The agent reads both values, with their dates and kinds of source, and that it is not settled."""
    dispute.lives("Lisbon")
    dispute.lives("Porto", Origin.INFERENCE)
    context = dispute.machine.build_context(user_id="alice")
    line = next(line for line in context.splitlines() if "location" in line)
    assert "not settled: “Lisbon” (the user said, 20" in line and "or “Porto” (inferred, 20" in line


def test_shown_to_people(dispute: Dispute) -> None:
    """The review queue has it: what is claimed, what stands there, and by what kinds of source."""
    dispute.lives("Lisbon")
    claim = dispute.lives("Porto", Origin.INFERENCE)
    found = dispute.waiting()
    assert [(one.handle, one.mode, one.text) for one in found] == [(claim.handle, "challenge", "Porto")]
    assert "Lisbon" in found[0].replaces and "the user said" in found[0].replaces
    assert "Replaces" in found[0].description
    assert dispute.waiting(user_id="mallory") == []


@pytest.mark.parametrize(
    ("action", "location"), [("approve", "Porto"), ("reject", "Lisbon"), ("edit", "Porto, Portugal")]
)
def test_settled(dispute: Dispute, action: str, location: str) -> None:
    """One action settles it, and it waits no more; the agent then reads one value."""
    dispute.lives("Lisbon")
    claim = dispute.lives("Porto", Origin.INFERENCE).handle or ""
    queue = dispute.machine.proposals
    more = {"text": location} if action == "edit" else {}
    answer = getattr(queue, action)(claim, by="alice", **more)
    receipt = answer if isinstance(answer, Receipt) else answer[0]
    assert receipt.status == ("refused" if action == "reject" else "saved")
    assert (dispute.location(), dispute.waiting()) == (location, [])
    assert "not settled" not in dispute.machine.build_context(user_id="alice")
    assert dispute.machine.verify_audit()["whole"]
    with pytest.raises(ProposalNotFound):
        queue.approve(claim, by="alice")


def test_settling_is_undone(dispute: Dispute) -> None:
    """What was settled is open again after an undo."""
    dispute.lives("Lisbon")
    claim = dispute.lives("Porto", Origin.INFERENCE).handle or ""
    dispute.machine.proposals.approve(claim, by="alice")
    batch = dispute.machine.explain(claim, user_id="alice")["changes"][-1]["batch"]
    dispute.machine.undo(batch, user_id="alice")
    assert (dispute.location(), [one.handle for one in dispute.waiting()]) == ("Lisbon", [claim])


def test_a_less_trusted_end(dispute: Dispute) -> None:
    """That something no longer holds can be challenged too: approved, it is no longer known."""
    held = dispute.lives("Lisbon")
    claim = dispute.write(Retire(store="user_profile", handle=held.handle or ""), origin=Origin.INFERENCE)
    assert "or no longer known (inferred" in dispute.machine.build_context(user_id="alice")
    dispute.machine.proposals.approve(claim.handle or "", by="alice")
    assert dispute.location() is None


def test_who_settles(dispute: Dispute) -> None:
    """In a shared namespace a reviewer settles it, or who gives way; in one's own space nobody else does."""
    dispute.rate("seven", "alice")
    claim = dispute.rate("nine", "bob").handle or ""
    for person in ("bob", "mallory"):
        with pytest.raises(NotAllowed):
            dispute.machine.proposals.approve(claim, by=person)
    assert dispute.machine.proposals.approve(claim, by="carol")[0].status == "saved"
    dispute.lives("Lisbon")
    own = dispute.lives("Porto", Origin.INFERENCE).handle or ""
    with pytest.raises(NotAllowed):
        dispute.machine.proposals.approve(own, by="bob")


def test_what_was_shown(dispute: Dispute) -> None:
    """A decision on what stood there before is not carried out: look again."""
    from learning_machine.state.proposals import Verdict

    dispute.lives("Lisbon")
    claim = dispute.lives("Porto", Origin.INFERENCE).handle or ""
    seen = dispute.waiting()[0]
    dispute.lives("Rome")
    receipt = dispute.machine.proposals.decide(Verdict(handle=claim, action="approve", shown=seen.shown), by="alice")
    assert receipt.status == "refused" and "look again" in receipt.reason
    assert dispute.location() == "Rome"


# --- what came from a conversation that went another way ---------------------------------------------------------------


class Fork:
    """A conversation of Alice's that taught a team something, and then went another way."""

    def __init__(self, thread: Any, machine: Any) -> None:
        self.thread, self.machine = thread, machine
        trunk = thread.turn([], "u1", "a1")
        self.old = thread.turn(trunk, "u2", "a2")
        change = Add(store="learned_knowledge", kind="insight", text="Use cats.", value={}, index="Use cats.")
        source = Source(anchor="a2", here=self.old, namespaces={"learned_knowledge": "team"}, machine="default")
        scope = Scope(user_id="alice", session_id="s1", groups=("team",))
        self.learned = machine.parts.ledger.write([change], scope=scope, source=source)[0]
        self.new = thread.turn(trunk, "u2", "a3")

    def flags(self) -> list[Proposal]:
        return [one for one in self.machine.proposals.list() if one.mode == "flag"]

    def known(self) -> bool:
        return "Use cats." in self.machine.build_context(message="cats", user_id="bob", groups=("team",))


@pytest.fixture
def fork(thread: Any, dispute: Dispute) -> Fork:
    return Fork(thread, dispute.machine)


def test_flagged(fork: Fork) -> None:
    """Shared knowledge from a branch that was left behind stays, and is flagged for review."""
    found = fork.flags()
    assert [(one.handle, one.text) for one in found] == [(fork.learned.handle, "Use cats.")]
    assert "another way" in found[0].about and found[0].namespace == "team"
    assert fork.known()


def test_kept(fork: Fork) -> None:
    """A reviewer keeps it in one action."""
    assert fork.machine.proposals.approve(fork.learned.handle or "", by="carol")[0].status == "known"
    assert fork.flags() == [] and fork.known()


def test_retired(fork: Fork) -> None:
    """Or retires it in one."""
    with pytest.raises(NotAllowed):
        fork.machine.proposals.reject(fork.learned.handle or "", by="bob")
    assert fork.machine.proposals.reject(fork.learned.handle or "", by="carol")[0].status == "saved"
    assert fork.flags() == [] and not fork.known()


def test_retired_and_undone(fork: Fork) -> None:
    """When retiring it is undone, it is there again, and waits for a look again."""
    receipt = fork.machine.proposals.reject(fork.learned.handle or "", by="carol")[0]
    assert fork.machine.undo(receipt.handle, by="carol").status == "undone"
    assert fork.known() and [one.handle for one in fork.flags()] == [fork.learned.handle]
    assert fork.machine.verify_audit()["whole"]


def test_returned(fork: Fork) -> None:
    """When the conversation returns to the branch, nothing is left to review."""
    fork.thread.turn(fork.old, "u4", "a4")
    assert fork.flags() == []
