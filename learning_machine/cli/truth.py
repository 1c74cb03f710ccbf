"""`learning-machine explain`, `undo`, `pin` and `history`: why something is known, taking it back, keeping it, and what
stood there before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from learning_machine.cli import learnings
from learning_machine.cli.opening import opened
from learning_machine.cli.options import Db, Debug, Json, Machine, UserOrMe, login_name
from learning_machine.cli.output import console, print_json, print_note, safe_text
from learning_machine.errors import UndoConflict

if TYPE_CHECKING:
    from learning_machine.machine import LearningMachine

Handle = Annotated[str, typer.Argument(metavar="ID", help="A handle, such as k3f.")]
As = Annotated[
    str | None, typer.Option("--user", "-u", metavar="ID", help="See with this user's eyes. [default: your login name]")
]
Message = Annotated[str | None, typer.Option("--message", metavar="TEXT", help="Why this message recalls it, or not.")]


def explain(
    id: Handle,
    message: Message = None,
    user: UserOrMe = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say why something is known: from which words, who decided, what it replaced, and what was derived from it.

    With --message also why that message recalls it, with the parts of its score, or the first thing that left it out.

    \b
    Examples:
      learning-machine explain k3f --user alice
      learning-machine explain k3f --user alice --message "where do I live?"
    """
    from learning_machine.stores.explaining import lines

    user = user or login_name()
    with opened(machine, db) as found:
        told = found.explain(id, user_id=user)
        recalled = found.explain_recall(message, ids=[told["handle"]], user_id=user) if message is not None else None
    if json:
        print_json(told if recalled is None else {**told, "recall": recalled})
        return
    out = console()
    for line in [*lines(told), *(_recall_lines(recalled, told["handle"]) if recalled is not None else ())]:
        out.print(safe_text(line), soft_wrap=True, markup=False, highlight=False)


def _recall_lines(recalled: dict[str, Any], handle: str) -> list[str]:
    for entry in recalled["recalled"]:
        if entry["handle"] == handle:
            score = "" if entry["score"] is None else f", score {entry['score']:.3f}"
            return [f"recalled: {entry['why']}, place {entry['place']} in {entry['store']}{score}"]
    return [f"not recalled: {entry['stage']}: {entry['reason']}" for entry in recalled["left_out"]]


def undo(
    id: Annotated[str, typer.Argument(metavar="ID", help="A handle, or the id of a batch, turn or curation run.")],
    by: Annotated[str | None, typer.Option(metavar="ID", help="Who undoes it. [default: your login name]")] = None,
    user: UserOrMe = None,
    partly: Annotated[bool, typer.Option("--partly", help="Undo what can be, and say what is left.")] = False,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Take back a change: the last one of a learning, or all that a batch, a turn or a curation run changed.

    What was replaced holds again. What was changed again since is in the way: nothing is undone then, and it is said what.

    \b
    Examples:
      learning-machine undo k3f --user alice
      learning-machine undo 6f9619ff-8b86-d011-b42d-00c04fc964ff --by carol --partly
    """
    with opened(machine, db) as found:
        scope = {"user_id": user} if user else {}
        try:
            done = found.undo(id, by=by or login_name(), partly=partly, **scope)
        except UndoConflict as error:
            print_note(safe_text(str(error)), style="yellow")
            raise typer.Exit(1) from None
    if json:
        print_json({name: getattr(done, name) for name in ("status", "batch", "changes", "left", "by", "at")})
    else:
        for one in done.changes:
            console().print(safe_text(f"{one['handle']}  {one['action']} undone: {one['text']}"), soft_wrap=True)
        for one in done.left:
            console().print(safe_text(f"{one['handle']}  left: {one['reason']}"), soft_wrap=True)
        print_note(str(done) + (f" (batch {done.batch})" if done.status == "undone" else ""))
    if done.status == "nothing":
        raise typer.Exit(1)


def pin(
    id: Handle,
    user: UserOrMe = None,
    off: Annotated[bool, typer.Option("--off", help="Let it go again.")] = False,
    by: Annotated[str | None, typer.Option(metavar="ID", help="Who pins it. [default: your login name]")] = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Keep a learning: curation neither archives it nor merges it away, however old it grows.

    \b
    Examples:
      learning-machine pin k3f --user alice
      learning-machine pin k3f --user alice --off
    """
    with opened(machine, db) as found:
        receipt = found.pin(id, pinned=not off, by=by or login_name(), user_id=user or login_name())
    if json:
        print_json({"handle": receipt.handle, "status": receipt.status, "pinned": not off})
        return
    what = "no longer pinned" if off else "pinned"
    already = "" if receipt.status == "saved" else " (it was already)"
    print_note(safe_text(f"{receipt.handle} {what}{already}: {receipt.text}"))


def history(
    id: Handle,
    user: UserOrMe = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show all that ever stood where a learning stands: each value, from when until when, and from which words.

    \b
    Examples:
      learning-machine history k3f --user alice
    """
    with opened(machine, db) as found:
        rows = found.history(id, user_id=user or login_name())
    if json:
        print_json(rows)
    elif not rows:
        print_note("There is nothing of that name here.")
        raise typer.Exit(1)
    else:
        out = console()
        for row in reversed(rows):
            text = row["text"] or "(no longer known)"
            out.print(safe_text(f"{row['handle']}  {stretch(row)}  {text}  {learnings.evidence(row)}"), soft_wrap=True)


def stretch(row: dict[str, Any]) -> str:
    """From when until when, as far as is known."""
    began, ended = (f"{row[name]:%Y-%m-%d}" if row[name] else "…" for name in ("true_from", "true_to"))
    return f"{began} to {ended}"


def then(machine: LearningMachine, user: str, store: str | None, as_of: str | None, known_at: str | None) -> list[Any]:
    """The rows that stood then, as `show` prints them."""
    return machine.standing(as_of=as_of, known_at=known_at, store=store, user_id=user)
