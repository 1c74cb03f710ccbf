"""`explain`, `history`, `undo`, and `show` on another day."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

TOLD = (
    "User: I live in London.\nAssistant: Noted.\n---\nUser: I moved from London to Lisbon in March.\nAssistant: Oh!\n"
)
ALICE = ("--user", "alice")
PROFILE = (*ALICE, "--store", "user_profile")


@pytest.fixture
def told(run: Any, tmp_path: Path) -> str:
    """Alice has moved; the handle of where she lives now."""
    file = tmp_path / "talk.txt"
    file.write_text(TOLD, "utf-8")
    assert run("learn", str(file), *ALICE).code == 0
    handle: str = json.loads(run("show", *ALICE, "--json").out)[0]["handle"]
    return handle


def texts(ran: Any) -> list[str]:
    assert ran.code == 0, ran.err
    return [row["text"] for row in json.loads(ran.out)]


def test_explain(run: Any, told: str) -> None:
    """It says the words, what was replaced, and with a message why that recalls it."""
    ran = run("explain", told, *ALICE, "--message", "where do I live?")
    assert ran.code == 0
    assert "location: Lisbon" in ran.out and "“I moved from London to Lisbon in March”" in ran.out
    assert "replaced: k" in ran.out and "recalled: stands" in ran.out
    assert json.loads(run("explain", told, *ALICE, "--json").out)["text"] == "Lisbon"


def test_history(run: Any, told: str) -> None:
    """It shows what stood there before, with its dates."""
    lines = run("history", told, *ALICE).out.splitlines()
    assert [line.split("  ")[2] for line in lines] == ["London", "Lisbon"]
    assert "-03-01 to …" in lines[1] and lines[0].split("  ")[1].endswith("-03-01")


def test_show_says_since_when_it_holds(run: Any, told: str) -> None:
    """What was said to have begun on another day is shown with that day, and with the one on which it was learned."""
    [line] = [one for one in run("show", *PROFILE).out.splitlines() if "Lisbon" in one]
    assert "-03-01, learned 20" in line


def test_undo(run: Any, told: str) -> None:
    """It takes the move back, says so, and says when there is nothing more to undo."""
    ran = run("undo", told, *ALICE, "--by", "carol")
    assert ran.code == 0 and "Lisbon" in ran.out and "undone: 1 change" in ran.err
    assert texts(run("show", *PROFILE, "--json")) == ["London"]
    assert "already undone by carol" in run("undo", told, *ALICE).err
    assert run("undo", "k999", *ALICE).code == 1


def test_undo_what_was_built_upon(run: Any, told: str) -> None:
    """What was replaced since is in the way: nothing happens, and it is said what to undo first."""
    first = json.loads(run("history", told, *ALICE, "--json").out)[-1]["handle"]
    ran = run("undo", first, *ALICE)
    assert ran.code == 1 and f"replaced by {told}" in ran.err


def test_show_another_day(run: Any, told: str) -> None:
    """`--as-of` shows what was true then, `--known-at` what was known then."""
    assert texts(run("show", *PROFILE, "--as-of", "2020-01-01", "--json")) == ["London"]
    assert texts(run("show", *PROFILE, "--known-at", "2020-01-01", "--json")) == []
    assert "Lisbon" in run("show", *ALICE, "--as-of", "2100-01-01").out
    assert run("show", *ALICE, "--as-of", "soon").code == 1


def test_review_shows_challenges(run: Any, scripted: Any, tmp_path: Path) -> None:
    """A challenge is listed and settled like a proposal."""
    field = {"action": "add", "store": "user_profile", "kind": "field", "name": "location"}
    machine = scripted([{**field, "value": "Lisbon", "quote": "in Lisbon"}], [{**field, "value": "Porto"}])
    file = tmp_path / "talk.txt"
    file.write_text("User: I live in Lisbon.\nAssistant: ok\n---\nUser: Hm.\nAssistant: ok\n", "utf-8")
    run("learn", str(file), *ALICE, "--machine", machine)
    listed = run("review", "--list", "--json")
    assert [(one.get("mode"), one["text"]) for one in json.loads(listed.out)] == [("challenge", "Porto")]
    assert "1 saved" in run("review", "--approve-all", "--by", "alice").err
    assert texts(run("show", *ALICE, "--json")) == ["Porto"]
