"""`learning-machine import`: bring in an export, or what another system wrote down."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learning_machine.cli.opening import opened
from learning_machine.cli.options import Db, Debug, Groups, Json, Machine, User
from learning_machine.cli.output import console, number_of, print_json, print_note, safe_text

if TYPE_CHECKING:
    from learning_machine.machine.imports import Imported, Progress

#: Problems printed one by one; JSON has all that are kept.
SHOWN = 20


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file; - reads standard input; for agno also a URL.")],
    user: User,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            help="learning-machine, chatgpt, claude, langgraph, mem0, agno or markdown. [default: detected]",
        ),
    ] = None,
    group: Groups = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", metavar="NAME", help="Where shared learnings go. [default: the store's]"),
    ] = None,
    from_user: Annotated[
        str | None, typer.Option("--from-user", metavar="ID", help="Whose things to take, by the ids in the file.")
    ] = None,
    learn: Annotated[
        bool, typer.Option("--learn", help="Let the machine's model read the conversations, not only keep them.")
    ] = False,
    untrusted: Annotated[
        bool, typer.Option("--untrusted", help="Take an export of this library for what anybody could have written.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read the file, and say what is in it.")] = False,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Bring in a file for one user: an export, or what another system wrote down of them.

    What cannot be read is listed with its place, and the rest arrives. Importing again doubles nothing, so an import that
    was stopped can simply be run again. An export of this library is brought back as it was, history and trust and all;
    with --untrusted, and from everywhere else, it counts as imported.

    \b
    Examples:
      learning-machine import alice.jsonl --user alice
      learning-machine import conversations.json --user alice --dry-run
      learning-machine import AGENTS.md --user alice --namespace eng --group eng
      learning-machine import postgresql://localhost/agno --format agno --user alice
    """
    options: dict[str, Any] = {"format": format, "dry_run": dry_run, "learn": learn, "from_user": from_user}
    options |= {"trusted": False} if untrusted else {}
    options |= {"namespace": namespace} if namespace else {}
    source = sys.stdin if file == "-" else file
    with opened(machine, db) as found, _progress(file) as report:
        try:
            imported = found.import_(source, user_id=user, groups=group or [], on_progress=report, **options)
        except KeyboardInterrupt:
            print_note("Stopped. What arrived stays; run the same command again to bring in the rest.")
            raise typer.Exit(130) from None
    _print(imported, json=json)
    if not imported.counts and imported.unread:
        raise typer.Exit(1)


def _print(imported: Imported, *, json: bool) -> None:
    problems = [{"where": one.where, "reason": one.reason} for one in imported.problems]
    if json:
        print_json(
            {
                "format": imported.format,
                "dry_run": imported.dry_run,
                "counts": dict(imported.counts),
                "problems": problems,
                "unread": imported.unread,
            }
        )
        return
    for one in problems[:SHOWN]:
        print_note(f"{safe_text(one['where'])}: {safe_text(one['reason'])}", style="yellow")
    if imported.unread > SHOWN:
        print_note(f"… and {imported.unread - SHOWN:,} more; --json lists them", style="yellow")
    said = ", ".join(f"{number:,} {what}" for what, number in sorted(imported.counts.items()) if number)
    typer.echo(f"{imported.format}: {said or 'nothing'}")
    if imported.unread:
        print_note(f"{number_of(imported.unread, 'thing')} could not be brought in.")
    if imported.dry_run:
        print_note("Nothing was written: this was a dry run.")


@contextmanager
def _progress(file: str) -> Iterator[Progress]:
    """A bar on a terminal, by how many things there are if that can be counted quickly; nothing elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    notes = console(notes=True)
    columns = (TextColumn("importing"), BarColumn(), TextColumn("{task.completed:,.0f} done"), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as bar:
        task = bar.add_task("", total=_lines_in(file) if notes.is_terminal else None)
        yield lambda imported: bar.update(task, completed=imported.done)


def _lines_in(file: str) -> int | None:
    """How many lines a file of lines has; `None` where lines say nothing of how much there is."""
    path = Path(file)
    if path.suffix not in (".jsonl", ".ndjson") or not path.is_file():
        return None
    with path.open("rb") as opened_file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: opened_file.read(1 << 20), b""))
