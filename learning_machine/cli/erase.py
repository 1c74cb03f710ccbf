"""`learning-machine erase`: take out what is known of a user, with a receipt."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learning_machine.cli.opening import opened
from learning_machine.cli.options import Db, Debug, Json, Machine, Session, User
from learning_machine.cli.output import console, print_json, print_note, safe_text, working
from learning_machine.errors import InvalidInput, MissingPackage

if TYPE_CHECKING:
    from rich.console import Console


def erase(
    user: User,
    session: Session = None,
    entity: Annotated[str | None, typer.Option(metavar="NAME", help="Only what is known of this thing.")] = None,
    source: Annotated[str | None, typer.Option(metavar="FILE", help="Only what came from this imported file.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Only from this ISO time on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only before this ISO time.")] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="A LangGraph server whose threads of theirs are deleted too.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Remove a user everywhere, or a part of what is known of them, and print the receipt.

    What others said, too, goes on standing in words of theirs. What was said before is refused when it is imported again;
    a new conversation starts anew. `learning-machine audit verify` checks every receipt. It cannot be undone.

    \b
    Examples:
      learning-machine erase --user alice
      learning-machine erase --user alice --session trip-to-porto --yes
      learning-machine erase --user alice --source conversations.json
    """
    asked: dict[str, Any] = {"user_id": user, "entity": entity, "source": source}
    asked |= {"since": _time(since), "until": _time(until)}
    asked |= {"session_id": session} if session else {}
    if not yes:
        part = any(one is not None for name, one in asked.items() if name != "user_id")
        what = "This part of what is known" if part else "Everything that is known"
        typer.confirm(f"{what} of {safe_text(user)} will be gone for good. Go on?", abort=True, err=True)
    with opened(machine, db) as found, working("erasing"):
        receipt = found.erase(server=_client(server) if server else None, **asked)
    print_json(receipt) if json else _print(console(), receipt)


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("A time is not in ISO form. Write it as 2026-01-31 or 2026-01-31T09:30+01:00.") from None
    return found if found.tzinfo else found.astimezone()


def _client(url: str) -> Any:
    try:
        from langgraph_sdk import get_sync_client
    except ImportError as error:
        raise MissingPackage(
            "A server's threads are deleted by langgraph-sdk. Install it, or leave --server out."
        ) from error
    return get_sync_client(url=url)


def _print(out: Console, receipt: dict[str, Any]) -> None:
    out.print(f"Erased ({receipt['what']}); receipt {receipt['id']}", style="bold")
    for name, number in receipt["removed"].items():
        out.print(f"  {number:>8,}  {name}")
    if not receipt["removed"]:
        out.print("  nothing was there")
    for name, number in receipt["kept"].items():
        out.print(f"  kept: {number:,} {name}")
    print_note("Out of reach: " + "; ".join(receipt["out_of_reach"]) + ".")
