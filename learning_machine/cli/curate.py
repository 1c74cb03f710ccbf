"""`learning-machine curate`: tidy up what was learned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from learning_machine.cli.opening import opened
from learning_machine.cli.options import Db, Debug, Json, Machine
from learning_machine.cli.output import console, local_time, number_of, print_json, print_note, safe_text

if TYPE_CHECKING:
    from learning_machine.machine.curation import Curator
    from learning_machine.nodes.curating import OnSpace
    from learning_machine.state.curation import Preview, Report


def curate(
    preview: Annotated[bool, typer.Option("--preview", help="Only say what would be done, and keep it.")] = False,
    run: Annotated[str | None, typer.Option("--run", metavar="ID", help="Do exactly what this preview said.")] = None,
    report: Annotated[bool, typer.Option("--report", help="Say what earlier runs did.")] = False,
    user: Annotated[str | None, typer.Option("--user", "-u", metavar="ID", help="Only this user's own.")] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", metavar="NAME", help="Only this group's; repeatable.")
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", metavar="TASK", help="decay, prune, deduplicate or consolidate; repeatable."),
    ] = None,
    store: Annotated[
        list[str] | None, typer.Option("--store", metavar="TYPE", help="Only this store; repeatable.")
    ] = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Archive what faded or expired, merge what says the same, and gather many observations into one insight.

    Nothing is rewritten, and every run can be undone by its id. Workers do this every night by themselves. Without --user
    or --group it goes over everything, which needs the administrator's role.

    \b
    Examples:
      learning-machine curate --preview
      learning-machine curate --run 6f1c…
      learning-machine curate --user alice --task deduplicate
      learning-machine curate --report
    """
    if sum((preview, run is not None, report)) > 1:
        raise typer.BadParameter("--preview, --run and --report exclude each other")
    if run is not None and (task or store):
        raise typer.BadParameter("--run does what the preview said: leave --task and --store out")
    scope: dict[str, Any] = ({"user_id": user} if user else {}) | ({"groups": tuple(group)} if group else {})
    which: dict[str, Any] = (
        scope | ({"tasks": tuple(task)} if task else {}) | ({"stores": tuple(store)} if store else {})
    )
    with opened(machine, db) as found:
        curator = found.curator
        if report:
            _list(curator.reports(**scope), as_json=json)
        elif preview:
            _preview(curator, which, as_json=json)
        else:
            _run(curator, _id(run), which, as_json=json)


def _id(given: str | None) -> UUID | None:
    try:
        return None if given is None else UUID(given)
    except ValueError:
        raise typer.BadParameter(f"{given!r} is no id of a preview") from None


def _preview(curator: Curator, which: dict[str, Any], *, as_json: bool) -> None:
    with _progress("looking") as on_space:
        found = curator.preview(on_space=on_space, **which)
    if as_json:
        print_json(asdict(found))
        return
    _print_diff(found)
    if found:
        print_note(f"Do it with: learning-machine curate --run {found.id}")


def _print_diff(found: Preview) -> None:
    out, styles = console(), {"-": "red", "+": "green", "?": "yellow", "=": "dim"}
    for line in str(found).splitlines():
        out.print(safe_text(line), style=styles.get(line[:1]) if line[1:2] == " " else None, soft_wrap=True)


def _run(curator: Curator, run: UUID | None, which: dict[str, Any], *, as_json: bool) -> None:
    with _progress("curating") as on_space:
        done = curator.run(run, on_space=on_space, **which)
    if as_json:
        print_json(asdict(done))
        return
    typer.echo(safe_text(str(done), keep="\n"))
    if done.doubtful:
        pairs = number_of(len(done.doubtful), "pair")
        print_note(f"{pairs} may say the same; nobody judged them. --preview shows them.")
    if done.changed:
        print_note(f"It is batch {done.id}, and can be undone.")


def _list(reports: list[Report], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(one) for one in reports])
        return
    for one in reports:
        typer.echo(f"{local_time(one.ran_at) or 'not run':16}  {one.id}  {safe_text(str(one).splitlines()[-1])}")
    if not reports:
        print_note("Nothing was curated yet.")


@contextmanager
def _progress(what: str) -> Iterator[OnSpace]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    notes = console(notes=True)
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def on_space(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield on_space
