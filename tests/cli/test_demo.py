"""The demo tells its story by itself, leaves nothing behind, and is a check: with the offline model it has to come true."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from learning_machine.offline import OfflineModel
from learning_machine.testing import ScriptedModel

SCRIPT = Path(__file__).parents[2] / "examples" / "demo.py"


def tell(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The demo, run as a person would, in the environment of the tests and this."""
    settings = {name: value for name, value in os.environ.items() if name != "LEARNING_MACHINE_HOME"}
    settings |= {"PYTHONPATH": os.pathsep.join(sys.path), **environment}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=settings, timeout=180, check=False)


@pytest.fixture
def demo() -> Iterator[ModuleType]:
    """The demo as a module."""
    spec = importlib.util.spec_from_file_location("demo", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module


def test_the_story_comes_true(tmp_path: Path) -> None:
    """Processes of their own: the second knows what the first was told, London gives way to Lisbon, Bob profits from Alice."""
    ended = tell(TMPDIR=str(tmp_path), LEARNING_MACHINE_DATABASE_URL="postgresql://not-to-be-used/x")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    processes = re.findall(r"process \(?(\d+)\)", ended.stdout)
    assert len(set(processes)) == len(processes) == 3
    told = ended.stdout
    order = ("I live in London”", "Process", "alice: Hello! Where do I live?", "London", "location = Lisbon", "then k")
    places = [told.index(text, told.index("Act 2") if number > 1 else 0) for number, text in enumerate(order)]
    assert places == sorted(places)
    assert told.count("✓") == 10 and "✗" not in told
    assert "no language model" in told
    assert "\x1b" not in told
    assert not list(tmp_path.iterdir())


def test_a_story_that_does_not_come_true_fails(demo: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The offline model has to keep to the story; what a real model did not do is only printed."""
    with pytest.raises(SystemExit, match="did not learn her name"):
        demo.expect(SimpleNamespace(model=OfflineModel()), "learn her name", False)
    demo.expect(SimpleNamespace(model=ScriptedModel()), "learn her name", False)
    assert "the model did not learn her name" in capsys.readouterr().out


def test_an_act_that_fails_ends_the_demo(demo: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo ends with the exit code of the act that failed, and tells no further."""
    ran: list[Any] = []

    def fail(command: list[str], **_: Any) -> SimpleNamespace:
        ran.append(command)
        return SimpleNamespace(returncode=3)

    monkeypatch.setattr(demo.subprocess, "run", fail)
    assert demo.main() == 3
    assert len(ran) == 1


def test_a_wrong_setting_is_one_line() -> None:
    """A model that cannot be had ends an act with a sentence and not a traceback."""
    ended = tell("--act", "1", LEARNING_MACHINE_MODEL="nobody:nothing", LEARNING_MACHINE_HOME=os.devnull)
    assert ended.returncode == 1
    assert "cannot be used" in ended.stderr and "Traceback" not in ended.stderr
