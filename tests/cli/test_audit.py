"""`learning-machine audit verify`: whether the record of every change is whole."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from learning_machine import LearningMachine
from learning_machine.testing import ScriptedModel, change


@pytest.fixture
def taught(url: str) -> None:
    """A database in which something was learned."""
    model = ScriptedModel(learns=[[change("user_profile", "Alice", kind="field", name="name")]])
    with LearningMachine(db=url, model=model) as machine:
        machine.process([("user", "I am Alice"), ("ai", "ok")], user_id="alice", session_id="s")


def tamper(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set search_path to learning_machine; set session_replication_role to replica")
        connection.execute(statement)  # type: ignore[arg-type]


def test_a_whole_record(run: Any, taught: None) -> None:
    """A record that holds is said to be whole, with its size, and the command succeeds."""
    code, out, err = run("audit", "verify")
    assert (code, out) == (0, "")
    assert err == "1 change in 1 space: whole.\n"
    code, out, _ = run("audit", "verify", "--json")
    assert (code, json.loads(out)) == (
        0,
        {"whole": True, "changes": 1, "spaces": 1, "breaks": [], "strangers": [], "erasures": []},
    )


def test_an_empty_record(run: Any) -> None:
    """Where nothing was learned there is nothing to doubt."""
    assert run("audit", "verify") == (0, "", "0 changes in 0 spaces: whole.\n")


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("update change set action = 'retire'", "space 1, change 1: it was altered, or one before it"),
        ("update change set actor = 'eve'", "space 1, change 1: who did it was altered"),
        ("update learning set text = 'Eve'", "space 1, k1: no change accounts for what it says"),
        ("delete from learning", "space 1, k1: it is gone"),
    ],
)
def test_tampering_is_named(run: Any, url: str, taught: None, statement: str, says: str) -> None:
    """What was altered behind the gate is named by place, without what it says, and the command fails."""
    tamper(url, statement)
    code, out, err = run("audit", "verify")
    assert code == 1
    assert says in out.splitlines()
    assert "Alice" not in out + err
    assert "NOT whole" in err
    code, out, _ = run("audit", "verify", "--json")
    assert (code, json.loads(out)["whole"]) == (1, False)
