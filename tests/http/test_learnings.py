"""Learnings over HTTP: list, search, read, add, edit, forget; pages, ETags, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from http_api import Api, add, problem

Name = Callable[[str], str]


def test_add_read_edit_forget(api: Api, name: Name) -> None:
    """What a person adds is their own word; an edit takes its place and keeps the old one; what is forgotten holds no more."""
    alice = api.client(name("alice"))
    tea = add(alice, text="drinks tea")
    assert (tea["origin"], tea["holds"], tea["namespace"], tea["quotes"]) == ("user", True, "user", [])
    read = alice.get(f"/v1/learnings/{tea['handle']}")
    assert read.json() == tea
    edited = alice.patch(
        f"/v1/learnings/{tea['handle']}", json={"text": "drinks coffee"}, headers={"If-Match": read.headers["etag"]}
    )
    assert edited.status_code == 200, edited.text
    coffee = edited.json()["learning"]
    assert (edited.json()["status"], edited.json()["replaced"]) == ("saved", tea["handle"])
    assert edited.headers["location"] == f"/v1/learnings/{coffee['handle']}"
    before = alice.get(f"/v1/learnings/{tea['handle']}").json()
    assert (before["holds"], before["superseded_by"]) == (False, coffee["handle"])
    gone = alice.delete(f"/v1/learnings/{coffee['handle']}", headers={"If-Match": edited.headers["etag"]})
    assert [one["status"] for one in gone.json()] == ["saved"]
    assert alice.get("/v1/learnings").json() == {"items": [], "next": None}
    texts = [one["text"] for one in alice.get("/v1/learnings", params={"state": "all"}).json()["items"]]
    assert texts == ["drinks coffee", "drinks tea"]


def test_a_stale_edit_is_refused(api: Api, name: Name) -> None:
    """Without If-Match 428; with the ETag of what has changed since 412, and nothing is written."""
    alice = api.client(name("alice"))
    tea = add(alice, text="drinks tea")
    path, stale = f"/v1/learnings/{tea['handle']}", alice.get(f"/v1/learnings/{tea['handle']}").headers["etag"]
    problem(alice.patch(path, json={"text": "x"}), 428)
    problem(alice.delete(path), 428)
    problem(alice.delete(path, headers={"If-Match": "*"}), 412)
    assert alice.patch(path, json={"text": "drinks water"}, headers={"If-Match": stale}).status_code == 200
    problem(alice.patch(path, json={"text": "drinks wine"}, headers={"If-Match": stale}), 412)
    problem(alice.delete(path, headers={"If-Match": stale}), 412)
    assert [one["text"] for one in alice.get("/v1/learnings").json()["items"]] == ["drinks water"]


def test_of_edits_at_once_one_counts(api: Api, name: Name) -> None:
    """Of ten edits of the same version at once one is written, and nine are told that they came too late."""
    alice = api.client(name("alice"))
    tea = add(alice, text="drinks tea")
    path, tag = f"/v1/learnings/{tea['handle']}", alice.get(f"/v1/learnings/{tea['handle']}").headers["etag"]

    def edit(number: int) -> int:
        with api.client(name("alice")) as client:
            return client.patch(path, json={"text": f"drinks {number}"}, headers={"If-Match": tag}).status_code

    with ThreadPoolExecutor(10) as pool:
        found = sorted(pool.map(edit, range(10)))
    assert found == [200] + [412] * 9
    assert len(alice.get("/v1/learnings").json()["items"]) == 1


def test_pages_and_filters(api: Api, name: Name) -> None:
    """A list comes page by page, newest first, each learning once; filters narrow it; a cursor of nothing is refused."""
    alice = api.client(name("alice"))
    for number in range(7):
        add(alice, text=f"note {number}")
    add(alice, text="Alice", kind="field", name="name")
    add(alice, store="entity_memory", subject="Acme (company)", text="has 40 employees")
    found, cursor = [], None
    while True:
        params = {"limit": 3, "store": "user_profile", **({"cursor": cursor} if cursor else {})}
        page = alice.get("/v1/learnings", params=params).json()
        found += [one["text"] for one in page["items"]]
        if (cursor := page["next"]) is None:
            break
        assert len(page["items"]) == 3
    assert found == ["Alice", *(f"note {number}" for number in reversed(range(7)))]
    fields = alice.get("/v1/learnings", params={"kind": "field"}).json()["items"]
    assert [(one["name"], one["text"]) for one in fields] == [("name", "Alice")]
    assert alice.get("/v1/learnings", params={"namespace": "engineering"}).json()["items"] == []
    problem(alice.get("/v1/learnings", params={"cursor": "nothing"}), 422)
    problem(alice.get("/v1/learnings", params={"limit": 0}), 422)


def test_search(api: Api, name: Name) -> None:
    """A text is looked for by its words in what is indexed, and as it is written in the rest."""
    alice = api.client(name("alice"), "engineering")
    add(alice, text="collects 100% fountain pens")
    add(alice, store="learned_knowledge", name="Migrations", text="Test every migration on a copy of the data first.")
    found = alice.post("/v1/learnings/search", json={"text": "how do I test migrations?"}).json()["items"]
    assert [one["name"] for one in found] == ["Migrations"]
    assert [one["text"] for one in alice.post("/v1/learnings/search", json={"text": "100% f"}).json()["items"]] == [
        "collects 100% fountain pens"
    ]
    assert alice.post("/v1/learnings/search", json={"text": "zebra"}).json()["items"] == []


def test_what_cannot_be_written(api: Api, name: Name) -> None:
    """Unknown stores, empty texts, others' namespaces and values of the wrong type are refused with a problem that says why."""
    alice = api.client(name("alice"))
    assert "user_profile" in problem(alice.post("/v1/learnings", json={"store": "nothing", "text": "x"}), 422)["detail"]
    problem(alice.post("/v1/learnings", json={"store": "user_profile", "text": ""}), 422)
    problem(alice.post("/v1/learnings", json={"store": "session_context", "text": "x"}), 422)
    problem(alice.post("/v1/learnings", json={"store": "user_profile", "text": "x", "namespace": "global"}), 403)
    found = problem(alice.post("/v1/learnings", json={"store": "user_profile", "texts": "x"}), 422)
    assert found["errors"][0]["where"] == "body/texts"
    problem(alice.post("/v1/learnings", content=b"{", headers={"content-type": "application/json"}), 422)
    problem(alice.post("/v1/learnings", json={"store": "user_profile", "text": "x" * 1_200_000}), 413)
    problem(alice.get("/v1/learnings/k0zzzz"), 404)
    problem(alice.get("/v1/nothing"), 404)
    problem(alice.put("/v1/learnings"), 405)


def test_not_modified(api: Api, name: Name) -> None:
    """Who has it already is told so, without it."""
    alice = api.client(name("alice"))
    tea = add(alice, text="drinks tea")
    tag = alice.get(f"/v1/learnings/{tea['handle']}").headers["etag"]
    again = alice.get(f"/v1/learnings/{tea['handle']}", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "\u202eevil\u0000", "a" * 20_000, "${jndi}", "'; drop table learning; --"]
)
def test_any_text_survives(api: Api, name: Name, text: str) -> None:
    """What people write is stored and shown as it is, but for what a database cannot hold."""
    alice = api.client(name("alice"))
    assert add(alice, text=text)["text"] == text.replace("\0", "\ufffd")


def test_any_path_below_is_ours(api: Api, name: Name) -> None:
    """An id with a line break, a slash or nothing readable in it is answered here, as one that is not there."""
    alice = api.client(name("alice"))
    for id in ("a%0Ab", "%0A", "a%2Fb", "%F0%9F%8D%B5%0A", "a%00b"):
        problem(alice.get(f"/v1/learnings/{id}"), 404)
