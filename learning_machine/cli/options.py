"""The options that several commands share."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from learning_machine.cli.reporting import debug


def _check_id(value: str | None) -> str | None:
    """An id that can be stored. Bytes that are no text reach us as lone surrogates."""
    if value is not None and (not value or any(0xD800 <= ord(character) <= 0xDFFF for character in value)):
        raise typer.BadParameter("an id is a text of at least one character")
    return value


def login_name() -> str:
    """Who is logged in, for commands that need a user and were told none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "me"


def scoped(user: str, groups: Sequence[str] | None) -> dict[str, Any]:
    """Whose learnings, as the machine's methods take it."""
    return {"user_id": user, "groups": tuple(groups or ())}


User = Annotated[str, typer.Option("--user", "-u", metavar="ID", callback=_check_id, help="Whose learnings.")]
UserOrMe = Annotated[
    str | None,
    typer.Option("--user", "-u", metavar="ID", callback=_check_id, help="Whose learnings. [default: your login name]"),
]
Session = Annotated[
    str | None, typer.Option("--session", "-s", metavar="NAME", callback=_check_id, help="Which conversation.")
]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", "-g", metavar="NAME", help="A shared namespace of theirs. May be given several times."),
]
Machine = Annotated[
    str | None,
    typer.Option("--machine", "-m", metavar="MODULE:ATTRIBUTE", help="A LearningMachine, or an agent that has one."),
]
Db = Annotated[
    str | None, typer.Option("--db", metavar="URL", help="The database, if the machine was not made with one.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Debug = Annotated[
    bool, typer.Option("--debug", callback=lambda value: debug(bool(value)), help="Show log lines and tracebacks.")
]
Limit = Annotated[int, typer.Option(min=1, max=200, help="At most so many.")]
Cursor = Annotated[str | None, typer.Option(metavar="NEXT", help="Go on where the last page ended.")]
