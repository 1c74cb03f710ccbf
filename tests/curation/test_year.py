"""A simulated year in small, by the generator of the benchmark: what is left of it, and the promises about runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    """The benchmark's modules, which import each other by their names."""
    if not BENCH.is_dir():
        pytest.skip("only a checkout has bench/")
    sys.path.insert(0, str(BENCH))
    names = ("measuring", "places", "year_world", "year")
    try:
        yield SimpleNamespace(**{name: __import__(name) for name in names})
    finally:
        sys.path.remove(str(BENCH))
        for name in names:
            sys.modules.pop(name, None)


def lived(bench: Any, server: Any, days: int, every: int, *, held_out: bool) -> Any:
    year = bench.year_world.make(11, days, bench.year_world.templates(held_out=held_out))
    return bench.year.lived(server.url_for("postgres"), year, days, every, judged=True)


def promised(figures: Any) -> None:
    """What the year is judged by."""
    assert figures.duplicates <= 0.02, figures.left
    assert figures.lost == 0 and figures.recalled >= 0.98 * figures.asked, figures.missed
    assert set(figures.checks.values()) == {"yes"}, figures.checks
    assert figures.runs["merged"] and figures.most_active < figures.told


def test_a_few_weeks(bench: Any, server: Any) -> None:
    """After some weeks hardly anything is there twice, all that is valid is recalled, and runs keep their promises."""
    promised(lived(bench, server, 28, 14, held_out=False))


@pytest.mark.full
@pytest.mark.parametrize("held_out", [False, True])
def test_a_year(bench: Any, server: Any, held_out: bool) -> None:
    """The same after a year."""
    promised(lived(bench, server, 365, 7, held_out=held_out))


def test_the_year_is_the_same(bench: Any) -> None:
    """The same seed makes the same year, another seed another; no two texts of other meanings are the same."""
    given = bench.year_world.templates()
    one, again, other = (bench.year_world.make(seed, 60, given) for seed in (1, 1, 2))
    assert one.told == again.told != other.told
    assert len({told.meaning for told in one.told}) > 50
