"""`learning-machine audit`: what happened to a learning, and whether the record of it is whole."""

from __future__ import annotations

import typer

from learning_machine.cli.opening import opened
from learning_machine.cli.options import Db, Debug, Json, Machine
from learning_machine.cli.output import console, number_of, print_json, print_note

app = typer.Typer(help="Check the record of every change.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _root() -> None:
    """Check the record of every change: who proposed, who decided, when, and what changed."""


@app.command()
def verify(machine: Machine = None, db: Db = None, json: Json = False, debug: Debug = False) -> None:
    """Recompute the chain of every space, and compare it with what is stored. Exits with 1 when something was altered.

    \b
    Examples:
      learning-machine audit verify
      learning-machine audit verify --json
    """
    with opened(machine, db) as found:
        report = found.verify_audit()
    if json:
        print_json(report)
    else:
        out = console()
        for one in report["breaks"]:
            out.print(f"space {one['space']}, change {one['place']}: {one['problem']}", style="red")
        for one in report["strangers"]:
            out.print(f"space {one['space']}, {one['handle']}: {one['problem']}", style="red")
        for one in report["erasures"]:
            where = f"space {one['space']}" if one["space"] is not None else f"erasure {one['what']}"
            out.print(f"{where}: {one['problem']}", style="red")
        verdict = "whole" if report["whole"] else "NOT whole"
        print_note(f"{number_of(report['changes'], 'change')} in {number_of(report['spaces'], 'space')}: {verdict}.")
    if not report["whole"]:
        raise typer.Exit(1)
