"""What a person says, and who and where they are, stays out of logs, of the queue and of stored errors."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from token_agents import learn_tokens

from learning_machine import LearningMachine, create_learning_agent, jobs
from learning_machine.stores.postgres import queue
from learning_machine.testing import ScriptedModel

Machines = Callable[..., LearningMachine]
Ask = Callable[..., list[dict[str, Any]]]
CANARY = "canary5e1f"


class Everything(logging.Handler):
    """Keeps every record as it would be written, with its traceback, and with all that hangs on it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(f"{self.format(record)} {record.__dict__!r}")


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """All that any logger says, at DEBUG."""
    everything, root = Everything(), logging.getLogger()
    loggers = [root, *(one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger))]
    before = [(one, one.level, one.disabled) for one in loggers]
    for one in loggers:
        one.setLevel(logging.DEBUG)
        one.disabled = False
    root.addHandler(everything)
    yield everything.written
    root.removeHandler(everything)
    for one, level, disabled in before:
        one.setLevel(level)
        one.disabled = disabled


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(jobs, "SWEEP_EVERY", 0.1)
    monkeypatch.setattr(queue, "POLL", 0.05)


class Talkative:
    """A custom store whose errors repeat what it was given."""

    learning_type = "talkative"

    def recall(self, user_id: str, message: str) -> None:
        raise ValueError(f"cannot recall {user_id} {message}")

    def process(self, messages: list[Any], user_id: str) -> None:
        raise ValueError(f"cannot process {messages} of {user_id}")

    def build_context(self, data: Any) -> str:
        return ""

    def get_tools(self) -> list[Any]:
        return []


def refuse(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Learns nothing of what is poison, and says what that was."""
    if any("poison" in one["text"] for one in new):
        raise RuntimeError(f"the provider refused {new}")
    return learn_tokens(new)


def speak(agent: Any, text: str, thread: str = "thread") -> Any:
    return agent.invoke(
        {"messages": [{"role": "user", "content": f"{text} {CANARY}"}]},
        {"configurable": {"thread_id": f"{thread} {CANARY}"}},
        context={"user_id": f"user {CANARY}", "project_id": f"project {CANARY}"},
    )


def forbid(sql: Ask, table: str, column: str, word: str) -> None:
    """Make the database refuse rows with a word, with an error that shows the row."""
    sql(f"alter table {table} add constraint refused check ({column} not like '%{word}%') not valid")


def leaks(sql: Ask) -> list[str]:
    """Where in the queue's schema or in the errors the canary stands."""
    columns = sql(
        "select table_schema as schema, table_name as name, column_name as field from information_schema.columns "
        "where table_schema = 'learning_machine_jobs' or table_name = 'job_error'"
    )
    assert len(columns) > 20
    return [
        f"{one['name']}.{one['field']}"
        for one in columns
        if sql(f'select 1 from {one["schema"]}.{one["name"]} where "{one["field"]}"::text like %s', f"%{CANARY}%")
    ]


def test_nothing_personal_leaks(
    machine: Machines, sql: Ask, logged: list[str], capfd: pytest.CaptureFixture[str], until: Any
) -> None:
    """After turns, failures of the model, of stores and of the database, tries and parking, the canary is in no log
    record, in no job, in no stored error, not in the environment, and not on the terminal."""
    learner = machine(ScriptedModel(learns=refuse), custom_stores={"talkative": Talkative()}, user_profile=True)
    agent = create_learning_agent(ScriptedModel(answers=f"noted {CANARY}"), learning=learner)
    speak(agent, "this is token-1")
    assert learner.flush(30)
    poison = speak(agent, "poison", "another thread")
    until(lambda: leaks(sql) or learner.queue_depth()["parked"], 30)
    assert learner.learned(poison["learning"]["turn"])["error"] == "ExtractionFailed"
    # A failure that cannot be noted: the queue logs what went wrong there, with all that hangs on it.
    forbid(sql, "job_error", "error", "Extraction")
    speak(agent, "poison", "thread of a failed note")
    until(lambda: any("ended with status: Error" in line for line in logged))
    sql("alter table job_error drop constraint refused")
    until(lambda: leaks(sql) or learner.queue_depth()["parked"] == 2, 30)
    forbid(sql, "learning", "text", "token-2")
    refused = speak(agent, "this is token-2")
    assert learner.flush(30)
    assert learner.learned(refused["learning"]["turn"])["error"] == "WriteFailed"
    forbid(sql, "message", "content", "token-3")
    assert speak(agent, "this is token-3", "third thread")["learning"].get("turn") is None
    with psycopg.connect(learner.parts.database.conninfo) as other:
        other.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'learning%%'")
    assert learner.flush(30)
    learner.close()
    assert leaks(sql) == []
    names = {line.split()[0].split(".")[0] for line in logged}
    assert {"learning_machine", "procrastinate", "psycopg"} <= names
    assert [line for line in logged if CANARY in line] == []
    assert [
        name for name, value in os.environ.items() if CANARY in name + value and name != "PYTEST_CURRENT_TEST"
    ] == []
    written = capfd.readouterr()
    assert CANARY not in written.out + written.err


def test_debug_log_tells_where(machine: Machines, logged: list[str]) -> None:
    """At DEBUG the log still tells where a failure came from: files, lines and kinds of errors, without their texts."""
    learner = machine(ScriptedModel(), custom_stores={"talkative": Talkative()}, user_profile=True)
    learner.recall(user_id=f"user {CANARY}", message=CANARY)
    (line,) = [line for line in logged if "it failed at" in line]
    assert "test_privacy.py:" in line and "recall" in line and "ValueError" in line and CANARY not in line
