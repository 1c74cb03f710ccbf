"""`learning-machine show`: what is known of a user."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from learning_machine.cli import learnings
from learning_machine.cli.opening import opened
from learning_machine.cli.options import Db, Debug, Json, Machine, Session, UserOrMe, login_name
from learning_machine.cli.output import console, print_json, print_note, safe_text
from learning_machine.cli.truth import then
from learning_machine.errors import ConfigurationError


def show(
    user: UserOrMe = None,
    session: Session = None,
    store: Annotated[str | None, typer.Option(metavar="TYPE", help="Only this store, such as user_profile.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Also what was replaced, and when.")] = False,
    as_of: Annotated[str | None, typer.Option(metavar="DATE", help="What was true then, as it is known now.")] = None,
    known_at: Annotated[str | None, typer.Option(metavar="DATE", help="What was known then.")] = None,
    message: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Instead: what an agent would read beside this message.")
    ] = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what is known of a user: by store, with the words it stands on, and since when.

    Of what belongs to conversations, --session shows that one only. JSON holds one object a learning; `known` says
    whether it holds.

    \b
    Examples:
      learning-machine show --user alice
      learning-machine show --user alice --store user_profile --history
      learning-machine show --user alice --as-of 2026-03-01
      learning-machine show --user alice --message "Where do I live?"
      learning-machine show --user alice --json | jq '.[].text'
    """
    user = user or login_name()
    if message is not None:
        _show_context(
            machine, db, json, message=message, user_id=user, session_id=session, as_of=as_of, known_at=known_at
        )
        return
    with opened(machine, db) as found:
        if store is not None and store not in found.stores.types:
            raise ConfigurationError(
                f"The machine has no store {safe_text(store)!r}. Its stores are {', '.join(found.stores.types)}."
            )
        back = as_of is not None or known_at is not None
        read = then(found, user, store, as_of, known_at) if back else learnings.history(found, user, store=store)
        rows = [row for row in read if learnings.belongs(row, session)]
    if json:
        print_json(_as_json(rows, history))
    elif not _any(rows, history):
        _say_nothing_known(user, rows)
    else:
        learnings.print_known(console(), rows, with_history=history)


def _show_context(machine: str | None, db: str | None, json: bool, **asked: Any) -> None:
    with opened(machine, db) as found:
        text = found.build_context(**{name: value for name, value in asked.items() if value is not None})
    if json:
        print_json({"text": text})
    elif text:
        console().print(safe_text(text, keep="\n"), markup=False, highlight=False, soft_wrap=True)
    else:
        print_note("An agent would read nothing: nothing that is known fits.")


def _any(rows: list[dict[str, Any]], history: bool) -> bool:
    return bool(learnings.known(rows) or (history and learnings.no_longer(rows)))


def _as_json(rows: list[dict[str, Any]], history: bool) -> list[dict[str, Any]]:
    holding = {row["handle"] for row in learnings.known(rows)}
    marked = [{**row, "known": row["handle"] in holding} for row in rows if row["status"] != "retired"]
    return [row for row in marked if history or row["known"]]


def _say_nothing_known(user: str, rows: list[dict[str, Any]]) -> None:
    print_note(
        f"Nothing is known of {safe_text(user)} yet." if not rows else f"Nothing is known of {safe_text(user)} now."
    )
    print_note(
        "Teach it: learning-machine chat --user NAME, or learning-machine learn FILE --user NAME."
        if not rows
        else "What was known is in the history: add --history."
    )
