"""`learning-machine token`: who may call the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from learning_machine.cli.options import Debug, Groups, Json, User
from learning_machine.cli.output import console, number_of, print_json, print_note, safe_text

app = typer.Typer(help="Say who may call the server.", no_args_is_help=True, rich_markup_mode=None)

File = Annotated[
    Path | None,
    typer.Option(
        "--tokens", metavar="FILE", help="Where they are kept. [default: LEARNING_MACHINE_TOKENS_FILE, or this login's]"
    ),
]


@app.callback()
def _root() -> None:
    """Make, list and remove the tokens that `learning-machine serve` knows callers by."""


@app.command()
def add(
    user: User,
    role: Annotated[str, typer.Option(metavar="user|reviewer|admin", help="What its holder may do.")] = "user",
    group: Groups = None,
    tokens: File = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a token and print it: this once, because only a salted digest of it is kept.

    A user sees and edits their own. A reviewer also decides on what the machine's `reviewers` let that identity decide.
    An admin also reads the metrics. Groups are the shared namespaces the holder reads.

    \b
    Examples:
      learning-machine token add --user alice --group engineering
      learning-machine token add --user carol --role reviewer
    """
    from learning_machine.server.tokens import Tokens, new_token

    if role not in ("user", "reviewer", "admin"):
        raise typer.BadParameter("--role is user, reviewer or admin")
    token, sent = new_token(role, user, tuple(group or ()))  # type: ignore[arg-type]
    Tokens.from_environment(tokens).add(token)
    if json:
        print_json({"id": token.id, "token": sent})
    else:
        print(sent)
        print_note(f"Token {token.id} for {safe_text(user)} ({role}). It is not shown again.")


@app.command("list")
def list_(tokens: File = None, json: Json = False, debug: Debug = False) -> None:
    """List whose tokens there are, and in which role.

    \b
    Examples:
      learning-machine token list
    """
    from learning_machine.server.tokens import Tokens

    found = list(Tokens.from_environment(tokens).all().values())
    if json:
        print_json([one.model_dump(include={"id", "role", "user", "groups"}) for one in found])
        return
    for one in found:
        console().print(
            f"{one.id}  {one.role:8}  {safe_text(one.user or '')}  {safe_text(', '.join(one.groups))}".rstrip()
        )
    print_note(f"{number_of(len(found), 'token')}.")


@app.command()
def remove(
    id: Annotated[str, typer.Argument(metavar="ID", help="As learning-machine token list shows it.")],
    tokens: File = None,
    debug: Debug = False,
) -> None:
    """Take a token away. It opens nothing from the next request on.

    \b
    Examples:
      learning-machine token remove 3f2a90b1c4d5
    """
    from learning_machine.server.tokens import Tokens

    Tokens.from_environment(tokens).remove(id)
    print_note("It opens nothing any more.")
