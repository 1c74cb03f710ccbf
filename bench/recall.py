"""How long a turn waits for recall and its context, and how much of that is the database.

    python bench/recall.py [--full] [--agno .bench-agno/bin/python]

Side by side in one run, for one user with 1, 100, 10,000 (with --full 100,000) learnings and as many messages: the whole
of recall and build_context; the bare SQL, which is the same queries with the same parameters in the same pipeline on an
open connection; exact cosine in numpy over the same vectors; and, where an interpreter that has it is named, agno's
learning machine on the same server.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from filling import fill
from hashing import HashedEmbeddings
from measuring import Timing, print_settings, print_table, side_by_side, step
from places import connect, own_database, query, versions
from worlds import World, messages_for, world_of

from learning_machine import LearningMachine
from learning_machine.stores.learned_knowledge import CANDIDATES
from learning_machine.stores.postgres.queries import positional
from learning_machine.stores.postgres.queries import query as named
from learning_machine.testing import ScriptedModel

SIZES = (1, 100, 10_000)
AGNO_SIDE = Path(__file__).with_name("agno_side.py")
#: The bound that recall keeps at 10,000 learnings: so many times the bare SQL.
BOUND = 1.5

Asking = tuple[Any, list[tuple[str, Any]]]


def machine_on(url: str, embeddings: Any) -> LearningMachine:
    """A machine with every built-in store."""
    return LearningMachine(
        db=url,
        model=ScriptedModel(),
        embeddings=embeddings,
        background="external",
        user_profile=True,
        session_context=True,
        learned_knowledge=True,
        entity_memory=True,
    )


# --- what is compared -------------------------------------------------------------------------------------------------


def ours(machine: LearningMachine, user: str, message: str) -> Callable[[int], str]:
    """All of it: what an agent's turn waits for."""
    return lambda _: machine.build_context(user_id=user, session_id="now", message=message)


def asked_of(machine: LearningMachine, user: str, message: str) -> Asking:
    """What that asks of the database: who asks, and the named queries with their parameters."""
    caught: list[Asking] = []
    database = machine.database
    run = database.run

    def listening(steps: Any) -> Any:
        rows = None
        while True:
            try:
                ask = steps.send(rows)
            except StopIteration as ended:
                return ended.value
            caught.append((ask.access, list(ask.statements)))
            rows = database.read(*caught[-1])

    database.run = listening  # type: ignore[method-assign]
    try:
        ours(machine, user, message)(0)
    finally:
        database.run = run  # type: ignore[method-assign]
    return caught[0]


@contextmanager
def bare_sql(machine: LearningMachine, asking: Asking) -> Iterator[Callable[[int], Any]]:
    """The same statements in the same pipeline, with nothing around them; rows as tuples."""
    access, queries = asking
    enter = machine.database._enter(access)
    statements = []
    for name, params in queries:
        statement, names = positional(name)
        statements.append((statement, [params[one] for one in names]))
    with psycopg.connect(machine.database.conninfo, autocommit=True, prepare_threshold=0) as connection:

        def run(_: int) -> list[list[Any]]:
            with connection.pipeline():
                connection.execute("begin read only")
                connection.execute(named("access.plan_once"))
                connection.execute(named("access.enter"), enter)
                connection.execute(named("access.spaces"))
                cursors = [psycopg.RawCursor(connection).execute(*asked) for asked in statements]
                connection.execute("commit")
            return [cursor.fetchall() for cursor in cursors]

        yield run


def exact_cosine(machine: LearningMachine, user: str, message: str) -> Callable[[int], Any]:
    """The best candidates of every source by cosine, with all vectors in memory: no database can be quicker."""
    matrices = vectors_of(machine, user)

    def run(_: int) -> list[Any]:
        wanted = np.asarray(machine.parts.embedder.embeddings.embed_query(message), dtype=np.float32)
        return [nearest(matrix, wanted, CANDIDATES) for matrix in matrices.values()]

    return run


def nearest(matrix: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any], count: int) -> list[int]:
    """The rows closest to a vector, best first. Rows have the length 1."""
    scores = matrix @ wanted
    count = min(count, len(scores))
    best = np.argpartition(-scores, count - 1)[:count]
    return [int(one) for one in best[np.argsort(-scores[best], kind="stable")]]


def vectors_of(machine: LearningMachine, user: str) -> dict[str, np.ndarray[Any, Any]]:
    """A user's vectors by source, brought to the length 1."""
    found: dict[str, list[Any]] = {}
    with connect(machine.database.conninfo) as connection:
        for source, vector in connection.execute(query("vectors"), {"user": user}):
            found.setdefault(source, []).append(np.fromstring(vector[1:-1], sep=",", dtype=np.float32))
    return {source: unit(np.stack(rows)) for source, rows in found.items()}


def unit(matrix: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.where(lengths == 0, 1, lengths), dtype=np.float32)


def agno(python: str, url: str, sizes: Sequence[int], rounds: int) -> dict[str, Any]:
    """What agno's interpreter measured, by size."""
    command = [python, str(AGNO_SIDE), url, ",".join(map(str, sizes)), str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{python} could not run {AGNO_SIDE.name}:\n{done.stderr[-2_000:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


# --- the command ------------------------------------------------------------------------------------------------------


def measure(machine: LearningMachine, user: str, world: World, rounds: int) -> dict[str, dict[str, Timing]]:
    """By message: the timings of ours, the bare SQL and numpy."""
    found = {}
    for kind, message in messages_for(world).items():
        with bare_sql(machine, asked_of(machine, user, message)) as bare:
            runs = {"ours": ours(machine, user, message), "SQL": bare}
            if kind != "small talk":
                runs["numpy"] = exact_cosine(machine, user, message)
            found[kind] = side_by_side(runs, rounds)
    return found


def run(
    sizes: Sequence[int], *, rounds: int, embeddings: Any = None, python: str | None = None, server: str | None = None
) -> dict[str, Any]:
    """Fill, measure, and let agno do the same."""
    with own_database(server) as url, machine_on(url, embeddings) as machine:
        worlds = {size: world_of(size) for size in sizes}
        for size, world in worlds.items():
            with step(f"Filling {size:,} learnings and {len(world.said):,} messages"):
                fill(machine, world, f"user-{size}")
        timings = {size: measure(machine, f"user-{size}", world, rounds) for size, world in worlds.items()}
        theirs = agno(python, url, [size for size in sizes if size <= 10_000], rounds) if python else {}
        return {"settings": versions(url), "timings": timings, "agno": theirs}


def report(found: Mapping[str, Any]) -> None:
    rows, theirs = [], found["agno"]
    for size, kinds in found["timings"].items():
        for kind, timing in kinds.items():
            own, bare, exact = timing["ours"], timing["SQL"], timing.get("numpy")
            row = [
                f"{size:,} · {kind}",
                own,
                bare,
                exact or "",
                f"{own.p50 / bare.p50:.2f}",
                f"{own.p95 / bare.p95:.2f}",
            ]
            for world in ("same", "crowd") if theirs else ():
                other = theirs.get(str(size), {}).get(world, {}).get(kind)
                row += [f"{Timing(other['p50'], other['p95'])}", f"{other['p50'] / own.p50:.1f}"] if other else ["", ""]
            rows.append(row)
    head = ["learnings · message", "ours", "SQL", "numpy", "ours/SQL p50", "p95"]
    head += ["agno, same things", "agno/ours", "agno, as many things", "agno/ours"] if theirs else []
    print_table("Recall and context, ms p50 / p95", head, rows)
    largest = max(found["timings"])
    if largest >= 10_000:
        worst = max(
            timing["ours"].p50 / timing["SQL"].p50
            for kind, timing in found["timings"][10_000].items()
            if kind != "small talk"
        )
        print(f"\nAt 10,000 learnings ours takes at most {worst:.2f} times the bare SQL (bound: {BOUND}).")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sizes", help="learnings, as 1,100,10000")
    parser.add_argument("--full", action="store_true", help="100,000 learnings too")
    parser.add_argument("--rounds", type=int, default=60, help="how often each is asked [default: 60]")
    parser.add_argument("--embeddings", help="an embedding model by its name; `hashed`: none")
    parser.add_argument("--agno", metavar="PYTHON", help="an interpreter that has agno (see README.md)")
    parser.add_argument(
        "--db", help="another server; its user must be allowed to create databases [default: an embedded one]"
    )
    options = parser.parse_args(arguments)
    sizes = (
        [int(size) for size in options.sizes.split(",")]
        if options.sizes
        else [*SIZES, *([100_000] if options.full else [])]
    )
    embeddings = HashedEmbeddings() if options.embeddings == "hashed" else options.embeddings
    found = run(sizes, rounds=options.rounds, embeddings=embeddings, python=options.agno, server=options.db)
    print_settings(**found["settings"], rounds=options.rounds, embeddings=options.embeddings or "default")
    report(found)


if __name__ == "__main__":
    main()
