"""What the agent says again is not learned again, and what only looks like it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from psycopg.rows import dict_row

from learning_machine import LearningMachine, create_learning_agent
from learning_machine.testing import ScriptedModel, change

STORES = ("user_profile", "session_context", "learned_knowledge", "entity_memory")
ALL: dict[str, Any] = dict.fromkeys(STORES, True)
WORDLESS = DeterministicFakeEmbedding(size=32)
Make = Callable[..., LearningMachine]


def taught(make: Make, learned: list[dict[str, Any]], **options: Any) -> LearningMachine:
    """A machine with all four stores that has learned these from Alice."""
    machine = make(ScriptedModel(learns=learned), embeddings=WORDLESS, **{**ALL, **options})
    machine.process([("user", "Something was said."), ("assistant", "Noted.")], user_id="alice", session_id="s0")
    return machine


@pytest.fixture
def see(url: str) -> Callable[[str], list[dict[str, Any]]]:
    """Runs SQL as the superuser, whom no policy binds."""

    def run(sql: str) -> list[dict[str, Any]]:
        with psycopg.connect(url, options="-c search_path=learning_machine", row_factory=dict_row) as connection:
            return connection.execute(sql).fetchall()  # type: ignore[call-overload]

    return run


SAID_AGAIN = [
    change("user_profile", "Prefers dark roast coffee in the morning", kind="observation"),
    change("learned_knowledge", "Retry webhooks with exponential backoff and jitter.", kind="insight", name="Webhooks"),
    change("entity_memory", "Uses PostgreSQL for its invoices", kind="fact", subject="Acme (company)"),
    change("entity_memory", kind="relationship", subject="Bob (person)", name="leads", target="Acme"),
    change("entity_memory", "Launched its second version", kind="event", subject="Acme (company)", when="2026-03-15"),
]


def otherwise(entry: dict[str, Any], turn: int) -> dict[str, Any]:
    """The same in slightly other words, as a model puts it when it hears itself."""
    value = entry["value"] or ""
    forms = (
        value,
        value.upper(),
        f"The user {value[:1].lower()}{value[1:]}",
        f"{value}!",
        f"{value.rstrip('.')} (mentioned)",
        f"  {value} ",
        f"It is known: {value}",
        value.replace(" and ", ", "),
        f"Also, {value.lower()}",
        value.replace("the ", ""),
    )
    return {**entry, "value": forms[turn % len(forms)] if value else None, "name": entry.get("name"), "quote": None}


@pytest.mark.parametrize("turns", [25, pytest.param(100, marks=pytest.mark.full)])
def test_an_echo_is_not_learned(machine: Make, see: Any, turns: int) -> None:
    """In a hundred turns in which the agent says again what it recalled, and extraction hears it as news in other words,
    nothing is learned beyond the first time."""
    turn = iter(range(1_000))

    def hear(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
        number = next(turn)
        return [otherwise(entry, number) for entry in SAID_AGAIN] if number else SAID_AGAIN

    def repeat(messages: list[Any]) -> str:
        return (
            "As far as I know: " + " ".join(message.text for message in messages if "learnings>" in message.text)[-600:]
        )

    model = ScriptedModel(answers=repeat, learns=hear)
    made = machine(model, background="external", **ALL)
    agent = create_learning_agent(model, learning=made)
    counts = []
    for number in range(turns):
        asked = f"Acme, Bob: should we retry webhooks with exponential backoff and jitter? ({number})"
        config = {"configurable": {"thread_id": f"t{number % 7}"}}
        state = agent.invoke({"messages": [("user", asked)]}, config, context={"user_id": "alice"})
        made.learn(see("select space from turn order by seq desc limit 1")[0]["space"], state["learning"]["turn"])
        if number in (0, turns - 1):
            counts.append(see("select count(*) as n from learning")[0]["n"])
    assert len(model.extractions) == turns
    assert counts[0] == counts[1]
    assert counts[0] == len(SAID_AGAIN) + 2  # and the two things


def test_news_is_no_echo(machine: Make) -> None:
    """What a user says in so many words, what denies what was shown, and what is of another thing, is learned all the same."""
    taught(machine, SAID_AGAIN)
    news = [
        change(
            "user_profile",
            "Prefers dark roast coffee in the morning and tea at night",
            kind="observation",
            quote="tea at night",
        ),
        change(
            "learned_knowledge",
            "Do not retry webhooks with exponential backoff and jitter.",
            kind="insight",
            name="Webhooks",
        ),
        change("entity_memory", "Uses PostgreSQL for its invoices", kind="fact", subject="Globex (company)"),
        change("entity_memory", "Launched its 3 versions", kind="event", subject="Acme (company)"),
    ]
    again = machine(ScriptedModel(learns=news), embeddings=WORDLESS, **ALL)
    asked = "What of Acme, Bob, the webhooks, its invoices? I take tea at night."
    receipts = again.process([("user", asked), ("assistant", "I see.")], user_id="alice", session_id="s2")
    assert [receipt["status"] for receipt in receipts] == ["saved"] * 4
