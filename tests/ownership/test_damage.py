"""An export whose records were damaged in any field brings what is whole, lists the rest, and never fails."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from learning_machine import LearningMachine
from learning_machine.state.config import LearnedKnowledgeConfig
from learning_machine.stores.importing.shapes import _MAY, _NEEDS
from learning_machine.testing import change
from tests.ownership.conftest import ALICE, teach

WRONG: tuple[Any, ...] = (
    None,
    "x",
    "",
    5,
    -1,
    2**70,
    1.5,
    True,
    [],
    [5],
    {},
    {"a": []},
    "2026-99-99",
    "a\x00b",
    "\ud800",
)

#: Fields that no list of shapes names, and what says where a record lies.
_MORE = ("value", "scope", "change", "shown", "id", "space", "indexed", "named", "pinned")


def damaged(lines: list[str], kind: str) -> list[str]:
    """The file with, behind each record of a kind, that record wrong in one field after another.

    Each comes twice: as it is, so that much of it is known here already, and as one that was never seen.
    """
    found = []
    fresh = itertools.count(1_000_000)
    for line in lines:
        found.append(line)
        record = json.loads(line)
        if record["record"] == kind:
            for name in sorted({*_NEEDS[kind], *_MAY[kind], *_MORE}):
                found += [json.dumps({**record, name: wrong}) + "\n" for wrong in WRONG]
                found += [json.dumps({**_unseen(record, next(fresh)), name: wrong}) + "\n" for wrong in WRONG]
    return found


def _unseen(record: dict[str, Any], number: int) -> dict[str, Any]:
    """The record with whatever identifies it replaced."""
    new = {"id": number if isinstance(record.get("id"), int) else str(UUID(int=number)), "slot": f"slot {number}"}
    new |= {"content_key": f"key {number}", "key": f"key {number}", "quote": f"quote {number}"}
    return {**record, **{name: value for name, value in new.items() if name in record}}


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("kind", _NEEDS)
def test_a_record_that_is_wrong_in_any_field_costs_no_other(
    kind: str, trusted: bool, alice: LearningMachine, full: Callable[..., LearningMachine], url: str, other_url: str
) -> None:
    """Whatever stands in a field, the whole records arrive, and the record of changes is whole."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "insert into learning_machine.derived_from select space, max(id), space, min(id) from learning_machine.learning "
            "where space = 1 group by space"
        )
        connection.execute(
            "insert into learning_machine.archived (space, learning, survivor, reason, batch) "
            "select space, min(id), max(id), 'says the same', gen_random_uuid() from learning_machine.learning "
            "where space = 1 group by space"
        )
    proposing = full(learned_knowledge=LearnedKnowledgeConfig(namespace="eng"))
    teach(proposing, [change("learned_knowledge", "Know it", quote="Know it")], "Know it", "p", **ALICE)
    lines = list(alice.export(**ALICE))
    assert f'"record":"{kind}"' in "".join(lines)
    there = full(db=other_url)
    imported = there.import_(damaged(lines, kind), trusted=trusted, **ALICE)
    assert imported.unread > 20
    asked: dict[str, Any] = {"message": "What do retries need?", "session_id": "s1", **ALICE}
    assert "jitter" in there.build_context(**asked)
    if trusted and kind != "learning":  # what is wrong in a learning may be a whole history of its own
        assert there.recall(**asked)["user_profile"].values == alice.recall(**asked)["user_profile"].values
    assert there.verify_audit()["whole"]


@pytest.mark.parametrize("spaces", [None, [], {"x": {}}, {"1": "user"}, {str(2**70): {"kind": "user"}}])
def test_a_header_that_is_wrong_is_said(spaces: Any, alice: LearningMachine) -> None:
    """A file whose first line cannot be understood is refused in one sentence."""
    from learning_machine.errors import InvalidInput

    header, *lines = alice.export(**ALICE)
    broken = json.dumps({**json.loads(header), "spaces": spaces}) + "\n"
    with pytest.raises(InvalidInput, match="first line"):
        alice.import_([broken, *lines], **ALICE)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("shown", {"text": "Say hello"}, "shows is not what it would learn"),
        ("shown", {"name": "Another"}, "shows is not what it would learn"),
        ("change", {"action": "nothing"}, "cannot be read"),
        ("change", {"action": "retire", "reason": "x"}, "cannot be read"),
    ],
)
def test_a_proposal_that_shows_something_else_than_it_would_learn_is_listed(
    name: str, value: dict[str, Any], reason: str, full: Callable[..., LearningMachine], other_url: str
) -> None:
    """Nobody can be made to approve what they do not see, by a file that was altered."""
    proposing = full(learned_knowledge=LearnedKnowledgeConfig(namespace="eng"))
    teach(proposing, [change("learned_knowledge", "Know it", quote="Know it")], "Know it", "p", **ALICE)
    lines = [json.loads(line) for line in proposing.export(**ALICE)]
    for record in lines:
        if record["record"] == "proposal":
            record[name] = {**record[name], **value} if name == "shown" else value
    there = full(db=other_url)
    imported = there.import_([json.dumps(line) + "\n" for line in lines], trusted=True, **ALICE)
    assert reason in imported.problems[0].reason
    assert there.proposals.list(**ALICE) == []
    assert there.verify_audit()["whole"]
