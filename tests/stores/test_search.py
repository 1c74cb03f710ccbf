"""Search: by words of any language and by meaning, exact inside a scope at every size, and nothing rather than anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from psycopg.rows import dict_row

from learning_machine import LearnedKnowledgeConfig, LearningMachine
from learning_machine.state.scope import Scope
from learning_machine.stores import learned_knowledge
from learning_machine.stores.embedding_models import build_index, register
from learning_machine.stores.fusing import Weights
from learning_machine.stores.indexing import Question, as_text
from learning_machine.stores.learned_knowledge import search_params
from learning_machine.stores.ledger_store import branch_query
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.migrate import prepare
from learning_machine.stores.postgres.queries import query
from learning_machine.stores.protocol import Standing
from learning_machine.stores.spaces import access_of
from learning_machine.testing import ScriptedModel, change

STORE = "learned_knowledge"


def insight(text: str, title: str = "") -> dict[str, Any]:
    return change(STORE, text, kind="insight", name=title)


def found(world: Any, message: str, **scope: Any) -> list[str]:
    data = world.recall(message, **scope).get(STORE)
    return [one.learning for one in data.insights] if data else []


# --- words ------------------------------------------------------------------------------------------------------------

TEXTS = {
    "english": "Running services need health checks.",
    "german": "Die Übergänge zwischen den Häusern müssen beleuchtet sein.",
    "spanish": "Las reuniones de planificación son los martes.",
    "french": "Les élèves préfèrent les cours d'été.",
    "chinese": "部署之前必须先备份数据库。",
    "japanese": "デプロイの前にデータベースをバックアップする。",
    "korean": "배포 전에 데이터베이스를 백업해야 합니다.",
    "russian": "Перед развёртыванием сделайте резервную копию.",
    "mixed": "用Kubernetes部署Müller的服务要先跑smoke tests",
    "greek": "Τα αντίγραφα ασφαλείας γίνονται κάθε νύχτα.",
    "code": "Set `max_connections=200` in postgresql.conf, never in C++ code.",
}


@pytest.fixture
def polyglot(make_world: Any) -> Any:
    """A machine that knows something in each of these languages, found by words alone."""
    world = make_world(search=Weights(enough_meaning=2.0), conversation=False)
    world.teach(*(insight(text) for text in TEXTS.values()))
    return world


@pytest.mark.parametrize(
    ("language", "asked"),
    [
        ("english", "does a running service need a health check?"),
        ("english", "HEALTH-CHECKS"),
        ("german", "Wie ist der Übergang zum Haus beleuchtet?"),
        ("german", "uebergang haeuser"),
        ("german", "ubergange beleuchtet"),
        ("spanish", "¿Cuándo es la reunión de planificación?"),
        ("spanish", "reuniones planificacion"),
        ("french", "que préfère un élève ?"),
        ("french", "eleve cours d'ete"),
        ("chinese", "部署前要备份什么?"),
        ("chinese", "备份"),
        ("japanese", "データベースのバックアップ"),
        ("korean", "데이터베이스 백업"),
        ("russian", "резервная копия"),
        ("mixed", "smoke tests for Kubernetes"),
        ("mixed", "muller"),
        ("greek", "αντίγραφα νύχτα"),
        ("code", "max_connections in postgresql.conf"),
        ("code", "which C++ settings?"),
    ],
)
def test_words_of_any_language(polyglot: Any, language: str, asked: str) -> None:
    """Words are found in their other forms, without their accents, in scripts without spaces, and between two scripts."""
    assert found(polyglot, asked)[:1] == [TEXTS[language]]


@pytest.mark.parametrize(
    "message",
    ["name", "content", "value text", "kind", "insight", "learned_knowledge", "user", "active", "handle id store"],
)
def test_storage_words(world: Any, message: str) -> None:
    """The words that storage uses match nothing by themselves."""
    world.teach(
        insight("Bread needs salt", "Baking"),
        change("entity_memory", "Sells anvils", kind="fact", subject="Acme (company)"),
    )
    data = world.recall(message)
    assert not {STORE, "entity_memory"} & set(data)


@pytest.mark.parametrize(
    "message",
    [
        "%",
        "%%",
        "_",
        "100%",
        "'; drop table learning; --",
        '"quoted',
        "a:*",
        "&|!()",
        "\\",
        "$1 %s %(x)s {}",
        "\x00",
        "*",
        "<->",
    ],
)
def test_signs_are_plain(world: Any, message: str) -> None:
    """No sign is an operator: it neither matches everything nor breaks anything."""
    world.teach(insight("Bread needs salt"), insight("Give 100% of customers a receipt"))
    bread = found(world, f"{message} bread salt")
    assert bread == ["Bread needs salt"] or (message == "100%" and "Bread needs salt" in bread)
    assert "Bread needs salt" not in found(world, message)


def test_a_percentage(world: Any) -> None:
    """A number with a sign is found as it was written."""
    world.teach(insight("Keep 15% of the disk free"), insight("Keep 25% of the memory free"))
    assert found(world, "what must stay at 15%?")[:1] == ["Keep 15% of the disk free"]


@pytest.mark.parametrize(
    "message", ["thanks", "ok", "danke", "谢谢", "👍", "Hello!", "yes please", "gracias", "   ", "..."]
)
def test_small_talk(world: Any, message: str) -> None:
    """Small talk searches nothing, embeds nothing, and leaves what stands standing."""
    world.teach(
        change("user_profile", "Alice", kind="field", name="name"),
        change("session_context", "Of bread.", kind="summary"),
        insight("Thanks are ok, danke"),
    )
    world.embeddings.calls.clear()
    assert set(world.recall(message, session_id="s1")) == {"user_profile", "session_context"}
    assert world.embeddings.calls == []


def test_a_long_message(world: Any) -> None:
    """A message as long as a book is asked by its beginning and its end, quickly."""
    world.teach(insight("Bread needs salt"))
    assert found(world, "Does bread need salt? " + "Lorem ipsum dolor sit amet. " * 20_000) is not None
    assert found(world, "x" * 200_000 + " does bread need salt") is not None


def test_the_best_first(world: Any) -> None:
    """What fits best comes first, and no more than the config says."""
    world.teach(
        *(insight(f"Bread of kind {number} needs flour") for number in range(12)),
        insight("Bread needs salt, and salt needs bread"),
    )
    assert found(world, "bread and salt")[0] == "Bread needs salt, and salt needs bread"
    assert len(found(world, "bread and salt")) <= LearnedKnowledgeConfig().max_results


def test_a_word_everything_has(world: Any) -> None:
    """A word that stands in every text does not drown the one that tells them apart."""
    world.teach(*(insight(f"The team ships the team service{number} with the team") for number in range(40)))
    assert found(world, "team team team service7")[0].endswith("service7 with the team")


# --- nothing rather than anything -------------------------------------------------------------------------------------

TABLE = json.loads(Path(__file__).with_name("relevance.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def office(server: Any) -> Iterator[LearningMachine]:
    """Somebody's memory of sixty things, found with the embeddings in the package."""
    with psycopg.connect(server.url_for("postgres"), autocommit=True) as superuser:
        superuser.execute("create database office template template_learning")
    learned = [insight(text, title) for title, text in TABLE["insights"]]
    learned += [change("entity_memory", text, kind="fact", subject=about) for about, text in TABLE["facts"]]
    options = {"learned_knowledge": True, "entity_memory": True, "conversation": False, "embeddings": "static"}
    machine = LearningMachine(db=server.url_for("office"), model=ScriptedModel(learns=learned), **options)
    receipts = machine.process([("user", "All of it."), ("assistant", "Noted.")], user_id="alice")
    assert [receipt["status"] for receipt in receipts] == ["saved"] * 60
    yield machine
    machine.close()


@pytest.mark.parametrize("meaning", [True, False])
def test_related_questions(office: LearningMachine, meaning: bool) -> None:
    """Of the questions about something known, at least nine in ten find it, with vectors and without."""
    found = [expected in read(office, asked, meaning) for asked, expected in TABLE["related"]]
    assert len(found) >= 50
    assert sum(found) >= 0.9 * len(found), [
        asked for (asked, _), hit in zip(TABLE["related"], found, strict=True) if not hit
    ]


@pytest.mark.parametrize("meaning", [True, False])
def test_unrelated_questions(office: LearningMachine, meaning: bool) -> None:
    """Of the questions about nothing that is known, at least nine in ten bring nothing, rather than the least bad five."""
    empty = [read(office, asked, meaning) == "" for asked in TABLE["unrelated"]]
    assert len(empty) >= 50
    assert sum(empty) >= 0.9 * len(empty), [
        asked for asked, none in zip(TABLE["unrelated"], empty, strict=True) if not none
    ]


def test_few_beside_the_right_one(office: LearningMachine) -> None:
    """What a question is about comes first, and little comes with it."""
    lines = [read(office, asked, True).splitlines() for asked, _ in TABLE["related"]]
    assert sum(sum(line.strip().startswith("- ") for line in read) for read in lines) / len(lines) < 4


def read(machine: LearningMachine, asked: str, meaning: bool) -> str:
    """What the agent would read of a question."""
    if meaning:
        return machine.build_context(message=asked, user_id="alice")
    standing = Standing(question=Question.of(asked))
    stores = [machine.stores[name] for name in (STORE, "entity_memory")]
    return "".join(store.build_context(store.recall(user_id="alice", standing=standing)) for store in stores)


# --- exact at every size ----------------------------------------------------------------------------------------------

PEOPLE, EACH, DIMENSION = 100, 200, 64


@pytest.fixture(scope="module")
def crowd(server: Any) -> Iterator[tuple[Database, psycopg.Connection[Any], np.ndarray]]:
    """Twenty thousand insights of a hundred people, with vectors in clusters, so that neighbours are close."""
    with psycopg.connect(server.url_for("postgres"), autocommit=True) as superuser:
        superuser.execute("create database found template template_learning")
    generator = np.random.default_rng(7)
    centres = generator.normal(size=(40, DIMENSION))
    vectors = centres[generator.integers(0, 40, PEOPLE * EACH)] + 0.3 * generator.normal(
        size=(PEOPLE * EACH, DIMENSION)
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors.astype(np.float16).astype(np.float64)
    with psycopg.connect(server.url_for("found"), autocommit=True, row_factory=dict_row) as connection:
        connection.execute("set search_path = learning_machine, public")
        fill(connection, vectors)
        database = Database(server.url_for("found"))
        prepare(database)
        yield database, connection, vectors
        database.close()


def fill(connection: psycopg.Connection[Any], vectors: np.ndarray) -> None:
    connection.execute("insert into embedding_model (name, dimension, active) values ('test', %s, true)", (DIMENSION,))
    connection.execute(
        "insert into space (kind, owner) select 'user', 'user' || n from generate_series(0, %s) n", (PEOPLE - 1,)
    )
    connection.execute(
        """insert into learning (space, store, kind, slot, name, text, found_by, content_key, origin, trust, status, batch)
           select s.id, 'learned_knowledge', 'insight', '=' || s.owner || n, 'rule ' || n,
                  'common rule number' || n, 'x', s.owner || n, 'user', 60,
                  'active', %s
           from space s, generate_series(0, %s) n where s.kind = 'user' order by substring(s.owner from 5)::int, n""",
        (uuid4(), EACH - 1),
    )
    rows = connection.execute(
        """select l.id, l.space, substring(s.owner from 5)::int * %s + substring(l.name from 6)::int as place
           from learning l join space s on s.id = l.space""",
        (EACH,),
    ).fetchall()
    with connection.cursor().copy("copy embedding (space, item, source, model, vector) from stdin") as copy:
        for row in rows:
            copy.write_row((row["space"], row["id"], STORE, 1, as_text(vectors[row["place"]])))
    with connection.cursor().copy("copy posting (space, source, lexeme, item, weight) from stdin") as copy:
        for row in rows:
            for lexeme in ("", "common", f"number{row['place'] % EACH}"):
                copy.write_row((row["space"], STORE, lexeme, row["id"], 1.0))
    connection.execute("analyze")


def ask(database: Database, user: str, question: Question, **scope: Any) -> list[dict[str, Any]]:
    where = Scope(user_id=user, **scope)
    standing = Standing(question=question)
    queries = [branch_query(where, standing), ("search.learnings", search_params(STORE, where, standing, question))]
    return database.read(access_of(where), queries)[1]


def test_exact_by_meaning(crowd: tuple[Database, Any, np.ndarray]) -> None:
    """Among twenty thousand rows a scope with one in a hundred of them gets exactly its nearest ten, through the real query
    under the real role: the same as comparing with every vector."""
    database, _, vectors = crowd
    generator = np.random.default_rng(11)
    hits, wanted = 0, 0
    for person in range(0, PEOPLE, 4):
        asked = vectors[generator.integers(0, len(vectors))] + 0.2 * generator.normal(size=DIMENSION)
        asked = (asked / np.linalg.norm(asked)).astype(np.float16).astype(np.float64)
        own = vectors[person * EACH : (person + 1) * EACH]
        nearest = set(np.argsort(-(own @ asked) / np.linalg.norm(own, axis=1))[:10])
        rows = ask(database, f"user{person}", Question(vector=as_text(asked), model=1, text="x"))
        got = sorted(rows, key=lambda row: -row["meaning"])[:10]
        hits += len(nearest & {int(row["name"].removeprefix("rule ")) for row in got})
        wanted += len(nearest)
    assert hits == wanted == 250


def test_exact_by_words(crowd: tuple[Database, Any, np.ndarray]) -> None:
    """A rare word finds its text among two hundred that share the common one."""
    database, _, _ = crowd
    for person in range(0, PEOPLE, 10):
        rows = ask(database, f"user{person}", Question.of(f"common number{person}"))
        best = max(rows, key=lambda row: row["words"])
        assert best["text"] == f"common rule number{person}"
        assert len(rows) == 1


@pytest.mark.parametrize("by", ["words", "meaning"])
def test_no_table_is_read_whole(crowd: tuple[Database, Any, np.ndarray], by: str) -> None:
    """A search in a small scope reads learnings, words and vectors by their indexes, never all of them."""
    database, _, vectors = crowd
    question = (
        Question.of("common number7") if by == "words" else Question(vector=as_text(vectors[0]), model=1, text="x")
    )
    where = Scope(user_id="user3")
    params = search_params(STORE, where, Standing(question=question), question)
    with database.transaction(access_of(where)) as transaction:
        rows = transaction.connection.execute("explain (format json) " + query("search.learnings"), params).fetchall()  # type: ignore[operator]
    scans = sequential(rows[0]["QUERY PLAN"][0]["Plan"])
    assert not scans & {"learning", "posting", "embedding", "message", "turn"}, json.dumps(sorted(scans))


def sequential(plan: dict[str, Any]) -> set[str]:
    """The tables that a plan reads whole."""
    own = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set()
    return own.union(*map(sequential, plan.get("Plans", ())))


def test_no_table_of_messages_is_read_whole(crowd: tuple[Database, Any, np.ndarray]) -> None:
    """The same holds for what was said."""
    database, _, vectors = crowd
    question = Question.of("common number7", list(vectors[0]), 1)
    where = Scope(user_id="user3")
    params = search_params("message", where, Standing(question=question), question)
    with database.transaction(access_of(where)) as transaction:
        rows = transaction.connection.execute("explain (format json) " + query("search.messages"), params).fetchall()  # type: ignore[operator]
    assert not sequential(rows[0]["QUERY PLAN"][0]["Plan"]) & {"posting", "embedding"}


def test_nothing_is_crowded_out(crowd: tuple[Database, Any, np.ndarray]) -> None:
    """What does not count where one stands takes no place of what does: the best that count are found behind hundreds."""
    database, connection, vectors = crowd
    own = vectors[99 * EACH : 100 * EACH]
    asked = own[5]
    order = np.argsort(-(own @ asked) / np.linalg.norm(own, axis=1))
    far = {int(place) for place in order[-3:]}
    near = [f"rule {place}" for place in order[:-3]]
    space = connection.execute("select id from space where owner = 'user99'").fetchone()["id"]
    with connection.transaction(force_rollback=False):
        connection.execute(
            "update learning set abandoned_at = now() where space = %s and name = any (%s)", (space, near)
        )
    try:
        connection.execute("alter table learning disable trigger keep_learning")
        connection.execute(
            "update learning set session = 's', anchor = 'a' where space = %s and name = any (%s)", (space, near)
        )
        for question in (Question(vector=as_text(asked), model=1, text="x"), Question.of("common")):
            rows = ask(database, "user99", question)
            assert {int(row["name"].removeprefix("rule ")) for row in rows} == far
    finally:
        connection.execute(
            "update learning set session = null, anchor = null, abandoned_at = null where space = %s", (space,)
        )
        connection.execute("alter table learning enable trigger keep_learning")


# --- by index, where a scope is very large ----------------------------------------------------------------------------


@pytest.fixture
def vast(server: Any, request: pytest.FixtureRequest) -> Iterator[tuple[Database, np.ndarray, int]]:
    """Somebody with very many vectors among others who have as many, and an index on them all."""
    own, everybody = request.param
    with psycopg.connect(server.url_for("postgres"), autocommit=True) as superuser:
        superuser.execute("create database vast template template_learning")
    generator = np.random.default_rng(5)
    centres = generator.normal(size=(60, DIMENSION))
    vectors = centres[generator.integers(0, 60, everybody)] + 0.5 * generator.normal(size=(everybody, DIMENSION))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors.astype(np.float16).astype(np.float64)
    owners = [("large", own), *((f"small{number}", (everybody - own) // 10) for number in range(10))]
    with psycopg.connect(server.url_for("vast"), autocommit=True) as connection:
        connection.execute("set search_path = learning_machine, public")
        crowd_in(connection, vectors, owners)
    database = Database(server.url_for("vast"))
    prepare(database)
    assert build_index(database) == "embedding_nearest_1"
    yield database, vectors, own
    database.close()
    with psycopg.connect(server.url_for("postgres"), autocommit=True) as superuser:
        superuser.execute("drop database vast with (force)")


def crowd_in(connection: psycopg.Connection[Any], vectors: np.ndarray, owners: list[tuple[str, int]]) -> None:
    connection.execute("insert into embedding_model (name, dimension, active) values ('test', %s, true)", (DIMENSION,))
    place = 0
    columns = "space, id, store, kind, slot, name, text, content_key, origin, trust, status, batch"
    for owner, count in owners:
        made = connection.execute(
            "insert into space (kind, owner) values ('user', %s) returning id", (owner,)
        ).fetchone()
        assert made is not None
        with connection.cursor().copy(f"copy learning ({columns}) from stdin") as copy:
            for number in range(place, place + count):
                copy.write_row(
                    (
                        made[0],
                        number + 1,
                        STORE,
                        "insight",
                        f"={number}",
                        str(number),
                        "x",
                        str(number),
                        "user",
                        60,
                        "active",
                        uuid4(),
                    )
                )
        with connection.cursor().copy("copy embedding (space, item, source, model, vector) from stdin") as copy:
            for number in range(place, place + count):
                copy.write_row((made[0], number + 1, STORE, 1, as_text(vectors[number])))
        place += count
    connection.execute("analyze")


SIZES = [(4_000, 8_000), pytest.param((40_000, 80_000), marks=pytest.mark.full)]


@pytest.mark.parametrize("vast", SIZES, indirect=True)
def test_by_index(vast: tuple[Database, np.ndarray, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A scope with very many vectors is searched by the index, and finds at least 95 in 100 of the nearest ten; a small one
    beside it is searched exactly all the same."""
    database, vectors, own = vast
    monkeypatch.setattr(learned_knowledge, "EXACT_UP_TO", own // 2)
    generator = np.random.default_rng(3)
    found = 0
    for _ in range(40):
        asked = vectors[generator.integers(0, len(vectors))] + 0.1 * generator.normal(size=DIMENSION)
        asked = asked.astype(np.float16).astype(np.float64)
        question = Question(vector=as_text(asked), model=1, text="x")
        for user, start, end in (
            ("large", 0, own),
            ("small3", own + 3 * ((len(vectors) - own) // 10), own + 4 * ((len(vectors) - own) // 10)),
        ):
            own_vectors = vectors[start:end]
            nearest = set(start + np.argsort(-(own_vectors @ asked) / np.linalg.norm(own_vectors, axis=1))[:10])
            rows = sorted(ask(database, user, question), key=lambda row: -row["meaning"])[:10]
            hits = len(nearest & {int(row["name"]) for row in rows})
            if user == "large":
                found += hits
            else:
                assert hits == 10
    assert found >= 0.95 * 400, found


@pytest.mark.parametrize("vast", SIZES[:1], indirect=True)
def test_the_index_is_used(vast: tuple[Database, np.ndarray, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is what a large scope is searched by, and what a scope of ordinary size is not."""
    database, vectors, own = vast
    question = Question(vector=as_text(vectors[0]), model=1, text="x")

    def scans() -> int:
        with psycopg.connect(database.conninfo, autocommit=True) as connection:
            connection.execute("select pg_stat_clear_snapshot()")
            row = connection.execute(
                "select idx_scan from pg_stat_user_indexes where indexrelname = 'embedding_nearest_1'"
            ).fetchone()
        return int(row[0]) if row else -1

    def searches(limit: int) -> bool:
        monkeypatch.setattr(learned_knowledge, "EXACT_UP_TO", limit)
        before = scans()
        for _ in range(3):
            ask(database, "large", question)
        with database.transaction(access_of(Scope(user_id="large"))) as transaction:
            transaction.connection.execute("select pg_stat_force_next_flush()")
        database.pool.close()
        database._pool = None
        return scans() > before

    assert not searches(own)
    assert searches(own // 2)


def test_building_the_index(database: Database) -> None:
    """There is an index for the database's model and no other; building it twice is building it once, and without a model none."""

    def names() -> list[str]:
        with database.transaction(access_of(Scope(user_id="a"))) as transaction:
            return [row["name"] for row in transaction.all("search.vector_indexes", {"schema": "learning_machine"})]

    assert build_index(database) is None
    assert names() == []
    register(database, "first", lambda: 8)
    assert build_index(database) == build_index(database) == "embedding_nearest_1"
    assert names() == ["embedding_nearest_1"]
    with database.connection() as connection:
        connection.execute("update learning_machine.embedding_model set active = false")
    register(database, "second", lambda: 16)
    assert build_index(database) == "embedding_nearest_2"
    assert names() == ["embedding_nearest_2"]
