"""The review queue over HTTP: who sees what waits, who decides, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from http_api import Api, add, problem

from learning_machine.state.changes import Add, Origin
from learning_machine.state.scope import Scope
from learning_machine.stores.writing import Source

Name = Callable[[str], str]
GROUP = "engineering"


def waiting(client: httpx.Client, text: str) -> dict[str, Any]:
    found = client.get("/v1/proposals", params={"limit": 200}).json()["items"]
    return next(one for one in found if one["text"] == text)


def decide(client: httpx.Client, handle: str, tag: str | None = None, **verdict: Any) -> httpx.Response:
    tag = tag or client.get(f"/v1/proposals/{handle}").headers["etag"]
    return client.post(f"/v1/proposals/{handle}/verdict", json=verdict, headers={"If-Match": tag})


def test_the_speaker_decides(api: Api, name: Name) -> None:
    """Whose words it came from approves, edits or rejects; approved it is read by the group, without the words behind it."""
    alice, bob = api.client(name("alice"), GROUP), api.client(name("bob"), GROUP)
    rules = [f"Rule {number} {name('of')} deployment." for number in ("one", "two", "three")]
    for rule in rules:
        api.teach(name("alice"), f"rule: {rule}", groups=(GROUP,), session=rule)
    first, second, third = (waiting(alice, rule) for rule in rules)
    assert (first["quote"], first["proposer"], first["decidable"]) == (f"rule: {rules[0]}", name("alice"), True)
    approved = decide(alice, first["handle"], action="approve")
    assert approved.json()["status"] == "saved", approved.text
    edited = decide(alice, second["handle"], action="edit", text=f"Better {name('rule')}.").json()
    assert decide(alice, third["handle"], action="reject", message="no").json()["status"] == "rejected"
    seen = bob.get(f"/v1/learnings/{edited['learning']}").json()
    assert (seen["text"], seen["quotes"], seen["namespace"]) == (f"Better {name('rule')}.", [], GROUP)
    again = decide(alice, first["handle"], action="approve")
    assert "already approved" in problem(again, 409)["detail"]


def test_what_waits_is_shown_to_nobody_else(api: Api, name: Name) -> None:
    """Before somebody said yes, even the group it would go to does not see it; a reviewer sees it, without the words or who."""
    alice, bob = api.client(name("alice"), GROUP), api.client(name("bob"), GROUP)
    rule = f"Waiting rule {name('for')} all."
    api.teach(name("alice"), f"rule: {rule}", groups=(GROUP,))
    handle = waiting(alice, rule)["handle"]
    assert handle not in bob.get("/v1/proposals", params={"limit": 200, "status": "all"}).text
    problem(bob.get(f"/v1/proposals/{handle}"), 404)
    problem(bob.post(f"/v1/proposals/{handle}/verdict", json={"action": "approve"}, headers={"If-Match": '"x"'}), 404)
    carol = api.client(name("carol"), role="reviewer")
    seen = waiting(carol, rule)
    assert (seen["quote"], seen["proposer"], seen["decidable"]) == ("", None, True)
    assert name("alice") not in str(seen)
    done = decide(carol, handle, action="approve").json()
    assert done["status"] == "saved"
    assert bob.get(f"/v1/learnings/{done['learning']}").json()["origin"] == "reviewer"


def test_a_role_is_needed_to_review(alone: Api, name: Name) -> None:
    """A reviewer's token for somebody the machine does not accept, and a user's token for one it does, review nothing."""
    alice = alone.client(name("alice"), GROUP)
    rule = f"Another rule {name('for')} all."
    alone.teach(name("alice"), f"rule: {rule}", groups=(GROUP,))
    handle = waiting(alice, rule)["handle"]
    for client in (alone.client(name("dave"), role="reviewer"), alone.client(name("carol"), role="user")):
        problem(client.get(f"/v1/proposals/{handle}"), 404)


def test_a_verdict_is_bound_to_what_was_shown(api: Api, name: Name) -> None:
    """Without If-Match 428; with another version than stands there 412, and nothing is decided."""
    alice = api.client(name("alice"), GROUP)
    rule = f"Bound rule {name('for')} all."
    api.teach(name("alice"), f"rule: {rule}", groups=(GROUP,))
    handle = waiting(alice, rule)["handle"]
    problem(alice.post(f"/v1/proposals/{handle}/verdict", json={"action": "approve"}), 428)
    problem(decide(alice, handle, '"000000000000"', action="approve"), 412)
    problem(decide(alice, handle, action="edit", text="  "), 409)
    assert waiting(alice, rule)["status"] == "pending"


def test_verdicts_in_a_batch(api: Api, name: Name) -> None:
    """Each verdict of a batch counts by itself; what goes wrong with one is said."""
    alice = api.client(name("alice"), GROUP)
    rules = [f"Batch rule {number} {name('for')} all." for number in ("red", "green")]
    for rule in rules:
        api.teach(name("alice"), f"rule: {rule}", groups=(GROUP,), session=rule)
    red, green = (waiting(alice, rule) for rule in rules)
    tags = {one["handle"]: alice.get(f"/v1/proposals/{one['handle']}").headers["etag"] for one in (red, green)}
    verdicts = [
        {"handle": red["handle"], "version": tags[red["handle"]], "action": "approve"},
        {"handle": green["handle"], "version": "old", "action": "approve"},
        {"handle": "p0zzzz", "version": "x", "action": "reject"},
    ]
    done = alice.post("/v1/proposals/verdicts", json={"verdicts": verdicts}).json()
    assert [one["status"] for one in done] == ["saved", "stale", "not found"]


def test_two_values_are_settled_in_one_action(api: Api, name: Name) -> None:
    """A challenge waits with what stands there; its verdict decides between the two, and it waits no more."""
    alice = api.client(name("alice"))
    city = {"kind": "field", "name": "location"}
    stands = add(alice, text="Lisbon", **city)
    for claim, action, holds in (("Porto", "reject", "Lisbon"), ("Faro", "approve", "Faro")):
        guess = Add(store="user_profile", slot="location", text=claim, value=claim, **city)
        guessed = Source(origin=Origin.INFERENCE)
        receipt = api.machine.parts.ledger.write([guess], scope=Scope(user_id=name("alice")), source=guessed)[0]
        assert receipt.status == "challenged" and receipt.replaced == stands["handle"]
        challenge = waiting(alice, claim)
        assert challenge["mode"] == "challenge" and "Lisbon" in challenge["replaces"]
        assert decide(alice, challenge["handle"], action=action).status_code == 200
        texts = [one["text"] for one in alice.get("/v1/learnings").json()["items"]]
        assert texts == [holds] and alice.get("/v1/proposals").json()["items"] == []
