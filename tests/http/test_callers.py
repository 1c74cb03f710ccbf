"""Who calls: tokens and roles, the platform's users, and nobody else."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from http_api import Api, add, problem

from learning_machine.errors import ConfigurationError
from learning_machine.server.standalone import authentication, server
from learning_machine.server.tokens import Tokens, new_token

Name = Callable[[str], str]


def test_without_a_token_nobody_is_answered(alone: Api) -> None:
    """No token, a wrong one, and one of another form are all answered 401; naming a user helps nobody."""
    token = alone.bearer("alice", (), "user")
    wrong = [
        None,
        "Basic x",
        "Bearer",
        f"Bearer {token[:-1]}x",
        "Bearer lm_000000000000_" + "a" * 43,
        "Bearer " + "é" * 20,
    ]
    for sent in wrong:
        headers = {"learning-user": "alice", **({"Authorization": sent.encode()} if sent else {})}
        answer = httpx.get(f"{alone.url}/v1/learnings", headers=headers)
        assert "Bearer" in answer.headers["www-authenticate"]
        problem(answer, 401)
    assert httpx.get(f"{alone.url}/health").json()["status"] == "ok"
    assert httpx.get(f"{alone.url}/ready").json()["machines"] == {"default": "ok"}


def test_without_authentication_the_platform_answers_nobody(mounted: Api) -> None:
    """The platform's own authentication stands before every route of ours."""
    for path in ("/v1/learnings", "/v1/metrics", "/v1/proposals"):
        assert httpx.get(mounted.url + path, headers={"learning-user": "alice"}).status_code == 401


def test_roles(api: Api, name: Name) -> None:
    """Figures are for administrators."""
    problem(api.client(name("alice")).get("/v1/metrics"), 403)
    text = api.client(name("admin"), role="admin").get("/v1/metrics").text
    assert "learning_machine_http_requests_total" in text
    assert 'learning_machine_database_up{machine="default"} 1.0' in text
    assert name("alice") not in text


def test_tokens_are_kept_hashed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """The file holds no secret, only its owner may read it, and a removed token opens nothing."""
    tokens = Tokens(tmp_path / "deep" / "tokens.json")
    token, sent = new_token("reviewer", "carol", ("engineering",))
    tokens.add(token)
    text = tokens.path.read_text()  # type: ignore[union-attr]
    assert sent.rpartition("_")[2] not in text
    assert tokens.path.stat().st_mode & 0o077 == 0  # type: ignore[union-attr]
    again = Tokens(tokens.path)
    assert again.holder(sent) == token
    assert again.holder(sent[:-1] + "x") is None
    tokens.remove(token.id)
    assert again.holder(sent) is None
    with pytest.raises(ConfigurationError, match="token list"):
        tokens.remove(token.id)
    tokens.path.write_text("{")  # type: ignore[union-attr]
    with pytest.raises(ConfigurationError, match="token add"):
        len(Tokens(tokens.path))


def test_a_public_address_needs_tokens(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Without tokens only this computer's own addresses are served."""
    empty = tmp_path / "tokens.json"
    for host in ("0.0.0.0", "::", "192.168.1.7", "example.org"):
        with pytest.raises(ConfigurationError, match="token add"):
            server(None, host=host, tokens=empty)
    for host in ("127.0.0.1", "localhost", "::1"):
        authentication(host, Tokens(empty))
    Tokens(empty).add(new_token("user", "alice")[0])
    server(None, host="0.0.0.0", tokens=empty)


def test_groups_come_from_the_token(api: Api, name: Name) -> None:
    """What is shared with a group is read by its members, who cannot be made by a header."""
    alice, bob, eve = (
        api.client(name(who), *groups)
        for who, groups in (("alice", ["engineering"]), ("bob", ["engineering"]), ("eve", []))
    )
    shared = add(alice, store="learned_knowledge", name=name("Title"), text=f"Shared insight {name('x')}.")
    assert shared["namespace"] == "engineering"
    assert bob.get(f"/v1/learnings/{shared['handle']}").json()["text"] == shared["text"]
    problem(eve.get(f"/v1/learnings/{shared['handle']}", headers={"learning-groups": "engineering"}), 404)
