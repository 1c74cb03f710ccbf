"""Under `langgraph dev`: a person's threads there go with them, where asked."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from dev_server import Served, said, sdk

from learning_machine import LearningMachine

Machines = tuple[LearningMachine, LearningMachine]


async def there(client: Any, thread: str) -> bool:
    try:
        await client.threads.get(thread)
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 404
        return False
    return True


@pytest.mark.parametrize("door", ["erase", "aerase"])
def test_threads_on_the_server_go_where_asked(door: str, open_server: Served, beside_open: Machines) -> None:
    """Threads in which only this person spoke are deleted on the server; one that Bob spoke in too stays, and the receipt
    says so. Without a client they stay, which it says as well."""

    async def drive() -> None:
        client, machine = open_server.client(), beside_open[0]
        alice, bob = f"alice-{door}", f"bob-{door}"
        threads = [(await client.threads.create())["thread_id"] for _ in range(3)]
        for thread, user in ((0, alice), (1, alice), (2, bob), (2, alice)):
            await said(client, threads[thread], f"I live in Lisbon, says {user}.", context={"user_id": user})
        await machine.aflush(60)
        part = await machine.aerase(user_id=alice, session_id=threads[0])
        assert any("no client" in one for one in part["out_of_reach"]) and await there(client, threads[0])
        if door == "aerase":
            receipt = await machine.aerase(user_id=alice, server=client)
        else:
            own = sdk.get_sync_client(url=open_server.url)
            receipt = await asyncio.to_thread(lambda: machine.erase(user_id=alice, server=own))
        assert [await there(client, thread) for thread in threads] == [True, False, True]
        assert receipt["removed"]["threads on a server"] == 1
        assert any(one.startswith("1 threads") or "1 thread " in one for one in receipt["out_of_reach"])
        assert await machine.arecall(user_id=alice) == {}

    asyncio.run(drive())
