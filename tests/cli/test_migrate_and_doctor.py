"""`migrate` brings a database up to date, `doctor` says what is right and what is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from learning_machine import LearningMachine, jobs
from learning_machine.stores.postgres.migrate import migrations
from learning_machine.testing import ScriptedModel, change

NAMES = [migration.name for migration in migrations()]


def checks(ran: Any) -> dict[str, Any]:
    """The checks of `doctor --json` by name."""
    return {check["name"]: check for check in json.loads(ran.out)["checks"]}


# --- migrate ----------------------------------------------------------------------------------------------------------


def test_migrate_says_what_it_applied(run: Any, empty_url: str) -> None:
    """On an empty database every migration is applied and named; the second time there is nothing to do."""
    ran = run("migrate", "--db", empty_url)
    assert ran.code == 0 and ran.out.split() == [word for name in NAMES for word in ("applied", name)]
    assert run("migrate", "--db", empty_url).out == "The database is up to date: nothing to apply.\n"


def test_check_changes_nothing_and_tells(run: Any, empty_url: str) -> None:
    """`--check` ends with 1 and names what is missing, and applies none of it; when all is there it ends with 0."""
    for _ in range(2):
        ran = run("migrate", "--check", "--db", empty_url)
        assert ran.code == 1 and ran.out.split() == [word for name in NAMES for word in ("missing", name)]
    run("migrate", "--db", empty_url)
    ran = run("migrate", "--check", "--db", empty_url)
    assert ran.code == 0 and ran.out == "The database is up to date.\n"


def test_migrate_uses_the_schema_of_the_machine(run: Any, scripted: Any, empty_url: str) -> None:
    """With `--machine` its schema is migrated, and no other."""
    made = scripted(db=empty_url, schema="elsewhere", user_profile=True)
    assert run("migrate", "--machine", made).code == 0
    with psycopg.connect(empty_url) as connection:
        found = connection.execute(
            "select to_regclass('elsewhere.turn'), to_regclass('learning_machine.turn')"
        ).fetchone()
    assert found is not None and found[0] and not found[1]


def test_a_database_of_newer_code_is_an_error(run: Any, url: str) -> None:
    """When the schema says that code this old may not run, `migrate --check` and `doctor` say to upgrade."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("insert into learning_machine.schema_version values (9999, '9999_x.sql', 9999)")
    ran = run("migrate", "--check")
    assert ran.code == 1 and "Upgrade langgraph-learning-machine" in ran.err
    ran = run("doctor", "--json")
    assert ran.code == 1 and "Upgrade langgraph-learning-machine" in checks(ran)["rights"]["remedy"]


# --- doctor -----------------------------------------------------------------------------------------------------------


def test_doctor_finds_a_healthy_database_well(run: Any) -> None:
    """All is ✓ but the offline model, which is a warning that says how to use a real one; the exit code is 0."""
    ran = run("doctor")
    assert ran.code == 0 and "✗" not in ran.out
    found = checks(run("doctor", "--json"))
    fine = ("database", "pgvector", "schema", "rights", "queue")
    assert [found[name]["verdict"] for name in fine] == ["ok"] * len(fine)
    assert found["model"]["verdict"] == "warning" and "OPENAI_API_KEY" in found["model"]["remedy"]
    assert "row-level security holds" in found["rights"]["found"]


def test_doctor_says_what_a_new_database_lacks(run: Any, empty_url: str) -> None:
    """An empty database is ✗ with `learning-machine migrate` as the remedy, and nothing is changed in it."""
    ran = run("doctor", "--db", empty_url)
    assert ran.code == 1 and "✗" in ran.out and "→ Run learning-machine migrate" in ran.out
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("select to_regnamespace('learning_machine')").fetchone() == (None,)


def test_doctor_without_a_database(run: Any) -> None:
    """A database that cannot be reached is ✗ with what to look at; the model is looked at all the same."""
    ran = run("doctor", "--json", "--db", "postgresql://u:hunter22@127.0.0.1:1/x")
    found = checks(ran)
    assert ran.code == 1 and json.loads(ran.out)["ok"] is False
    assert found["database"]["verdict"] == "problem" and "Check the URL" in found["database"]["remedy"]
    assert "model" in found and "hunter22" not in ran.out


@pytest.fixture
def limited(url: str) -> Iterator[str]:
    """The URL of this test's database for a role that may do nothing in it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create role doctor_limited login")
        yield url.replace("postgres@", "doctor_limited@")
        connection.execute("drop role doctor_limited")


def test_doctor_says_which_rights_are_missing(run: Any, limited: str) -> None:
    """For a role that may not use the tables the remedy is the SQL that grants it."""
    ran = run("doctor", "--json", "--db", limited)
    assert ran.code == 1
    assert 'GRANT learning_machine_app TO "doctor_limited";' in ran.out.replace('\\"', '"')


def test_doctor_asks_the_model_only_when_told(run: Any, app: Any) -> None:
    """Without --ask no call is made; with it a model that fails is ✗, named by the kind of failure alone."""
    made = app(
        "from langchain_core.embeddings import DeterministicFakeEmbedding\n"
        "from learning_machine import LearningMachine\n"
        "from learning_machine.testing import ScriptedModel\n"
        "def fail(messages): raise ConnectionError('sk-secret')\n"
        "class Broken(DeterministicFakeEmbedding):\n"
        "    def embed_query(self, text): raise ConnectionError('sk-secret')\n"
        "machine = LearningMachine(model=ScriptedModel(answers=fail), embeddings=Broken(size=8), user_profile=True)\n"
    )
    assert run("doctor", "--machine", f"{made}:machine").code == 0
    ran = run("doctor", "--machine", f"{made}:machine", "--ask")
    assert ran.code == 1 and ran.out.count("does not answer (ConnectionError") == 2 and "sk-secret" not in ran.out
    assert "it answers" in run("doctor", "--ask").out


def test_doctor_names_a_model_that_cannot_be_used(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model name that means nothing is ✗, with the form of a right one."""
    monkeypatch.setenv("LEARNING_MACHINE_MODEL", "nobody:nothing")
    ran = run("doctor", "--json")
    assert ran.code == 1 and checks(ran)["model"]["verdict"] == "problem"


def test_doctor_sees_a_queue_nobody_reads(run: Any, machine: Any, url: str) -> None:
    """Jobs that wait long are a warning that says how long, and to start a worker."""
    external = machine(ScriptedModel(), background="external")
    external.graph().invoke(
        {"messages": [("user", "hi")]}, {"configurable": {"thread_id": "s"}}, context={"user_id": "a"}
    )
    assert checks(run("doctor", "--json"))["queue"]["verdict"] == "ok"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update learning_machine_jobs.procrastinate_events set at = at - interval '3 hours'")
    found = checks(run("doctor", "--json"))["queue"]
    assert found["verdict"] == "warning" and "has waited 3 hours" in found["found"]
    assert "learning-machine worker" in found["remedy"]


def test_parked_turns_are_shown_and_can_be_retried(run: Any, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed too often is listed by kind of error; --retry-parked queues it, and then it is learned."""
    monkeypatch.setattr(jobs, "MAX_ATTEMPTS", 1)
    broken = machine(ScriptedModel(learns=lambda new: "no json"), session_context=True)
    for session in ("one", "two"):
        config = {"configurable": {"thread_id": session}}
        broken.graph().invoke({"messages": [("user", "I'm Alice")]}, config, context={"user_id": "alice"})
    assert broken.flush()
    broken.close()
    found = checks(run("doctor", "--json"))["parked"]
    assert found["verdict"] == "warning" and "2 turns by ExtractionFailed" in found["found"]
    assert "learning-machine doctor --retry-parked" in found["remedy"]
    assert "Queued again: 2 turns." in run("doctor", "--retry-parked").err
    assert "No turn is parked." in run("doctor", "--retry-parked").err
    found = checks(run("doctor", "--json"))
    assert "parked" not in found and found["queue"]["found"].startswith("2 waiting")
    mended = machine(
        ScriptedModel(learns=lambda new: [change("user_profile", "Alice", kind="field", name="name")]),
        user_profile=True,
    )
    assert mended.flush()
    assert mended.recall(user_id="alice")["user_profile"].name == "Alice"


def test_retrying_is_for_one_machine(run: Any, machine: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parked turns of a machine with another name stay as they are."""
    monkeypatch.setattr(jobs, "MAX_ATTEMPTS", 1)
    other = machine(ScriptedModel(learns=lambda new: "no json"), user_profile=True, name="other")
    other.graph().invoke({"messages": [("user", "hi")]}, {"configurable": {"thread_id": "s"}}, context={"user_id": "a"})
    assert other.flush()
    with LearningMachine(db=url) as default:
        assert default.retry_parked() == 0
    assert other.retry_parked() == 1
