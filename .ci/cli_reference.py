"""Write docs/reference/cli.md: what `--help` says, for every command.

Usage: cli_reference.py. A test says when the page no longer fits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from learning_machine.cli import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli.md"
HEADER = """\
# The command line

This page is what `--help` says, command by command. It is made by `.ci/cli_reference.py`: change the help, not the page.

What a command was asked for goes to standard output; notes, progress and errors go to standard error. So output can be
piped on, and `--json` is JSON and nothing else.
"""
WIDTH = 100


def page() -> str:
    """The whole page."""
    return "\n".join([HEADER, *sections(typer.main.get_command(app), "learning-machine")])


def sections(command: Any, name: str, parent: Any = None) -> Iterator[str]:
    """The command's own help, then that of each command in it."""
    within = context(command, name, parent)
    yield section(within.command_path, command.get_help(within))
    for inner, found in getattr(command, "commands", {}).items():
        yield from sections(found, inner, within)


def context(command: Any, name: str, parent: Any) -> Any:
    """The command as it sees itself when it is called, on a terminal of a fixed width."""
    settings = {"help_option_names": ["-h", "--help"]}
    return command.context_class(command, info_name=name, parent=parent, terminal_width=WIDTH, **settings)


def section(title: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return f"## {title}\n\n```text\n{lines}\n```\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), "utf-8")
    print(f"{PAGE.name}: {len(page().splitlines())} lines")
