"""Whatever is asked, and whoever asks it with whatever of another's ids: nothing of the other is reached."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from http_api import Api, add

Name = Callable[[str], str]
GROUP = "engineering"


def canaries(api: Api, name: Name) -> tuple[httpx.Client, list[str], dict[str, list[str]]]:
    """Alice with something in every store: her client, the strings that only she may read, and her ids."""
    alice = api.client(name("alice"), GROUP)
    secret = [f"canary{number}{name('x').replace('-', '')}" for number in range(8)]
    api.teach(
        name("alice"),
        f"I: {secret[0]} at home",
        f"Acme: {secret[1]} inside",
        f"rule: {secret[2]} before lunch",
        groups=(GROUP,),
    )
    add(alice, text=f"{secret[3]} private")
    add(alice, store="entity_memory", subject=f"{secret[4]} (company)", text="is secret")
    add(alice, store="entity_memory", subject=f"{secret[4]} (company)", kind="event", text=f"{secret[5]} event")
    add(
        alice,
        store="entity_memory",
        subject=f"{secret[4]} (company)",
        name="owns",
        target=f"{secret[6]} (company)",
        text="",
    )
    add(alice, store="session_context", kind="summary", text=f"{secret[7]} talk", session_id="s1")
    mine = alice.get("/v1/learnings", params={"state": "all", "limit": 200}).json()["items"]
    ids = {
        "handle": [one["handle"] for one in mine if one["namespace"] == "user"],
        "id": [one["id"] for one in alice.get("/v1/entities").json()["items"]],
        "turn": [one["id"] for one in alice.get("/v1/turns").json()["items"]],
        "proposal": [one["handle"] for one in alice.get("/v1/proposals").json()["items"]],
    }
    assert all(ids.values())
    everything = "".join(answer.text for answer in all_of(alice, ids, secret))
    assert [one for one in secret if one not in everything] == []
    return alice, secret, ids


def described(api: Api) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {api.bearer('x', (), 'user')}"}
    return dict(httpx.get(f"{api.url}/v1/openapi.json", headers=headers).json())


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation of the API's own description."""
    return [
        (method.upper(), path, operation)
        for path, found in document["paths"].items()
        if path.startswith("/v1/")
        for method, operation in found.items()
    ]


def body_for(
    operation: dict[str, Any], document: dict[str, Any], victim: str, ids: list[str], dice: random.Random
) -> dict[str, Any] | None:
    """A body that this operation takes, full of another person's names and ids."""
    if "requestBody" not in operation:
        return None
    named = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    known = document["components"]["schemas"][named]["properties"]
    one = dice.choice(ids)
    verdict = {"handle": one, "version": "x", "action": "approve"}
    values = {
        "text": "stolen",
        "store": "user_profile",
        "action": dice.choice(["approve", "reject"]),
        "confirm": victim,
    }
    values |= {"target": one, "message": victim, "words": "a", "session_id": "s1", "subject": one, "partly": True}
    more = {"handles": [one], "verdicts": [verdict], "preview": str(UUID(int=7)), "cursor": None}
    return {name: value for name, value in (values | more).items() if name in known}


def all_of(client: httpx.Client, ids: dict[str, list[str]], words: list[str]) -> Iterator[httpx.Response]:
    """Every reading endpoint, with every id."""
    yield from (
        client.get(f"/v1/{one}", params={"limit": 200})
        for one in ("learnings", "entities", "turns", "proposals", "timeline")
    )
    yield client.get("/v1/learnings", params={"state": "all", "limit": 200})
    yield client.get("/v1/proposals", params={"status": "all", "limit": 200})
    for word in words[::2]:
        yield client.post("/v1/learnings/search", json={"text": word})
        yield client.post("/v1/entities/search", json={"words": word})
        yield client.post("/v1/recall", json={"message": f"what about {word}?", "session_id": "s1"})
        yield client.post("/v1/recall/why", json={"message": f"what about {word}?"})
        yield client.post("/v1/recall", json={"message": word, "as_of": "2030-01-01", "known_at": "2030-01-01"})
        yield client.post("/v1/context", json={"message": f"what about {word}?", "session_id": "s1"})
    yield client.get("/v1/export")
    yield client.get("/v1/curation/runs")
    for handle in ids["handle"]:
        yield from (client.get(f"/v1/learnings/{handle}{more}") for more in ("", "/history", "/why"))
    for thing in ids["id"]:
        yield from (client.get(f"/v1/entities/{thing}{more}") for more in ("", "/timeline", "/neighbours?hops=2"))
    yield from (client.get(f"/v1/turns/{one}") for one in ids["turn"])
    yield from (client.get(f"/v1/proposals/{one}") for one in ids["proposal"])


def readable(client: httpx.Client, ids: dict[str, list[str]], words: list[str]) -> list[str]:
    """All that a client reads, but for when it was exported."""
    return [re.sub(r'"exported_at":"[^"]+"', "", answer.text) for answer in all_of(client, ids, words)]


@pytest.mark.parametrize("role", ["user", "reviewer", "admin"])
def test_nothing_of_another_is_read(api: Api, name: Name, role: Any) -> None:
    """Of another user's canaries none is in any answer, whatever id or word it is asked by; what has an id is not there."""
    _, secret, ids = canaries(api, name)
    bob = api.client(name("bob"), GROUP, role=role)
    bob.headers.update({"learning-user": name("alice"), "x-user": name("alice"), "learning-groups": name("alice")})
    for answer in all_of(bob, ids, secret):
        assert not any(one in answer.text for one in secret), (answer.request.method, answer.request.url)
        assert answer.status_code < 500
        if {one for found in ids.values() for one in found}.intersection(answer.request.url.path.split("/")):
            assert answer.status_code == 404, (answer.request.url, answer.text)


def test_nothing_of_another_is_changed(api: Api, name: Name) -> None:
    """A fuzz over every operation with another's ids, versions and names: nothing of theirs is told, and nothing changed."""
    alice, secret, ids = canaries(api, name)
    before = readable(alice, ids, secret)
    bob, dice = api.client(name("bob"), GROUP), random.Random(7)
    every = [one for group in ids.values() for one in group]
    tags = [alice.get(f"/v1/learnings/{handle}").headers["etag"] for handle in ids["handle"]]
    document = described(api)
    for method, path, operation in operations(document) * 4:
        filled = re.sub(r"\{\w+\}", lambda _: dice.choice(every), path)
        body = body_for(operation, document, name("alice"), every, dice)
        answer = bob.request(
            method,
            filled,
            params={"as_user": name("alice"), "user_id": name("alice"), "cursor": dice.choice(every), "session": "s1"},
            json=body,
            headers={"If-Match": dice.choice(tags), "learning-user": name("alice")},
        )
        assert answer.status_code < 500, (method, filled, answer.text)
        assert not any(one in answer.text for one in secret), (method, filled)
    for handle, tag in zip(ids["handle"], tags, strict=True):
        stolen = bob.patch(f"/v1/learnings/{handle}", json={"text": "x"}, headers={"If-Match": tag})
        assert stolen.status_code == 404
        assert bob.delete(f"/v1/learnings/{handle}", headers={"If-Match": tag}).status_code == 404
    assert readable(alice, ids, secret) == before


def test_words_of_another_speaker_are_nowhere(api: Api, name: Name) -> None:
    """What Alice said led to what the group knows. The group reads that, and neither her words nor that they were hers."""
    alice, bob = api.client(name("alice"), GROUP), api.client(name("bob"), GROUP)
    carol = api.client(name("carol"), role="reviewer")
    marker = f"words{name('y').replace('-', '')}"
    api.machine.process(
        [
            {"role": "user", "content": f"My {marker} says:\nrule: Check {name('the')} fuse twice."},
            {"role": "assistant", "content": "ok"},
        ],
        user_id=name("alice"),
        groups=(GROUP,),
        session_id=marker,
    )
    proposal = next(
        one for one in alice.get("/v1/proposals", params={"limit": 200}).json()["items"] if name("the") in one["text"]
    )
    tag = carol.get(f"/v1/proposals/{proposal['handle']}").headers["etag"]
    path = f"/v1/proposals/{proposal['handle']}/verdict"
    done = carol.post(path, json={"action": "approve"}, headers={"If-Match": tag}).json()
    assert done["status"] == "saved"
    ids = {"handle": [done["learning"]], "id": [], "turn": [], "proposal": [proposal["handle"]]}
    for client in (bob, carol):
        for answer in all_of(client, ids, [marker, name("the")]):
            for hidden in (marker, name("alice"), "rule: "):
                assert hidden not in answer.text, (answer.request.url, hidden)
    assert bob.get(f"/v1/learnings/{done['learning']}").json()["quotes"] == []
