"""PROPOSE under `langgraph dev`: the question as user interfaces get it, and their answers as they send them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from dev_server import Served

from learning_machine import LearningMachine

PAYLOADS = json.loads((Path(__file__).parents[1] / "approvals" / "payloads.json").read_text("utf-8"))
ALICE = {"user_id": "alice", "groups": ["engineering"], "machine": "research"}
BOB = {"user_id": "bob", "groups": ["engineering"], "machine": "research"}


@pytest.fixture
def proposing(open_server: Served) -> Served:
    """A server with a machine in PROPOSE mode."""
    return open_server


@pytest.fixture
def queue(beside_open: tuple[LearningMachine, LearningMachine]) -> LearningMachine:
    """The same machine's queue, seen from elsewhere."""
    return beside_open[1]


async def run(client: Any, thread: str, context: dict[str, Any], **given: Any) -> Any:
    return await client.runs.wait(thread, "learning_agent", context=context, raise_error=True, **given)


async def propose(client: Any, thread: str, count: int) -> list[dict[str, Any]]:
    """One turn that proposes so many insights: what it asks."""
    rules = "\n".join(f"rule: {n} is called word{uuid4().hex}" for n in range(count))
    result = await run(client, thread, ALICE, input={"messages": [{"role": "user", "content": rules}]})
    (question,) = result["__interrupt__"]
    found: list[dict[str, Any]] = question["value"]["action_requests"]
    assert all(isinstance(one["args"], dict) and isinstance(one["name"], str) for one in found)
    return found


def filled(answer: Any, asked: list[dict[str, Any]]) -> Any:
    text = json.dumps(answer)
    for number, one in enumerate(asked, start=1):
        text = text.replace(f"${number}", one["args"]["proposal"])
    return json.loads(text)


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.full)])
def test_answers_over_http(proposing: Served, queue: LearningMachine, every: int) -> None:
    """Payloads of payloads.json do over HTTP what they do in the library; none ends a run in an error."""

    async def answer(entry: dict[str, Any]) -> tuple[list[str], str]:
        client = proposing.client()
        thread = (await client.threads.create())["thread_id"]
        asked = await propose(client, thread, len(entry.get("becomes", ("", ""))))
        await run(client, thread, ALICE, command={"resume": filled(entry["answer"], asked)})
        became = {one.handle: one.status for one in queue.proposals.list(status=None)}
        status = (await client.threads.get(thread))["status"]
        return [became[one["args"]["proposal"]] for one in asked], status

    async def all_of_them() -> None:
        for entry in PAYLOADS["fitting"][::every]:
            assert (entry["name"], await answer(entry)) == (entry["name"], (entry["becomes"], "idle"))
        for entry in [one for one in PAYLOADS["not fitting"] if one["answer"] != "$deep"][::every]:
            assert (entry["name"], await answer(entry)) == (entry["name"], (["pending", "pending"], "interrupted"))

    asyncio.run(all_of_them())


def test_late_double_and_foreign_answers(proposing: Served, queue: LearningMachine) -> None:
    """Decided by API first, answered twice, answered by somebody else, and talked past: what was decided first stands."""

    async def scenes() -> None:
        client = proposing.client()
        thread = (await client.threads.create())["thread_id"]
        (first,) = await propose(client, thread, 1)
        handle = first["args"]["proposal"]
        foreign = await run(client, thread, BOB, command={"resume": [{"type": "approve"}]})
        assert "may not decide" in foreign["learning"]["decided"][0]["reason"]
        older = await propose(client, thread, 1)
        assert older[0]["args"]["proposal"] == handle
        queue.proposals.reject(handle, by="alice")
        answers = {"decisions": [{"type": "approve"}, {"type": "approve"}]}
        late = await run(client, thread, ALICE, command={"resume": answers})
        assert [one["status"] for one in late["learning"]["decided"]] == ["refused", "saved"]
        assert "already rejected by alice" in late["learning"]["decided"][0]["reason"]
        again = await run(client, thread, ALICE, command={"resume": answers})
        assert "__interrupt__" not in (again or {})
        assert [one.status for one in queue.proposals.list(status=None, session=thread)] == ["rejected", "approved"]

    asyncio.run(scenes())
