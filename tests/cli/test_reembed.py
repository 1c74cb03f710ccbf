"""`reembed` changes the embedding model of a database while the system runs, or makes the words anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import psycopg
import pytest
from langchain_core.embeddings import Embeddings

from learning_machine import LearningMachine
from learning_machine.embeddings import embedding_name
from learning_machine.errors import ConfigurationError, EmbeddingFailed
from learning_machine.nodes.embedding import embedded
from learning_machine.stores.embedding_models import MAX_DIMENSION, build_index
from learning_machine.stores.reembedding import rebuild_words, reembed
from learning_machine.testing import ScriptedModel, change

APP = """
from learning_machine import LearningMachine
from tests_reembed_models import Before, After, Huge
machine = LearningMachine(learned_knowledge=True, embeddings={0}(), background="external")
"""
LEARNED = [
    change("learned_knowledge", f"Spot instances save {number} percent", name=f"Insight {number}", kind="insight")
    for number in (10, 20, 30)
]
SAID = [{"role": "user", "content": "We moved the batch jobs."}, {"role": "assistant", "content": "Well done."}]


class Counted(Embeddings):
    """Vectors by the letters of a text, in an order of each model's own; counts what it is asked, and can fail."""

    dimension = 26
    shift = 0

    def __init__(self, fail_after: int | None = None) -> None:
        self.asked: list[str] = []
        self.fail_after = fail_after

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if self.fail_after is not None and len(self.asked) >= self.fail_after:
            raise TimeoutError("the text of a provider's error")
        self.asked += [text for text in texts if text != "dimension"]
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        letters = [ord(letter) - ord("a") for letter in text.lower() if "a" <= letter <= "z"]
        vector = [0.0] * self.dimension
        for letter in letters:
            vector[(letter + self.shift) % self.dimension] += 1.0
        return vector


class Before(Counted):
    """The model that a database starts with."""


class After(Counted):
    """The one it is changed to."""

    dimension, shift = 30, 7


class Huge(Counted):
    """One whose vectors no index could take."""

    dimension = MAX_DIMENSION + 1


See = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def see(url: str) -> Iterator[See]:
    """Runs SQL as the superuser, whom no policy binds."""
    options = "-c search_path=learning_machine,public"
    with psycopg.connect(url, autocommit=True, row_factory=psycopg.rows.dict_row, options=options) as connection:

        def run(sql: str) -> list[dict[str, Any]]:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

        yield run


@pytest.fixture
def make(machine: Any) -> Callable[..., LearningMachine]:
    """Makes machines that embed with a model."""

    def make(embeddings: Embeddings, **options: Any) -> LearningMachine:
        options = {"learned_knowledge": True, "background": "external", "embeddings": embeddings, **options}
        found: LearningMachine = machine(options.pop("model", ScriptedModel()), **options)
        return found

    return make


@pytest.fixture
def taught(make: Any) -> LearningMachine:
    """A machine on the model before, with three insights and two messages of Alice's, and one insight of Bob's."""
    found: LearningMachine = make(Before(), model=ScriptedModel(learns=[LEARNED, LEARNED[:1]]))
    found.process(SAID, user_id="alice", session_id="s1")
    found.process(
        [{"role": "user", "content": "Hello from Bob, who likes spot instances."}], user_id="bob", session_id="s2"
    )
    return found


@pytest.fixture
def app_of(app: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """A module for `--machine` whose machine embeds with a model of this file."""
    import sys
    from types import SimpleNamespace

    monkeypatch.setitem(sys.modules, "tests_reembed_models", SimpleNamespace(Before=Before, After=After, Huge=Huge))
    return lambda name: f"{app(APP.format(name))}:machine"


def change_to(machine: LearningMachine, embeddings: Embeddings, **options: Any) -> Any:
    """What the command does, without the command."""
    embed: Callable[[Sequence[str]], Any] = partial(embedded, embeddings)
    return reembed(machine.database, embedding_name(embeddings), embed, **options)


def models(see: See) -> dict[str, tuple[bool, int]]:
    """By model whether it is the database's, and how many vectors it has."""
    rows = see(
        "select m.name, m.active, count(e.item) as vectors from embedding_model m "
        "left join embedding e on e.model = m.id group by m.id"
    )
    return {row["name"]: (row["active"], row["vectors"]) for row in rows}


def insights(machine: LearningMachine, message: str, user: str = "alice") -> list[str]:
    found = machine.recall(user_id=user, message=message).get("learned_knowledge")
    return [insight.learning for insight in found.insights] if found else []


# --- the model --------------------------------------------------------------------------------------------------------


def test_the_command_changes_the_model(run: Any, taught: LearningMachine, app_of: Any, make: Any, see: See) -> None:
    """Every learning and message of every user gets a vector of the new model, the old ones go, and search works on."""
    vectors = models(see)["Before"][1]
    ran = run("reembed", "--machine", app_of("After"), "--batch", "2")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == [
        f"Embedded {vectors} texts with After (30 dimensions).",
        "It is the database's model now, in place of Before.",
    ]
    assert models(see) == {"Before": (False, 0), "After": (True, vectors)} and vectors == 3 + 2 + 1 + 1
    found = make(After()).recall(user_id="alice", message="Spot instances?")["learned_knowledge"].insights
    assert len(found) == 3


def test_an_index_comes_along(run: Any, taught: LearningMachine, app_of: Any, see: See) -> None:
    """Where vectors were searched by an index, the new model's are too, and the old index is gone."""
    build_index(taught.database)
    assert run("reembed", "--machine", app_of("After")).code == 0
    found = see(
        "select c.relname as name from pg_class c join pg_index i on i.indexrelid = c.oid where relname like 'embedding_nearest_%%'"
    )
    active = see("select id from embedding_model where active")
    assert found == [{"name": f"embedding_nearest_{active[0]['id']}"}]


def test_json_says_the_same(run: Any, taught: LearningMachine, app_of: Any) -> None:
    """`--json` is one object with what was done."""
    ran = run("reembed", "--machine", app_of("After"), "--json")
    assert json.loads(ran.out) == {"model": "After", "dimension": 30, "embedded": 7, "left": 0, "replaced": "Before"}


def test_again_there_is_nothing_to_do(run: Any, taught: LearningMachine, app_of: Any, see: See) -> None:
    """Run a second time it embeds nothing; without another model it gives vectors to what has none."""
    name = app_of("After")
    run("reembed", "--machine", name)
    assert json.loads(run("reembed", "--machine", name, "--json").out)["embedded"] == 0
    see("delete from embedding where source = 'message'")
    again = json.loads(run("reembed", "--machine", name, "--json").out)
    assert (again["embedded"], again["replaced"]) == (3, None)


def test_search_goes_on_and_what_is_written_meanwhile_comes_along(taught: LearningMachine, make: Any, see: See) -> None:
    """While the new vectors are made, machines on the old model find by meaning and learn; what they learn gets a new vector."""
    late = make(
        Before(), model=ScriptedModel(learns=[[change("learned_knowledge", "Zebras graze at dawn", kind="insight")]])
    )

    class Watched(After):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            if texts != ["dimension"] and not self.asked:
                assert insights(late, "spot instances save")
                late.process([{"role": "user", "content": "Zebras graze at dawn."}], user_id="carol", session_id="s3")
            return super().embed_documents(texts)

    watched = Watched()
    change_to(taught, watched, batch=2)
    assert "Zebras graze at dawn" in watched.asked
    lacking = see(
        "select item from posting p where lexeme = '' "
        "and not exists (select from embedding e where e.item = p.item and e.source = p.source)"
    )
    assert lacking == [] and models(see)["Before"] == (False, 0)


def test_a_machine_that_has_not_heard_works_by_words(taught: LearningMachine, make: Any, see: See) -> None:
    """A running machine on the old model goes on after the change: found by words, learning without a vector, never comparing."""
    taught.model.learns = [[change("learned_knowledge", "Yaks like moss", kind="insight")]]  # type: ignore[attr-defined]
    taught.model._extracted.clear()  # type: ignore[attr-defined]
    change_to(taught, After())
    assert insights(taught, "spot instances save")
    assert [
        one["status"]
        for one in taught.process([{"role": "user", "content": "Yaks like moss."}], user_id="alice", session_id="s9")
    ] == ["saved"]
    assert insights(taught, "what do yaks like") == ["Yaks like moss"]
    assert models(see)["Before"] == (False, 0)
    assert change_to(taught, After()).embedded == 2


def test_what_was_broken_off_goes_on(taught: LearningMachine, see: See) -> None:
    """When the provider fails, nothing is changed but kept; the next run embeds only the rest."""
    with pytest.raises(EmbeddingFailed, match=r"TimeoutError\) after 4 of 7 texts") as caught:
        change_to(taught, After(fail_after=4), batch=2)
    assert "provider's error" not in str(caught.value)
    assert models(see) == {"Before": (True, 7), "After": (False, 4)}
    rest = After()
    assert change_to(taught, rest).embedded == 3 and len(rest.asked) == 3
    assert models(see) == {"Before": (False, 0), "After": (True, 7)}


def test_what_is_gone_gets_no_vector(taught: LearningMachine, see: See) -> None:
    """A text that search stops finding while it is embedded is left without a vector."""

    class Late(After):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            see("delete from posting where source = 'learned_knowledge'")
            return super().embed_documents(texts)

    change_to(taught, Late())
    assert see("select count(*) as n from embedding where source = 'learned_knowledge'") == [{"n": 0}]


def test_a_text_that_makes_no_vector_is_said(taught: LearningMachine, make: Any, run: Any, app_of: Any) -> None:
    """A text of which the model makes nothing does not hold up the run, and is counted."""
    make(Before()).process([{"role": "user", "content": "東京"}], user_id="dan", session_id="s4")

    class Letters(After):
        def embed_query(self, text: str) -> list[float]:
            return [0.0] * self.dimension if "東京" in text else super().embed_query(text)

    done = change_to(taught, Letters())
    assert (done.embedded, done.left) == (7, 1)


# --- what cannot be ---------------------------------------------------------------------------------------------------


def test_another_model_at_start_is_one_clear_error(taught: LearningMachine, make: Any) -> None:
    """A machine that embeds with another model than the database's is told both names and the command."""
    with pytest.raises(
        ConfigurationError, match=r"made by Before, and this machine embeds with After.*learning-machine reembed"
    ):
        make(After()).recall(user_id="alice", message="Spot instances?")


def test_vectors_that_are_too_long(run: Any, taught: LearningMachine, app_of: Any, see: See) -> None:
    """Vectors longer than an index can take are refused before anything is changed."""
    ran = run("reembed", "--machine", app_of("Huge"))
    assert ran.code == 1 and "4,001 numbers" in ran.err and len(ran.err.splitlines()) == 1
    assert list(models(see)) == ["Before"]


def test_an_unknown_name(run: Any, taught: LearningMachine) -> None:
    """A name that is no embedding model is one line and exit code 1."""
    ran = run("reembed", "--to", "no-such-model-anywhere")
    assert ran.code == 1 and "no-such-model-anywhere" in ran.err and "Traceback" not in ran.err


def test_without_the_right_to_see_everything(
    run: Any, taught: LearningMachine, app_of: Any, url: str, see: See
) -> None:
    """A user who may not act as the admin role is told what an administrator has to run."""
    see("create role reembed_nobody login in role learning_machine_app")
    try:
        ran = run(
            "reembed",
            "--machine",
            app_of("After"),
            "--db",
            psycopg.conninfo.make_conninfo(url, options="-c role=reembed_nobody"),
        )
        assert ran.code == 1 and 'GRANT learning_machine_admin TO "reembed_nobody"' in ran.err
    finally:
        see("drop role reembed_nobody")


def test_only_one_at_a_time(taught: LearningMachine, make: Any) -> None:
    """A second run meanwhile is told to wait."""

    class Nested(After):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            with pytest.raises(ConfigurationError, match="Another run"):
                rebuild_words(taught.database)
            return super().embed_documents(texts)

    assert change_to(taught, Nested()).embedded == 7


def test_words_and_another_model_together(run: Any) -> None:
    """`--words` with `--to` is not understood: exit code 2."""
    assert run("reembed", "--words", "--to", "x").code == 2


# --- words ------------------------------------------------------------------------------------------------------------


def test_words_are_made_anew(run: Any, make: Any, see: See) -> None:
    """`--words` brings back exactly the words of learnings, names and messages, and touches no vector."""
    learned = [
        *LEARNED,
        change("entity_memory", "ships on Mondays", kind="fact", subject="Acme Inc. (company)"),
        change("entity_memory", "The Firm", kind="alias", subject="Acme Inc. (company)"),
    ]
    machine = make(Before(), model=ScriptedModel(learns=[learned]), entity_memory=True)
    machine.process(SAID, user_id="alice", session_id="s1")
    postings = "select space, source, lexeme, item, weight from posting order by 1, 2, 3, 4"
    before, vectors = see(postings), models(see)
    see("update posting set weight = 99, lexeme = 'old ' || lexeme where lexeme <> ''")
    ran = run("reembed", "--words")
    assert ran.code == 0 and ran.out == "Made the words of 6 texts anew.\n", ran.err
    assert see(postings) == before and {row["source"] for row in before} == {
        "learned_knowledge",
        "entity_memory",
        "message",
        "name",
    }
    assert models(see) == vectors
