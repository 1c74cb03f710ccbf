"""What all commands have in common: help, a quick start, errors in one line, and a reference page that fits."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from learning_machine.cli import app

ROOT = Path(__file__).parents[2]


def _commands(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
    inner = getattr(command, "commands", {})
    for name, found in inner.items():
        yield from _commands(found, *path, name)
    if not inner:
        yield path


COMMANDS = list(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(run: Any, command: tuple[str, ...]) -> None:
    """`--help` of each command ends well and shows how the command is called."""
    ran = run(*command, "--help")
    assert ran.code == 0
    assert f"  learning-machine {' '.join(command)}" in ran.out.partition("Examples:")[2]


def test_help_says_what_exit_codes_mean(run: Any) -> None:
    """The commands and the exit codes are in the help of the whole."""
    ran = run("--help")
    assert all(f"  {command[0]} " in ran.out for command in COMMANDS)
    assert "Exit codes:" in ran.out and "130" in ran.out


def test_help_waits_for_nothing_heavy() -> None:
    """Neither `--help` nor a usage error imports LangChain, LangGraph or the database driver."""
    source = (
        "import sys\nfrom learning_machine.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print([name for name in ('langchain_core', 'langgraph', 'psycopg') if name in sys.modules])"
    )
    for arguments in (["--help"], ["chat", "--help"], ["learn"]):
        ended = subprocess.run([sys.executable, "-c", source, *arguments], capture_output=True, text=True, check=True)
        assert ended.stdout.splitlines()[-1] == "[]"


def test_version_is_that_of_the_package(run: Any) -> None:
    """`--version` names the command and the installed version."""
    assert run("--version").out == f"learning-machine {version('langgraph-learning-machine')}\n"


def test_the_module_runs_as_the_command() -> None:
    """`python -m learning_machine` is the same command."""
    command = [sys.executable, "-m", "learning_machine", "--version"]
    assert "learning-machine" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_reference_page_is_what_help_says() -> None:
    """docs/reference/cli.md is up to date; `python .ci/cli_reference.py` renews it."""
    spec = importlib.util.spec_from_file_location("cli_reference", ROOT / ".ci" / "cli_reference.py")
    assert spec is not None and spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    assert (ROOT / "docs/reference/cli.md").read_text("utf-8") == reference.page()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "--db", "postgresql://u:hunter22@127.0.0.1:1/x"], "cannot be reached"),
        (["show", "--db", "postgresql://u:hunter22@127.0.0.1/x?nonsense=1"], "URL cannot be read"),
        (["show", "--db", "hunter22"], "URL cannot be read"),
        (["show", "--machine", "no.such.module:machine"], "there is no module"),
        (["learn", "no-such-file", "--user", "alice"], "cannot be read"),
        (["show", "--user", "alice", "--store", "nothing"], "has no store"),
    ],
)
def test_an_error_is_one_clear_line(run: Any, arguments: list[str], says: str) -> None:
    """What is wrong is said on standard error, without a traceback and without the URL's password; the exit code is 1."""
    ran = run(*arguments)
    assert ran.code == 1
    assert ran.out == ""
    assert ran.err.startswith("Error: ") and ran.err.count("\n") == 1
    assert says in ran.err and "hunter22" not in ran.err


def test_debug_shows_the_traceback(run: Any) -> None:
    """With `--debug` the same error comes with its traceback."""
    ran = run("learn", "no-such-file", "--user", "alice", "--debug")
    assert ran.code == 1
    assert "Traceback" in ran.err and "InvalidInput" in ran.err


def test_usage_errors_have_an_exit_code_of_their_own(run: Any) -> None:
    """An unknown option, a missing one and an id that cannot be one end with 2."""
    for arguments in (["show", "--nope"], ["learn", "file"], ["show", "--user", ""], ["show", "--user", "\udc80"]):
        ran = run(*arguments)
        assert ran.code == 2
        assert "Usage" in ran.err


def test_db_has_to_agree_with_the_machine(run: Any, scripted: Any, url: str) -> None:
    """`--db` gives a machine its database, and is refused where the machine was made with another."""
    made = scripted(db=url, user_profile=True)
    assert run("show", "--machine", made, "--user", "alice", "--db", url).code == 0
    ran = run("show", "--machine", made, "--user", "alice", "--db", "postgresql://elsewhere/x")
    assert ran.code == 1 and "--db names another database" in ran.err


def test_json_is_json_whatever_was_stored(run: Any, scripted: Any) -> None:
    """JSON output reads back exactly, and holds no character that a terminal would obey."""
    value = "a\u009b31mb\u202ec é 😀 [red]"
    made = scripted({"action": "add", "store": "user_profile", "kind": "observation", "value": value})
    run("learn", "-", "--user", "alice", "--machine", made, stdin="User: hello")
    ran = run("show", "--user", "alice", "--json", "--machine", made)
    assert [row["text"] for row in json.loads(ran.out)] == [value]
    assert "\u009b" not in ran.out and "\u202e" not in ran.out and "é 😀" in ran.out
