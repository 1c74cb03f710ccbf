"""The command `learning-machine curate`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from learning_machine.cli import main


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `curate` with some arguments: how it ended, and what it printed."""
    monkeypatch.setenv("LEARNING_MACHINE_DATABASE_URL", url)

    def curate(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["curate", *arguments])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return curate


def test_preview_run_report(machine: Any, observe: Any, known: Any, run: Any) -> None:
    """A preview is shown as a diff and done by its id; the report says what was done."""
    found = machine()
    observe(found, "Likes tea", "likes the tea!")
    code, out, err = run("--preview", "--user", "alice")
    assert code == 0 and "- likes the tea!" in out and "--run " in err and len(known(found)) == 2
    preview = err.split("--run ")[1].split()[0]
    assert run("--run", preview, "--user", "alice")[1].strip() == "merged 1" and len(known(found)) == 1
    code, out, _ = run("--report", "--json")
    assert [one["figures"] for one in json.loads(out)] == [{"merged": 1}]


def test_everything(machine: Any, observe: Any, known: Any, run: Any) -> None:
    """Without a scope it goes over everybody's."""
    found = machine()
    for user in ("alice", "bob"):
        observe(found, "Likes tea", "likes the tea!", user_id=user)
    assert run("--task", "deduplicate")[1].strip() == "merged 2"


@pytest.mark.parametrize(
    "wrong",
    [["--preview", "--report"], ["--run", "x"], ["--run", "x", "--task", "prune"], ["--task", "polish", "--user", "a"]],
)
def test_refused(run: Any, wrong: list[str]) -> None:
    """What cannot be meant is refused, with what to do."""
    code, _, err = run(*wrong)
    assert code in (1, 2) and err
