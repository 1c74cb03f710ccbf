"""How the benchmarks measure and print: side by side in one run, so that figures can be compared on any machine."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Timing:
    """How long something took, in milliseconds."""

    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        return cls(quantile(seconds, 0.5) * 1_000, quantile(seconds, 0.95) * 1_000)

    def __str__(self) -> str:
        return f"{self.p50:.2f} / {self.p95:.2f}"


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies, between the two nearest."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def side_by_side(
    runs: Mapping[str, Callable[[int], Any]],
    rounds: int,
    warm_up: int = 3,
    between: Callable[[], Any] = lambda: None,
) -> dict[str, Timing]:
    """Every function once a round, each round in another order, so that what else the machine does hits all alike.

    A function is given the number of its round. `between` two of them, what one left behind can be finished.
    """
    names = list(runs)
    for round_ in range(warm_up):
        for name in names:
            runs[name](round_)
            between()
    taken: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(rounds):
        shift = round_ % len(names)
        for name in (*names[shift:], *names[:shift]):
            began = time.perf_counter()
            runs[name](round_)
            taken[name].append(time.perf_counter() - began)
            between()
    return {name: Timing.of(seconds) for name, seconds in taken.items()}


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say on standard error what is done and how long it took."""
    began = time.perf_counter()
    print(f"{what} …", end="", file=sys.stderr, flush=True)
    yield
    print(f" {time.perf_counter() - began:.1f} s", file=sys.stderr)


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A small table: the first column to the left, figures to the right."""
    cells = [
        [*map(str, head)],
        *([f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows),
    ]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    print(f"\n{title}")
    for number, row in enumerate(cells):
        print(
            "  ".join(
                cell.rjust(width) if at else cell.ljust(width)
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        )
        if number == 0:
            print("  ".join("-" * width for width in widths))


def print_settings(**settings: Any) -> None:
    """What a figure depends on."""
    about = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": f"{os.getloadavg()[0]:.1f}",
        **settings,
    }
    print(", ".join(f"{name} {value}" for name, value in about.items()))
