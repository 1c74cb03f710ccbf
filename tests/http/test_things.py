"""Entities, what happened, who is connected to whom; turns and what they taught; what an agent would recall."""

from __future__ import annotations

from collections.abc import Callable

from http_api import Api, add, problem

Name = Callable[[str], str]


def world(api: Api, name: Name):  # type: ignore[no-untyped-def]
    """Alice's world: Acme with a fact and two events, and people around it."""
    alice = api.client(name("alice"))
    add(alice, store="entity_memory", subject="Acme (company)", text="has 40 employees")
    for when, text in (("2026-03-01", "bought Beta"), ("2026-05-01", "moved to Porto")):
        add(alice, store="entity_memory", subject="Acme (company)", kind="event", text=text, when=when)
    for source, relation, target in (
        ("Bob (person)", "CEO of", "Acme (company)"),
        ("Bob (person)", "brother of", "Carl (person)"),
        ("Carl (person)", "plays for", "Delta (team)"),
    ):
        add(alice, store="entity_memory", subject=source, name=relation, target=target, text="")
    things = {one["name"]: one for one in alice.get("/v1/entities").json()["items"]}
    assert list(things) == ["Acme", "Bob", "Carl", "Delta"]
    return alice, things


def test_an_entity_with_what_is_known_of_it(api: Api, name: Name) -> None:
    """A thing has facts, events newest first, and connections from both ends; by its id or by its handle."""
    alice, things = world(api, name)
    acme = alice.get(f"/v1/entities/{things['Acme']['id']}").json()
    assert [one["text"] for one in acme["facts"]] == ["has 40 employees"]
    assert [one["text"] for one in acme["events"]] == ["moved to Porto", "bought Beta"]
    assert [(one["source_name"], one["relation"], one["target_name"]) for one in acme["connections"]] == [
        ("Bob", "CEO of", "Acme")
    ]
    assert alice.get(f"/v1/entities/{things['Acme']['handle']}").json() == acme
    assert (things["Acme"]["facts"], things["Acme"]["connections"], things["Bob"]["connections"]) == (3, 1, 2)
    problem(alice.get("/v1/entities/entity-0000000000000000"), 404)
    problem(alice.get("/v1/entities/nothing/neighbours"), 404)


def test_lists_of_entities(api: Api, name: Name) -> None:
    """Things come by name, page by page, by type, and by letters of their names."""
    alice, _ = world(api, name)
    first = alice.get("/v1/entities", params={"limit": 3}).json()
    rest = alice.get("/v1/entities", params={"limit": 3, "cursor": first["next"]}).json()
    assert [one["name"] for one in (*first["items"], *rest["items"])] == ["Acme", "Bob", "Carl", "Delta"]
    assert rest["next"] is None
    people = alice.get("/v1/entities", params={"type": "person"}).json()["items"]
    assert [one["name"] for one in people] == ["Bob", "Carl"]
    found = alice.post("/v1/entities/search", json={"words": "ACM"}).json()["items"]
    assert [one["name"] for one in found] == ["Acme"]


def test_timeline(api: Api, name: Name) -> None:
    """What happened comes newest first, in a period, page by page; of one thing or of all."""
    alice, things = world(api, name)
    every = alice.get("/v1/timeline").json()["items"]
    assert [(one["text"], one["about"], one["at"][:10]) for one in every] == [
        ("moved to Porto", "Acme", "2026-05-01"),
        ("bought Beta", "Acme", "2026-03-01"),
    ]
    path = f"/v1/entities/{things['Acme']['id']}/timeline"
    april = alice.get(path, params={"since": "2026-04-01T00:00:00Z"}).json()["items"]
    assert [one["text"] for one in april] == ["moved to Porto"]
    assert alice.get(path, params={"until": "2026-03-01"}).json()["items"] == []
    first = alice.get(path, params={"limit": 1}).json()
    second = alice.get(path, params={"limit": 1, "cursor": first["next"]}).json()
    assert [one["text"] for one in (*first["items"], *second["items"])] == ["moved to Porto", "bought Beta"]
    assert second["next"] is None
    assert alice.get(f"/v1/entities/{things['Bob']['id']}/timeline").json()["items"] == []


def test_neighbours(api: Api, name: Name) -> None:
    """One step or two away: each thing once with its distance, each connection once."""
    alice, things = world(api, name)
    path = f"/v1/entities/{things['Acme']['id']}/neighbours"
    near = alice.get(path).json()
    assert {(one["name"], one["hops"]) for one in near["nodes"]} == {("Acme", 0), ("Bob", 1)}
    far = alice.get(path, params={"hops": 2}).json()
    assert {(one["name"], one["hops"]) for one in far["nodes"]} == {("Acme", 0), ("Bob", 1), ("Carl", 2)}
    assert [one["relation"] for one in far["edges"]] == ["CEO of", "brother of"]
    problem(alice.get(path, params={"hops": 3}), 422)


def test_forgetting_a_thing_forgets_all_of_it(api: Api, name: Name) -> None:
    """With a thing go its facts, events and connections; others keep theirs."""
    alice, things = world(api, name)
    path = f"/v1/learnings/{things['Acme']['handle']}"
    gone = alice.delete(path, headers={"If-Match": alice.get(path).headers["etag"]})
    assert gone.status_code == 200, gone.text
    assert len(gone.json()) == 5
    assert [one["name"] for one in alice.get("/v1/entities").json()["items"]] == ["Bob", "Carl", "Delta"]
    assert alice.get("/v1/timeline").json()["items"] == []
    left = [one["name"] for one in alice.get("/v1/learnings").json()["items"]]
    assert left == ["plays for", "brother of"]
    problem(alice.patch(path, json={"text": "x"}, headers={"If-Match": '"x"'}), 422)


def test_turns_and_what_they_taught(api: Api, name: Name) -> None:
    """The latest turns with what was said, what was learned and what was proposed; only one's own."""
    alice, bob = api.client(name("alice"), "engineering"), api.client(name("bob"), "engineering")
    api.teach(name("alice"), "I: have a dog", f"rule: Never deploy {name('on')} Friday.", groups=("engineering",))
    (turn,) = alice.get("/v1/turns").json()["items"]
    assert (turn["status"], [one["role"] for one in turn["said"]]) == ("learned", ["user", "assistant"])
    assert [one["text"] for one in turn["learned"]] == ["have a dog"]
    assert [one["status"] for one in turn["proposed"]] == ["pending"]
    assert alice.get(f"/v1/turns/{turn['id']}").json() == turn
    assert bob.get("/v1/turns").json()["items"] == []
    problem(bob.get(f"/v1/turns/{turn['id']}"), 404)
    (learned,) = alice.get("/v1/learnings", params={"namespace": "user"}).json()["items"]
    assert learned["quotes"] == ["I: have a dog"]


def test_recall_and_context(api: Api, name: Name) -> None:
    """What an agent would read, store by store and as one text."""
    alice = api.client(name("alice"))
    add(alice, text="Alice", kind="field", name="name")
    found = alice.post("/v1/recall", json={"message": "who am I?"}).json()
    assert [one["text"] for one in found["user_profile"]["items"]] == ["Alice"]
    text = alice.post("/v1/context", json={"message": "who am I?"}).json()["text"]
    assert "- name: Alice" in text
    assert alice.post("/v1/context", json={}).status_code == 200
