"""Every Python block of the documentation runs, in order, against a real database, and prints what the page says it prints."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from psycopg_pool import ConnectionPool

from learning_machine import LearningMachine
from learning_machine.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^(?P<fence>```+)(?P<language>\w*)\s*$")
_NOT_RUN = re.compile(r"^<!-- not run: .+ -->$")
_PRINTS = "<!-- prints -->"
#: Stands for anything on its line.
_ANYTHING = "…"


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language, what stands before it, and its lines."""

    number: int
    language: str
    before: str
    text: str


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    lines = page.splitlines()
    at, before = 0, ""
    while at < len(lines):
        opened = _FENCE.match(lines[at])
        if opened:
            end = next((n for n in range(at + 1, len(lines)) if lines[n].strip() == opened["fence"]), len(lines))
            yield Block(at + 1, opened["language"], before, "\n".join(lines[at + 1 : end]))
            at, before = end, ""
        elif lines[at].strip():
            before = lines[at].strip()
        at += 1


def runs(block: Block) -> bool:
    return block.language == "python" and not _NOT_RUN.match(block.before)


def run(page: Path) -> None:
    """Run a page's blocks in one namespace, and compare what they print where the page says it."""
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        run_in(page, names)
    finally:
        for value in names.values():
            if isinstance(getattr(value, "pool", None), ConnectionPool):
                value.pool.close()


def run_in(page: Path, names: dict[str, Any]) -> None:
    printed = ""
    for block in blocks(page.read_text("utf-8")):
        if runs(block):
            out = io.StringIO()
            # Leading lines, so that a traceback shows the line of the page.
            code = compile("\n" * block.number + block.text, str(page), "exec")
            with contextlib.redirect_stdout(out):
                exec(code, names)
            printed = out.getvalue()
        elif block.before == _PRINTS:
            assert as_said(block.text, printed), (
                f"{page.name}:{block.number} says\n{block.text}\nand it printed\n{printed}"
            )


def as_said(said: str, printed: str) -> bool:
    """Whether a text is what was said; an ellipsis stands for anything."""
    parts = (re.escape(part) for part in said.strip().split(_ANYTHING))
    return re.fullmatch(".*?".join(parts), printed.strip()) is not None


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closes the machines that a page makes."""
    made: list[LearningMachine] = []
    make = LearningMachine.__init__

    def noted(self: LearningMachine, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        made.append(self)

    monkeypatch.setattr(LearningMachine, "__init__", noted)
    yield
    for machine in made:
        machine.close()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(map(runs, blocks(page.read_text("utf-8"))))], ids=lambda page: page.name
)
def test_a_page_runs(page: Path, url: str, closed: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The page's Python blocks run in order in one namespace, and print what is said below them."""
    monkeypatch.setenv("LEARNING_MACHINE_DATABASE_URL", url)
    monkeypatch.setenv("LEARNING_MACHINE_MODEL", "offline")
    monkeypatch.chdir(tmp_path)
    run(page)


def test_the_runner_finds_blocks() -> None:
    """Fenced blocks are found with their language and what stands before them; one that is not to run says why."""
    page = (
        "# A\n\n```python\na = 1\n```\n\n<!-- not run: needs a key -->\n```python\nb\n```\n\n"
        "<!-- prints -->\n\n```\n1\n```\n````md\n```python\n```\n````\n"
    )
    found = list(blocks(page))
    assert [(block.number, block.language, runs(block), block.text) for block in found] == [
        (3, "python", True, "a = 1"),
        (8, "python", False, "b"),
        (14, "", False, "1"),
        (17, "md", False, "```python\n```"),
    ]
    assert found[2].before == _PRINTS


def test_the_runner_fails(tmp_path: Path) -> None:
    """A block that raises, or prints something else, fails its page, with the line."""
    page = tmp_path / "page.md"
    page.write_text("one\n\n```python\nx = 1\n```\ntwo\n```python\nprint(x)\n```\n<!-- prints -->\n```\n…\n```\n")
    run(page)
    page.write_text("```python\nprint(1)\n```\n<!-- prints -->\n```\n2\n```\n")
    with pytest.raises(AssertionError, match=r"page.md:5 says\s+2\s+and it printed\s+1"):
        run(page)
    page.write_text("\n\n```python\n\nraise KeyError('a')\n```\n")
    with pytest.raises(KeyError) as caught:
        run(page)
    assert caught.traceback[-1].lineno == 4


def test_what_is_not_run_says_why() -> None:
    """No Python block is left out without a reason."""
    for page in PAGES:
        for block in blocks(page.read_text("utf-8")):
            assert block.language != "python" or runs(block) or len(block.before) > 20, (page, block.number)


# --- what is no Python ------------------------------------------------------------------------------------------------

#: A command as pages write it: in a block, after a prompt or a pipe, or between backticks in a sentence.
_COMMAND = re.compile(r"(?:^ *(?:\$ )?|\| |`)(learning-machine [a-z][^`|#\n]*)", re.MULTILINE)


def commands(page: str) -> list[str]:
    """The command lines of a page, without the explanations that some have beside them."""
    whole = re.sub(r"\\\n\s*", " ", page)
    return [re.split(r"\s{3,}", found.strip())[0] for found in _COMMAND.findall(whole)]


def unknown_in(line: str) -> str | None:
    """The first word of a command line that no command or option of ours answers to."""
    _, *words = line.split()
    found: Any = typer.main.get_command(app)
    while words and hasattr(found, "commands"):
        if words[0] not in found.commands:
            return words[0]
        found = found.commands[words.pop(0)]
    known = {option for one in found.params for option in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
    given = (word.strip("[]").partition("=")[0] for word in words)
    return next((word for word in given if word.startswith("-") and word not in known and word != "-"), None)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if commands(page.read_text("utf-8"))], ids=lambda page: page.name
)
def test_the_commands_of_a_page_are_there(page: Path) -> None:
    """Every `learning-machine` command line names a command there is, with options it has."""
    wrong = {line: unknown for line in commands(page.read_text("utf-8")) if (unknown := unknown_in(line))}
    assert wrong == {}


def test_the_reader_of_commands_finds_them() -> None:
    """In blocks, sentences and pipes, over broken lines; and what is wrong with them."""
    page = "    learning-machine show --user a   what it knows\nsay `learning-machine doctor --nope`\na | learning-machine nix\n"
    assert [*map(unknown_in, commands(page))] == [None, "--nope", "nix"]
    assert [*map(unknown_in, commands("learning-machine export \\\n  --nope x\n"))] == ["--nope"]


def test_json_blocks_are_json() -> None:
    """Every JSON block of a page can be read."""
    for page in PAGES:
        for block in blocks(page.read_text("utf-8")):
            if block.language == "json":
                json.loads(block.text)


def test_every_example_is_run() -> None:
    """Each file of examples/ is run by a test, as a person would run it."""
    tests = "\n".join(file.read_text("utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    assert [file.name for file in (ROOT / "examples").glob("*.py") if f'"{file.name}"' not in tests] == []
