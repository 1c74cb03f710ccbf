"""The benchmarks in small: that they measure what they say, not how quick anything is."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    """The benchmarks' modules, which import each other by their names."""
    sys.path.insert(0, str(BENCH))
    names = ("concurrency", "filling", "hashing", "measuring", "places", "quality", "recall", "scale", "worlds")
    try:
        yield SimpleNamespace(**{name: __import__(name) for name in names})
    finally:
        sys.path.remove(str(BENCH))
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture
def postgres(server: Any) -> str:
    """The server, for benchmarks to make a database of their own on."""
    url: str = server.url_for("postgres")
    return url


# --- measuring --------------------------------------------------------------------------------------------------------


def test_quantiles_lie_between_the_nearest(bench: Any) -> None:
    """The median of an even number of values is between the two in the middle; the ends are the ends."""
    quantile = bench.measuring.quantile
    assert quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
    assert (quantile([5.0], 0.95), quantile([1.0, 2.0], 0.0), quantile([1.0, 2.0], 1.0)) == (5.0, 1.0, 2.0)


def test_all_are_run_side_by_side(bench: Any) -> None:
    """Each round runs every function once, in another order."""
    ran: list[tuple[str, int]] = []
    runs = {name: lambda number, name=name: ran.append((name, number)) for name in "ab"}
    timings = bench.measuring.side_by_side(runs, rounds=2, warm_up=0)
    assert ran == [("a", 0), ("b", 0), ("b", 1), ("a", 1)] and set(timings) == {"a", "b"}


def test_what_a_ranking_is_worth(bench: Any) -> None:
    """Recall is the share of the evidence found; nDCG is 1 for the best order and less for a later place."""
    quality, evidence = bench.quality, frozenset({1, 2})
    assert quality.recall_at([1, 9, 8], evidence) == 0.5
    assert quality.ndcg_at([2, 1], evidence) == 1.0
    assert 0 < quality.ndcg_at([9, 1], evidence) < quality.ndcg_at([1, 9], evidence) < 1
    assert quality.recall_at([*range(10, 20), 1], evidence) == 0.0


# --- worlds -----------------------------------------------------------------------------------------------------------


def test_a_world_has_the_size_asked_for(bench: Any) -> None:
    """A world of any size has exactly so many learnings, and is the same each time."""
    for size in (1, 2, 7, 100):
        assert bench.worlds.world_of(size).size == size
    assert bench.worlds.world_of(50) == bench.worlds.world_of(50)


def without_handles(context: str) -> str:
    return re.sub(r" \[[0-9a-z]+\]", "", context)


def test_a_filled_world_reads_as_if_the_gate_had_written_it(bench: Any, url: str) -> None:
    """What was copied into the tables is recalled word for word as what the gate wrote and the loop indexed."""
    from learning_machine import Scope
    from learning_machine.stores.writing import Source

    world = bench.worlds.world_of(40)
    world.said = []
    with bench.recall.machine_on(url, bench.hashing.HashedEmbeddings()) as machine:
        bench.filling.fill(machine, world, "copied")
        changes = [add for add, *_ in bench.filling.changes_of(machine, world, "written")]
        vectors = machine.parts.embedder.vectors([add.index for add in changes if add.index])
        written = machine.parts.ledger.write_all(
            changes, scope=Scope(user_id="written"), source=Source(vectors=vectors)
        )
        assert {receipt.status for receipt in written} <= {"saved", "known"}
        for message in (*bench.worlds.messages_for(world).values(), world.insights[0][1]):
            copied = machine.build_context(user_id="copied", message=message)
            assert without_handles(copied) == without_handles(machine.build_context(user_id="written", message=message))
            assert copied


# --- recall -----------------------------------------------------------------------------------------------------------


def test_recall_is_measured_beside_the_bare_sql(bench: Any, postgres: str, capsys: Any) -> None:
    """For every size and message there are timings of ours, the SQL and numpy, and a table says them."""
    found = bench.recall.run([1, 30], rounds=2, embeddings=bench.hashing.HashedEmbeddings(16), server=postgres)
    assert list(found["timings"]) == [1, 30]
    for kinds in found["timings"].values():
        assert {kind: set(timing) for kind, timing in kinds.items()} == {
            "names a thing": {"ours", "SQL", "numpy"},
            "common words": {"ours", "SQL", "numpy"},
            "small talk": {"ours", "SQL"},
        }
    bench.recall.report(found)
    assert "ours/SQL" in capsys.readouterr().out


def test_the_bare_sql_is_what_recall_asks(bench: Any, url: str) -> None:
    """The bare SQL returns the very rows that recall reads."""
    world = bench.worlds.world_of(30)
    with bench.recall.machine_on(url, bench.hashing.HashedEmbeddings(16)) as machine:
        bench.filling.fill(machine, world, "alice")
        message = bench.worlds.messages_for(world)["names a thing"]
        asking = bench.recall.asked_of(machine, "alice", message)
        with bench.recall.bare_sql(machine, asking) as bare:
            rows = bare(0)
        expected = [[tuple(row.values()) for row in part] for part in machine.database.read(*asking)]
        assert rows[1:] == expected[1:] and any(rows[1:])
        assert set(bench.recall.vectors_of(machine, "alice")) == {"learned_knowledge", "entity_memory", "message"}


# --- quality ----------------------------------------------------------------------------------------------------------

TALK = [
    ("March-01-2024", "user", "My sister Anna moved to Lisbon."),
    (None, "assistant", "How exciting for her!"),
    (None, "user", "The boiler needs a new valve."),
    (None, "assistant", "Shall I look for a plumber?"),
    ("April-01-2024", "user", "I planted tomatoes on the balcony."),
    (None, "assistant", "They like the sun."),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file in BEAM's form, with two conversations."""
    messages = [
        {"id": number, "time": time, "role": role, "content": text} for number, (time, role, text) in enumerate(TALK)
    ]
    asked = [
        {"ability": "information_extraction", "question": "Where did Anna move?", "evidence": [0]},
        {"ability": "knowledge_update", "question": "Which valve does the boiler need?", "evidence": [2]},
        {"ability": "abstention", "question": "Who is my dentist?", "evidence": []},
    ]
    records = [{"id": name, "messages": messages, "questions": asked} for name in ("one", "two")]
    file = tmp_path / "beam.jsonl"
    file.write_text("\n".join(map(json.dumps, records)), "utf-8")
    return file


def test_conversations_are_read_in_sessions(bench: Any, data: Path) -> None:
    """A message with a time begins a session, its day holds for those after it, and questions need evidence."""
    one, two = bench.quality.conversations_in(data)
    assert [len(session) for session in one.sessions] == [4, 2] and one.size == 6 and two.id == "two"
    days = [session[-1]["additional_kwargs"]["at"].date().isoformat() for session in one.sessions]
    assert days == ["2024-03-01", "2024-04-01"] and len(one.questions) == 2


def test_quality_is_measured_by_the_real_search(bench: Any, data: Path, postgres: str, capsys: Any) -> None:
    """Messages are found again in their own conversation by every way of searching, and scored by ability."""
    embeddings = bench.hashing.HashedEmbeddings()
    found = bench.quality.run(data, embeddings=embeddings, weights=bench.quality.Weights(), server=postgres)
    assert found["settings"]["messages"] == 12 and found["settings"]["questions"] == 4
    for name in ("ours", "ours, without vectors", "BM25 alone", "vectors alone"):
        assert found["scores"][name]["all"].means[0] == 1.0, name
    assert set(found["scores"]["ours"]) == {"all", "information_extraction", "knowledge_update"}
    bench.quality.report(found, bench.quality.Weights(), "hashed")
    assert "knowledge_update" in capsys.readouterr().out


# --- scale ------------------------------------------------------------------------------------------------------------


def test_search_is_exact_in_scopes_of_every_size(bench: Any, postgres: str, capsys: Any) -> None:
    """The ten nearest are found in small and large scopes alike, and tables and plans are told."""
    found = bench.scale.run(3_000, rounds=4, dimension=16, server=postgres)
    for asked in (found["as written"], found["clustered"]):
        assert {one["size"]: one["recall"] for one in asked} == {100: 1.0, 60: 1.0, 900: 1.0}
        assert all({"learning", "posting", "embedding"} == {scan.table for scan in one["scans"]} for one in asked)
    assert found["sizes"]["learning"][0] == found["sizes"]["embedding"][0] == 3_000
    bench.scale.report(found)
    assert "recall@10" in capsys.readouterr().out


def test_a_plan_that_guesses_or_reads_too_much_is_told(bench: Any) -> None:
    """An approximate index, others' vectors, and a scope read again for each candidate break the guards."""
    scan, broken = bench.scale.Scan, bench.scale.broken_guards
    assert broken([scan("embedding", "Index Scan embedding_hnsw", 50)], 900) == [
        "embedding by Index Scan embedding_hnsw"
    ]
    assert broken([scan("embedding", "Seq Scan", 1_000_000)], 100) == ["embedding by Seq Scan: 1,000,000 rows"]
    assert broken([scan("learning", "Index Scan learning_pkey", 45_000)], 900) == [
        "learning by Index Scan learning_pkey: 45,000 rows"
    ]
    fine = [scan("embedding", "Index Scan embedding_pkey", 900), scan("learning", "Index Scan learning_id", 50)]
    assert broken([*fine, scan("posting", "Index Only Scan posting_pkey", 10_000)], 900) == []


@pytest.mark.full
def test_plans_hold_in_a_larger_database(bench: Any, postgres: str) -> None:
    """With 60,000 rows no search reads a scope for each candidate, or the vectors of others."""
    found = bench.scale.run(60_000, rounds=4, dimension=32, server=postgres)
    assert [one["broken"] for one in (*found["as written"], *found["clustered"])] == [[]] * 6


# --- many at once -----------------------------------------------------------------------------------------------------


def test_many_conversations_are_measured_beside_the_same_without_learning(
    bench: Any, postgres: str, capsys: Any
) -> None:
    """For each durability there are timings of both ways to learn and of both agents without; a table says the ratios."""
    found = bench.concurrency.run(("exit",), conversations=2, turns=1, rounds=1, delay=0.01, server=postgres)
    ways = {"the graph", "its steps empty", "LearningMiddleware", "two empty hooks", "bare agent"}
    assert set(found["timings"]["exit"]) == ways
    bench.concurrency.report(found)
    printed = capsys.readouterr().out
    assert "durability" in printed and "exit" in printed and "1.6" in printed


def test_the_emptied_graph_learns_nothing(bench: Any, url: str) -> None:
    """What the graph is compared with has the same steps, answers the same, and asks the database nothing."""
    from learning_machine import LearningMachine
    from learning_machine.testing import ScriptedModel

    with LearningMachine(db=url, model=ScriptedModel(), user_profile=True, background="external") as machine:
        empty = bench.concurrency.emptied(machine, ScriptedModel(answers="A novel.")).compile()
        given = {"messages": [{"role": "user", "content": "Hello"}]}
        result = empty.invoke(given, context={"user_id": "alice"})
        assert result["messages"][-1].content == "A novel." and "learning" not in result
        assert set(empty.builder.nodes) == set(machine.graph().builder.nodes)
        assert not machine.parts.database.opened
