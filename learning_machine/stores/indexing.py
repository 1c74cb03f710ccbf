"""What search finds things by: lexemes made in Python, and vectors made by the caller. Both can be rebuilt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Any

from learning_machine.state.asking_words import is_asking
from learning_machine.state.lexemes import lexemes, query_lexemes
from learning_machine.state.times import without_times
from learning_machine.stores.postgres.transactions import Row, Transaction

#: BM25's two constants, and the length in lexemes that counts as ordinary. The length is fixed so that a text's weights
#: do not depend on the others', and indexing one text never touches another.
K1, B = 1.2, 0.75
ORDINARY_LENGTH = 24.0
#: The source under which the names of entities are found.
NAMES = "name"
MESSAGES = "message"


@dataclass(frozen=True)
class Vectors:
    """Vectors made before a transaction, by text, and the model that made them. Without a model there are none."""

    model: int | None = None
    by_text: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def of(self, text: str) -> str | None:
        """The vector of a text as Postgres reads it."""
        vector = self.by_text.get(text) if self.model is not None else None
        return None if vector is None or not any(vector) else as_text(vector)


def as_text(vector: Sequence[float]) -> str:
    return "[" + ",".join(["%.6g"] * len(vector)) % tuple(vector) + "]"


def weights(text: str) -> tuple[list[str], list[float]]:
    """The lexemes of a text and the part of BM25 that depends on this text alone; the empty lexeme stands for the text."""
    counts = lexemes(text)
    length = sum(counts.values())
    norm = K1 * (1 - B + B * length / ORDINARY_LENGTH)
    # What is said again counts less each time: long answers repeat themselves.
    damped = {lexeme: 1 + log(count) for lexeme, count in counts.items() if lexeme}
    found = {lexeme: count * (K1 + 1) / (count + norm) for lexeme, count in damped.items()}
    return ["", *found], [1.0, *found.values()]


def index(transaction: Transaction, space: int, source: str, item: int, text: str, vectors: Vectors) -> None:
    """Make a text findable as an item of a source."""
    words, numbers = weights(text)
    transaction.run(
        "search.index", {"space": space, "source": source, "item": item, "lexemes": words, "weights": numbers}
    )
    vector = vectors.of(text)
    if vector is not None:
        params = {"space": space, "source": source, "item": item, "model": vectors.model, "vector": vector}
        transaction.run("search.embed", params)


def index_names(transaction: Transaction, space: int, item: int, keys: Sequence[str]) -> None:
    """Make an entity findable by its names."""
    params = {"space": space, "source": NAMES, "item": item, "lexemes": list(keys), "weights": [1.0] * len(keys)}
    transaction.run("search.index", params)


def unindex(transaction: Transaction, space: int, source: str, item: int) -> None:
    """Take an item out of search."""
    transaction.run("search.unindex", {"space": space, "sources": [source, NAMES], "item": item})


def message_text(role: str, said_at: Any, content: str) -> str:
    """What a message is found by: date and speaker belong to what was said."""
    day = said_at.strftime("%Y-%m-%d %B") if said_at is not None else ""
    return f"{day} {role}: {content}".strip()


@dataclass(frozen=True)
class Question:
    """What a message asks of search: its words, each with its spellings, and its vector.

    `aside`: numbers of the words that a text need not have, because they only say when, or are how one asks.
    """

    words: tuple[tuple[str, ...], ...] = ()
    aside: frozenset[int] = frozenset()
    vector: str | None = None
    model: int | None = None
    text: str = ""

    @classmethod
    def of(cls, text: str, vector: Sequence[float] | None = None, model: int | None = None) -> Question:
        groups = tuple(tuple(group) for group in query_lexemes(text))
        timeless = without_times(text)
        plain = {group[0] for group in (groups if timeless == text else query_lexemes(timeless))}
        aside = {number for number, group in enumerate(groups) if group[0] not in plain or is_asking(group[0])}
        usable = vector is not None and model is not None and any(vector)
        return cls(
            groups,
            frozenset(aside) if len(aside) < len(groups) else frozenset(),
            as_text(vector or ()) if usable else None,
            model if usable else None,
            text,
        )

    def __bool__(self) -> bool:
        return bool(self.words or self.vector)

    def params(self) -> Row:
        """The query's parameters: each spelling with the number of its word, from 1; negative for those aside."""
        numbers = (-number if number - 1 in self.aside else number for number in range(1, len(self.words) + 1))
        pairs = [(lexeme, number) for number, group in zip(numbers, self.words, strict=True) for lexeme in group]
        return {
            "lexemes": [lexeme for lexeme, _ in pairs],
            "words": [number for _, number in pairs],
            "vector": self.vector,
            "model": self.model,
        }
