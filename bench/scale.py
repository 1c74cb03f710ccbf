"""A million learnings in one database: how quick and how exact search is for scopes of 100, 20,000 and 300,000 of them.

    python bench/scale.py [--rows 1000000]

Rows are made up, with vectors in clusters and words as often as words are, and are copied in the order in which a system
with many users would write them: all scopes mixed. Then they are asked again with each scope's vectors side by side, as
CLUSTER puts them. Exact means exact: the ten nearest by vector are compared with those that numpy finds over all vectors
of the scope.
"""

from __future__ import annotations

import argparse
import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from hashing import HashedEmbeddings
from measuring import print_settings, print_table, side_by_side, step
from places import connect, own_database, query, versions
from psycopg import sql

from learning_machine import LearningMachine, Scope
from learning_machine.nodes.recall import asking
from learning_machine.stores.indexing import Question, as_text
from learning_machine.stores.learned_knowledge import CANDIDATES
from learning_machine.stores.ledger_store import branch_query
from learning_machine.stores.postgres.queries import query as named
from learning_machine.stores.protocol import Standing
from learning_machine.stores.spaces import access_of
from learning_machine.testing import ScriptedModel

Array = np.ndarray[Any, Any]
STORE = b"learned_knowledge"
#: Rows made and copied at once; words of a text; different words; clusters of vectors.
CHUNK, WORDS, VOCABULARY, CLUSTERS = 50_000, 6, 20_000, 500
#: How a copy in PostgreSQL's binary form begins and ends.
HEAD, TAIL = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0), struct.pack("!h", -1)
TABLES = ("learning", "posting", "embedding")
#: A real recall gives up after two seconds; here the figure is wanted.
PATIENCE_MS = 120_000


@dataclass(frozen=True)
class Sizes:
    """How rows lie in scopes: one of 30 %, ten of 2 %, and the rest in scopes of 100."""

    rows: int

    @property
    def of_scopes(self) -> list[int]:
        large, middle = int(self.rows * 0.3), int(self.rows * 0.02)
        small = (self.rows - large - 10 * middle) // 100
        return [large, *([middle] * 10), *([100] * small)]

    @property
    def kinds(self) -> dict[int, list[int]]:
        """By size the numbers of some scopes that have it, smallest first."""
        sizes = self.of_scopes
        return {sizes[11]: list(range(11, min(len(sizes), 31))), sizes[1]: list(range(1, 11)), sizes[0]: [0]}


# --- made-up rows -----------------------------------------------------------------------------------------------------


class Rows:
    """Rows in the order in which they are written; the same for the same size."""

    def __init__(self, sizes: Sizes, dimension: int, seed: int = 7) -> None:
        draw = np.random.default_rng(seed)
        scopes = np.repeat(np.arange(len(sizes.of_scopes)), sizes.of_scopes)
        self.scope = draw.permutation(scopes)
        self.dimension, self.seed = dimension, seed
        self.centres = unit(draw.standard_normal((CLUSTERS, dimension)).astype(np.float32))
        shares = 1 / np.arange(1, VOCABULARY + 1)
        self.shares = np.cumsum(shares / shares.sum())
        self.vocabulary = np.char.mod(b"w%05d ", np.arange(VOCABULARY))

    def chunks(self) -> Iterator[tuple[Array, Array, Array]]:
        """Numbers of rows, their words and their vectors."""
        for start in range(0, len(self.scope), CHUNK):
            numbers = np.arange(start, min(start + CHUNK, len(self.scope)))
            draw = np.random.default_rng((self.seed, start))
            words = np.minimum(np.searchsorted(self.shares, draw.random((len(numbers), WORDS))), VOCABULARY - 1)
            near = self.centres[draw.integers(CLUSTERS, size=len(numbers))]
            noise = draw.standard_normal((len(numbers), self.dimension)).astype(np.float32) / np.sqrt(self.dimension)
            yield numbers, words, unit(near + 0.8 * noise).astype(np.float16)


def unit(matrix: Array) -> Array:
    return np.asarray(matrix / np.linalg.norm(matrix, axis=1, keepdims=True))


def learning_rows(spaces: Array, numbers: Array, texts: Array) -> Array:
    """`learning` in binary: every field behind its length."""
    keys = np.char.mod(b"%012d", numbers)
    columns = {"space": (">i8", spaces), "id": (">i8", numbers + 1), "store": (None, STORE), "kind": (None, b"insight")}
    columns |= {"slot": (None, keys), "text": (None, texts), "found_by": (None, texts), "content_key": (None, keys)}
    columns |= {
        "origin": (None, b"import"),
        "trust": (">i2", 50),
        "status": (None, b"active"),
        "batch": (None, b"\1" * 16),
    }
    return binary(columns, len(numbers))


def posting_rows(spaces: Array, numbers: Array, words: Array, lexemes: Array) -> Array:
    """`posting` in binary: each word of a text once, and the empty lexeme."""
    ordered = np.sort(words, axis=1)
    fresh = np.ones(ordered.shape, dtype=bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    rows, columns = np.nonzero(fresh)
    found = {"space": (">i8", spaces[rows]), "source": (None, STORE), "lexeme": (None, lexemes[ordered[rows, columns]])}
    return binary(found | {"item": (">i8", numbers[rows] + 1), "weight": (">f4", 1.2)}, len(rows))


def counting_rows(spaces: Array, numbers: Array) -> Array:
    """The empty lexeme of every text."""
    found = {"space": (">i8", spaces), "source": (None, STORE), "lexeme": (None, b""), "item": (">i8", numbers + 1)}
    return binary(found | {"weight": (">f4", 1.0)}, len(numbers))


def embedding_rows(spaces: Array, numbers: Array, vectors: Array, model: int) -> Array:
    """`embedding` in binary; a halfvec is its length, a zero, and its numbers."""
    halves = np.zeros(
        len(numbers), dtype=[("dimension", ">i2"), ("unused", ">i2"), ("numbers", ">f2", vectors.shape[1])]
    )
    halves["dimension"], halves["numbers"] = vectors.shape[1], vectors
    raw = halves.view(f"V{halves.dtype.itemsize}")
    found = {"space": (">i8", spaces), "item": (">i8", numbers + 1), "source": (None, STORE), "model": (">i4", model)}
    return binary(found | {"vector": (raw.dtype.str, raw)}, len(numbers))


def binary(columns: Mapping[str, tuple[str | None, Any]], count: int) -> Array:
    """Columns as rows of a binary copy. Texts of one column are all of one length."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, (kind, values) in columns.items():
        kind = kind or (f"S{len(values)}" if isinstance(values, bytes) else values.dtype.str)
        fields += [(f"{name} length", ">i4"), *([(name, kind)] if np.dtype(kind).itemsize else [])]
    rows = np.zeros(count, dtype=fields)
    rows["fields"] = len(columns)
    for name, (_, values) in columns.items():
        rows[f"{name} length"] = rows.dtype[name].itemsize if name in rows.dtype.names else 0
        if name in rows.dtype.names:
            rows[name] = values
    return rows


# --- filling ----------------------------------------------------------------------------------------------------------


def fill(machine: LearningMachine, rows: Rows, sizes: Sizes) -> dict[str, float]:
    """Copy all rows; by table how many a second."""
    spaces, taken = make_spaces(machine, len(sizes.of_scopes)), dict.fromkeys(TABLES, 0.0)
    model, lexemes = machine.parts.embedder.model, np.char.rstrip(rows.vocabulary).astype("S6")
    with connect(machine.database.conninfo) as connection:
        # Foreign keys asked a million times would be most of the time.
        connection.execute(query("without_triggers"))
        for numbers, words, vectors in rows.chunks():
            own = spaces[rows.scope[numbers]]
            texts = rows.vocabulary[words].view(f"S{WORDS * rows.vocabulary.dtype.itemsize}").ravel()
            for table, parts in (
                ("learning", [learning_rows(own, numbers, texts)]),
                ("posting", [counting_rows(own, numbers), posting_rows(own, numbers, words, lexemes)]),
                ("embedding", [embedding_rows(own, numbers, vectors, model)]),
            ):
                taken[table] += copy(connection, table, parts)
        connection.execute(query("vacuum"))
    return taken


def make_spaces(machine: LearningMachine, count: int) -> Array:
    """The ids of so many users' spaces, by the number of the scope."""
    with connect(machine.database.conninfo) as connection:
        found = connection.execute(query("make_spaces"), {"count": count}).fetchall()
    return np.array([id for (id,) in found], dtype=np.int64)


def copy(connection: psycopg.Connection[Any], table: str, parts: Sequence[Array]) -> float:
    """Copy rows in binary; how many seconds it took."""
    import time

    began = time.perf_counter()
    statement = query({"learning": "copy_scale", "posting": "copy_posting", "embedding": "copy_embedding"}[table])
    with connection.cursor() as cursor, cursor.copy(statement + " (format binary)") as into:
        into.write(HEAD)
        for part in parts:
            into.write(memoryview(part).cast("B"))
        into.write(TAIL)
    return time.perf_counter() - began


def cluster(machine: LearningMachine) -> None:
    """Put the vectors of each scope side by side."""
    with connect(machine.database.conninfo) as connection:
        connection.execute(query("cluster"))


# --- asking -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A question of one scope: three words of one of its texts, and a vector near that text's."""

    user: str
    question: Question
    vector: Array
    numbers: Array
    matrix: Array

    def nearest(self, count: int = 10) -> list[int]:
        """The ids of the nearest, by numpy over all."""
        scores = self.matrix @ self.vector
        best = np.argpartition(-scores, min(count, len(scores)) - 1)[:count]
        return [int(self.numbers[one]) + 1 for one in best[np.argsort(-scores[best], kind="stable")]]


def questions(rows: Rows, sizes: Sizes, model: int, count: int) -> dict[int, list[Asked]]:
    """By size of scope some questions, each of another scope where there are enough."""
    draw = np.random.default_rng(rows.seed + 1)
    wanted = {scope: size for size, scopes in sizes.kinds.items() for scope in scopes}
    texts: dict[int, tuple[Array, Array, Array]] = collect(rows, wanted)
    found: dict[int, list[Asked]] = {}
    for size, scopes in sizes.kinds.items():
        for number in range(count):
            scope = scopes[number % len(scopes)]
            numbers, words, matrix = texts[scope]
            one = int(draw.integers(len(numbers)))
            noise = draw.standard_normal(rows.dimension).astype(np.float32) / np.sqrt(rows.dimension)
            vector = unit((matrix[one] + 0.5 * noise)[None])[0]
            lexemes = [rows.vocabulary[word].decode().strip() for word in dict.fromkeys(words[one][:3].tolist())]
            question = Question(
                words=tuple((lexeme,) for lexeme in lexemes),
                vector=as_text(vector.tolist()),
                model=model,
                text=" ".join(lexemes),
            )
            found.setdefault(size, []).append(Asked(f"scope-{scope}", question, vector, numbers, matrix))
    return found


def collect(rows: Rows, wanted: Mapping[int, int]) -> dict[int, tuple[Array, Array, Array]]:
    """By scope its rows' numbers, words and vectors, as the database has them."""
    kept = [
        (numbers[mask], words[mask], vectors[mask].astype(np.float32))
        for numbers, words, vectors in rows.chunks()
        if (mask := np.isin(rows.scope[numbers], list(wanted))).any()
    ]
    numbers, words, vectors = (np.concatenate(column) for column in zip(*kept, strict=True))
    scopes = rows.scope[numbers]
    return {scope: (numbers[scopes == scope], words[scopes == scope], vectors[scopes == scope]) for scope in wanted}


def search(machine: LearningMachine) -> Callable[[Asked], tuple[list[dict[str, Any]], Any]]:
    """The real search: the knowledge store's query as recall sends it, and what the store reads from it."""
    store = machine.stores["learned_knowledge"]

    def run(asked: Asked) -> tuple[list[dict[str, Any]], Any]:
        access, queries, scope, standing = asked_of(machine, asked)
        rows = machine.database.read(access, queries)[1:]
        return rows[0], store.read(rows, scope, standing)

    return run


def asked_of(machine: LearningMachine, asked: Asked) -> tuple[Any, list[Any], Scope, Standing]:
    scope = Scope(user_id=asked.user, session_id="now")
    standing = asking(machine.parts, Standing(machine=machine.name), asked.question)
    queries = machine.stores["learned_knowledge"].queries(scope, standing)
    return access_of(scope, timeout_ms=PATIENCE_MS), [branch_query(scope, standing), *queries], scope, standing


def exactness(machine: LearningMachine, asked: Sequence[Asked]) -> float:
    """The share of the ten nearest that the search has among its candidates' ten nearest."""
    run, found = search(machine), []
    for one in asked:
        rows, _ = run(one)
        ranked = sorted(
            (row for row in rows if row["meaning"] is not None), key=lambda row: (-row["meaning"], row["id"])
        )
        nearest = one.nearest()
        found.append(len({row["id"] for row in ranked[:10]} & set(nearest)) / len(nearest))
    return sum(found) / len(found)


@dataclass(frozen=True)
class Scan:
    """One way in which a plan read a table: by which index, and how many rows it looked at in all."""

    table: str
    how: str
    rows: int


def scans_of(machine: LearningMachine, asked: Asked) -> list[Scan]:
    """How the search read its tables, as the server counted."""
    access, queries, *_ = asked_of(machine, asked)
    with machine.database.transaction(access) as transaction:
        transaction.all(*queries[0])
        name, params = queries[1]
        explain = sql.SQL("explain (analyze, format json) ") + sql.SQL(named(name))
        row = transaction.connection.execute(explain, params).fetchone()
    plan = next(iter((row or {}).values()))
    return scans_in(json.loads(plan) if isinstance(plan, str) else plan)


def scans_in(plan: Any) -> list[Scan]:
    """The scans in a plan that was run."""
    found, nodes = [], [one["Plan"] for one in plan]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        table = node.get("Relation Name", "")
        if table in TABLES and node["Actual Loops"]:
            removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            rows = (node["Actual Rows"] + removed) * node["Actual Loops"]
            found.append(Scan(table, f"{node['Node Type']} {node.get('Index Name', '')}".strip(), round(rows)))
    return found


def broken_guards(scans: Sequence[Scan], size: int) -> list[str]:
    """What a plan must not do: guess at neighbours, read vectors of others, or read a whole scope for each candidate."""
    allowed = {"embedding": 2 * size + 10 * CANDIDATES, "learning": 20 * CANDIDATES}
    guessing = [f"{scan.table} by {scan.how}" for scan in scans if "hnsw" in scan.how or "ivf" in scan.how]
    reading = [
        f"{scan.table} by {scan.how}: {scan.rows:,} rows"
        for scan in scans
        if scan.rows > allowed.get(scan.table, scan.rows)
    ]
    return guessing + reading


# --- the command ------------------------------------------------------------------------------------------------------


def measure(machine: LearningMachine, asked: Mapping[int, Sequence[Asked]], rounds: int) -> list[dict[str, Any]]:
    """For each size of scope: latencies, exactness, and how its tables were read."""
    run, found = search(machine), []
    for size, ones in asked.items():
        runs: dict[str, Callable[[int], Any]] = {
            "search": lambda number, ones=ones: run(ones[number % len(ones)]),  # type: ignore[misc]
            "numpy": lambda number, ones=ones: ones[number % len(ones)].nearest(),  # type: ignore[misc]
        }
        timings, scans = side_by_side(runs, rounds), scans_of(machine, ones[0])
        broken = broken_guards(scans, size)
        found.append({"size": size, **timings, "recall": exactness(machine, ones), "scans": scans, "broken": broken})
    return found


def run(rows: int, *, rounds: int = 20, dimension: int | None = None, server: str | None = None) -> dict[str, Any]:
    """Fill, ask and compare; then put each scope's vectors side by side, and ask again."""
    sizes = Sizes(rows)
    embeddings = HashedEmbeddings(dimension) if dimension else None
    with (
        own_database(server) as url,
        LearningMachine(
            db=url, model=ScriptedModel(), embeddings=embeddings, background="external", learned_knowledge=True
        ) as machine,
    ):
        model = machine.database and machine.parts.embedder.model
        dimension = dimension or len(machine.parts.embedder.embeddings.embed_query("dimension"))
        made = Rows(sizes, dimension)
        with step(f"Copying {rows:,} learnings with vectors of {dimension} numbers"):
            copied = fill(machine, made, sizes)
        with step("Making questions"):
            asked = questions(made, sizes, model, min(rounds, 30))
        found = {"settings": versions(url), "dimension": dimension, "copied": copied, "sizes": table_sizes(url)}
        with step("Asking"):
            found["as written"] = measure(machine, asked, rounds)
        with step("Clustering the vectors by scope"):
            cluster(machine)
        with step("Asking again"):
            found["clustered"] = measure(machine, asked, rounds)
        return found


def table_sizes(url: str) -> dict[str, tuple[int, int]]:
    """By table rows (as counted by the server) and bytes with indexes."""
    with connect(url) as connection:
        return {name: (rows, size) for name, rows, size in connection.execute(query("sizes"), {"tables": list(TABLES)})}


def report(found: Mapping[str, Any]) -> None:
    copied = found["copied"]
    rows = [
        (name, f"{count:,}", f"{size / 2**20:,.0f}", f"{copied[name]:.1f}", f"{count / max(copied[name], 0.001):,.0f}")
        for name, (count, size) in found["sizes"].items()
    ]
    print_table("Tables, with their indexes", ("", "rows", "MiB", "s to copy", "rows/s"), rows)
    head = ("rows in scope", "search", "numpy exact", "search/numpy", "recall@10", "plan guards")
    for name, title in (("as written", "scopes mixed, as they were written"), ("clustered", "after CLUSTER")):
        lines = [
            (
                f"{one['size']:,}",
                one["search"],
                one["numpy"],
                ratio(one),
                one["recall"],
                "BROKEN" if one["broken"] else "kept",
            )
            for one in found[name]
        ]
        print_table(f"Search by words and vector, ms p50 / p95; {title}", head, lines)
        for one in found[name]:
            for broken in one["broken"]:
                print(f"  broken at {one['size']:,}: {broken}")


def ratio(one: Mapping[str, Any]) -> str:
    return f"{one['search'].p50 / one['numpy'].p50:.1f}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="learnings in all [default: 1,000,000]")
    parser.add_argument("--rounds", type=int, default=20, help="how often each size of scope is asked [default: 20]")
    parser.add_argument("--dimension", type=int, help="length of vectors [default: the default embeddings']")
    parser.add_argument("--db", help="another server, as a superuser of it [default: an embedded one]")
    options = parser.parse_args(arguments)
    if options.rows < 2_000:
        parser.error("--rows: 2,000 at least")
    found = run(options.rows, rounds=options.rounds, dimension=options.dimension, server=options.db)
    print_settings(**found["settings"], rows=options.rows, dimension=found["dimension"], rounds=options.rounds)
    report(found)


if __name__ == "__main__":
    main()
