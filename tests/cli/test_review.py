"""`learning-machine review`: a person decides on what was proposed, one by one or many at once."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from learning_machine import LearnedKnowledgeConfig, LearningMachine, LearningMode
from learning_machine.testing import ScriptedModel, change

SOURCE = """
from learning_machine import LearningMachine, LearnedKnowledgeConfig, LearningMode
machine = LearningMachine(
    learned_knowledge=LearnedKnowledgeConfig(mode=LearningMode.HITL, namespace="team"), reviewers=["carol", "dan"])
"""
RULES = [
    ("Retry", "Retry webhooks with backoff."),
    ("Deploy", "Deploy on Mondays."),
    ("Order", "Always execute migrations first."),
    ("Logs", "Keep logs for a year."),
]


@pytest.fixture
def reviewed(url: str, app: Callable[[str], str]) -> str:
    """A machine with four proposals, one of them of high risk, as `--machine` takes it."""
    learned = [change("learned_knowledge", text, kind="insight", name=name) for name, text in RULES]
    config = LearnedKnowledgeConfig(mode=LearningMode.HITL, namespace="team")
    with LearningMachine(
        db=url, model=ScriptedModel(learns=[learned]), learned_knowledge=config, reviewers=["carol"]
    ) as machine:
        machine.process([("user", "hello"), ("ai", "ok")], user_id="alice", session_id="s", groups=("team",))
    return f"{app(SOURCE)}:machine"


@pytest.fixture
def became(url: str) -> Callable[[], dict[str, tuple[str, str | None]]]:
    """What has become of each proposal, and by whom."""

    def ask() -> dict[str, tuple[str, str | None]]:
        config = LearnedKnowledgeConfig(mode=LearningMode.HITL, namespace="team")
        with LearningMachine(db=url, learned_knowledge=config, reviewers=["carol"]) as machine:
            return {one.handle: (one.status, one.decided_by) for one in machine.proposals.list(status=None)}

    return ask


def test_list(run: Any, reviewed: str) -> None:
    """`--list` prints a line each, with handle, risk, mode, where it would go and what it says."""
    code, out, err = run("review", "--list", "--machine", reviewed)
    assert code == 0
    assert out.splitlines()[0] == "p1  medium  hitl  team  learned_knowledge  Retry: Retry webhooks with backoff."
    assert "p3  high" in out
    assert err == "4 proposals waiting.\n"


def test_json(run: Any, reviewed: str) -> None:
    """`--json` is all that waits, and decides nothing."""
    code, out, _ = run("review", "--json", "--machine", reviewed, "--risk", "high")
    (one,) = json.loads(out)
    assert code == 0
    assert {name: one[name] for name in ("handle", "text", "namespace", "mode", "proposer", "quote", "supporters")} == {
        "handle": "p3",
        "text": "Always execute migrations first.",
        "namespace": "team",
        "mode": "hitl",
        "proposer": "alice",
        "quote": "",
        "supporters": 1,
    }


def test_many_at_once(run: Any, reviewed: str, became: Any) -> None:
    """Filters and `--approve-all` decide on many in one command; the rest is left as it is."""
    code, _, err = run("review", "--machine", reviewed, "--by", "carol", "--risk", "medium", "--approve-all")
    assert (code, err.splitlines()[-1]) == (0, "3 saved")
    code, _, err = run("review", "--machine", reviewed, "--by", "dan", "--store", "learned_knowledge", "--reject-all")
    assert (code, err.splitlines()[-1]) == (0, "1 rejected")
    assert became() == {
        "p1": ("approved", "carol"),
        "p2": ("approved", "carol"),
        "p3": ("rejected", "dan"),
        "p4": ("approved", "carol"),
    }
    assert run("review", "--machine", reviewed, "--by", "carol").err == "Nothing waits for a decision.\n"


def test_who_may_not(run: Any, reviewed: str, became: Any) -> None:
    """Who is no reviewer is told so, decides nothing, and the command fails."""
    code, _, err = run("review", "--machine", reviewed, "--by", "alice", "--approve-all")
    assert code == 1
    assert "'alice' may not decide p1: only a reviewer may decide this." in err
    assert err.splitlines()[-1] == "4 not allowed"
    assert {status for status, _ in became().values()} == {"pending"}


def test_both_is_a_mistake(run: Any, reviewed: str) -> None:
    """Approving and rejecting all at once is refused as a mistake of usage."""
    assert run("review", "--machine", reviewed, "--approve-all", "--reject-all").code == 2


def test_nobody_to_ask(run: Any, reviewed: str) -> None:
    """Without a terminal and without a decision it says what to use instead."""
    code, _, err = run("review", "--machine", reviewed, "--by", "carol")
    assert code == 1
    assert "--approve-all" in err


def test_at_a_terminal(url: str, reviewed: str, became: Any) -> None:
    """One after the other is shown and asked: approve, edit, reject with a reason, leave; the rest waits."""
    parent, child = pty.openpty()
    environment = {**os.environ, "LEARNING_MACHINE_DATABASE_URL": url, "COLUMNS": "120", "TERM": "dumb"}
    environment["PYTHONPATH"] = str(Path.cwd())
    command = [sys.executable, "-m", "learning_machine", "review", "--machine", reviewed, "--by", "carol"]
    process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environment)
    os.close(child)
    seen = b""

    def wait_for(words: bytes) -> None:
        nonlocal seen
        ends = time.monotonic() + 60
        while words not in seen:
            assert time.monotonic() < ends, seen
            seen += os.read(parent, 4096)
        seen = seen.partition(words)[2]

    try:
        for asked, answer in (
            (b"+ Retry: Retry webhooks with backoff.", None),
            (b"goes to: team", None),
            (b"[q]uit", b"a"),
            (b"saved as k1", None),
            (b"2 of 4", None),
            (b"[q]uit", b"what?"),
            (b"[q]uit", b"e"),
            (b"Text", b"Deploy on Tuesdays."),
            (b"Title", b"Deploying"),
            (b"saved as k2", None),
            (b"[q]uit", b"r"),
            (b"Why", b"an order"),
            (b"4 of 4", None),
            (b"[q]uit", b"q"),
            (b"1 proposal left for later.", None),
        ):
            wait_for(asked)
            if answer is not None:
                os.write(parent, answer + b"\n")
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(parent)
    assert became() == {
        "p1": ("approved", "carol"),
        "p2": ("approved", "carol"),
        "p3": ("rejected", "carol"),
        "p4": ("pending", None),
    }
