"""Embeddings: which are meant, what they are called, and the table in the package."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

import learning_machine.embeddings
from learning_machine.embeddings import (
    STATIC_NAME,
    StaticEmbeddings,
    embedding_dimension,
    embedding_name,
    resolve_embeddings,
)
from learning_machine.embeddings.wordpiece import WordPieces, split
from learning_machine.errors import ConfigurationError

DATA = Path(learning_machine.embeddings.__file__).parent / "data"
STATIC = StaticEmbeddings()
#: How the vector of "Alice lives in Bern" begins.
VERSION_1 = (-0.11175, -0.0679, -0.08129, -0.09092)


def likeness(one: str, other: str) -> float:
    """The cosine of two texts."""
    first, second = STATIC.embed_documents([one, other])
    return float(np.dot(first, second))


# --- the table --------------------------------------------------------------------------------------------------------

LIKE_AND_UNLIKE = [
    ("Where did I park my car?", "The automobile stands in the garage.", "She plays the violin."),
    ("What do I like to eat?", "His favourite food is pizza.", "The meeting is on Monday."),
    ("my sister's wedding", "The marriage ceremony takes place in June.", "The server runs out of memory."),
    ("fix the bug in the code", "There was an error in the program.", "We baked a cake."),
    ("I am allergic to peanuts", "Nuts make him ill.", "He drove to the stadium."),
    ("Which doctor do I see?", "The physician at the hospital examined her.", "The train leaves at noon."),
    ("How much money can we spend?", "The budget is 5,000 dollars.", "The cat sleeps on the sofa."),
    ("the children's school", "The kids have a new teacher.", "The database was migrated."),
    ("cheap flights to Paris", "A low-cost airline flies to France.", "He prefers short answers."),
    ("It's so sunny outside!", "The weather is lovely today.", "The contract was signed."),
]


@pytest.mark.parametrize(("text", "like", "unlike"), LIKE_AND_UNLIKE)
def test_like_texts_are_nearer(text: str, like: str, unlike: str) -> None:
    """Texts about the same are nearer than others, also without a word in common."""
    assert likeness(text, like) > likeness(text, unlike) + 0.05


def test_vectors_have_length_one() -> None:
    """Every text with a known word has a vector of length 1, in the number of dimensions that was promised."""
    vectors = STATIC.embed_documents(["Bern", "a longer text about cats", "C++ 3.11", "word " * 30_000])
    assert {len(vector) for vector in vectors} == {embedding_dimension(STATIC)} == {256}
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert all(isinstance(number, float) for number in vectors[0])


def test_a_text_alone_or_among_others_is_the_same() -> None:
    """A text's vector does not depend on what it is embedded together with, or through which door."""
    texts = [f"text number {number} about {['cats', 'dogs', 'trains'][number % 3]}" for number in range(700)] + [
        "",
        "猫",
    ]
    together = STATIC.embed_documents(texts)
    assert [STATIC.embed_query(text) for text in texts[::50]] == together[::50]
    assert asyncio.run(STATIC.aembed_documents(texts[:5])) == together[:5]
    assert asyncio.run(STATIC.aembed_query(texts[7])) == together[7]
    assert STATIC.embed_documents([]) == []


def test_case_accents_and_repetition_do_not_matter() -> None:
    """Case and accents are ignored, and saying something twice does not change what it is about."""
    assert STATIC.embed_query("CAFÉ in Bern") == STATIC.embed_query("cafe in bern")
    assert STATIC.embed_query("cats and cats and dogs") == pytest.approx(STATIC.embed_query("cats and dogs"))


@pytest.mark.parametrize(
    "text",
    ["", " \n", "\0", "!", "3.11", "猫がいる", "Привет, мир", "안녕하세요", "สวัสดี", "🙂", "\ud800", "x" * 200_000],
)
def test_unknown_texts_have_no_vector(text: str) -> None:
    """A text without a word that the table knows has a vector of zeros, and raises nothing."""
    assert not any(STATIC.embed_query(text))


@pytest.mark.parametrize(
    "text",
    [
        "'; drop table %s",
        "\u202eabc\ud800 cat",
        "e" + "\u0301" * 9_000,
        "a" * 99,
        "a-" * 50_000,
        "Zwei Katzen, deux chats",
    ],
)
def test_hostile_and_foreign_texts(text: str) -> None:
    """Any other text has an ordinary vector."""
    vector = STATIC.embed_query(text)
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_same_from_many_threads_and_in_every_process() -> None:
    """The table is read once and gives the same to all threads, also when they come first at once, and everywhere."""
    code = (
        "from concurrent.futures import ThreadPoolExecutor as Pool; from learning_machine.embeddings import *; import sys\n"
        "with Pool(8) as pool: found = list(pool.map(StaticEmbeddings().embed_query, [sys.argv[1]] * 32))\n"
        "assert all(vector == found[0] for vector in found); print(found[0])"
    )
    text = "Alice lives in Bern with two cats"
    run = subprocess.run([sys.executable, "-c", code, text], capture_output=True, text=True, check=True)
    with ThreadPoolExecutor(8) as pool:
        assert {tuple(vector) for vector in pool.map(STATIC.embed_query, [text] * 64)} == {
            tuple(STATIC.embed_query(text))
        }
    assert run.stdout.strip() == str(STATIC.embed_query(text))


def test_many_texts() -> None:
    """Ten thousand short texts are nothing special."""
    vectors = STATIC.embed_documents(
        [f"Note {number}: the cat likes fish and room {number % 7}" for number in range(10_000)]
    )
    assert len(vectors) == 10_000


def test_package_stays_small() -> None:
    """The table is at most 8 MB, is complete, and needs no pickle to be read."""
    files = {file.name: file for file in DATA.iterdir()}
    assert sum(file.stat().st_size for file in files.values()) <= 8_000_000
    rows, scales = (np.load(files[name], allow_pickle=False) for name in ("vectors.npy", "scales.npy"))
    pieces = files["pieces.txt"].read_text(encoding="utf-8").splitlines()
    assert rows.shape == (len(pieces), 256)
    assert rows.dtype == np.int8
    assert scales.shape == (len(pieces),)
    assert len(set(pieces)) == len(pieces)


def test_vectors_are_those_of_the_version() -> None:
    """The vectors of a version never change: a database that holds some would compare what cannot be compared.

    If this fails because the table was built anew, give `STATIC_NAME` a new version.
    """
    assert STATIC_NAME == "learning-machine/static-minilm-256-v1"
    assert STATIC.embed_query("Alice lives in Bern")[:4] == pytest.approx(VERSION_1, abs=1e-4)


# --- word pieces ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", ["hello", ",", "world", "!"]),
        ("it's 3.11", ["it", "'", "s", "3", ".", "11"]),
        ("Müller-Café", ["muller", "-", "cafe"]),
        ("C++ costs $5", ["c", "+", "+", "costs", "$", "5"]),
        ("我住Bern", ["我", "住", "bern"]),
        ("a\tb\u00a0c\u200dd\0e", ["a", "b", "cde"]),
        ("snake_case", ["snake", "_", "case"]),
        ("€5 → „so“", ["€5", "→", "„", "so", "“"]),
        ("", []),
    ],
)
def test_words(text: str, words: Sequence[str]) -> None:
    """Words are cut as BERT cuts them: lower case, no accents, marks and Chinese characters by themselves."""
    assert split(text) == list(words)


def test_pieces() -> None:
    """A word is its longest known beginning, then the longest continuation; a word with an unknown rest is nothing."""
    pieces = WordPieces(["un", "##afford", "##able", "##a", "the", "##b"])
    assert pieces("unaffordable") == [0, 1, 2]
    assert pieces("the unab") == [4, 0, 3, 5]
    assert pieces("unaffordably the") == [4]
    assert pieces("the " + "un" * 60) == [4]


# --- which are meant --------------------------------------------------------------------------------------------------


class Own(Embeddings):
    """Embeddings of someone's own."""

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [1.0, 2.0, 3.0]


class Broken(Own):
    def embed_query(self, text: str) -> list[float]:
        raise RuntimeError("secret-key-123")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEARNING_MACHINE_EMBEDDINGS", "OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_nothing_named_is_the_table() -> None:
    """Without a name it is the table in the package, and so it is by its names."""
    for name in (None, "static", " static ", STATIC_NAME):
        assert isinstance(resolve_embeddings(name), StaticEmbeddings)


def test_instance_is_used_as_it_is() -> None:
    """Embeddings that are given are used, whatever the environment says."""
    own = Own()
    assert resolve_embeddings(own) is own


def test_environment_names_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    """`LEARNING_MACHINE_EMBEDDINGS` names them when the code does not, and only then."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("LEARNING_MACHINE_EMBEDDINGS", "openai:text-embedding-3-small")
    assert embedding_name(resolve_embeddings(None)) == "openai:text-embedding-3-small"
    assert embedding_name(resolve_embeddings("static")) == STATIC_NAME
    monkeypatch.setenv("LEARNING_MACHINE_EMBEDDINGS", "  ")
    assert isinstance(resolve_embeddings(None), StaticEmbeddings)


@pytest.fixture
def server() -> Iterator[tuple[str, list[Any]]]:
    """An OpenAI-compatible server, and the texts it was sent."""
    sent: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
            sent.extend(texts)
            data = [{"object": "embedding", "index": at, "embedding": [0.6, 0.8]} for at in range(len(texts))]
            body = json.dumps({"object": "list", "data": data, "model": "m", "usage": {}}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/v1", sent
        http.shutdown()


def test_compatible_servers_get_plain_texts(server: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Embeddings named `openai:` send texts, not token numbers, which need a download and few servers understand."""
    address, sent = server
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("OPENAI_API_BASE", address)
    embeddings = resolve_embeddings("openai:some-model")
    assert embedding_dimension(embeddings) == 2
    assert embeddings.embed_documents(["one", "two"]) == [[0.6, 0.8], [0.6, 0.8]]
    assert sent == ["word", "one", "two"]


@pytest.mark.parametrize(
    ("named", "remedy"),
    [
        ("openai:text-embedding-3-small", "Set OPENAI_API_KEY"),
        ("text-embedding-3-small", "Write provider:model"),
        ("nobody:model", "Write provider:model"),
        ("openai:", "Write provider:model"),
        ("cohere:embed-english-v3.0", "pip install langchain-cohere"),
        ("  ", "Pass LangChain embeddings, or their name"),
        (42, "Pass LangChain embeddings, or their name"),
        ("sk-abcdefgh", "it looks like a key"),
    ],
)
def test_unusable_names_say_what_to_do(named: str, remedy: str) -> None:
    """What cannot be used is a configuration error with a remedy, and no cause that might show a secret."""
    with pytest.raises(ConfigurationError) as caught:
        resolve_embeddings(named)
    assert remedy in str(caught.value)
    assert "sk-abc" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("embeddings", "name"),
    [
        (STATIC, STATIC_NAME),
        (Own(), "Own"),
        (Own(name="acme/v2"), "acme/v2"),
        (Own(model_name="bge-small"), "bge-small"),
        (Own(model="a", dimensions=512), "a@512"),
        (Own(model=None, model_id="titan"), "titan"),
    ],
)
def test_names(embeddings: Embeddings, name: str) -> None:
    """The recorded name tells the model apart, its shortened forms too."""
    assert embedding_name(embeddings) == name


def test_names_of_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Embeddings of a LangChain package have its name before theirs, as when they are named."""
    from langchain_openai import OpenAIEmbeddings

    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert embedding_name(OpenAIEmbeddings(model="text-embedding-3-large")) == "openai:text-embedding-3-large"
    assert embedding_name(OpenAIEmbeddings(model="text-embedding-3-large", dimensions=512)).endswith("-large@512")


def test_dimension_is_asked_of_the_model() -> None:
    """The number of dimensions is found out by embedding a word; a model that fails is named without its words."""
    assert embedding_dimension(Own()) == 3
    with pytest.raises(ConfigurationError, match="'Broken' do not answer") as caught:
        embedding_dimension(Broken())
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__
