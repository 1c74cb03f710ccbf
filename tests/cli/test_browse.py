"""What HTTP does, the command line does: looking at what was learned, putting it right, tokens and the server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

ALICE = ("--user", "alice")
APP = """
from learning_machine import LearningMachine
machine = LearningMachine(user_profile=True, session_context=True, learned_knowledge=True, entity_memory=True, model="offline")
"""


@pytest.fixture
def cli(run: Any, app: Any) -> Any:
    """Runs a command on a machine with every store; with `--json` in it, the JSON it printed."""
    name = f"{app(APP)}:machine"

    def call(*arguments: str, code: int = 0) -> Any:
        ran = run(*arguments, "--machine", name)
        assert ran.code == code, ran.err
        return json.loads(ran.out) if "--json" in arguments else ran

    return call


def test_add_list_get_edit_forget(cli: Any) -> None:
    """A learning is added, listed, shown, changed bound to what was shown, and forgotten."""
    assert cli("add", "user_profile", "drinks tea", *ALICE).out == "saved as k1\n"
    (one,) = cli("list", *ALICE, "--json")["items"]
    assert (one["handle"], one["text"], one["origin"]) == ("k1", "drinks tea", "user")
    version = cli("get", "k1", *ALICE, "--json")["version"]
    assert "drinks tea" in cli("get", "k1", *ALICE).out
    assert cli("edit", "k1", "drinks coffee", *ALICE, "--expected", version).out == "saved as k2, replaces k1\n"
    assert "changed since" in cli("edit", "k1", "drinks wine", *ALICE, "--expected", version, code=1).err
    assert "drinks coffee" in cli("list", *ALICE).out
    assert "no learning" in cli("get", "k1", "--user", "bob", code=1).err
    assert cli("forget", "k2", *ALICE).code == 0
    assert cli("list", *ALICE).out == ""
    assert "drinks tea" in cli("list", *ALICE, "--state", "closed").out
    assert "cannot be written" in cli("add", "nothing", "x", *ALICE, code=1).err


def test_search_things_and_time(cli: Any) -> None:
    """What is known is found by words; things with their facts, what happened, and who is connected to them."""
    cli("add", "learned_knowledge", "Test every migration on a copy first.", "--name", "Migrations", *ALICE)
    cli("add", "entity_memory", "has 40 employees", "--about", "Acme (company)", *ALICE)
    cli(
        "add",
        "entity_memory",
        "bought Beta",
        "--about",
        "Acme (company)",
        "--kind",
        "event",
        "--when",
        "2026-03-01",
        *ALICE,
    )
    cli("add", "entity_memory", "", "--about", "Bob (person)", "--name", "CEO of", "--target", "Acme (company)", *ALICE)
    assert "Migrations" in cli("search", "how to test migrations", *ALICE).out
    things = cli("entities", *ALICE, "--json")["items"]
    assert [one["name"] for one in things] == ["Acme", "Bob"]
    assert "Acme (company)" in cli("entities", *ALICE).out
    shown = cli("entity", things[0]["handle"], *ALICE).out
    assert "has 40 employees" in shown
    assert "Bob — CEO of → Acme" in shown
    assert "2026-03-01  Acme: bought Beta" in cli("timeline", *ALICE, "--since", "2026-01-01").out
    assert cli("timeline", *ALICE, "--until", "2026-01-01", "--json")["items"] == []
    assert "Bob — CEO of → Acme" in cli("neighbours", things[1]["id"], *ALICE).out
    first = cli("entities", *ALICE, "--limit", "1")
    assert f"--cursor {things[0]['id']}" in first.err


def test_turns(cli: Any, tmp_path: Path) -> None:
    """Turns are shown with what they taught."""
    file = tmp_path / "talk.jsonl"
    file.write_text(
        json.dumps(
            {"messages": [{"role": "user", "content": "My name is Alice."}, {"role": "assistant", "content": "Hi."}]}
        )
    )
    cli("learn", str(file), *ALICE)
    (turn,) = cli("turns", *ALICE, "--json")["items"]
    assert [one["text"] for one in turn["learned"] if one["store"] == "user_profile"] == ["Alice"]
    assert "user: My name is Alice." in cli("turns", *ALICE).out


def test_tokens(run: Any, tmp_path: Path) -> None:
    """A token is printed once, listed without its secret, and taken away."""
    file = ("--tokens", str(tmp_path / "tokens.json"))
    sent = run("token", "add", *ALICE, "--group", "engineering", *file).out.strip()
    assert re.fullmatch(r"lm_[0-9a-f]{12}_[\w-]{43}", sent)
    (one,) = json.loads(run("token", "list", "--json", *file).out)
    assert (one["user"], one["role"], one["groups"]) == ("alice", "user", ["engineering"])
    assert sent.rpartition("_")[2] not in run("token", "list", *file).out
    assert run("token", "add", *ALICE, "--role", "king", *file).code == 2
    assert run("token", "remove", one["id"], *file).code == 0
    assert json.loads(run("token", "list", "--json", *file).out) == []
    assert run("token", "remove", one["id"], *file).code == 1


def test_serve_refuses_a_public_address_without_tokens(run: Any, tmp_path: Path) -> None:
    """Without tokens nothing is opened to other computers."""
    ran = run("serve", "--host", "0.0.0.0", "--tokens", str(tmp_path / "none.json"))
    assert ran.code == 1
    assert "learning-machine token add" in ran.err


def test_serve(url: str, tmp_path: Path) -> None:
    """The server answers this computer, only where it is called by a name of it, and only who says who they are."""
    from learning_machine.server.standalone import free_port

    port = free_port()
    command = [
        sys.executable,
        "-m",
        "learning_machine",
        "serve",
        "--port",
        str(port),
        "--tokens",
        str(tmp_path / "none"),
    ]
    env = {**os.environ, "LEARNING_MACHINE_DATABASE_URL": url, "LEARNING_MACHINE_MODEL": "offline"}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=env, stderr=log, stdout=log, cwd=tmp_path)
    try:
        base = f"http://127.0.0.1:{port}"
        ends = time.monotonic() + 60
        while True:
            try:
                assert httpx.get(f"{base}/health").status_code == 200
                break
            except httpx.TransportError:
                assert process.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < ends
        added = httpx.post(
            f"{base}/v1/learnings",
            json={"store": "user_profile", "text": "secret tea"},
            headers={"learning-user": "alice"},
        )
        assert added.status_code == 201, added.text
        assert httpx.get(f"{base}/v1/learnings", params={"as_user": "alice"}).json()["items"][0]["text"] == "secret tea"
        assert httpx.get(f"{base}/v1/learnings").status_code == 401
        rebound = {"learning-user": "alice", "host": "evil.example"}
        assert httpx.get(f"{base}/v1/learnings", headers=rebound).status_code == 401
        assert httpx.get(f"{base}/ready").json()["status"] == "ok"
    finally:
        process.terminate()
        process.wait(30)
    assert "alice" not in (tmp_path / "log").read_text()
    assert "tea" not in (tmp_path / "log").read_text()


def test_what_an_agent_would_read(run: Any) -> None:
    """`show --message` prints the text that an agent reads beside a message, as over HTTP; with nothing known it says so."""
    nothing = run("show", "--user", "alice", "--message", "Where do I live?")
    assert (nothing.code, nothing.out) == (0, "") and "would read nothing" in nothing.err
    assert run("add", "user_profile", "Lisbon", "--user", "alice", "--kind", "field", "--name", "location").code == 0
    text = run("show", "--user", "alice", "--message", "Where do I live?").out
    assert text.startswith("<learnings>\n") and "- location: Lisbon [k" in text
    told = run("show", "--user", "alice", "--message", "Where do I live?", "--json").out
    assert json.loads(told)["text"] == text.strip()
    then = run("show", "--user", "alice", "--message", "x", "--known-at", "2020-01-01", "--json")
    assert json.loads(then.out) == {"text": ""}
