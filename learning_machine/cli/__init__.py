"""The command `learning-machine`: one file a command, text out.

What was asked for goes to standard output; notes, progress and errors go to standard error. Modules here import only
what `--help` needs: LangChain and the database are imported inside the commands.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from learning_machine.cli import audit, tokens
from learning_machine.cli.browse import add, edit, forget, get, list_, search, turns
from learning_machine.cli.chat import chat
from learning_machine.cli.curate import curate
from learning_machine.cli.doctor import doctor
from learning_machine.cli.erase import erase
from learning_machine.cli.export import export
from learning_machine.cli.import_ import import_
from learning_machine.cli.learn import learn
from learning_machine.cli.migrate import migrate
from learning_machine.cli.reembed import reembed
from learning_machine.cli.reporting import ReportingGroup
from learning_machine.cli.review import review
from learning_machine.cli.serve import serve
from learning_machine.cli.show import show
from learning_machine.cli.things import entities, entity, neighbours, timeline
from learning_machine.cli.truth import explain, history, pin, undo
from learning_machine.cli.worker import worker

EXIT_CODES = """\b
Exit codes:
  0    done
  1    it could not be done, or a check found something (the message says what)
  2    the command line was not understood
  130  stopped by Ctrl-C
"""

app = typer.Typer(
    name="learning-machine",
    cls=ReportingGroup,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for command, summary in (
    (chat, "Talk to an agent that learns."),
    (learn, "Learn from conversations in a file."),
    (show, "Show what is known of a user."),
    (list_, "List learnings, page by page."),
    (search, "Search learnings."),
    (get, "Show one learning."),
    (add, "Keep something as the user's word."),
    (edit, "Put other content in a learning's place."),
    (forget, "Let a learning no longer hold."),
    (entities, "List the things that are known."),
    (entity, "Show what is known of a thing."),
    (timeline, "Show what happened."),
    (neighbours, "Show what is connected to a thing."),
    (turns, "Show turns and what they taught."),
    (explain, "Say why something is known."),
    (history, "Show what stood there before."),
    (undo, "Take back a change."),
    (pin, "Keep a learning from being curated away."),
    (review, "Decide on what was proposed."),
    (curate, "Tidy up what was learned."),
    (export, "Write all that is known of a user to a file."),
    (import_, "Bring in an export, or another system's."),
    (erase, "Remove a user everywhere."),
    (migrate, "Bring the database up to date."),
    (reembed, "Change the embedding model."),
    (doctor, "Check that everything works."),
    (worker, "Learn in the background."),
    (serve, "Serve the pages and the HTTP API."),
):
    app.command(command.__name__.rstrip("_"), short_help=summary)(command)
app.add_typer(tokens.app, name="token", short_help="Say who may call the server.")
app.add_typer(audit.app, name="audit", short_help="Check the record of every change.")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"learning-machine {version('langgraph-learning-machine')}")
        raise typer.Exit


@app.callback(epilog=EXIT_CODES)
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Learning for LangGraph agents, on Postgres.

    Without --db the database is LEARNING_MACHINE_DATABASE_URL, or else the embedded PostgreSQL. Without --machine the
    machine is LEARNING_MACHINE_MACHINE, `machine` under [tool.learning_machine] in pyproject.toml, or else one with
    every store. Its model is LEARNING_MACHINE_MODEL, a model of OPENAI_API_KEY, or else the offline pattern model.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, with these arguments or those of the process. Ends by `SystemExit`."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        # A terminal or file in another encoding than UTF-8 loses a character, not the command.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app(arguments, prog_name="learning-machine")
