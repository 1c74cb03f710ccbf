"""Checkpointers: ours through both doors, other people's, and none."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langchain.agents import create_agent
from langchain_core.load import dumpd
from langchain_core.messages import BaseMessage
from langgraph.checkpoint import conformance
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from learning_machine import LearningMiddleware, Scope, UserProfileConfig, checkpointer, create_learning_agent
from learning_machine.checkpointer import BothDoorsSaver
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.migrate import prepare
from learning_machine.testing import ScriptedModel

ALICE = {"user_id": "alice"}


def texts(result: Any) -> list[str]:
    return [message.text for message in result["messages"]]


@pytest.mark.parametrize("kind", ["none", "memory"])
def test_without_postgres_for_the_thread(
    kind: str, machine: Any, taught: Any, thread: Any, say: Any, seen: Any, door: Callable[..., Any]
) -> None:
    """Without a checkpointer, or with one in memory, the agent learns and recalls just the same."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found, checkpointer=None if kind == "none" else InMemorySaver())
    first = door(agent, say("my name is Alice"), thread("t1"), context=ALICE)
    assert found.flush()
    second = door(
        agent,
        {"messages": [*first["messages"], ("user", "hello")]} if kind == "none" else say("hello"),
        thread("t1"),
        context=ALICE,
    )
    assert texts(second) == ["my name is Alice", "ok", "hello", "ok"]
    assert "- name: Alice" in seen(model)
    assert found.flush()
    assert (
        sum("my name is Alice" in messages[-1].text.partition("New messages:")[2] for messages in model.extractions)
        == 1
    )


def test_without_a_thread_id(machine: Any, taught: Any, say: Any, seen: Any, either: Callable[..., Any]) -> None:
    """Without a checkpointer not even a thread is needed: the user is enough."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found, checkpointer=None)
    either(agent, say("my name is Alice"), None, context=ALICE)
    assert found.flush()
    either(agent, say("hello"), None, context=ALICE)
    assert "- name: Alice" in seen(model)
    assert found.flush()


def test_a_postgres_saver_of_yours_is_used_as_it_is(url: str, machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """The user's own `PostgresSaver` keeps the thread, in its own tables."""
    model = taught()
    found = machine(model)
    with PostgresSaver.from_conn_string(url) as saver:
        saver.setup()
        agent = create_learning_agent(model, learning=found, checkpointer=saver)
        agent.invoke(say("one"), thread("t1"), context=ALICE)
        assert texts(agent.invoke(say("two"), thread("t1"), context=ALICE)) == ["one", "ok", "two", "ok"]
        assert agent.checkpointer is saver
    assert found.flush()
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) > 0 from public.checkpoints").fetchone() == (True,)


def test_an_async_saver_of_yours_is_used_as_it_is(url: str, machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """The user's own `AsyncPostgresSaver` keeps the thread under `ainvoke`."""
    model = taught()
    found = machine(model)

    async def talk() -> list[str]:
        async with AsyncPostgresSaver.from_conn_string(url) as saver:
            await saver.setup()
            agent = create_learning_agent(model, learning=found, checkpointer=saver)
            await agent.ainvoke(say("one"), thread("t1"), context=ALICE)
            return texts(await agent.ainvoke(say("two"), thread("t1"), context=ALICE))

    assert asyncio.run(talk()) == ["one", "ok", "two", "ok"]
    assert found.flush()


def test_ours_serves_all_doors_of_one_thread(url: str, machine: Any, taught: Any, thread: Any, say: Any) -> None:
    """invoke, ainvoke, stream and astream take turns on one thread, each going on where the other stopped."""
    model = taught()
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    options: Any = {"context": ALICE}

    async def drain() -> None:
        async for _ in agent.astream(say("four"), thread("t1"), **options):
            pass

    async def history() -> int:
        return len([state async for state in agent.aget_state_history(thread("t1"))])

    agent.invoke(say("one"), thread("t1"), **options)
    asyncio.run(agent.ainvoke(say("two"), thread("t1"), **options))
    list(agent.stream(say("three"), thread("t1"), **options))
    asyncio.run(drain())
    asyncio.run(agent.abatch([say("five")], thread("t1"), **options))
    kept = texts(agent.get_state(thread("t1")).values)
    assert kept[::2] == ["one", "two", "three", "four", "five"]
    assert texts(asyncio.run(agent.aget_state(thread("t1"))).values) == kept
    assert asyncio.run(history()) == len(list(agent.get_state_history(thread("t1")))) > 5
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select count(*) > 0, to_regclass('public.checkpoints') from learning_machine.checkpoints"
        )
        assert row.fetchone() == (True, None)
    asyncio.run(agent.checkpointer.adelete_thread("t1"))  # type: ignore[union-attr]
    assert agent.get_state(thread("t1")).values == {}
    assert found.flush()


@pytest.fixture
def saver(url: str) -> Any:
    """Our checkpointer on this test's database."""
    database = Database(url)
    prepare(database)
    found = BothDoorsSaver(lambda: database)
    yield found
    found.close()
    database.close()


@pytest.mark.parametrize("length", [10, 500_000])
def test_both_doors_read_the_same(saver: Any, length: int) -> None:
    """What `aget_tuple` reads in an event loop is what `get_tuple` reads: nothing, the newest, one of old, open writes."""
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    graph.add_node("ask", lambda _: {"messages": [("ai", interrupt("sure?"))]})
    graph.add_edge(START, "ask")
    agent = graph.compile(checkpointer=saver)
    place: Any = {"configurable": {"thread_id": "t1"}}
    assert asyncio.run(saver.aget_tuple({"configurable": {"thread_id": "t1", "checkpoint_ns": ""}})) is None
    agent.invoke({"messages": [("user", "x" * length)]}, place)
    for state in agent.get_state_history(place):
        for config in (place, state.config):
            kept = saver.get_tuple(config)
            assert asyncio.run(saver.aget_tuple(config)) == kept
    newest = asyncio.run(saver.aget_tuple(place))
    assert [write[1] for write in newest.pending_writes] == ["__interrupt__"]
    assert newest.checkpoint["channel_values"]["messages"][0].text == "x" * length


@pytest.mark.parametrize(("length", "in_thread"), [(10, False), (500_000, True)])
def test_what_is_large_does_not_hold_up_the_loop(
    saver: Any, length: int, in_thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large checkpoint is put together in a thread, a small one at once."""
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    graph.add_node("answer", lambda _: {"messages": [("ai", "ok")]})
    graph.add_edge(START, "answer")
    place: Any = {"configurable": {"thread_id": "t1"}}
    graph.compile(checkpointer=saver).invoke({"messages": [("user", "x" * length)]}, place)
    where: list[bool] = []
    for step in ("rows_of", "read_with"):
        known = getattr(checkpointer, step)
        monkeypatch.setattr(
            checkpointer,
            step,
            lambda *given, known=known: (
                where.append(threading.current_thread() is not threading.main_thread()),
                known(*given),
            )[1],
        )
    assert asyncio.run(saver.aget_tuple(place)).checkpoint["channel_values"]["messages"][0].text == "x" * length
    assert where == [False, in_thread, in_thread]


def test_reading_after_a_restart(saver: Any, url: str) -> None:
    """Connections that the server has cut meanwhile cost a run in an event loop nothing."""
    place: Any = {"configurable": {"thread_id": "t1", "checkpoint_ns": ""}}

    async def read_all() -> list[Any]:
        return await asyncio.gather(*(saver.aget_tuple(place) for _ in range(20)))

    asyncio.run(read_all())
    with psycopg.connect(url, autocommit=True) as connection:
        cut = connection.execute(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where application_name = 'learning-machine-checkpoints'"
        ).fetchone()
    assert cut is not None and cut[0] > 1
    assert asyncio.run(read_all()) == [None] * 20


def test_many_read_and_write_at_once(saver: Any) -> None:
    """A hundred runs of one event loop on few connections: each reads its own thread's newest state."""
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    graph.add_node("answer", lambda state: {"messages": [("ai", f"{len(state['messages'])}")]})
    graph.add_edge(START, "answer")
    agent = graph.compile(checkpointer=saver)

    async def talk(number: int) -> list[str]:
        for turn in range(3):
            result = await agent.ainvoke(
                {"messages": [("user", f"{number}.{turn}")]}, {"configurable": {"thread_id": f"t{number}"}}
            )
        return texts(result)

    async def everyone() -> list[list[str]]:
        return await asyncio.gather(*map(talk, range(100)))

    assert asyncio.run(everyone()) == [[f"{n}.0", "1", f"{n}.1", "3", f"{n}.2", "5"] for n in range(100)]


@pytest.mark.parametrize("durability", ["async", "exit"])
@pytest.mark.parametrize("kind", ["agent", "middleware"])
def test_a_turn_goes_to_no_thread(
    durability: Any, kind: str, machine: Any, taught: Any, thread: Any, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under `ainvoke` a turn on our checkpointer is carried out by the event loop alone, once the database is open."""
    model = taught()
    found = machine(model, background="external")
    agent: Any = create_learning_agent(model, learning=found)
    if kind == "middleware":
        middleware = [LearningMiddleware(found)]
        agent = create_agent(model, middleware=middleware, context_schema=Scope, checkpointer=agent.checkpointer)
    sent: list[Any] = []

    async def turns(*messages: str) -> None:
        for message in messages:
            await agent.ainvoke(say(message), thread("t1"), context=ALICE, durability=durability)

    asyncio.run(turns("my name is Alice"))
    run = asyncio.BaseEventLoop.run_in_executor
    monkeypatch.setattr(
        asyncio.BaseEventLoop, "run_in_executor", lambda *given: (sent.append(given[2]), run(*given))[1]
    )
    asyncio.run(turns("hello", "what's new?"))
    # But for a connection that has to be made.
    assert [one for one in sent if getattr(one, "__name__", "") != "getconn"] == []


def test_ours_passes_the_conformance_suite(saver: Any) -> None:
    """langgraph's conformance suite finds every base capability of ours in order."""

    @conformance.checkpointer_test(name="BothDoorsSaver")
    async def made() -> Any:
        yield saver

    report = asyncio.run(conformance.validate(made))
    assert report.passed_all_base(), report.to_dict()


SETUP = """
import sys
from learning_machine import LearningMachine, create_learning_agent
from learning_machine.testing import ScriptedModel
agent = create_learning_agent(ScriptedModel(), db=sys.argv[1])
sys.stdin.readline()
given = {"messages": [("user", "hello")]}
agent.invoke(given, {"configurable": {"thread_id": sys.argv[2]}}, context={"user_id": "alice"})
machine = LearningMachine.of(agent)
assert machine.flush()
machine.close()
print("done")
"""


def test_four_processes_set_up_at_once(empty_url: str, tmp_path: Path) -> None:
    """Four processes that begin with an empty database at the same moment all answer and learn."""
    script = tmp_path / "setup.py"
    script.write_text(SETUP)
    started = [
        subprocess.Popen(
            [sys.executable, str(script), empty_url, f"t{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=120) for process in started]
    assert [out.strip() for out, _ in outputs] == ["done"] * 4, [error[-2_000:] for _, error in outputs]
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("select count(*) from learning_machine.turn").fetchone() == (4,)
        threads = "select count(distinct thread_id) from learning_machine.checkpoints"
        assert connection.execute(threads).fetchone() == (4,)


def test_thirty_cancellations_leave_the_pools_clean(machine: Any, thread: Any, say: Any) -> None:
    """Turns that are cancelled anywhere on their way leave no connection behind, and the next turns work."""
    model = ScriptedModel()
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    agent.invoke(say("hello"), thread("warm"), context=ALICE)

    async def cancelled(number: int) -> None:
        turn = asyncio.create_task(agent.ainvoke(say("hello"), thread(f"t{number}"), context=ALICE))
        await asyncio.sleep(number * 0.004)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
            raise asyncio.CancelledError

    async def all_of_them() -> list[Any]:
        for number in range(30):
            await cancelled(number)
        turns = (agent.ainvoke(say("hello"), thread(f"after{n}"), context=ALICE) for n in range(10))
        return await asyncio.gather(*turns)

    assert [texts(result)[-1] for result in asyncio.run(all_of_them())] == ["ok"] * 10
    assert found.flush()
    pools = (found.database.pool, agent.checkpointer._pool)  # type: ignore[union-attr]
    ends = time.monotonic() + 10
    while any(pool.get_stats()["pool_available"] < pool.get_stats()["pool_size"] for pool in pools):
        assert time.monotonic() < ends, [pool.get_stats() for pool in pools]
        time.sleep(0.02)
    for pool in pools:
        with pool.connection() as connection:
            assert connection.execute("select current_setting('role'), pg_backend_pid()").fetchone() is not None


# --- what is kept -----------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """The value with its messages in LangChain's JSON form."""
    if isinstance(value, BaseMessage):
        return dumpd(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


class Note:
    """What a store of somebody's own recalls: no JSON."""

    summary = "apples"


class Notes:
    """A store whose recall returns an object of its own."""

    learning_type = "notes"

    def recall(self, **context: Any) -> Note:
        return Note()

    def process(self, messages: list[Any], **context: Any) -> None: ...

    def build_context(self, data: Any) -> str:
        return data.summary if data else ""

    def get_tools(self, **context: Any) -> list[Any]:
        return []


def test_everything_checkpointed_is_plain_json(
    url: str, machine: Any, taught: Any, thread: Any, say: Any, either: Callable[..., Any]
) -> None:
    """Besides messages, every value in every checkpoint of a learning thread is JSON, custom stores' objects included."""
    model = taught()
    found = machine(model, user_profile=UserProfileConfig(), session_context=True, custom_stores={"notes": Notes()})
    saver = InMemorySaver()
    agent = create_learning_agent(model, learning=found, checkpointer=saver)
    for text in ("my name is Alice", "hello"):
        either(agent, say(text), thread("t1"), context=ALICE)
        assert found.flush()
    kept = list(saver.list(thread("t1")))
    assert len(kept) > 10
    for one in kept:
        values = one.checkpoint["channel_values"]
        assert not {"recalled", "batch"} & set(values)
        ours = {name: value for name, value in values.items() if name.startswith(("learning", "messages"))}
        assert json.loads(json.dumps(plain(ours))) == plain(ours)
    written = [write for one in kept for write in one.pending_writes or [] if write[1] in ("recalled", "batch")]
    assert written == []


STRICT = """
import sys, warnings, logging
warnings.simplefilter("error")
logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
from learning_machine import LearningMachine, create_learning_agent, LearningMode, UserProfileConfig
from learning_machine.testing import ScriptedModel, change
learns = [change("user_profile", "Alice", kind="field", name="name"), change("session_context", "Hi.", kind="summary")]
model = ScriptedModel(learns=[learns])
machine = LearningMachine(db=sys.argv[1], user_profile=True, session_context=True)
agent = create_learning_agent(model, learning=machine)
thread = {"configurable": {"thread_id": "t1"}}
for text in ("I'm Alice", "hello"):
    agent.invoke({"messages": [("user", text)]}, thread, context={"user_id": "alice"})
    assert machine.flush()
assert "Alice" in model.calls[-1][0].text
assert len(list(agent.get_state_history(thread))) > 10
machine.close()
"""


def test_nothing_warns_under_strict_msgpack(url: str, tmp_path: Path) -> None:
    """With `LANGGRAPH_STRICT_MSGPACK=true` and warnings as errors, turns run and nothing is said about types in state."""
    script = tmp_path / "strict.py"
    script.write_text(STRICT)
    ran = subprocess.run(
        [sys.executable, str(script), url],
        env={**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr[-3_000:]
    assert "msgpack" not in ran.stderr.lower()
    assert "Deserializing" not in ran.stderr
