"""History, why, undo, as-of; curation; export and erasure: over HTTP, each as its own person."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

from http_api import Api, add, problem

from learning_machine.state.changes import Add, Origin
from learning_machine.state.scope import Scope
from learning_machine.stores.writing import Source

Name = Callable[[str], str]


def test_history_why_and_undo(api: Api, name: Name) -> None:
    """What stood in a place is listed; why it is known is told; an undo brings back what was there, and is itself undone."""
    alice, bob = api.client(name("alice")), api.client(name("bob"))
    tea = add(alice, text="Alice", kind="field", name="name")
    path = f"/v1/learnings/{tea['handle']}"
    edited = alice.patch(path, json={"text": "Alicia"}, headers={"If-Match": alice.get(path).headers["etag"]}).json()
    new = edited["learning"]["handle"]
    assert [one["text"] for one in alice.get(f"/v1/learnings/{new}/history").json()] == ["Alicia", "Alice"]
    why = alice.get(f"/v1/learnings/{new}/why").json()
    assert (why["origin"], why["replaced"], why["certain"]) == ("user", tea["handle"], True)
    problem(bob.get(f"/v1/learnings/{new}/why"), 404)
    problem(bob.get(f"/v1/learnings/{new}/history"), 404)
    problem(bob.post("/v1/undo", json={"target": new}), 404)
    problem(alice.post("/v1/undo", json={"target": tea["handle"]}), 409)
    done = alice.post("/v1/undo", json={"target": new}).json()
    assert done["status"] == "undone"
    assert [one["text"] for one in alice.get("/v1/learnings").json()["items"]] == ["Alice"]
    assert alice.post("/v1/undo", json={"target": done["batch"]}).json()["status"] == "undone"
    assert [one["text"] for one in alice.get("/v1/learnings").json()["items"]] == ["Alicia"]


def test_pin_and_unpin(api: Api, name: Name) -> None:
    """A learning is pinned and let go by whose it is, any number of times; nobody else can, nor what no longer holds."""
    alice, bob = api.client(name("alice")), api.client(name("bob"))
    path = f"/v1/learnings/{add(alice, text='Alice', kind='field', name='name')['handle']}"
    for _ in range(2):
        assert alice.put(f"{path}/pin").json()["pinned"] is True
        problem(bob.put(f"{path}/pin"), 404)
        problem(bob.delete(f"{path}/pin"), 404)
        assert alice.get(path).json()["pinned"] is True
    edited = alice.patch(path, json={"text": "Alicia"}, headers={"If-Match": alice.get(path).headers["etag"]}).json()
    assert edited["learning"]["pinned"] is True
    problem(alice.put(f"{path}/pin"), 404)
    for _ in range(2):
        new = f"/v1/learnings/{edited['learning']['handle']}/pin"
        assert alice.delete(new).json()["pinned"] is False
    problem(alice.put("/v1/learnings/nothing/pin"), 404)


def test_as_of(api: Api, name: Name) -> None:
    """What was true on a day is what held then, and what was known before something was learned is without it."""
    alice = api.client(name("alice"))
    write = api.machine.parts.ledger.write
    for city, day in (("London", datetime(2020, 1, 1, tzinfo=UTC)), ("Lisbon", datetime(2026, 3, 1, tzinfo=UTC))):
        home = Add(
            store="user_profile", kind="field", name="location", slot="location", text=city, value=city, since=day
        )
        write([home], scope=Scope(user_id=name("alice")), source=Source(origin=Origin.USER))
    for day, city in (("2026-02-01", "London"), ("2026-05-01T00:00:00+02:00", "Lisbon")):
        then = alice.post("/v1/recall", json={"as_of": day}).json()
        assert [one["text"] for one in then["user_profile"]["items"]] == [city]
        assert city in alice.post("/v1/context", json={"as_of": day}).json()["text"]
    assert alice.post("/v1/recall", json={"as_of": "2019-01-01"}).json() == {}
    add(alice, text="Alice", kind="field", name="name")
    now = alice.post("/v1/recall", json={}).json()
    assert [one["text"] for one in now["user_profile"]["items"]] == ["Alice", "Lisbon"]
    assert alice.post("/v1/recall", json={"known_at": "2020-01-01T00:00:00Z"}).json() == {}


def test_what_a_reviewer_did_is_not_told_to_others(api: Api, name: Name) -> None:
    """In a shared namespace the steps are there, and who took them is told to nobody else."""
    alice, bob = api.client(name("alice"), "engineering"), api.client(name("bob"), "engineering")
    rule = f"Masked rule {name('for')} all."
    api.teach(name("alice"), f"rule: {rule}", groups=("engineering",))
    proposal = next(one for one in alice.get("/v1/proposals").json()["items"] if one["text"] == rule)
    tag = alice.get(f"/v1/proposals/{proposal['handle']}").headers["etag"]
    path = f"/v1/proposals/{proposal['handle']}/verdict"
    done = alice.post(path, json={"action": "approve"}, headers={"If-Match": tag}).json()
    mine = alice.get(f"/v1/learnings/{done['learning']}/why").json()
    assert mine["verdicts"][0]["decided_by"] == name("alice")
    theirs = bob.get(f"/v1/learnings/{done['learning']}/why")
    assert theirs.json()["verdicts"][0]["status"] == "approved"
    assert name("alice") not in theirs.text
    assert mine["quotes"] == [f"rule: {rule}"]
    assert theirs.json()["quotes"] == []


def test_curation(api: Api, name: Name) -> None:
    """A preview is kept and run as it is; another person's preview is not there."""
    alice, bob = api.client(name("alice")), api.client(name("bob"))
    add(alice, text="drinks tea")
    made = alice.post("/v1/curation/previews", json={})
    assert made.status_code == 201, made.text
    ran = alice.post("/v1/curation/runs", json={"preview": made.json()["id"]})
    assert ran.status_code == 200, ran.text
    assert [one["id"] for one in alice.get("/v1/curation/runs").json()] == [made.json()["id"]]
    problem(bob.post("/v1/curation/runs", json={"preview": made.json()["id"]}), 404)
    assert bob.get("/v1/curation/runs").json() == []


def test_export_and_erase(api: Api, name: Name) -> None:
    """All that is known of somebody comes as lines of JSON; erased it is gone, and others' is not."""
    alice, bob = api.client(name("alice")), api.client(name("bob"))
    add(alice, text=f"drinks {name('tea')}")
    add(bob, text=f"drinks {name('milk')}")
    lines = [json.loads(line) for line in alice.get("/v1/export").text.splitlines()]
    assert name("tea") in json.dumps(lines)
    assert name("milk") not in json.dumps(lines)
    problem(alice.post("/v1/erase", json={"confirm": "yes"}), 422)
    gone = alice.post("/v1/erase", json={"confirm": name("alice")})
    assert gone.status_code == 200, gone.text
    assert name("tea") not in alice.get("/v1/learnings", params={"state": "all"}).text
    assert name("tea") not in alice.get("/v1/export").text
    assert [one["text"] for one in bob.get("/v1/learnings").json()["items"]] == [f"drinks {name('milk')}"]
