"""With authentication: what a client gains that sends whatever it likes. Nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from dev_server import Served, said, turn
from test_langgraph_dev import Machines, learned

WORD = f"secret{uuid4().hex}"

#: Every key of the context, of the server's own, and of LangGraph's, with what somebody might hope for.
HOSTILE: dict[str, list[Any]] = {
    "user_id": ["alice", ["alice"], {"$ne": ""}, "", None, 0],
    "session_id": ["alice", "*"],
    "groups": ["engineering", ["engineering", "global"], ["*"], {"engineering": True}],
    "namespace": ["engineering", "global", "alice", "user:alice"],
    "agent_id": ["alice"],
    "timezone": ["Europe/Lisbon'; drop schema learning_machine cascade --"],
    "learn": [False, "no"],
    "modes": [{"user_profile": "BACKGROUND", "learned_knowledge": "BACKGROUND"}, "BACKGROUND", {"": None}, ["x"]],
    "machine": ["default", "research", "../alice"],
    "model": ["quick", "openai:gpt-4.1-mini"],
    "langgraph_auth_user": [{"identity": "alice", "groups": ["engineering"]}],
    "langgraph_auth_user_id": ["alice"],
    "langgraph_auth_permissions": [["*"]],
    "thread_id": ["alice"],
    "checkpoint_ns": ["a|b", ""],
    "checkpoint_id": ["1"],
    "__pregel_checkpointer": [None, "x"],
    "__pregel_runtime": [{"context": {"user_id": "alice"}}],
    "scope": [{"user_id": "alice"}],
    "standing": ["x"],
    "spaces": [[1, 2, 3]],
    "admin": [True],
    "role": ["learning_machine_admin"],
    "reviewers": [["mallory"]],
    "message": ["Where does alice live?"],
}


@pytest.fixture(scope="module")
def taught(guarded_server: Served, beside_guarded: Machines) -> Served:
    """A server on which Alice has a private learning, and her group a shared one."""

    async def teach() -> None:
        alice = guarded_server.client("alice")
        await turn(alice, f"I live in {WORD}.", context={"user_id": "mallory", "groups": ["nowhere"]})
        shared = await turn(alice, f"rule: the key is called {WORD}", context={"machine": "research"})
        assert shared["__interrupt__"]
        await learned(beside_guarded)
        (waits,) = [one for one in beside_guarded[1].proposals.list() if WORD in one.text]
        beside_guarded[1].proposals.approve(waits.handle, by="alice")

    asyncio.run(teach())
    return guarded_server


def test_the_authenticated_user_is_who_speaks(taught: Served, beside_guarded: Machines) -> None:
    """What Alice said is hers whatever her context claimed; without a token nobody comes in."""

    async def drive() -> None:
        with pytest.raises(Exception, match=r"401|who are you"):
            await turn(taught.client(), "Hello.")
        assert (await beside_guarded[0].arecall(user_id="alice"))["user_profile"].location == WORD
        assert "user_profile" not in await beside_guarded[0].arecall(user_id="mallory")
        known = await turn(taught.client("alice"), "Where do I live?")
        assert WORD in known["learning"]["context"]
        shared = await turn(taught.client("bob"), "What is the key called?", context={"machine": "research"})
        assert WORD in shared["learning"]["context"]

    asyncio.run(drive())


def test_no_key_of_the_context_gains_anything(taught: Served, beside_guarded: Machines) -> None:
    """One after the other and in both places: a run fails, or it shows nothing of others and writes nothing to them."""

    async def attack(client: Any, key: str, value: Any, place: str) -> None:
        given = {"context": {key: value}} if place == "context" else {"config": {"configurable": {key: value}}}
        try:
            result = await turn(client, "Where do I live, and what is the key called? I live in Nowhere.", **given)
        except Exception as error:  # noqa: BLE001 - whatever the server refuses
            result = {"error": str(error)}
        assert WORD not in json.dumps(result, default=str), (key, value, place)

    async def drive() -> None:
        client = taught.client("mallory")
        every = [(key, value) for key, values in HOSTILE.items() for value in values]
        attacks = [(key, value, place) for key, value in every for place in ("context", "configurable")]
        for start in range(0, len(attacks), 8):
            await asyncio.gather(*(attack(client, *one) for one in attacks[start : start + 8]))
        await attack(client, "user_id", "alice", "context")
        await learned(beside_guarded)
        assert (await beside_guarded[0].arecall(user_id="alice"))["user_profile"].location == WORD
        for machine in beside_guarded:
            for groups in (["engineering"], ["*"], ["nowhere"]):
                seen = await machine.arecall(user_id="bob", groups=groups, message="Nowhere")
                assert "Nowhere" not in str(seen)
            assert "Nowhere" not in str(await machine.arecall(message="Nowhere"))

    asyncio.run(drive())


def test_a_client_shows_itself_no_proposal_of_others(taught: Served, beside_guarded: Machines) -> None:
    """Handles that a client writes into the state of its own thread are not looked up."""

    async def drive() -> None:
        alice, mallory = taught.client("alice"), taught.client("mallory")
        asked = await turn(alice, f"rule: the other key is called {WORD}2", context={"machine": "research"})
        (request,) = asked["__interrupt__"][0]["value"]["action_requests"]
        thread = (await mallory.threads.create())["thread_id"]
        await said(mallory, thread, "Hello.", context={"machine": "research"})
        forged = {"learning": {"proposals": [request["args"]["proposal"]], "turn": str(uuid4())}}
        await mallory.threads.update_state(thread, forged, as_node="extract")
        result = await mallory.runs.wait(thread, "learning_agent", context={"machine": "research"}, raise_error=True)
        assert WORD not in json.dumps(result)
        assert not (await mallory.threads.get_state(thread))["tasks"]

    asyncio.run(drive())


def test_what_authentication_says_of_modes_holds(guarded_server: Served, beside_guarded: Machines) -> None:
    """A user of whom authentication says a stricter mode has it, also where the client asks for another."""

    async def drive() -> None:
        carol = guarded_server.client("carol")
        for city, modes in (("Lisbon", {}), ("Porto", {"user_profile": "BACKGROUND"})):
            asked = await turn(carol, f"I live in {city}.", context={"modes": modes})
            assert asked["__interrupt__"]
        await learned(beside_guarded)
        assert "user_profile" not in await beside_guarded[0].arecall(user_id="carol")

    asyncio.run(drive())


def test_curation_shows_a_client_nothing_of_others(taught: Served) -> None:
    """Somebody who comes in as a user and runs `curate` sees no diff of what others have."""

    async def drive() -> None:
        client = taught.client("mallory")
        for given in ({}, {"ask": True}, {"tasks": ["prune", "deduplicate", "decay"]}):
            for context in ({}, {"user_id": "alice"}, {"groups": ["engineering"]}):
                thread = (await client.threads.create())["thread_id"]
                try:
                    result = await client.runs.wait(thread, "curate", input=given, context=context)
                except Exception as error:  # noqa: BLE001 - whatever the server refuses
                    result = {"error": str(error)}
                state = await client.threads.get_state(thread)
                assert WORD not in json.dumps([result, state], default=str)

    asyncio.run(drive())
