"""`chat`: a conversation by a pipe or at a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

HELLO = "Hi, I'm Alice and I live in London.\n"
#: A model whose first answer never ends, and that learns the name from whatever holds it.
SLOW = """
import asyncio
from learning_machine import LearningMachine
from learning_machine.testing import ScriptedModel, change
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

class Slow(ScriptedModel):
    async def _astream(self, messages, stop=None, run_manager=None, **kwargs):
        text = messages[-1].text
        yield ChatGenerationChunk(message=AIMessageChunk(content="Well, "))
        if "forever" in text:
            await asyncio.Event().wait()
        yield ChatGenerationChunk(message=AIMessageChunk(content="\\x1b[31mhere\\x1b[0m you are."))

def learn(new):
    said = " ".join(one["text"] for one in new)
    return [change("user_profile", "Alice", kind="field", name="name", quote="I'm Alice")] if "I'm Alice" in said else []

machine = LearningMachine(model=Slow(learns=learn), user_profile=True, conversation=False)
"""
#: A machine that asks the user before it keeps the name.
PROPOSING = """
from learning_machine import LearningMachine, LearningMode, UserProfileConfig
from learning_machine.testing import ScriptedModel, change

name = change("user_profile", "Alice", kind="field", name="name", quote="I'm Alice")
machine = LearningMachine(model=ScriptedModel(learns=[[name]]), user_profile=UserProfileConfig(mode=LearningMode.PROPOSE))
"""


# --- by a pipe --------------------------------------------------------------------------------------------------------


def test_piped_lines_are_answered_without_noise(run: Any) -> None:
    """Standard output is the answers, a line each; who, which session and which model stand on standard error."""
    ran = run("chat", "--user", "alice", stdin=f"{HELLO}\nWhat is my name?\n")
    assert ran.code == 0
    first, second = ran.out.splitlines()
    assert "Alice" in first and "Alice" in second
    assert "you>" not in ran.out + ran.err
    assert re.search(r"user alice, session \S+ \(new\), model offline pattern model", ran.err)


def test_the_offline_model_says_what_it_is(run: Any, scripted: Any) -> None:
    """With the offline model a line says that it is no language model and how to use one; with another it does not."""
    assert "not a language model" in run("chat", "--user", "alice", stdin="hi\n").err
    assert "LEARNING_MACHINE_MODEL" in run("chat", "--user", "alice", stdin="hi\n").err
    assert "not a language model" not in run("chat", "--machine", scripted(answers="Good day."), stdin="hi\n").err


def test_what_was_learned_is_there_in_the_next_conversation(run: Any) -> None:
    """Leaving waits for learning and says what was learned; a new session begins by recalling it."""
    ran = run("chat", "--user", "alice", stdin=HELLO)
    assert "finishing what was said…" in ran.err
    assert re.search(r"learned: name = Alice \(k\w+\), location = London \(k\w+\), session summary \(k\w+\)", ran.err)
    ran = run("chat", "--user", "alice", stdin="Where do I live?\n")
    assert "You live in London." in ran.out
    assert "recalled: 2 about you" in ran.err
    assert run("chat", "--user", "bob", stdin="Where do I live?\n").err.count("recalled: nothing yet") == 1


def test_a_session_goes_on_where_it_stopped(run: Any) -> None:
    """With --session the messages of before are there, and so is the session's summary."""
    run("chat", "--user", "alice", "--session", "holiday", stdin="Help me plan a trip to Japan.\n")
    ran = run("chat", "--user", "alice", "--session", "holiday", stdin="hi\n")
    assert "session holiday (goes on after 2 messages)" in ran.err
    assert "session summary" in ran.err.partition("recalled: ")[2].splitlines()[0]


def test_memory_shows_and_forget_forgets(run: Any) -> None:
    """/memory prints what is known, /forget takes one thing away by its handle, and its history stays."""
    run("chat", "--user", "alice", stdin=HELLO)
    ran = run("chat", "--user", "alice", stdin="/memory\n")
    handle = next(line.split()[0] for line in ran.out.splitlines() if "location = London" in line)
    ran = run("chat", "--user", "alice", stdin=f"/forget {handle}\n/forget {handle}\n/memory\n")
    assert "forgotten: location = London" in ran.err
    assert f"Nothing that is known has the handle {handle}" in ran.err
    assert "London" not in ran.out and "name = Alice" in ran.out
    shown = run("show", "--user", "alice", "--history").out
    assert re.search(r"location = London .*until .*, forgotten", shown)


def test_forget_is_for_ones_own(run: Any) -> None:
    """What is known of somebody else cannot be forgotten by its handle."""
    run("chat", "--user", "alice", stdin=HELLO)
    handle = run("show", "--user", "alice").out.splitlines()[1].split()[0]
    assert "Nothing that is known" in run("chat", "--user", "bob", stdin=f"/forget {handle}\n").err
    assert "name = Alice" in run("show", "--user", "alice").out


def test_commands_are_not_said_to_the_agent(run: Any) -> None:
    """/help and unknown commands answer by themselves, /quit ends; a path that begins with a slash is said."""
    ran = run("chat", "--user", "alice", stdin="/help\n/nope\n/etc/hosts is missing\n/quit\nhello\n")
    assert ran.out.count("\n") == 1
    assert "/forget k3f" in ran.err and "There is no command /nope." in ran.err


def test_what_the_model_writes_does_not_control_the_terminal(run: Any, scripted: Any) -> None:
    """Escape sequences in an answer are not passed on; its line breaks are."""
    made = scripted(answers="one\x1b]0;owned\x07\ntwo \u009b2J")
    ran = run("chat", "--machine", made, stdin="hi\n")
    assert ran.out.splitlines()[1].startswith("two ") and not {"\x1b", "\x07", "\u009b"} & set(ran.out)


def test_a_failing_model_is_one_line_and_exit_code_1(run: Any, app: Any) -> None:
    """A provider's error is named by its kind alone, and ends a piped conversation."""
    module = app(
        "from learning_machine import LearningMachine\n"
        "from learning_machine.testing import ScriptedModel\n"
        "def fail(messages): raise ConnectionError('sk-secret')\n"
        "machine = LearningMachine(model=ScriptedModel(answers=fail))\n"
    )
    ran = run("chat", "--machine", f"{module}:machine", stdin="hi\nagain\n")
    assert ran.code == 1 and ran.out == ""
    assert ran.err.count("The answer failed (ConnectionError).") == 1 and "sk-secret" not in ran.err
    assert "Traceback" in run("chat", "--machine", f"{module}:machine", "--debug", stdin="hi\n").err


def test_learning_that_fails_is_said(run: Any, app: Any) -> None:
    """When a turn could not be read, leaving says so and does not wait for the next try."""
    module = app(
        "from learning_machine import LearningMachine\n"
        "from learning_machine.testing import ScriptedModel\n"
        "machine = LearningMachine(model=ScriptedModel(learns=lambda new: 'no json'))\n"
    )
    began = time.monotonic()
    ran = run("chat", "--machine", f"{module}:machine", stdin="hi\n")
    assert "not learned (ExtractionFailed): will be tried again" in ran.err
    assert "Waiting to be learned from: 1 turn." in ran.err
    assert time.monotonic() - began < 5


def test_learning_elsewhere_is_not_waited_for(run: Any, scripted: Any) -> None:
    """A machine whose worker is another process leaves at once, and says who learns from it."""
    ran = run("chat", "--machine", scripted(background="external"), stdin="hi\n")
    assert ran.code == 0 and "finishing" not in ran.err
    assert "Waiting to be learned from: 1 turn. A worker" in ran.err


def test_tools_of_the_agent_are_shown(run: Any, app: Any) -> None:
    """In AGENTIC mode the agent's own memory tools are told with their receipt."""
    module = app(
        "from learning_machine import LearningMachine, LearningMode, UserProfileConfig\n"
        "machine = LearningMachine(user_profile=UserProfileConfig(mode=LearningMode.AGENTIC))\n"
    )
    ran = run("chat", "--user", "alice", "--machine", f"{module}:machine", stdin=HELLO)
    assert re.search(r"update_profile: saved as k\w+", ran.err)
    assert "London" in ran.out


def test_proposals_wait_where_nobody_can_be_asked(run: Any, app: Any) -> None:
    """By a pipe nobody is asked: what the agent would keep waits for a decision, and that is said."""
    ran = run("chat", "--user", "alice", "--machine", f"{app(PROPOSING)}:machine", stdin="I'm Alice\n")
    assert ran.code == 0 and ran.out == "ok\n"
    assert "Waiting for a decision: 1 proposal. See learning-machine review." in ran.err
    assert "Nothing is known" in run("show", "--user", "alice").err


# --- at a terminal ----------------------------------------------------------------------------------------------------


class Terminal:
    """`chat` on a pseudo-terminal: what it shows, and keys."""

    def __init__(self, command: list[str], **environment: str) -> None:
        self.master, slave = pty.openpty()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", **environment}
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
            preexec_fn=_take_terminal,
        )  # fmt: skip
        os.close(slave)
        self.shown = ""

    def wait_for(self, text: str) -> str:
        """Everything that was shown up to this text, since the last time."""
        ends = time.monotonic() + 60
        while text not in self.shown:
            ready, _, _ = select.select([self.master], [], [], max(0, ends - time.monotonic()))
            assert ready, f"{text!r} did not come; shown: {self.shown!r}"
            self.shown += self._read()
        found, _, self.shown = self.shown.partition(text)
        return found

    def _read(self) -> str:
        try:
            return os.read(self.master, 65_536).decode(errors="replace")
        except OSError:
            raise AssertionError(f"it ended; shown: {self.shown!r}") from None

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def leave_by_interrupt(self) -> str:
        """Press Ctrl-C until it leaves: one that comes just before the prompt reads is only taken with the next key."""
        leaving = re.compile("finishing|learned: ")
        while not leaving.search(self.shown):
            self.type("\x03")
            while not leaving.search(self.shown) and select.select([self.master], [], [], 5)[0]:
                self.shown += self._read()
        return self.rest()

    def rest(self) -> str:
        """What is shown until it ends."""
        ends = time.monotonic() + 60
        while select.select([self.master], [], [], max(0, ends - time.monotonic()))[0]:
            try:
                self.shown += os.read(self.master, 65_536).decode(errors="replace")
            except OSError:
                return self.shown
        raise AssertionError(f"it does not end; shown: {self.shown!r}")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def _take_terminal() -> None:
    """Make the terminal the process's own, so that Ctrl-C typed into it reaches the process as a signal."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def talk(app: Callable[[str], str], url: str) -> Iterator[Callable[[str], Terminal]]:
    """Begins a conversation of Alice with the machine in this source."""
    begun: list[Terminal] = []

    def begin(source: str) -> Terminal:
        options = ["--user", "alice", "--machine", f"{app(source)}:machine"]
        command = [sys.executable, "-m", "learning_machine", "chat", *options]
        begun.append(Terminal(command, LEARNING_MACHINE_DATABASE_URL=url))
        begun[-1].wait_for("you> ")
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


def test_interrupting_an_answer_stops_only_the_answer(talk: Any) -> None:
    """Ctrl-C during an answer stops it and the talk goes on; what was said is still learned; at the prompt it leaves."""
    terminal = talk(SLOW)
    terminal.type("I'm Alice, talk forever\n")
    terminal.wait_for("agent> Well, ")
    terminal.type("\x03")
    terminal.wait_for("(stopped)")
    terminal.wait_for("you> ")
    terminal.type("And now?\n")
    answer = terminal.wait_for("you are.")
    assert "\x1b[31mhere" not in answer
    terminal.wait_for("you> ")
    assert "learned: name = Alice" in terminal.leave_by_interrupt()
    assert terminal.process.wait(30) == 0


def test_the_end_of_input_leaves(talk: Any) -> None:
    """Ctrl-D at the prompt ends the conversation with 0, and leaves nothing to wait for when nothing was said."""
    terminal = talk(SLOW)
    terminal.type("\x04")
    assert "finishing" not in terminal.rest()
    assert terminal.process.wait(30) == 0


def test_what_the_agent_proposes_is_decided_at_the_terminal(talk: Any, run: Any) -> None:
    """In PROPOSE mode the user is asked after the answer, and what they approve is known."""
    terminal = talk(PROPOSING)
    terminal.type("I'm Alice\n")
    terminal.wait_for("Alice [user]? ")
    terminal.type("y\n")
    assert "saved" in terminal.wait_for("you> ")
    terminal.type("/quit\n")
    terminal.rest()
    assert "name = Alice" in run("show", "--user", "alice").out
