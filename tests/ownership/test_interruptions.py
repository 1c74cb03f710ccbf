"""An import or an erasure that dies at any point and is run again is done once."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from learning_machine import LearningMachine
from tests.ownership.conftest import dump
from tests.ownership.test_export import seen
from tests.ownership.test_importers import arrived, rows

PROGRAM = Path(__file__).parent / "programs" / "dying.py"


def run(url: str, statement: int, what: str, argument: str) -> int | None:
    """How many statements it took; `None` when it died."""
    command = [sys.executable, str(PROGRAM), url, str(statement), what, argument]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode in (0, -9), done.stderr
    return int(done.stdout.split()[-1]) if done.returncode == 0 else None


def points(most: int, count: int) -> list[int]:
    return sorted(random.Random(7).sample(range(1, most), count))


def check_restore(
    alice: LearningMachine, full: Callable[..., LearningMachine], url: str, path: Path, places: list[int]
) -> None:
    before = seen(alice)
    path.write_text("".join(alice.export(user_id="alice", groups=["eng"])), "utf-8")
    for place in places:
        run(url, place, "import", str(path))
    assert run(url, -1, "import", str(path)) is not None
    restored = full(db=url)
    assert seen(restored) == before
    assert restored.verify_audit()["whole"]


def test_a_killed_restore_is_finished_by_the_next(
    alice: LearningMachine, full: Callable[..., LearningMachine], other_url: str, tmp_path: Path
) -> None:
    """Killed at some statements of an import, and run again, everything is there once and recalled as before."""
    check_restore(alice, full, other_url, tmp_path / "alice.jsonl", [20, 45, 70])


@pytest.mark.full
def test_a_restore_killed_at_50_points_is_finished_by_the_next(
    alice: LearningMachine, full: Callable[..., LearningMachine], other_url: str, tmp_path: Path
) -> None:
    """The same at fifty statements."""
    check_restore(alice, full, other_url, tmp_path / "alice.jsonl", points(110, 50))


def many(path: Path, count: int) -> Path:
    """A file of items, each with something of its own to say."""
    words = [f"{one}{two}" for one in "bcdfghjklm" for two in ("ramble", "lanton", "orvid", "ustine", "elmark")]
    source = random.Random(3)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            text = f"Item {number}: {' '.join(source.choices(words, k=6))}"
            file.write(json.dumps({"namespace": ["m"], "key": str(number), "value": {"text": text}}) + "\n")
    return path


def check_many(full: Callable[..., LearningMachine], url: str, tmp_path: Path, count: int, places: list[int]) -> None:
    path = many(tmp_path / "items.jsonl", count)
    for place in places:
        run(url, place, "import", str(path))
    reports: list[int] = []
    machine = full()
    imported = machine.import_(path, user_id="alice", on_progress=lambda so_far: reports.append(so_far.done))
    assert arrived(imported) < count, "what came before the kill is not imported again"
    assert len(reports) > 1 and reports == sorted(reports) and reports[-1] == count
    assert rows(url)[0] == count


def test_many_items_show_progress_and_are_resumed(
    full: Callable[..., LearningMachine], url: str, tmp_path: Path
) -> None:
    """Six hundred items, killed in the middle: the next run finishes them, once, and tells how far it is."""
    check_many(full, url, tmp_path, 600, [2_500])


def test_an_import_that_is_interrupted_says_how_to_go_on(url: str, tmp_path: Path) -> None:
    """Ctrl-C leaves what arrived, says so in one line, and the same command brings in the rest."""
    path = many(tmp_path / "items.jsonl", 1_500)
    command = [sys.executable, "-m", "learning_machine", "import", str(path), "--user", "alice", "--db", url]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    ends = time.monotonic() + 60
    while rows(url)[0] == 0 and time.monotonic() < ends:
        time.sleep(0.005)
    with psycopg.connect(url) as held:
        # Otherwise it might be through before it hears of it.
        held.execute("lock table learning_machine.learning in share row exclusive mode")
        running.send_signal(signal.SIGINT)
        out, notes = running.communicate(timeout=60)
    assert running.returncode == 130 and out == ""
    assert notes.strip().splitlines()[-1].startswith("Stopped.") and "Traceback" not in notes
    assert 0 < rows(url)[0] < 1_500
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "known" in done.stdout, done.stderr
    assert rows(url)[0] == 1_500


@pytest.mark.full
def test_ten_thousand_items_are_resumed(full: Callable[..., LearningMachine], url: str, tmp_path: Path) -> None:
    """The same with ten thousand."""
    check_many(full, url, tmp_path, 10_000, [8_000, 30_000])


def check_erasure(alice: LearningMachine, url: str, places: list[int]) -> None:
    """The chain is whole after each kill; in the end nothing is left, and there is one receipt of something removed."""
    for place in places:
        run(url, place, "erase", "alice")
        assert "Lisbon" not in dump(url) or alice.recall(message="Where do I live?", user_id="alice"), (
            "half of it is gone"
        )
    assert run(url, -1, "erase", "alice") is not None
    assert "Lisbon" not in dump(url) and "alice" not in dump(url)
    assert len([one for one in alice.receipts() if one["removed"]]) == 1
    assert alice.verify_audit()["whole"]


def test_a_killed_erasure_is_finished_by_the_next(alice: LearningMachine, url: str) -> None:
    """Killed at some statements of an erasure, it has happened not at all, and is done by the next."""
    check_erasure(alice, url, [12, 25])


@pytest.mark.full
def test_an_erasure_killed_at_50_points_is_finished_by_the_next(alice: LearningMachine, url: str) -> None:
    """The same at fifty statements, or at every one that there is."""
    check_erasure(alice, url, list(range(1, 51)))
