"""Machines with something in them, and time that passes when a test says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest
from langchain_core.messages import BaseMessage

from learning_machine import LearningMachine, Scope
from learning_machine.state.changes import Add, Change, Receipt
from learning_machine.state.messages import Said
from learning_machine.stores.spaces import namespaces_of
from learning_machine.stores.writing import Source
from learning_machine.testing import ScriptedModel

Decide = Callable[[str, str], bool | None]

#: Everything that has a time, so that all of it can grow older.
TIMES = {
    "learning": ("known_from", "known_to", "true_from", "true_to", "holds_from", "holds_to", "expires_at"),
    "evidence": ("said_at",),
    "turn": ("recorded_at",),
    "archived": ("at",),
}


@pytest.fixture
def age(url: str) -> Callable[[float], None]:
    """Lets so many days pass: everything there is becomes older by them."""

    def pass_days(days: float) -> None:
        with psycopg.connect(url, autocommit=True, options="-c search_path=learning_machine,public") as connection:
            connection.execute("set session_replication_role = replica")
            for table, columns in TIMES.items():
                sets = ", ".join(f"{column} = {column} - make_interval(secs => %(s)s)" for column in columns)
                connection.execute(f"update {table} set {sets}", {"s": days * 86_400})  # type: ignore[arg-type]

    return pass_days


@pytest.fixture
def write() -> Callable[..., list[Receipt]]:
    """Hands changes to the gate as something a user said, or as an inference."""

    def run(machine: LearningMachine, changes: Sequence[Change], *, said: str = "", **scope: Any) -> list[Receipt]:
        where, parts = Scope(**scope), machine.parts
        parts.ready()
        stores = parts.registry.extracting
        texts = [getattr(change, "index", "") for change in changes]
        source = Source(
            said=[Said(said, "user", said)] if said else (),
            machine=machine.name,
            namespaces=namespaces_of(stores, where),
            vectors=parts.embedder.vectors([text for text in texts if text]),
        )
        return parts.ledger.write_all(list(changes), scope=where, source=source)

    return run


@pytest.fixture
def observe(write: Any) -> Callable[..., list[Receipt]]:
    """Observations of a user, each said in a message of its own."""

    def run(machine: LearningMachine, *texts: str, user_id: str = "alice") -> list[Receipt]:
        return [
            write(
                machine,
                [Add(store="user_profile", kind="observation", text=text, value=text, quote=text)],
                said=text,
                user_id=user_id,
            )[0]
            for text in texts
        ]

    return run


@pytest.fixture
def known() -> Callable[..., list[str]]:
    """The texts that recall reads of a user's profile."""

    def run(machine: LearningMachine, user_id: str = "alice") -> list[str]:
        profile = machine.recall(user_id=user_id).get("user_profile")
        return sorted(item.text for item in profile.items) if profile else []

    return run


@pytest.fixture
def judge() -> Callable[[Decide], ScriptedModel]:
    """Makes a model that judges pairs by a function."""
    return judging


def judging(decide: Decide) -> ScriptedModel:
    """A model that judges each pair as the function says; `None`: it says nothing about it."""

    def answer(messages: list[BaseMessage]) -> str:
        said: dict[str, list[int]] = {"same": [], "different": []}
        for line in messages[-1].text.splitlines()[1:-1]:
            pair = json.loads(line)
            verdict = decide(pair["one"], pair["other"])
            if verdict is not None:
                said["same" if verdict else "different"].append(pair["pair"])
        return json.dumps(said)

    return ScriptedModel(answers=answer)
