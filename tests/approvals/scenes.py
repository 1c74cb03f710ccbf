"""Short words for what the tests of modes and approvals do again and again."""

from __future__ import annotations

from typing import Any

from learning_machine import LearningMachine, Scope
from learning_machine.testing import change

Row = dict[str, Any]
ENGINEERING = {"groups": ("engineering",)}
ALICE = Scope(user_id="alice", **ENGINEERING)
BOB = Scope(user_id="bob", **ENGINEERING)


def insight(text: str, *, name: str = "", quote: str | None = None) -> Row:
    """One insight of an extraction."""
    return change("learned_knowledge", text, kind="insight", name=name, quote=quote)


def learn_rules(new: list[Row]) -> list[Row]:
    """Every "rule: …" of the user, as an insight with the words it stands on."""
    said = (line for one in new if one["role"] == "user" for line in one["text"].splitlines())
    return [insight(line[6:], name=line[6:].split()[0], quote=line) for line in said if line.startswith("rule: ")]


def say(*texts: str) -> Row:
    return {"messages": [{"role": "user", "content": text} for text in texts]}


def thread(name: str = "t1") -> Row:
    return {"configurable": {"thread_id": name}}


def rule(text: str) -> Row:
    """The input of a turn in which somebody states a rule."""
    return say(f"rule: {text}")


def requests_of(result: Row) -> list[Row]:
    """What a run asks about; `[]` when it asks nothing."""
    found = result.get("__interrupt__") or []
    assert len(found) <= 1
    return list(found[0].value["action_requests"]) if found else []


def contents(result: Row) -> list[str]:
    """The texts a run asks about, in order."""
    return [request["args"]["content"] for request in requests_of(result)]


def decisions(*types: str) -> Row:
    """An answer in LangChain's own form."""
    return {"decisions": [{"type": one} for one in types]}


def known(machine: LearningMachine, about: str, user: str = "bob") -> str:
    """What somebody in the group is told about something."""
    return machine.build_context(message=about, user_id=user, groups=("engineering",))


def statuses(machine: LearningMachine) -> list[str]:
    """What has become of all proposals, oldest first."""
    return [one.status for one in machine.proposals.list(status=None)]
