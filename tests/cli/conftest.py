"""Commands run in this process, on a database of the test's own; machines to name on the command line."""

from __future__ import annotations

import io
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from learning_machine import jobs
from learning_machine.cli import main

_numbers = itertools.count(1)


class Ran(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line: `run("show", "--user", "alice")`, with `stdin` as what is piped in."""
    monkeypatch.setenv("LEARNING_MACHINE_DATABASE_URL", url)
    monkeypatch.setattr(jobs, "LINGER", 0.0)

    def run(*arguments: str, stdin: str | bytes = "") -> Ran:
        piped = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped), "utf-8"))
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a module for `--machine` into the working directory, and returns its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(source: str) -> str:
        name = f"test_app_{next(_numbers)}"
        Path(tmp_path, f"{name}.py").write_text(source, "utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


@pytest.fixture
def scripted(app: Callable[[str], str]) -> Callable[..., str]:
    """A machine whose model learns these changes, as `--machine` takes it."""

    def write(*changes: dict[str, Any], answers: Any = "ok", **machine: Any) -> str:
        source = (
            "from learning_machine import LearningMachine\n"
            "from learning_machine.testing import ScriptedModel\n"
            f"model = ScriptedModel(answers={answers!r}, learns={list(changes)!r})\n"
            f"machine = LearningMachine(model=model, **{machine or {'user_profile': True}!r})\n"
        )
        return f"{app(source)}:machine"

    return write
