"""Under `langgraph dev`, offline: the graphs of `langgraph.json`, driven through the SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from dev_server import ROOT, Served, said, turn

from learning_machine import LearningMachine, Scope
from learning_machine.state.changes import Add
from learning_machine.stores.writing import Source

Machines = tuple[LearningMachine, LearningMachine]
STEPS = ["recall", "build_context", "agent", "extract", "approve", "store"]


def someone() -> dict[str, Any]:
    """A person nobody has met."""
    return {"user_id": f"user-{uuid4().hex}"}


async def learned(machines: Machines) -> None:
    """Wait until the server's worker has read all that waits."""
    for machine in machines:
        assert await machine.aflush(60)


async def assistant_of(client: Any, graph: str) -> str:
    return str((await client.assistants.search(graph_id=graph))[0]["assistant_id"])


def test_what_a_person_sees_in_studio(open_server: Served) -> None:
    """The input is messages alone; everything else that is shown is described, and the drawing is the loop's."""

    async def look() -> None:
        client = open_server.client()
        graphs = {one["graph_id"] for one in await client.assistants.search()}
        assert graphs == set(json.loads((ROOT / "langgraph.json").read_text())["graphs"])
        schemas = await client.assistants.get_schemas(await assistant_of(client, "learning_agent"))
        assert list(schemas["input_schema"]["properties"]) == ["messages"]
        assert set(schemas["output_schema"]["properties"]) == {"messages", "learning"}
        context = schemas["context_schema"]["properties"]
        assert {"user_id", "groups", "learn", "modes", "machine", "model"} <= set(context)
        assert context["machine"]["anyOf"][0]["enum"] == ["default", "research"]
        assert context["model"]["anyOf"][0]["enum"] == ["quick", "thorough"]
        for name in ("input_schema", "output_schema", "context_schema"):
            shown = schemas[name]["properties"]
            assert [key for key, value in shown.items() if not value.get("description")] == []
        learn = await client.assistants.get_schemas(await assistant_of(client, "learn"))
        assert {"space", "turn"} <= set(learn["input_schema"]["properties"])
        drawn = await client.assistants.get_graph(await assistant_of(client, "learning_agent"))
        assert set(STEPS) <= {node["id"] for node in drawn["nodes"]}

    asyncio.run(look())


def test_what_one_thread_taught_another_knows(open_server: Served, beside_open: Machines) -> None:
    """A second thread of the same user knows it, another user and nobody do not; the state says so in plain JSON."""

    async def drive() -> None:
        client, alice = open_server.client(), someone()
        first = await turn(client, "I live in Lisbon.", context=alice)
        assert first["learning"]["turn"]
        await learned(beside_open)
        again = await turn(client, "Where do I live?", context=alice)
        assert "location: Lisbon" in again["learning"]["context"]
        assert list(again["learning"]["recalled"]) == ["user_profile"]
        for context in (someone(), {}):
            assert "Lisbon" not in json.dumps(await turn(client, "Where do I live?", context=context))
        profile = await beside_open[0].arecall(**alice)
        assert profile["user_profile"].location == "Lisbon"

    asyncio.run(drive())


def test_a_chat_sees_nothing_but_the_answer(open_server: Served, beside_open: Machines) -> None:
    """The token stream is the answer, whole and alone; the steps come in order; what was recalled stays out of the state."""

    async def drive() -> None:
        client = open_server.client()
        thread = (await client.threads.create())["thread_id"]
        options: Any = {"context": someone(), "stream_mode": ["messages-tuple", "updates"]}
        given = {"messages": [{"role": "user", "content": "I live in Lisbon."}]}
        parts = [part async for part in client.runs.stream(thread, "learning_agent", input=given, **options)]
        tokens = [part.data[0]["content"] for part in parts if part.event == "messages" and part.data[0]["content"]]
        assert len(tokens) > 1 and "".join(tokens) == "The plain one says a few words."
        assert [name for part in parts if part.event == "updates" for name in part.data] == STEPS
        assert not [part for part in parts if part.event == "error"]
        values = (await client.threads.get_state(thread))["values"]
        assert values["messages"][-1]["content"] == "".join(tokens)
        assert "recalled" not in values and "batch" not in values
        await learned(beside_open)

    asyncio.run(drive())


def test_a_fork_sees_its_branch(open_server: Served, beside_open: Machines) -> None:
    """From an earlier checkpoint a run recalls nothing of the branch it left; whoever goes back to that branch does."""

    async def drive() -> None:
        client, alice = open_server.client(), someone()
        thread = (await client.threads.create())["thread_id"]
        await said(client, thread, "I live in Lisbon.", context=alice)
        early = (await client.threads.get_state(thread))["checkpoint"]
        await learned(beside_open)
        await said(client, thread, "I live in Porto.", context=alice)
        late = (await client.threads.get_state(thread))["checkpoint"]
        await learned(beside_open)
        fork = await said(client, thread, "Where do I live?", context=alice, checkpoint=early)
        assert "location: Lisbon" in fork["learning"]["context"] and "Porto" not in json.dumps(fork)
        await learned(beside_open)
        back = await said(client, thread, "And now?", context=alice, checkpoint=late)
        assert "location: Porto" in back["learning"]["context"]
        await learned(beside_open)

    asyncio.run(drive())


def test_a_regenerated_answer_forgets_the_one_it_replaces(open_server: Served, beside_open: Machines) -> None:
    """Made anew from before the agent, with other words of the user, the turn leaves nothing of the replaced one."""

    async def drive() -> None:
        client, alice = open_server.client(), someone()
        thread = (await client.threads.create())["thread_id"]
        await said(client, thread, "I live in Lisbon.", context=alice)
        await learned(beside_open)
        history = await client.threads.get_history(thread, limit=20)
        start = next(state for state in history if state["next"] == ["recall"])
        message = {**start["values"]["messages"][-1], "content": "I live in Porto."}
        edited = await client.threads.update_state(
            thread, {"messages": [message]}, as_node="__start__", checkpoint=start["checkpoint"]
        )
        result = await client.runs.wait(thread, "learning_agent", context=alice, checkpoint=edited["checkpoint"])
        assert len(result["messages"]) == 2
        await learned(beside_open)
        other = await turn(client, "Where do I live?", context=alice)
        assert "location: Porto" in other["learning"]["context"] and "Lisbon" not in json.dumps(other)

    asyncio.run(drive())


@pytest.mark.parametrize("kind", ["open", "guarded"])
def test_one_pool_and_an_event_loop_that_answers(kind: str, request: pytest.FixtureRequest) -> None:
    """While the database holds up a dozen turns, the server answers at once; and all of them share one pool, also where
    every run has an event loop of its own."""
    server: Served = request.getfixturevalue(f"{kind}_server")
    machines: Machines = request.getfixturevalue(f"beside_{kind}")

    async def drive() -> None:
        client = server.client("dora" if kind == "guarded" else None)
        await turn(client, "Hello.", context=someone())
        with psycopg.connect(server.database) as holding:
            holding.execute("lock table learning_machine.space in access exclusive mode")
            runs = [asyncio.create_task(turn(client, f"Hello {n}.", context=someone())) for n in range(12)]
            await until(lambda: held_up(server.database) > 0)
            async with httpx.AsyncClient(base_url=server.url, timeout=1.5) as outside:
                for _ in range(5):
                    assert (await outside.get("/ok")).status_code == 200
            assert not any(run.done() for run in runs)
            opened = connections(server.database)
            holding.rollback()
        results = await asyncio.gather(*runs)
        assert all(result["messages"][-1]["content"] for result in results)
        # The pool's ten, shared by the server's two machines: not one for each run or loop.
        assert 0 < opened <= 20
        await learned(machines)

    asyncio.run(drive())


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if await asyncio.to_thread(holds):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came to that")


def held_up(database: str) -> int:
    return count(database, "wait_event_type = 'Lock' and application_name = 'learning-machine'")


def connections(database: str) -> int:
    return count(database, "application_name = 'learning-machine'")


def count(database: str, condition: str) -> int:
    with psycopg.connect(database) as connection:
        found = connection.execute(
            f"select count(*) from pg_stat_activity where datname = current_database() and {condition}"  # type: ignore[arg-type]
        ).fetchone()
    return int(found[0]) if found else 0


def test_curation_stops_for_a_person(open_server: Served, beside_open: Machines) -> None:
    """Asked to, `curate` lays its diff before a person and waits; approved, it does that, for the run's user alone."""

    async def drive() -> None:
        client, alice, parts = open_server.client(), someone(), beside_open[0].parts

        async def known() -> list[str]:
            return [item.text for item in (await beside_open[0].arecall(**alice))["user_profile"].items]

        for text in ("Likes tea", "likes the tea!"):
            said = Add(store="user_profile", kind="observation", text=text, value=text)
            await asyncio.to_thread(parts.ledger.write, [said], scope=Scope(**alice), source=Source())
        thread = (await client.threads.create())["thread_id"]
        await client.runs.wait(thread, "curate", input={"ask": True}, context=alice, raise_error=True)
        (asked,) = (await client.threads.get_state(thread))["interrupts"]
        (action,) = asked["value"]["action_requests"]
        assert "- likes the tea! [" in action["description"] and len(await known()) == 2
        answer: Any = {"resume": {"decisions": [{"type": "approve"}]}}
        done = await client.runs.wait(thread, "curate", command=answer, context=alice, raise_error=True)
        assert done["report"]["figures"] == {"merged": 1} and await known() == ["Likes tea"]

    asyncio.run(drive())


@pytest.mark.full
def test_a_cron_looks_after_what_was_learned(open_server: Served) -> None:
    """The server's own cron runs the curation graph, once a minute at most; run by hand it ends the same way."""

    async def drive() -> None:
        client = open_server.client()
        await turn(client, "I live in Lisbon.", context=someone())
        result = await client.runs.wait(None, "curate", input={}, raise_error=True)
        assert set(result) == {"preview", "report"}
        assistant = await assistant_of(client, "curate")
        options: Any = {"schedule": "* * * * *", "input": {}, "on_run_completed": "keep"}
        cron = await client.crons.create(assistant, **options)
        try:
            for _ in range(90):
                if await finished(client, assistant):
                    break
                await asyncio.sleep(1)
            else:
                raise AssertionError("the cron never ran")
        finally:
            await client.crons.delete(cron["cron_id"])

    asyncio.run(drive())


async def finished(client: Any, assistant: str) -> bool:
    """Whether a thread that a cron made has come to its end."""
    threads = await client.threads.search(metadata={"assistant_id": assistant}, status="idle")
    return bool(threads)
