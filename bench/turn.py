"""What learning adds to a turn: an agent in the loop beside the same agent without it.

    python bench/turn.py [--full] [--delays 0.2,2] [--rounds 20] [--db URL]

Side by side in one run, with a scripted model that takes a given time for every call: `create_agent` and
`create_learning_agent` with the same checkpointer on the same server, through `invoke` and `ainvoke`, one turn at a time
and ten at once. The worker reads in the same process meanwhile, as it does by default.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain.agents import create_agent
from measuring import Timing, print_settings, print_table, side_by_side, step
from places import own_database, versions

from learning_machine import LearningMachine, create_learning_agent
from learning_machine.checkpointer import BothDoorsSaver
from learning_machine.testing import ScriptedModel, change

DELAYS = (0.2, 1.0)
AT_ONCE = 10
#: What a turn may take with learning: so many times the same turn without it, and this much more, in seconds.
FACTOR, CONSTANT = 1.05, 0.05

_threads = itertools.count(1)
_PROFILE = [
    change("user_profile", value, kind="field", name=name)
    for name, value in (("name", "Alice"), ("role", "engineer"), ("location", "Lisbon"))
]


def given() -> tuple[dict[str, Any], dict[str, Any]]:
    """The input of a turn, and the config of a thread of its own."""
    messages = [{"role": "user", "content": "I'm Alice. What shall I read on the train to Porto?"}]
    return {"messages": messages}, {"configurable": {"thread_id": f"t{next(_threads)}"}}


def doors(agent: Any, runner: asyncio.Runner) -> dict[str, Callable[[int], Any]]:
    """The ways to have turns with an agent, by name."""

    def one(_: int) -> Any:
        return agent.invoke(*given(), context={"user_id": "alice"})

    def one_async(_: int) -> Any:
        return runner.run(agent.ainvoke(*given(), context={"user_id": "alice"}))

    async def many() -> None:
        await asyncio.gather(*(agent.ainvoke(*given(), context={"user_id": "alice"}) for _ in range(AT_ONCE)))

    return {"invoke": one, "ainvoke": one_async, f"{AT_ONCE} × ainvoke": lambda _: runner.run(many())}


def measure(url: str, delay: float, rounds: int) -> dict[str, dict[str, Timing]]:
    """Per door, how long a turn takes with and without learning."""
    model = ScriptedModel(answers="A novel.", delay=delay, learns=[_PROFILE])
    with (
        LearningMachine(db=url, model=model, user_profile=True, session_context=True) as machine,
        asyncio.Runner() as runner,
    ):
        learning = create_learning_agent(model, learning=machine)
        plain = create_agent(model, checkpointer=BothDoorsSaver(lambda: machine.database))
        ways = {"with": doors(learning, runner), "without": doors(plain, runner)}
        found = {
            door: side_by_side({name: of[door] for name, of in ways.items()}, rounds, warm_up=1)
            for door in ways["with"]
        }
        machine.flush()
        plain.checkpointer.close()  # type: ignore[union-attr]
    return found


def run(delays: Sequence[float], rounds: int, server: str | None = None) -> dict[str, Any]:
    with own_database(server) as url:
        timings = {}
        for delay in delays:
            with step(f"a model of {delay:g} s"):
                timings[delay] = measure(url, delay, rounds)
        return {"settings": versions(url), "timings": timings}


def report(found: Mapping[str, Any]) -> None:
    rows, worst = [], 0.0
    for delay, by_door in found["timings"].items():
        for door, timing in by_door.items():
            own, bare = timing["with"], timing["without"]
            rows.append([f"{delay:g} s · {door}", own, bare, f"{own.p50 / bare.p50:.3f}", f"{own.p50 - bare.p50:.1f}"])
            worst = max(worst, own.p50 - FACTOR * bare.p50)
    print_table(
        "A turn, ms p50 / p95", ["model · door", "with learning", "without", "with/without p50", "added ms"], rows
    )
    print(
        f"\nBeyond {FACTOR} times the turn without learning: {max(worst, 0):.1f} ms at most (bound: {CONSTANT * 1_000:.0f})."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--delays", help="how long a model call takes, in seconds, as 0.2,2")
    parser.add_argument("--full", action="store_true", help="a model of 2 s too")
    parser.add_argument("--rounds", type=int, default=10, help="how often each is measured [default: 10]")
    parser.add_argument(
        "--db", help="another server; its user must be allowed to create databases [default: an embedded one]"
    )
    options = parser.parse_args(arguments)
    delays = [float(delay) for delay in options.delays.split(",")] if options.delays else [*DELAYS]
    delays += [2.0] if options.full and 2.0 not in delays else []
    found = run(delays, options.rounds, options.db)
    print_settings(**found["settings"], rounds=options.rounds)
    report(found)


if __name__ == "__main__":
    main()
