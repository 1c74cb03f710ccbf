"""What learning adds when a hundred people talk at once.

    python bench/concurrency.py [--conversations 100] [--turns 2] [--rounds 3] [--delay 0.3] [--db URL]

Side by side in one run, with a scripted model that takes a given time for every call, all by `astream` in one process and
with the same checkpointer on the same server:

- `create_learning_agent` beside the same graph with its learning steps empty;
- `create_agent` with `LearningMiddleware` beside the bare `create_agent`;
- and what of that is LangGraph's: a middleware whose two hooks do nothing, beside the bare `create_agent`.

For each durability of checkpoints. The worker that reads runs in the same process meanwhile, as it does by default, or
with `--background external` not at all.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.runnables import RunnableLambda
from measuring import Timing, print_settings, print_table, side_by_side, step
from places import own_database, versions

from learning_machine import LearningMachine, LearningMiddleware, Scope
from learning_machine.checkpointer import BothDoorsSaver
from learning_machine.graphs.learning import learning_graph
from learning_machine.nodes.agent import inner_agent
from learning_machine.testing import ScriptedModel, change

DURABILITIES = ("async", "exit")
#: What a hundred conversations may take: so many times the same graph with empty steps, and the bare agent.
GRAPH, MIDDLEWARE = 1.3, 1.6
PAIRS: dict[str, tuple[str, str, float | None]] = {
    "graph": ("the graph", "its steps empty", GRAPH),
    "middleware": ("LearningMiddleware", "bare agent", MIDDLEWARE),
    "hooks": ("two empty hooks", "bare agent", None),
}

_numbers = itertools.count(1)
_PROFILE = [
    change("user_profile", value, kind="field", name=name)
    for name, value in (("name", "Alice"), ("role", "engineer"), ("location", "Lisbon"))
]


class Idle(AgentMiddleware[Any, Any]):
    """The hooks of `LearningMiddleware`, with nothing in them."""

    async def abefore_model(self, state: Any, runtime: Any) -> None:
        return None

    async def aafter_agent(self, state: Any, runtime: Any) -> None:
        return None


@contextmanager
def agents(url: str, delay: float, background: Any) -> Iterator[tuple[dict[str, Any], LearningMachine]]:
    """The agents, and the machine that two of them learn with."""
    model = ScriptedModel(answers="A novel.", delay=delay)
    # What reads meanwhile does not wait for a model, so that it costs this process as much as it ever could.
    reader = ScriptedModel(learns=lambda _: _PROFILE)
    with LearningMachine(
        db=url, model=reader, user_profile=True, session_context=True, background=background
    ) as machine:
        saver = BothDoorsSaver(lambda: machine.database)
        loop = learning_graph(machine.parts, inner_agent(model, []), reads_context=True)
        made = {
            "the graph": loop.compile(checkpointer=saver),
            "its steps empty": emptied(machine, model).compile(checkpointer=saver),
            "LearningMiddleware": create_agent(
                model, middleware=[LearningMiddleware(machine)], context_schema=Scope, checkpointer=saver
            ),
            "two empty hooks": create_agent(model, middleware=[Idle()], context_schema=Scope, checkpointer=saver),
            "bare agent": create_agent(model, context_schema=Scope, checkpointer=saver),
        }
        try:
            yield made, machine
        finally:
            saver.close()


def emptied(machine: LearningMachine, model: Any) -> Any:
    """The same graph, whose learning steps do nothing."""
    graph = learning_graph(machine.parts, inner_agent(model, []), reads_context=True)
    for name in graph.nodes:
        if name != "agent":
            graph.nodes[name] = replace(graph.nodes[name], runnable=RunnableLambda(_nothing, _anothing, name=name))
    return graph


def _nothing(_: Any) -> dict[str, Any]:
    return {}


async def _anothing(_: Any) -> dict[str, Any]:
    return {}


async def converse(agent: Any, turns: int, durability: Any) -> None:
    """One conversation: so many turns in a thread of its own, each token heard."""
    number = next(_numbers)
    config = {"configurable": {"thread_id": f"t{number}"}}
    for turn in range(turns):
        given = {"messages": [{"role": "user", "content": f"I'm Alice. What shall I read on train {turn}?"}]}
        stream = agent.astream(
            given, config, context={"user_id": f"u{number % 50}"}, stream_mode="messages", durability=durability
        )
        async for _ in stream:
            pass


async def talk(agent: Any, conversations: int, turns: int, durability: str) -> None:
    await asyncio.gather(*(converse(agent, turns, durability) for _ in range(conversations)))


def measure(
    url: str, *, conversations: int, turns: int, rounds: int, delay: float, background: Any, durability: str
) -> dict[str, Timing]:
    """How long all conversations take together, by agent. What was queued is read before the next is measured."""
    with agents(url, delay, background) as (made, machine), asyncio.Runner() as runner:

        def run(agent: Any) -> Callable[[int], None]:
            return lambda _: runner.run(talk(agent, conversations, turns, durability))

        ways = {name: run(agent) for name, agent in made.items()}
        between = (lambda: machine.flush(300)) if background == "worker" else (lambda: None)
        return side_by_side(ways, rounds, warm_up=1, between=between)


def run(
    durabilities: Sequence[str] = DURABILITIES,
    *,
    conversations: int = 100,
    turns: int = 2,
    rounds: int = 3,
    delay: float = 0.3,
    background: str = "worker",
    server: str | None = None,
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    options: dict[str, Any] = {"conversations": conversations, "turns": turns, "rounds": rounds, "delay": delay}
    for durability in durabilities:
        with own_database(server) as url, step(f"durability {durability}"):
            found[durability] = measure(url, background=background, durability=durability, **options)
            settings = versions(url)
    return {"settings": {**settings, **options, "background": background}, "timings": found}


def ratios(timings: Mapping[str, Timing]) -> dict[str, float]:
    """How many times as long, by pair."""
    return {name: timings[ours].p50 / timings[bare].p50 for name, (ours, bare, _) in PAIRS.items()}


def report(found: Mapping[str, Any]) -> None:
    rows = []
    for durability, timings in found["timings"].items():
        for name, ratio in ratios(timings).items():
            ours, bare, bound = PAIRS[name]
            most = "" if bound is None else f"{bound:g}"
            rows.append([f"{ours} / {bare}", durability, timings[ours], timings[bare], f"{ratio:.2f}", most])
    count = found["settings"]["conversations"]
    print_table(
        f"{count} conversations at once, ms p50 / p95 of all together",
        ["", "durability", "with learning", "without", "with/without p50", "bound"],
        rows,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--conversations", type=int, default=100, help="how many at once [default: 100]")
    parser.add_argument("--turns", type=int, default=2, help="turns of each conversation [default: 2]")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured [default: 3]")
    parser.add_argument("--delay", type=float, default=0.3, help="how long a model call takes, in seconds")
    parser.add_argument("--durability", choices=DURABILITIES, help="one of them only [default: both]")
    parser.add_argument("--background", choices=("worker", "external"), default="worker", help="who reads meanwhile")
    parser.add_argument("--db", help="another server; its user must be allowed to create databases")
    options = parser.parse_args(arguments)
    found = run(
        (options.durability,) if options.durability else DURABILITIES,
        conversations=options.conversations,
        turns=options.turns,
        rounds=options.rounds,
        delay=options.delay,
        background=options.background,
        server=options.db,
    )
    print_settings(**found["settings"])
    report(found)


if __name__ == "__main__":
    main()
