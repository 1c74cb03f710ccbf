"""`learning-machine doctor`: what is right, what is not, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from learning_machine.cli.opening import opened
from learning_machine.cli.options import Db, Debug, Json, Machine
from learning_machine.cli.output import console, number_of, print_json, print_note, print_table, safe_text, working
from learning_machine.errors import LearningMachineError

if TYPE_CHECKING:
    from learning_machine.machine import LearningMachine
    from learning_machine.stores.postgres.transactions import Row

Verdict = Literal["ok", "warning", "problem"]
_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "problem": ("✗", "red")}
#: A job that waits longer than this, in seconds, has nobody who reads it.
_TOO_LONG = 120
_RETRY = "learning-machine doctor --retry-parked"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


def doctor(
    ask: Annotated[bool, typer.Option("--ask", help="Also ask the models one short question (real calls).")] = False,
    retry_parked: Annotated[
        bool, typer.Option("--retry-parked", help="Queue turns again whose reading failed too often.")
    ] = False,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check the database, its rights and schema, the model and the queue, and say what to do.

    ✓ is as it should be, ! deserves a look, ✗ keeps it from working: then the exit code is 1. Nothing is changed,
    unless by --retry-parked.

    \b
    Examples:
      learning-machine doctor
      learning-machine doctor --ask --json
      learning-machine doctor --retry-parked
    """
    with opened(machine, db) as found:
        if retry_parked:
            _retry(found)
        with working("looking"):
            checks = [*database_checks(found), *model_checks(found, ask=ask)]
    ok = all(check.verdict != "problem" for check in checks)
    if json:
        print_json({"ok": ok, "checks": [asdict(check) for check in checks]})
    else:
        _print(checks)
    if not ok:
        raise typer.Exit(1)


def _retry(machine: LearningMachine) -> None:
    count = machine.retry_parked()
    print_note(
        f"Queued again: {number_of(count, 'turn')}. A worker or the next conversation reads them."
        if count
        else "No turn is parked."
    )


def _print(checks: list[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    for check in checks:
        mark, style = _MARKS[check.verdict]
        said = Text(safe_text(check.found), overflow="fold")
        if check.remedy:
            said.append(f"\n→ {safe_text(check.remedy)}", style="bold" if check.verdict == "problem" else "")
        table.add_row(Text(mark, style=style), Text(check.name, style="bold"), said)
    print_table(console(), table)


def trouble(name: str, error: LearningMachineError) -> Check:
    """What an error says: its last sentence is what to do."""
    found, _, remedy = str(error).rpartition(". ")
    return Check(name, "problem", f"{found}." if found else remedy, remedy if found else "")


# --- the database -----------------------------------------------------------------------------------------------------


def database_checks(machine: LearningMachine) -> Iterator[Check]:
    """The database from the ground up. Where one thing is missing, what stands on it is not looked at."""
    from learning_machine.stores.postgres.migrate import standing

    database = machine.parts.database
    try:
        with database.connection() as connection:
            found = standing(connection, database.names)
    except LearningMachineError as error:
        yield trouble("database", error)
        return
    yield _server(found, database.conninfo)
    try:
        for check in (_vector, _schema, _isolation):
            result = check(machine, found)
            yield result
            if result.verdict == "problem":
                return
        yield from _queue(machine)
    except LearningMachineError as error:
        yield trouble("rights", error)


def _server(found: Row, conninfo: str) -> Check:
    from psycopg.conninfo import conninfo_to_dict

    from learning_machine.stores.postgres.migrate import OLDEST_SERVER

    place = conninfo_to_dict(conninfo)
    version = f"PostgreSQL {found['server'] // 10_000}.{found['server'] % 10_000}"
    said = f"{version}, database {found['database']} at {place.get('host') or 'the local socket'}"
    if found["server"] < OLDEST_SERVER:
        return Check(
            "database", "problem", said, f"PostgreSQL {OLDEST_SERVER // 10_000} or newer is needed: upgrade it."
        )
    return Check("database", "ok", said)


def _vector(machine: LearningMachine, found: Row) -> Check:
    from learning_machine.stores.postgres.migrate import OLDEST_VECTOR

    needed = ".".join(map(str, OLDEST_VECTOR))
    version = found["vector_version"]
    if version is None and found["vector_available"] is None:
        remedy = "Install it on the server (Debian and Ubuntu: the package postgresql-NN-pgvector)."
        return Check("pgvector", "problem", "not installed on this server", remedy)
    if version is None:
        remedy = "Run learning-machine migrate, or as an administrator: CREATE EXTENSION vector;"
        return Check("pgvector", "problem", "not set up in this database", remedy)
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_VECTOR:
        return Check("pgvector", "problem", f"{version}, older than {needed}", "Run: ALTER EXTENSION vector UPDATE;")
    return Check("pgvector", "ok", str(version))


def _schema(machine: LearningMachine, found: Row) -> Check:
    from learning_machine.stores.postgres.migrate import applied, migrations

    database = machine.parts.database
    has = applied(database)
    missing = [migration.name for migration in migrations() if migration.name not in has]
    name = database.names.schema
    if missing or not found["has_queue"]:
        listed = ", ".join(missing) or "the queue's tables"
        remedy = "Run learning-machine migrate, with a role that may create tables."
        return Check("schema", "problem", f"{name} lacks {listed}", remedy)
    return Check("schema", "ok", f"{name} is up to date ({has[-1].removesuffix('.sql')})")


def _isolation(machine: LearningMachine, found: Row) -> Check:
    """The same checks that every start makes, changing nothing."""
    from learning_machine.stores.postgres.migrate import prepare, rights

    database = machine.parts.database
    prepare(database, auto=False)
    role = database.names.role
    acts = f"as {role}" if role != "none" else "itself"
    said = f"{found['connected_as']} acts {acts}; row-level security holds"
    if not found["is_admin"]:
        unseen = "parked turns, the whole queue and record are not seen, and proposals expire only as their people read theirs"
        remedy = f"As an administrator run: {' '.join(rights(found, database.names))}"
        return Check("rights", "warning", f"{said}; it may not act as {database.names.admin}, so {unseen}", remedy)
    return Check("rights", "ok", said)


def _queue(machine: LearningMachine) -> Iterator[Check]:
    from learning_machine.jobs import failing
    from learning_machine.stores.postgres import queue

    depth = queue.depth(machine.parts.database, machine.name)
    waited = (datetime.now(UTC) - depth["oldest"]).total_seconds() if depth["oldest"] else 0.0
    said = f"{depth['waiting']} waiting, {depth['later']} later, {depth['running']} running"
    if depth["waiting"] and waited > _TOO_LONG:
        remedy = "Start a worker: learning-machine worker."
        yield Check("queue", "warning", f"{said}; the oldest has waited {_span(waited)}", remedy)
    else:
        yield Check("queue", "ok", said)
    yield from _limits(machine)
    if not machine.parts.database.sees_all:
        return
    kinds = failing(machine.parts)
    parked, retried = _listed(kinds, parked=True), _listed(kinds, parked=False)
    if parked:
        yield Check("parked", "warning", f"given up: {parked}", f"Mend the cause, then run {_RETRY}.")
    if retried:
        yield Check("failing", "warning", f"will be tried again: {retried}", "Look at the worker's log lines.")


def _limits(machine: LearningMachine) -> Iterator[Check]:
    """What learning may spend an hour, and whether it has: then what is queued waits, and nothing has failed."""
    spending = machine.parts.spending
    if not spending.limits:
        return
    spent, limits = spending.last_hour(), spending.limits
    told = [("calls", limits.max_calls), ("tokens", limits.max_tokens)]
    said = ", ".join(f"{spent[name]:,} of {most:,} {name}" for name, most in told if most is not None) + " this hour"
    if not limits.is_spent(spent["calls"], spent["tokens"]):
        yield Check("limits", "ok", said)
        return
    wait = f"; what is queued waits {_span(float(spent['frees_in'] or 0))}" if spent["frees_in"] else ""
    yield Check("limits", "warning", f"{said}{wait}", "Raise max_calls= or max_tokens= of the machine, or wait.")


def _listed(kinds: list[dict[str, Any]], *, parked: bool) -> str:
    return ", ".join(
        f"{number_of(kind['turns'], 'turn')} by {kind['error']}" for kind in kinds if kind["parked"] is parked
    )


def _span(seconds: float) -> str:
    units = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))
    return next(
        (f"{seconds / size:.0f} {name}" for size, name in units if seconds >= 2 * size), f"{seconds:.0f} seconds"
    )


# --- models -----------------------------------------------------------------------------------------------------------


def model_checks(machine: LearningMachine, *, ask: bool) -> Iterator[Check]:
    """The chat model and the embedding model, called only if asked to."""
    yield _model(machine, ask)
    yield _embeddings(machine, ask)


def _model(machine: LearningMachine, ask: bool) -> Check:
    from learning_machine.models import describe_model
    from learning_machine.offline import OfflineModel

    try:
        model = machine.model
    except LearningMachineError as error:
        return trouble("model", error)
    name = describe_model(model)
    if ask and (failure := _answered(model.invoke)):
        return Check(
            "model", "problem", f"{name} does not answer ({failure})", "Check its name, key, address and network."
        )
    said = f"{name}, and it answers" if ask else name
    if isinstance(model, OfflineModel):
        remedy = "For a real one set OPENAI_API_KEY, or LEARNING_MACHINE_MODEL such as openai:gpt-4.1-mini."
        return Check("model", "warning", said, remedy)
    return Check("model", "ok", said)


def _answered(invoke: Callable[[str], Any]) -> str:
    """The kind of failure of one short call; `""` when it was answered. What a provider says may repeat its key."""
    began = time.monotonic()
    try:
        invoke("Answer with the single word: ready")
    except Exception as error:  # noqa: BLE001 - a provider may raise anything
        return f"{type(error).__name__} after {time.monotonic() - began:.1f} s"
    return ""


def _embeddings(machine: LearningMachine, ask: bool) -> Check:
    """The embedding model. Without one search goes by words alone."""
    from learning_machine.embeddings import embedding_name
    from learning_machine.nodes.recall import searches

    if not searches(machine.parts):
        return Check("embeddings", "ok", "not needed: no store of this machine is searched")
    try:
        embeddings = machine.parts.embedder.embeddings
    except LearningMachineError as error:
        return trouble("embeddings", error)
    name = embedding_name(embeddings)
    if ask and (failure := _answered(embeddings.embed_query)):
        remedy = "Check the embeddings= of the machine; until then search goes by words alone."
        return Check("embeddings", "warning", f"{name} does not answer ({failure})", remedy)
    return Check("embeddings", "ok", f"{name}, and it answers" if ask else name)
