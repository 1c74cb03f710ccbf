"""What an assistant's configuration chooses, and what a run may make stricter, under `langgraph dev`."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from dev_server import Served, said, turn
from test_langgraph_dev import Machines, learned, someone


def test_assistants_choose_model_and_machine_by_name(open_server: Served, beside_open: Machines) -> None:
    """Of one graph there are assistants with other chat models and machines; what a run says comes before."""

    async def drive() -> None:
        client, alice = open_server.client(), someone()
        thorough = await client.assistants.create("learning_agent", context={"model": "thorough"})
        research = await client.assistants.create("learning_agent", context={"machine": "research", "model": "quick"})
        plain = await turn(client, "Hello.", context=alice)
        assert plain["messages"][-1]["content"] == "The plain one says a few words."
        by_model = await turn(client, "I live in Lisbon.", thorough["assistant_id"], context=alice)
        assert by_model["messages"][-1]["content"] == "Thoroughly said."
        by_machine = await turn(client, "Hello.", research["assistant_id"], context=alice)
        assert by_machine["messages"][-1]["content"] == "Quickly said."
        named = await turn(client, "Hello.", context={**alice, "machine": "research"})
        assert named["messages"][-1]["content"] == "The research one says it."
        await learned(beside_open)
        assert await machine_of(beside_open, by_model, alice) == "default"
        assert await machine_of(beside_open, by_machine, alice) == "research"

    asyncio.run(drive())


async def machine_of(machines: Machines, result: dict[str, Any], alice: dict[str, Any]) -> str:
    """Which machine recorded a turn."""
    import psycopg

    with psycopg.connect(machines[0].database.conninfo) as connection:
        row = connection.execute(
            "select machine from learning_machine.turn where id = %s", (result["learning"]["turn"],)
        ).fetchone()
    return str(row[0]) if row else ""


@pytest.mark.parametrize("context", [{"machine": "secret"}, {"model": "gpt-9"}, {"machine": ["default"]}, {"model": 1}])
def test_what_is_not_defined_in_code_cannot_be_chosen(open_server: Served, context: dict[str, Any]) -> None:
    """A name that is none ends the run in an error that names what there is."""

    async def drive() -> None:
        with pytest.raises(Exception, match=r"default|quick"):
            await turn(open_server.client(), "Hello.", context={**someone(), **context})

    asyncio.run(drive())


def test_an_interrupt_is_answered(open_server: Served, beside_open: Machines) -> None:
    """An assistant whose machine asks: the run is interrupted, the answer resumes it, and then another thread knows."""

    async def drive() -> None:
        client = open_server.client()
        alice = {"user_id": f"user-{uuid4().hex}", "groups": ["engineering"]}
        assistant = await client.assistants.create("learning_agent", context={"machine": "research"})
        thread = (await client.threads.create())["thread_id"]
        word = f"word{uuid4().hex}"
        asked = await said(client, thread, f"rule: backups are called {word}", assistant["assistant_id"], context=alice)
        assert (await client.threads.get(thread))["status"] == "interrupted"
        (question,) = asked["__interrupt__"]
        assert word in str(question["value"]["action_requests"])
        resumed = await client.runs.wait(
            thread, assistant["assistant_id"], context=alice, command={"resume": [{"type": "approve"}]}
        )
        assert [one["status"] for one in resumed["learning"]["decided"]] == ["saved"]
        knows = await turn(client, "What are backups called?", assistant["assistant_id"], context=alice)
        assert word in knows["learning"]["context"]

    asyncio.run(drive())


def test_a_run_makes_a_mode_stricter(open_server: Served, beside_open: Machines) -> None:
    """Asked to, a store that learns unseen proposes instead, and asks in the same turn; another turn is as ever."""

    async def drive() -> None:
        client, alice = open_server.client(), someone()
        strict = {**alice, "modes": {"user_profile": "PROPOSE"}}
        thread = (await client.threads.create())["thread_id"]
        asked = await said(client, thread, "I live in Lisbon.", context=strict)
        assert "Lisbon" in str(asked["__interrupt__"])
        await learned(beside_open)
        assert "user_profile" not in await beside_open[0].arecall(**alice)
        await client.runs.wait(thread, "learning_agent", context=strict, command={"resume": [{"type": "approve"}]})
        assert (await beside_open[0].arecall(**alice))["user_profile"].location == "Lisbon"

    asyncio.run(drive())


@pytest.mark.parametrize("mode", ["BACKGROUND", "agentic", "PROPOSE"])
def test_a_run_makes_no_mode_looser(open_server: Served, beside_open: Machines, mode: str) -> None:
    """Whatever a run asks for, what the code says has to be proposed is proposed."""

    async def drive() -> None:
        client = open_server.client()
        loose = {
            "user_id": f"user-{uuid4().hex}",
            "groups": ["engineering"],
            "machine": "research",
            "modes": {"learned_knowledge": mode},
        }
        asked = await turn(client, f"rule: the {mode} door is called word{uuid4().hex}", context=loose)
        assert asked["__interrupt__"]

    asyncio.run(drive())
