"""`learning-machine export`: all that is known of a user, as a file of theirs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from learning_machine.cli.opening import opened
from learning_machine.cli.options import Db, Debug, Groups, Machine, User
from learning_machine.cli.output import console, number_of, print_note, safe_text
from learning_machine.errors import InvalidInput

if TYPE_CHECKING:
    from learning_machine.stores.exporting import Report


def export(
    user: User,
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="FILE", help="Write to this file. [default: standard output]")
    ] = None,
    group: Groups = None,
    machine: Machine = None,
    db: Db = None,
    debug: Debug = False,
) -> None:
    """Write all that is known of a user as JSON, a record a line: what was learned and when, and the words behind it.

    Of shared namespaces it holds what the user may read: the groups named with --group, and what is for everyone. The
    words and names of others are not in it. docs/reference/export.md describes every line.

    \b
    Examples:
      learning-machine export --user alice --out alice.jsonl
      learning-machine export --user alice --group eng > alice.jsonl
    """
    with opened(machine, db) as found, _progress() as report:
        lines = found.export(user_id=user, groups=group or [], on_progress=report)
        if out is None:
            for line in lines:
                # Characters that a terminal would obey can only stand inside strings, where JSON has escapes for them.
                sys.stdout.write(line)
        else:
            count = _write(out, lines)
            print_note(f"Wrote {number_of(count, 'line')} to {safe_text(out)}.")


def _write(out: str, lines: Iterator[str]) -> int:
    """Write the file whole or not at all: under another name first, for its owner's eyes alone."""
    part = Path(f"{out}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            count = sum(1 for line in lines if file.write(line))
        part.replace(out)
        return count
    except OSError as error:
        raise InvalidInput(f"The file cannot be written: {error.strerror}. Name another with --out.") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _progress() -> Iterator[Report]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    notes = console(notes=True)
    columns = (TextColumn("exporting"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=max(done, total))
