"""`learning-machine chat`: talk to an agent that learns."""

from __future__ import annotations

import asyncio
import re
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import typer

from learning_machine.cli import learnings
from learning_machine.cli.opening import opened
from learning_machine.cli.options import Db, Debug, Machine, Session, UserOrMe, login_name
from learning_machine.cli.output import console, number_of, print_note, safe_text, shorten, working
from learning_machine.cli.reporting import is_debugging
from learning_machine.cli.telling import TOLD, ask, learned
from learning_machine.errors import LearningMachineError

if TYPE_CHECKING:
    from learning_machine.cli.answering import Agent
    from learning_machine.machine import LearningMachine

HELP = """\
/memory       what is known of you, and of this conversation
/forget k3f   forget one thing, by its handle (its history stays)
/help         this
/quit         leave; Ctrl-D and Ctrl-C do too, but Ctrl-C during an answer stops only the answer"""
OFFLINE = (
    "This is the offline pattern model, not a language model: it knows some forms of English sentences and no more. "
    "For a real one set OPENAI_API_KEY, or LEARNING_MACHINE_MODEL (for example openai:gpt-4.1-mini)."
)
#: How long leaving waits for what was said to be learned, in seconds.
PATIENCE = 10.0
_COMMAND = re.compile(r"/[a-z]+")


def chat(
    user: UserOrMe = None, session: Session = None, machine: Machine = None, db: Db = None, debug: Debug = False
) -> None:
    """Talk to an agent that learns while you talk.

    Each start is a new conversation that knows what earlier ones taught; --session goes on with one, or names a new
    one. Lines that are piped in are answered one by one. Answers go to standard output, all else to standard error.

    \b
    Examples:
      learning-machine chat --user alice
      learning-machine chat --user alice --session holiday
      echo "Where do I live?" | learning-machine chat --user alice
    """
    with opened(machine, db) as found:
        with working("starting"):
            talk, earlier = _begin(found, user or login_name(), session)
        talk.introduce(earlier)
        talk.run()
        if talk.failed and not talk.interactive:
            raise typer.Exit(1)


def _begin(machine: LearningMachine, user: str, session: str | None) -> tuple[Chat, int]:
    """The conversation, and how many messages it has already."""
    from learning_machine.agents import create_learning_agent

    agent = create_learning_agent(machine.model, learning=machine)
    name = session or f"{datetime.now():%Y%m%d-%H%M%S}-{uuid4().hex[:4]}"
    earlier = agent.get_state({"configurable": {"thread_id": name}}).values.get("messages", ())
    return Chat(machine, agent, user, name), len(earlier)


class Chat:
    """A conversation at the keyboard, or with lines from a pipe."""

    def __init__(self, machine: LearningMachine, agent: Agent, user: str, session: str) -> None:
        self.machine, self.agent, self.user, self.session = machine, agent, user, session
        self.interactive = sys.stdin.isatty() and sys.stdout.isatty()
        self.failed = False
        #: Turns whose learning was not told yet, with the status they had.
        self._waiting: dict[str, str] = {}
        self._told: set[str] = set()
        self._in_line = False

    def introduce(self, earlier: int) -> None:
        """Say who talks, in which session, and with which model."""
        from learning_machine.models import describe_model
        from learning_machine.offline import OfflineModel

        model = self.machine.model
        goes_on = f"goes on after {number_of(earlier, 'message')}" if earlier else "new"
        session = f"session {safe_text(self.session)} ({goes_on})"
        print_note(f"user {safe_text(self.user)}, {session}, model {safe_text(describe_model(model))}")
        if isinstance(model, OfflineModel):
            print_note(OFFLINE, style="yellow")
        if self.interactive:
            print_note("/help lists the commands; Ctrl-D leaves.")

    def run(self) -> None:
        """Talk until the user leaves; then wait a little for what was said to be learned."""
        try:
            with asyncio.Runner() as runner:
                for line in self._lines():
                    if not self._take(line, runner):
                        break
                self._finish()
        finally:
            self.agent.checkpointer.close()  # type: ignore[union-attr]

    def _lines(self) -> Iterator[str]:
        """What the user says. Ctrl-D and Ctrl-C end it."""
        if self.interactive:
            with suppress(ImportError):
                import readline  # noqa: F401 - gives `input` its keys and its history
        while True:
            try:
                line = input("you> ") if self.interactive else sys.stdin.readline()
            except (EOFError, KeyboardInterrupt):
                print(file=sys.stderr)
                return
            if not line and not self.interactive:
                return
            if line.strip():
                yield line.strip()

    def _take(self, line: str, runner: asyncio.Runner) -> bool:
        """Obey a command or answer. False: the conversation is over."""
        command, _, rest = line.partition(" ")
        if _COMMAND.fullmatch(command):
            return self._obey(command, rest.split())
        self._tell_learned()
        self._answer(line, runner)
        return self.interactive or not self.failed

    # --- answers ------------------------------------------------------------------------------------------------------

    def _answer(self, line: str, runner: asyncio.Runner) -> None:
        from learning_machine.cli.answering import decided, said

        asked = self._run(said(line), runner)
        if not asked:
            return
        if not self.interactive:
            print_note(f"Waiting for a decision: {number_of(len(asked), 'proposal')}. See learning-machine review.")
        elif decisions := ask(asked):
            self._run(decided(decisions), runner)

    def _run(self, given: Any, runner: asyncio.Runner) -> list[dict[str, Any]]:
        """One run of the agent, told as it happens; what it asks at the end."""
        asked: list[dict[str, Any]] = []
        try:
            asked = runner.run(self._hear(given))
        except KeyboardInterrupt:
            self._end_line()
            print_note("(stopped)")
        except LearningMachineError as error:
            self._fail(str(error), error)
        except Exception as error:  # noqa: BLE001 - a provider may raise anything, and the conversation can go on
            said = f"The answer failed ({type(error).__name__}). Check the model's key and address; --debug shows more."
            self._fail(said, error)
        self._end_line()
        return asked

    async def _hear(self, given: Any) -> list[dict[str, Any]]:
        from learning_machine.cli.answering import hear

        asked: list[dict[str, Any]] = []
        async with aclosing(hear(self.agent, given, user=self.user, session=self.session)) as turn:
            async for kind, value in turn:
                if kind == "text":
                    self._write(value)
                elif kind == "asks":
                    asked = value
                elif kind == "turn":
                    self._waiting.setdefault(value, "waiting")
                else:
                    self._end_line()
                    print_note(TOLD[kind](value))
        return asked

    def _write(self, text: str) -> None:
        if not self._in_line and self.interactive:
            print("agent> ", end="")
        print(safe_text(text, keep="\n\t"), end="", flush=True)
        self._in_line = True

    def _end_line(self) -> None:
        if self._in_line:
            print(flush=True)
        self._in_line = False

    def _fail(self, said: str, error: Exception) -> None:
        self._end_line()
        self.failed = True
        if is_debugging():
            traceback.print_exception(error)
        print_note(safe_text(said, keep="\n"), style="red")

    # --- commands -----------------------------------------------------------------------------------------------------

    def _obey(self, command: str, words: Sequence[str]) -> bool:
        if command in ("/quit", "/exit"):
            return False
        if command == "/memory":
            self._show_memory()
        elif command == "/forget":
            for word in words:
                print_note(forget(self.machine, self.user, word))
            if not words:
                print_note("Say which: /forget k3f. /memory shows the handles.")
        else:
            print_note(HELP if command == "/help" else f"There is no command {command}.\n{HELP}")
        return True

    def _show_memory(self) -> None:
        self._tell_learned()
        rows = [row for row in learnings.history(self.machine, self.user) if learnings.belongs(row, self.session)]
        if learnings.known(rows):
            learnings.print_known(console(), rows)
        else:
            reading = "What you said is still being read." if self._waiting else "Say something about yourself."
            print_note(f"Nothing is known of you yet. {reading}")

    # --- what was learned ---------------------------------------------------------------------------------------------

    def _tell_learned(self) -> None:
        """Say what became of earlier turns, as far as it is known. Never waits for it."""
        for turn, before in list(self._waiting.items()):
            try:
                became = self.machine.learned(turn, user_id=self.user)
            except LearningMachineError:
                return
            status = became["status"]
            if status in ("learned", "parked"):
                del self._waiting[turn]
            else:
                self._waiting[turn] = status
            if status in ("failed", "parked") and status != before:
                more = "will be tried again" if status == "failed" else "given up; see learning-machine doctor"
                print_note(f"not learned ({became['error']}): {more}", style="yellow")
            self._tell_changes(became["changes"])

    def _tell_changes(self, changes: Sequence[Mapping[str, Any]]) -> None:
        new = [change for change in changes if change["handle"] not in self._told]
        self._told |= {change["handle"] for change in new}
        if new:
            print_note(f"learned: {', '.join(learned(change) for change in new)}")

    def _finish(self) -> None:
        """Wait a little for what was said to be learned, and say what came of it."""
        self._tell_learned()
        if self._is_learning():
            print_note("finishing what was said…")
            self._wait()
        if self._waiting:
            print_note(
                f"Waiting to be learned from: {number_of(len(self._waiting), 'turn')}. A worker or the next conversation does it."
            )

    def _wait(self) -> None:
        ends = time.monotonic() + PATIENCE
        try:
            while self._is_learning() and time.monotonic() < ends:
                time.sleep(0.05)
                self._tell_learned()
        except KeyboardInterrupt:
            print_note("(not waiting)")

    def _is_learning(self) -> bool:
        """Whether this process is about to learn something: what failed comes later, what is external elsewhere."""
        return self.machine.background == "worker" and "waiting" in self._waiting.values()


def forget(machine: LearningMachine, user: str, handle: str) -> str:
    """Retire one thing known of the user, who decides over their own; what became of it, in a sentence."""
    from learning_machine.state.changes import Origin, Retire
    from learning_machine.state.handles import handle_of, id_of
    from learning_machine.state.scope import Scope
    from learning_machine.stores.writing import Source

    wanted = handle_of(id_of(handle) or 0)
    row = next((row for row in learnings.known(learnings.history(machine, user)) if row["handle"] == wanted), None)
    if row is None:
        return f"Nothing that is known has the handle {shorten(handle, 20)}. /memory shows the handles."
    change = Retire(store=row["store"], handle=wanted)
    source = Source(origin=Origin.REVIEWER, machine=machine.name)
    receipt = machine.parts.ledger.write([change], scope=Scope(user_id=user), source=source)[0]
    return (
        f"forgotten: {learnings.what(row)}"
        if receipt.status == "saved"
        else f"not forgotten, {safe_text(str(receipt))}"
    )
