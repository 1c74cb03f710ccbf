"""What the nodes of one machine work with."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from traceback import extract_tb
from typing import Any

from langchain_core.language_models import BaseChatModel

from learning_machine.nodes.embedding import Embedder
from learning_machine.nodes.threads import Threads
from learning_machine.state.limits import BatchWindow
from learning_machine.stores.fusing import Weights
from learning_machine.stores.ledger import Ledger
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.steps import Steps
from learning_machine.stores.proposals import ProposalQueue
from learning_machine.stores.registry import Registry
from learning_machine.stores.spending import Spending
from learning_machine.stores.turns import Turns
from learning_machine.telemetry import count, fields

log = logging.getLogger("learning_machine")

#: How long a reply waits for one step of learning, in seconds: a little more than the database gives a statement.
PATIENCE = 3.0
#: When a step that nobody waits for any more is given up, in seconds.
HOPELESS = 30.0
#: For how many replies the database is asked at a time at most: one for each connection of our own pool.
AT_ONCE = 10


@dataclass
class Usage:
    """What learning has cost since this machine started: model calls and tokens, and what failed. Counted per process."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, usage: Any) -> None:
        """One call, with the usage metadata the model reported, if any."""
        with self._lock:
            self.calls += 1
            self.input_tokens += (usage or {}).get("input_tokens", 0)
            self.output_tokens += (usage or {}).get("output_tokens", 0)
        count("calls")
        for way in ("input", "output"):
            count("tokens", (usage or {}).get(f"{way}_tokens", 0), type=way)

    def fail(self, step: str) -> None:
        with self._lock:
            self.failures[step] = self.failures.get(step, 0) + 1
        count("failures", step=step)


@dataclass(frozen=True)
class Parts:
    """A machine, as its nodes see it. `model` and `ready` are asked when they are needed, not before."""

    name: str
    registry: Registry
    database: Database
    ledger: Ledger
    turns: Turns
    model: Callable[[], BaseChatModel]
    ready: Callable[[], None]
    window: BatchWindow
    wake: Callable[[], None]
    usage: Usage
    embedder: Embedder
    proposals: ProposalQueue
    spending: Spending
    inline: bool = False
    weights: Weights = Weights()
    max_context_tokens: int = 3_000
    methods: dict[str, str] = field(default_factory=dict)
    threads: Threads = field(default_factory=partial(Threads, AT_ONCE))

    @property
    def patience(self) -> float | None:
        """How long a reply waits for the database, in seconds. Opening it for the first time may take longer."""
        return PATIENCE if self.database.opened else None


def attempt(
    parts: Parts, step: str, function: Callable[[], Any], default: Any = None, *, patience: float | None = None
) -> Any:
    """The function's result, or the default: learning never fails a reply. What failed is logged and counted.

    `patience`: how long a reply may wait for it, in seconds: a server that hangs keeps no time-out of its own. What comes
    too late still happens; everything that learning writes may be written twice without harm. Only the kind of error is
    logged, because its text could hold what a person said.
    """
    try:
        return function() if patience is None else parts.threads.start(function).result(patience)
    except Exception as error:  # noqa: BLE001 - the one place where learning's failures end
        return note(parts, step, error, default)


async def aattempt(
    parts: Parts, step: str, function: Callable[[], Any], default: Any = None, *, patience: float | None = None
) -> Any:
    """`attempt` in a thread, while the event loop goes on."""
    try:
        if patience is None:
            return await asyncio.to_thread(function)
        return await asyncio.wait_for(asyncio.wrap_future(parts.threads.start(function)), patience)
    except Exception as error:  # noqa: BLE001 - as `attempt`
        return note(parts, step, error, default)


async def acarry_out(parts: Parts, step: str, steps: Callable[[], Steps[Any]], default: Any = None) -> Any:
    """`attempt` of steps that ask the database, waited for by the event loop where it can, else by a thread."""
    if not parts.database.can_wait_in_loop():
        return await aattempt(parts, step, lambda: parts.database.run(steps()), default, patience=parts.patience)
    # It goes on when nobody waits any more, and is only cut off when there is no hope.
    under_way = asyncio.create_task(parts.database.arun(steps()))
    last = asyncio.get_running_loop().call_later(HOPELESS, under_way.cancel)
    under_way.add_done_callback(partial(_ended, last))
    try:
        await asyncio.wait((under_way,), timeout=parts.patience)
        if not under_way.done():
            raise TimeoutError
        return under_way.result()
    except Exception as error:  # noqa: BLE001 - as `attempt`
        return note(parts, step, error, default)


def _ended(last: asyncio.TimerHandle, under_way: asyncio.Task[Any]) -> None:
    """What fails too late for anybody to hear is not told by asyncio, which would show its text."""
    last.cancel()
    if not under_way.cancelled():
        under_way.exception()


def note(parts: Parts, step: str, error: Exception, default: Any = None) -> Any:
    """Log and count an error that must not reach the caller."""
    parts.usage.fail(step)
    log.warning(
        "learning machine %r: %s failed (%s); the turn goes on without it",
        parts.name,
        step,
        type(error).__name__,
        extra=fields(machine=parts.name, step=step, error=type(error).__name__),
    )
    log.debug("it failed at %s", trace(error))
    return default


def trace(error: BaseException) -> str:
    """Where an error came from, as `file:line function`, outermost first: all of a traceback but the texts, which could
    hold what a person said."""
    chain: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(chain) < 5:
        steps = " > ".join(
            f"{Path(step.filename).name}:{step.lineno} {step.name}" for step in extract_tb(cause.__traceback__)[-12:]
        )
        chain.append(f"{steps} {type(cause).__name__}")
        cause = cause.__cause__ or cause.__context__
    return ", after ".join(chain)
