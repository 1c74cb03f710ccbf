"""Learning gives way to replies: what is read in the process that answers people waits for a moment while that is busy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

#: How much of a processor this process uses when it is busy, and for how long it is looked at, in seconds.
BUSY, A_LOOK = 0.5, 0.05


async def gives_way(patience: float, hurries: Callable[[], bool]) -> None:
    """Wait until this process is not busy, at most so many seconds, and not while somebody `hurries`."""
    ends = time.monotonic() + patience
    while not hurries() and time.monotonic() < ends and await is_busy():
        pass


async def is_busy() -> bool:
    """Whether the threads of this process have used more than half of a processor meanwhile."""
    began, used = time.monotonic(), time.process_time()
    await asyncio.sleep(A_LOOK)
    return time.process_time() - used > BUSY * (time.monotonic() - began)
