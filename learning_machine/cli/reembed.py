"""`learning-machine reembed`: other vectors or words for all that search finds, while everything goes on working."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from learning_machine.cli.opening import opened
from learning_machine.cli.options import Db, Debug, Json, Machine
from learning_machine.cli.output import console, number_of, print_json, print_note, safe_text

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from learning_machine.machine import LearningMachine
    from learning_machine.stores.reembedding import Reembedded, Report


def reembed(
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="NAME", help="The embedding model to change to. [default: the machine's]"),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=2_048, help="Texts sent to the model at once.")] = 64,
    words: Annotated[
        bool, typer.Option("--words", help="Instead of vectors make words anew, by the rules of this version.")
    ] = False,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Change the embedding model of a database, or give vectors to what has none.

    The system may run meanwhile, with the model before: its search goes on until the new vectors are all there. Then
    start its processes again, configured with the new model; until then they find things by words alone. A run that was
    broken off goes on where it stopped. A model that costs money is paid for every text.

    \b
    Examples:
      learning-machine reembed --to openai:text-embedding-3-small
      learning-machine reembed --machine app.agents:machine
      learning-machine reembed --words
    """
    if words and to is not None:
        raise typer.BadParameter("--words makes no vectors: leave --to out, or run the command twice")
    with opened(machine, db) as found:
        if words:
            _report_words(_rebuild_words(found), json=json)
        else:
            _report(_reembed(found, to, batch), json=json)


def _reembed(machine: LearningMachine, to: str | None, batch: int) -> Reembedded:
    from learning_machine.embeddings import embedding_name
    from learning_machine.nodes.embedding import embedded
    from learning_machine.stores import reembedding

    embeddings = _embeddings(machine, to)
    with _progress("embedding") as report:
        return reembedding.reembed(
            machine.database,
            embedding_name(embeddings),
            lambda texts: embedded(embeddings, texts),
            batch=batch,
            report=report,
        )


def _embeddings(machine: LearningMachine, to: str | None) -> Embeddings:
    from learning_machine.embeddings import resolve_embeddings

    return machine.parts.embedder.embeddings if to is None else resolve_embeddings(to)


def _rebuild_words(machine: LearningMachine) -> int:
    from learning_machine.stores.reembedding import rebuild_words

    with _progress("indexing") as report:
        return rebuild_words(machine.database, report=report)


def _report(done: Reembedded, *, json: bool) -> None:
    if json:
        print_json(asdict(done))
        return
    name = safe_text(done.model)
    typer.echo(f"Embedded {number_of(done.embedded, 'text')} with {name} ({done.dimension} dimensions).")
    if done.replaced is not None:
        typer.echo(f"It is the database's model now, in place of {safe_text(done.replaced)}.")
        print_note(f"Start the processes that embed with {safe_text(done.replaced)} again, configured with {name}.")
    if done.left:
        print_note(f"{number_of(done.left, 'text')} has no vector, because the model makes none of it; words find it.")


def _report_words(texts: int, *, json: bool) -> None:
    if json:
        print_json({"texts": texts})
    else:
        typer.echo(f"Made the words of {number_of(texts, 'text')} anew.")


@contextmanager
def _progress(what: str) -> Iterator[Report]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    notes = console(notes=True)
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield report
