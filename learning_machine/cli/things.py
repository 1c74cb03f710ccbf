"""Looking at things and what happened from a terminal: what the HTTP API shows of entities."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from learning_machine.cli.listing import connection_line, event_line, learning_line, print_lines, print_page
from learning_machine.cli.opening import opened
from learning_machine.cli.options import Cursor, Db, Debug, Groups, Json, Limit, Machine, User, scoped
from learning_machine.cli.output import console, number_of, print_json, shorten

Thing = Annotated[str, typer.Argument(metavar="ID", help="Its id or handle; see learning-machine entities.")]
Time = Annotated[datetime | None, typer.Option(metavar="DATE", help="A day or time; without a zone it is UTC.")]


def entities(
    user: User,
    group: Groups = None,
    words: Annotated[str | None, typer.Option(metavar="TEXT", help="Only names with these letters.")] = None,
    type: Annotated[str | None, typer.Option(metavar="TYPE", help="Only things of this type, such as company.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the things that are known, by name.

    \b
    Examples:
      learning-machine entities --user alice --type company
    """
    with opened(machine, db) as found:
        page = found.entities(type=type, words=words, limit=limit, cursor=cursor, **scoped(user, group))
    print_page(
        page,
        json,
        lambda one: (
            f"{one.id}  {shorten(one.name, 80)}{f' ({shorten(one.type, 40)})' if one.type else ''}  "
            f"{number_of(one.facts, 'fact')}, {number_of(one.connections, 'connection')}"
        ),
    )


def entity(
    id: Thing,
    user: User,
    group: Groups = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show one thing: its facts, its latest events, and what it is connected to.

    \b
    Examples:
      learning-machine entity k4 --user alice
    """
    with opened(machine, db) as found:
        one = found.entity(id, **scoped(user, group))
    if json:
        print_json(one.model_dump(mode="json"))
        return
    out = console()
    out.print(f"{shorten(one.name, 200)}{f' ({shorten(one.type, 40)})' if one.type else ''}  {one.id}", style="bold")
    lines = [*map(learning_line, one.facts), *map(event_line, one.events), *map(connection_line, one.connections)]
    print_lines(lines, "Nothing is known of it.")


def timeline(
    user: User,
    group: Groups = None,
    about: Annotated[str | None, typer.Option(metavar="ID", help="Only of this thing, by its id or handle.")] = None,
    since: Time = None,
    until: Time = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what happened, newest first: with all things or one, from a day on and before another.

    \b
    Examples:
      learning-machine timeline --user alice --since 2026-03-01 --until 2026-04-01
    """
    with opened(machine, db) as found:
        page = found.timeline(entity=about, since=since, until=until, limit=limit, cursor=cursor, **scoped(user, group))
    print_page(page, json, event_line)


def neighbours(
    id: Thing,
    user: User,
    group: Groups = None,
    hops: Annotated[int, typer.Option(min=1, max=2, help="How many steps away.")] = 1,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what is connected to a thing, one step or two away.

    \b
    Examples:
      learning-machine neighbours k4 --hops 2 --user alice
    """
    with opened(machine, db) as found:
        known = found.neighbours(id, hops=hops, **scoped(user, group))
    if json:
        print_json(known.model_dump(mode="json"))
    else:
        print_lines(map(connection_line, known.edges), "Nothing is connected to it.")
