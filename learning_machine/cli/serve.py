"""`learning-machine serve`: what was learned, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from learning_machine.cli.opening import load
from learning_machine.cli.options import Db, Debug, Machine
from learning_machine.cli.output import print_note


def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen. Another computer's needs tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="On which port.")] = 8100,
    tokens: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The tokens; see learning-machine token. [default: this login's]"),
    ] = None,
    machine: Machine = None,
    db: Db = None,
    debug: Debug = False,
) -> None:
    """Serve the pages and the HTTP API, until Ctrl-C.

    With tokens, a caller is whose token they send. Without any, only callers on this computer are answered, and each
    says whose learnings they ask for: on the pages when signing in, over HTTP by the header `learning-user`. It needs the
    extra `server`.

    \b
    Examples:
      learning-machine serve
      learning-machine token add --role user --user alice
      learning-machine serve --host 0.0.0.0 --port 8100
    """
    from learning_machine.server.callers import TokenAuthentication
    from learning_machine.server.standalone import server

    found = server(load(machine, db), host=host, port=port, tokens=tokens)
    guarded = isinstance(found.config.app.state.authentication, TokenAuthentication)  # type: ignore[union-attr]
    print_note(
        f"Serving on http://{host}:{port}, {'with tokens' if guarded else 'for this computer only'}. Ctrl-C stops."
    )
    found.run()
    if not found.started:
        raise typer.Exit(1)
