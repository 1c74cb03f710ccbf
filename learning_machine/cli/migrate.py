"""`learning-machine migrate`: bring the database to the schema this version needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from learning_machine.cli.opening import opened
from learning_machine.cli.options import Db, Debug, Machine

if TYPE_CHECKING:
    from learning_machine.stores.postgres.database import Database


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 when something is missing.")
    ] = False,
    machine: Machine = None,
    db: Db = None,
    debug: Debug = False,
) -> None:
    """Apply the migrations that the database lacks, and say which.

    Agents migrate by themselves when they may (auto_migrate). Run this in a deployment where only an administrator's
    role may create tables.

    \b
    Examples:
      learning-machine migrate --db postgresql://admin@localhost/app
      learning-machine migrate --check
    """
    with opened(machine, db) as found:
        missing = _check(found.parts.database) if check else _apply(found.parts.database)
    if check and missing:
        raise typer.Exit(1)


def _apply(database: Database) -> list[str]:
    from learning_machine.stores.postgres import migrate as migrating

    applied = migrating.migrate(database)
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo("The database is up to date: nothing to apply.")
    return applied


def _check(database: Database) -> list[str]:
    """What is missing. When nothing is, the rest is checked too: versions, rights, isolation."""
    from learning_machine.stores.postgres import migrate as migrating

    has = set(migrating.applied(database))
    missing = [migration.name for migration in migrating.migrations() if migration.name not in has]
    for name in missing:
        typer.echo(f"missing {name}")
    if not missing:
        migrating.prepare(database, auto=False)
        typer.echo("The database is up to date.")
    return missing
