"""The extraction call as a service sees it: counted and read on a real HTTP server that speaks chat completions."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_openai import ChatOpenAI

from learning_machine import LearningMachine, create_learning_agent
from learning_machine.nodes.asking import MAX_ANSWER_TOKENS
from learning_machine.testing import OpenAIServer, ScriptedModel, change

NAME = [change("user_profile", "Alice", kind="field", name="name", quote="I'm Alice")]
ALICE = {"user_id": "alice"}


@pytest.fixture
def served(url: str) -> Iterator[Callable[..., Any]]:
    """Makes a server, an agent on a real OpenAI client that talks to it, and the agent's machine."""
    made: list[Any] = []

    def make(*, client: dict[str, Any] | None = None, **script: Any) -> tuple[OpenAIServer, Any, LearningMachine]:
        server = OpenAIServer(**{"learns": lambda new: NAME, "answers": "Hello there", **script})
        options = {"model": "gpt-4.1-mini", "base_url": server.base_url, "api_key": "none", "max_retries": 0}
        agent = create_learning_agent(ChatOpenAI(**{**options, **(client or {})}), db=url)
        machine = LearningMachine.of(agent)
        made.extend((machine, server))
        return server, agent, machine

    yield make
    for one in made:
        one.close()


@pytest.fixture(params=["invoke", "ainvoke"])
def door(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Both ways into a graph, on one event loop: a client's connections belong to the loop they were opened on."""
    if request.param == "invoke":
        yield lambda graph, given, config, **more: graph.invoke(given, config, **more)
        return
    with asyncio.Runner() as runner:
        yield lambda graph, given, config, **more: runner.run(graph.ainvoke(given, config, **more))


def ask(text: str = "I'm Alice") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def on(thread: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread}}


# --- how many ---------------------------------------------------------------------------------------------------------


def test_one_request_before_the_answer_and_one_for_the_batch(served: Any, door: Callable[..., Any]) -> None:
    """A turn costs exactly one request before `invoke` returns, and exactly one more for its batch, whatever its size."""
    server, agent, machine = served()
    for number in range(1, 4):
        machine.background = "external"
        before = len(server.requests)
        door(agent, ask(f"I'm Alice, and this is conversation {number}"), on(f"t{number}"), context=ALICE)
        assert len(server.requests) - before == 1
        assert server.extractions == []
    machine.background = "worker"
    for number in range(3):
        door(agent, ask(f"I'm Alice for the {number}th time"), on("burst"), context=ALICE)
    assert machine.flush()
    assert len(server.conversations) == 6
    assert 4 <= len(server.extractions) <= 6
    assert machine.recall(**ALICE)["user_profile"].name == "Alice"


def test_a_batch_of_many_turns_is_one_request(served: Any) -> None:
    """Three turns of one thread that wait together are read in one request."""
    server, agent, machine = served()
    machine.background = "external"
    for number in range(3):
        agent.invoke(ask(f"I'm Alice {number}"), on("t1"), context=ALICE)
    assert (len(server.conversations), len(server.extractions)) == (3, 0)
    machine.background = "worker"
    assert machine.flush()
    assert len(server.extractions) == 1
    asked = server.extractions[0]["messages"][-1]["content"]
    assert all(f"I'm Alice {number}" in asked for number in range(3))


@pytest.mark.parametrize(
    "delay", [1.0, pytest.param(0.2, marks=pytest.mark.full), pytest.param(2.0, marks=pytest.mark.full)]
)
def test_a_slow_extraction_delays_no_turn(served: Any, delay: float) -> None:
    """While an extraction takes its time the next turn is answered with its own single request."""
    server, agent, machine = served()
    agent.invoke(ask(), on("t1"), context=ALICE)
    assert machine.flush()
    server.delay = delay
    agent.invoke(ask(), on("t1"), context=ALICE)
    agent.invoke(ask("Hello"), on("t2"), context=ALICE)
    assert len(server.conversations) == 3
    server.delay = 0.0
    assert machine.flush()
    assert len(server.extractions) == 3


# --- how it asks ------------------------------------------------------------------------------------------------------


def test_it_asks_in_the_public_schema_with_a_cap(served: Any) -> None:
    """The request carries the reply's strict JSON schema and a limit on the answer, and brings no tools."""
    server, agent, machine = served()
    agent.invoke(ask(), on("t1"), context=ALICE)
    assert machine.flush()
    talk, body = server.requests
    assert "response_format" not in talk
    assert "max_completion_tokens" not in talk
    assert body["max_completion_tokens"] == MAX_ANSWER_TOKENS
    assert "tools" not in body
    given = body["response_format"]["json_schema"]
    assert body["response_format"]["type"] == "json_schema"
    assert given["strict"] is True
    items = given["schema"]["properties"]["changes"]["items"]
    assert set(items["required"]) == set(items["properties"])
    assert items["additionalProperties"] is False
    assert items["properties"]["store"]["enum"] == ["user_profile"]


def test_a_cap_of_your_own_is_kept(served: Any) -> None:
    """A model with a limit of its own extracts with that one."""
    server, agent, machine = served(client={"max_tokens": 321})
    agent.invoke(ask(), on("t1"), context=ALICE)
    assert machine.flush()
    assert server.extractions[0]["max_completion_tokens"] == 321


@pytest.mark.parametrize(
    ("refuses", "method", "requests"),
    [
        ({}, "json_schema", 1),
        ({"refuse_formats": 400}, "function_calling", 2),
        ({"refuse_formats": 500}, "function_calling", 2),
        ({"refuse_formats": 400, "refuse_tools": 400}, "text", 3),
        ({"refuse_formats": 404, "refuse_tools": 422}, "text", 3),
    ],
    ids=["all", "no format", "format breaks it", "neither", "neither, other codes"],
)
def test_it_falls_back_and_remembers(served: Any, refuses: dict[str, int], method: str, requests: int) -> None:
    """Where a way of asking is refused the next one is tried, and the second batch begins with what worked."""
    server, agent, machine = served(**refuses)
    agent.invoke(ask(), on("t1"), context=ALICE)
    assert machine.flush()
    assert len(server.extractions) == requests
    assert machine.recall(**ALICE)["user_profile"].name == "Alice"
    agent.invoke(ask("I'm Alice again"), on("t1"), context=ALICE)
    assert machine.flush()
    assert len(server.extractions) == requests + 1
    last = server.extractions[-1]
    used = "json_schema" if "response_format" in last else "function_calling" if "tools" in last else "text"
    assert used == method
    assert all(body["max_completion_tokens"] == MAX_ANSWER_TOKENS for body in server.extractions)


def test_the_schema_goes_in_words_to_a_model_without_formats(served: Any) -> None:
    """A model that knows neither formats nor tools is told the schema in its prompt."""
    server, agent, machine = served(refuse_formats=400, refuse_tools=400)
    agent.invoke(ask(), on("t1"), context=ALICE)
    assert machine.flush()
    prompt = server.extractions[-1]["messages"][0]["content"]
    assert '"changes"' in prompt
    assert '"additionalProperties": false' in prompt
    assert '"changes": {' not in server.extractions[0]["messages"][0]["content"]


def test_a_failing_service_is_tried_again_later(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal that says nothing of formats (401, 429) is a failure, kept with its kind, and the batch is tried again."""
    monkeypatch.setattr("learning_machine.jobs.FIRST_PAUSE", 0.1)
    server, agent, machine = served(refuse_formats=429)
    turn = agent.invoke(ask(), on("t1"), context=ALICE)["learning"]["turn"]
    machine.worker().hurry.set()
    while (state := machine.learned(turn))["status"] == "waiting":
        time.sleep(0.02)
    assert (state["status"], state["error"]) == ("failed", "ExtractionFailed")
    assert all("response_format" in body for body in server.extractions)
    server.refuse_formats = None
    assert machine.flush()
    assert machine.learned(turn)["status"] == "learned"
    assert machine.recall(**ALICE)["user_profile"].name == "Alice"


# --- what others see of it --------------------------------------------------------------------------------------------


class Listener(BaseCallbackHandler):
    """Keeps the tags of the model calls it hears of."""

    def __init__(self) -> None:
        self.tags: list[list[str]] = []

    def on_chat_model_start(self, *arguments: Any, tags: list[str] | None = None, **more: Any) -> None:
        self.tags.append(tags or [])


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_call_is_tagged_nostream(machine: Any, asynchronous: bool) -> None:
    """Also inside somebody's graph the extraction call carries the tag that keeps it out of token streams."""
    listener = Listener()
    found = machine(ScriptedModel(learns=[NAME], callbacks=[listener]))
    said = [("user", "I'm Alice"), ("assistant", "Hi")]
    if asynchronous:
        asyncio.run(found.aprocess(said, user_id="alice", session_id="t1"))
    else:
        found.process(said, user_id="alice", session_id="t1")
    assert len(listener.tags) == 1
    assert "nostream" in listener.tags[0]


def test_the_learn_graph_streams_no_tokens(machine: Any) -> None:
    """Streamed with `stream_mode="messages"`, the `learn` graph gives nothing of what its model says."""
    found = machine(ScriptedModel(learns=[NAME]), background="external")
    agent = create_learning_agent(ScriptedModel(), learning=found)
    turn = agent.invoke(ask(), on("t1"), context=ALICE)["learning"]["turn"]
    with found.database.connection() as connection:
        space = connection.execute("select space from learning_machine.turn").fetchone()["space"]  # type: ignore[index, call-overload]
    given: Any = {"space": space, "turn": turn}
    assert list(found._learner().stream(given, stream_mode="messages", subgraphs=True)) == []
    assert found.recall(**ALICE)["user_profile"].name == "Alice"


def test_what_learning_costs_is_counted(served: Any) -> None:
    """`machine.usage` counts extraction calls and their tokens, and not the agent's own."""
    server, agent, machine = served()
    agent.invoke(ask(), on("t1"), context=ALICE)
    assert (machine.usage.calls, machine.usage.input_tokens) == (0, 0)
    assert machine.flush()
    assert machine.usage.calls == len(server.extractions) == 1
    assert machine.usage.input_tokens > 100
    assert machine.usage.output_tokens > 10
    assert machine.usage.failures == {}


def test_the_agents_own_calls_pass_the_server(served: Any) -> None:
    """The agent streams its words from the service, and its usage arrives with `stream_usage`."""
    _, agent, machine = served(client={"stream_usage": True})
    chunks = [chunk for chunk, _ in agent.stream(ask("Hello"), on("t1"), context=ALICE, stream_mode="messages")]
    assert "".join(chunk.text for chunk in chunks) == "Hello there"
    assert any(chunk.usage_metadata for chunk in chunks)
    assert machine.flush()


def test_nothing_of_the_talk_is_logged(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a good nor a failing extraction writes what was said to the log."""
    caplog.set_level(logging.INFO)
    server, agent, machine = served(refuse_formats=400)
    agent.invoke(ask("I'm Alice and my secret is Rumpelstilz"), on("t1"), context=ALICE)
    assert machine.flush()
    ours = [record for record in caplog.records if record.name.startswith("learning_machine")]
    assert "Rumpelstilz" in json.dumps(server.extractions)
    assert not any("Rumpelstilz" in record.getMessage() for record in ours)
