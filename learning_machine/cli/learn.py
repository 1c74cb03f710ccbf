"""`learning-machine learn`: learn from conversations in a file."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2s
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learning_machine.cli import learnings
from learning_machine.cli.opening import opened
from learning_machine.cli.options import Db, Debug, Json, Machine, Session, User
from learning_machine.cli.output import console, number_of, print_json, print_note, print_table, safe_text, working
from learning_machine.errors import InvalidInput

if TYPE_CHECKING:
    from rich.table import Table

    from learning_machine.machine import LearningMachine
    from learning_machine.state.conversations import Conversation

#: `report(done, total)`: conversations read, with the fraction of the one at hand.
Report = Callable[[float, int], None]


@dataclass
class Reading:
    """What became of a file: the receipts of each session, and the records that were left out."""

    receipts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    skipped: list[dict[str, Any]] = field(default_factory=list)

    @property
    def all(self) -> list[dict[str, Any]]:
        return [receipt for receipts in self.receipts.values() for receipt in receipts]

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(receipt["status"] for receipt in self.all))


def learn(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The conversations; - reads standard input.")],
    user: User,
    session: Session = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out records that cannot be read, and list them.")
    ] = False,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Learn from conversations in a file, and print what was learned.

    The file holds OpenAI message JSON (a list of messages, or objects with `messages`), JSONL, or text whose lines
    begin with `User:` and `Assistant:`; lines of --- separate conversations in text. The session is --session or the
    file's name; of several conversations each has one of its own, with -1, -2, … at the end. What was read before is
    not read again, so a command that was stopped can simply be run again.

    \b
    Examples:
      learning-machine learn chat.jsonl --user alice
      learning-machine learn support.txt --user alice --session support-42
      jq .messages export.json | learning-machine learn - --user alice --skip-bad
    """
    reading = Reading()
    conversations = _conversations(file, reading if skip_bad else None)
    sessions = _sessions(file, session, conversations)
    with opened(machine, db) as found:
        with working("starting"):
            found.database  # noqa: B018 - connects and migrates, so that the bar measures reading alone
        with _progress() as report:
            for number, (name, conversation) in enumerate(zip(sessions, conversations, strict=True)):
                reading.receipts[name] = _read(found, conversation, name, user, number, len(conversations), report)
        rows = _learned(found, reading, user)
        usage = found.usage
    if json:
        print_json(
            {"sessions": reading.receipts, "learned": rows, "counts": reading.counts, "skipped": reading.skipped}
        )
    else:
        _print(reading, rows)
        print_note(
            f"{number_of(usage.calls, 'model call')}, {number_of(usage.input_tokens + usage.output_tokens, 'token')}"
        )


# --- reading ----------------------------------------------------------------------------------------------------------


def _conversations(file: str, reading: Reading | None) -> list[Conversation]:
    """The conversations in the file. With a reading, records that cannot be read are noted there."""
    from learning_machine.state.conversations import read_conversations

    text = _text(file)
    if reading is None:
        return read_conversations(text)
    skipped = reading.skipped
    return read_conversations(text, on_bad=lambda number, why: skipped.append({"record": number, "reason": why}))


def _text(file: str) -> str:
    name = "standard input" if file == "-" else repr(safe_text(file))
    try:
        if file == "-" and sys.stdin.isatty():
            print_note("Reading from the keyboard; end with Ctrl-D.")
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {error.strerror}. Name a file that you may read.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not UTF-8 (byte {error.start}). Save it as UTF-8 text.") from None


def _sessions(file: str, session: str | None, conversations: Sequence[Conversation]) -> list[str]:
    """One session a conversation. What comes by a pipe has no name, so it is told by what is said in it."""
    name = session or (Path(file).stem if file != "-" else f"stdin-{_digest(conversations)}")
    if len(conversations) == 1:
        return [name]
    return [f"{name}-{number}" for number in range(1, len(conversations) + 1)]


def _digest(conversations: Sequence[Conversation]) -> str:
    first = conversations[0].messages[0]
    return blake2s(f"{first.role}\0{first.content}".encode(errors="replace"), digest_size=4).hexdigest()


def _read(
    machine: LearningMachine,
    conversation: Conversation,
    session: str,
    user: str,
    number: int,
    total: int,
    report: Report,
) -> list[dict[str, Any]]:
    """Learn from one conversation."""
    from langchain_core.messages import AIMessage, HumanMessage

    kinds: dict[str, type[AIMessage | HumanMessage]] = {"user": HumanMessage, "assistant": AIMessage}
    messages = [
        kinds[one.role](one.content, id=one.id, additional_kwargs={"at": one.at} if one.at else {})
        for one in conversation.messages
    ]
    report(number, total)
    receipts = machine.process(
        messages,
        on_batch=lambda read, turns: report(number + read / max(turns, 1), total),
        user_id=user,
        session_id=session,
    )
    report(number + 1, total)
    return receipts


@contextmanager
def _progress() -> Iterator[Report]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("reading"), BarColumn(), TextColumn("{task.fields[at]}"), TimeElapsedColumn())
    notes = console(notes=True)
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as bar:
        task = bar.add_task("", total=1, at="")

        def report(done: float, total: int) -> None:
            at = f"conversation {min(int(done) + 1, total)} of {total}" if total > 1 else f"{done:.0%}"
            bar.update(task, completed=done, total=total, at=at)

        yield report


# --- what came of it --------------------------------------------------------------------------------------------------


def _learned(machine: LearningMachine, reading: Reading, user: str) -> list[dict[str, Any]]:
    """The learnings that were written and have not been replaced within the same file."""
    written = {receipt["handle"] for receipt in reading.all if receipt["status"] in ("saved", "pending", "challenged")}
    if not written:
        return []
    rows = learnings.history(machine, user)
    holding = {row["handle"] for row in learnings.known(rows)}
    waiting = {row["handle"] for row in rows if row["status"] in ("pending", "challenge")}
    return [row for row in rows if row["handle"] in written & (holding | waiting)]


def _print(reading: Reading, rows: Sequence[dict[str, Any]]) -> None:
    for one in reading.skipped:
        print_note(f"skipped record {one['record']}: {safe_text(one['reason'])}", style="yellow")
    if rows:
        print_table(console(), _table(rows))
    for reason, times in Counter(
        one["reason"] for one in reading.all if one["status"] in ("refused", "failed")
    ).items():
        print_note(f"refused {times}: {safe_text(reason)}", style="yellow")
    typer.echo(_summary(reading))


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("handle", "store", "what", "evidence", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for row in rows:
        cells = (row["handle"], safe_text(row["store"]), learnings.what(row), learnings.evidence(row))
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    return table


def _summary(reading: Reading) -> str:
    counts = reading.counts
    order = ("saved", "known", "pending", "challenged", "refused", "failed")
    said = ", ".join(f"{counts[status]} {status}" for status in order if counts.get(status))
    count = len(reading.receipts)
    where = number_of(count, "conversation") if count > 1 else f"session {safe_text(next(iter(reading.receipts)))}"
    return f"{where}: {said or 'nothing new'}"
