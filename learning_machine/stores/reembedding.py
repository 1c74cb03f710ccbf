"""Vectors by another model, or words by newer rules, while everything goes on working.

The new model's vectors are made beside the old one's, whose search goes on until all are there; then one transaction
makes the new model the database's, and the old vectors go. What was made is kept, so that a run that was broken off goes
on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from learning_machine.errors import ConfigurationError, DatabaseUnsuitable, EmbeddingFailed
from learning_machine.stores.embedding_models import build_index, check_dimension, has_index
from learning_machine.stores.indexing import NAMES, as_text, message_text, weights
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.migrate import standing
from learning_machine.stores.postgres.queries import query
from learning_machine.stores.postgres.transactions import Access, Row, Transaction
from learning_machine.stores.resolving import index_keys

#: Vectors of texts, in their order.
Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
#: Called with how many texts are done, and how many there are.
Report = Callable[[int, int], None]
#: Texts whose words are written in one transaction.
WORDS_AT_ONCE = 200
#: Every space, and as long as it takes.
_EVERYTHING = Access(admin=True, timeout_ms=0)


@dataclass(frozen=True)
class Reembedded:
    """What a run did: the model that is the database's now, the one it replaced, and how many vectors it made.

    `left`: texts that the model has no vector for. They are found by their words.
    """

    model: str
    dimension: int
    embedded: int
    left: int
    replaced: str | None = None


def reembed(
    database: Database, name: str, embed: Embed, *, batch: int = 64, report: Report | None = None
) -> Reembedded:
    """Give every searchable text a vector of this model, make it the database's model, and drop all other vectors.

    Where the vectors were searched by an index, the new ones get theirs at the end.
    """
    with _alone(database):
        indexed = has_index(database)
        run = _Run(database, name, embed, batch, report or (lambda done, total: None))
        run.catch_up()
        replaced = run.switch()
        if replaced is not None:
            # Until just now new texts got vectors of the model before.
            run.catch_up()
        run.clean()
        if indexed:
            build_index(database)
        return Reembedded(name, run.dimension, run.done, run.lacking(), replaced)


class _Run:
    """One change of the model."""

    def __init__(self, database: Database, name: str, embed: Embed, batch: int, report: Report) -> None:
        self.database, self.name, self.batch, self.report = database, name, batch, report
        self._embed, self.done, self.total = embed, 0, 0
        self.dimension = len(self._vectors(["dimension"])[0])
        check_dimension(name, self.dimension)
        self.model = self._register()

    def _register(self) -> int:
        """The model's id; a new one is not active yet."""
        with self.database.transaction(_EVERYTHING) as transaction:
            params = {"name": self.name, "dimension": self.dimension, "active": False}
            transaction.run("search.add_model", params)
            row = transaction.one("search.model_named", {"name": self.name})
        assert row is not None
        if row["dimension"] != self.dimension:
            raise ConfigurationError(
                f"The database knows {self.name} with vectors of {row['dimension']} numbers, and it makes {self.dimension} now. "
                "Give the other length a name of its own."
            )
        return int(row["id"])

    def lacking(self) -> int:
        """How many texts have no vector of the model."""
        with self.database.transaction(_EVERYTHING) as transaction:
            row = transaction.one("reembedding.lacking", {"model": self.model})
        return int(row["texts"]) if row else 0

    def catch_up(self) -> None:
        """Embed what has no vector, and what came meanwhile, until a round finds nothing more that has one."""
        fresh = True
        while fresh:
            before, self.total = self.done, self.done + self.lacking()
            self.report(self.done, self.total)
            for rows in chain(self._pages("learnings"), self._pages("messages")):
                self._save(rows)
            fresh = self.done > before

    def _pages(self, table: str) -> Iterator[list[Row]]:
        last = {"space": -1, "item": -1}
        while True:
            with self.database.transaction(_EVERYTHING) as transaction:
                rows = transaction.all(
                    f"reembedding.lacking_{table}", {**last, "model": self.model, "limit": self.batch}
                )
            if not rows:
                return
            yield rows
            last = {name: rows[-1][name] for name in last}

    def _save(self, rows: Sequence[Row]) -> None:
        vectors = self._vectors([_text(row) for row in rows])
        made = [(row, vector) for row, vector in zip(rows, vectors, strict=True) if any(vector)]
        places = _places([row for row, _ in made])
        with self.database.transaction(_EVERYTHING) as transaction:
            transaction.all("reembedding.hold", places)
            params = {**places, "vectors": [as_text(vector) for _, vector in made], "model": self.model}
            self.done += transaction.run("reembedding.save_vectors", params)
        self.report(self.done, max(self.total, self.done))

    def _vectors(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        try:
            return self._embed(texts)
        except Exception as error:
            kept = f" after {self.done:,} of {self.total:,} texts; their vectors are kept" if self.done else ""
            raise EmbeddingFailed(
                f"The embedding model {self.name} failed ({type(error).__name__}){kept}. "
                "Check its key, address and network, then run the command again: it goes on where it stopped."
            ) from error

    def switch(self) -> str | None:
        """Make the model the database's, at once for everybody; the name of the one before, if it was another."""
        with self.database.transaction(_EVERYTHING) as transaction:
            active = transaction.one("search.active_model")
            transaction.run("reembedding.deactivate", {"model": self.model})
            transaction.run("reembedding.activate", {"model": self.model})
        return str(active["name"]) if active is not None and active["id"] != self.model else None

    def clean(self) -> None:
        with self.database.transaction(_EVERYTHING) as transaction:
            transaction.run("reembedding.drop_others", {"model": self.model})


# --- words ------------------------------------------------------------------------------------------------------------


def rebuild_words(database: Database, *, report: Report | None = None) -> int:
    """Make the words of every searchable text anew by the rules of this version; how many texts that were."""
    done = 0
    with _alone(database):
        with database.transaction(_EVERYTHING) as transaction:
            row = transaction.one("reembedding.searchable")
        total = int(row["texts"]) if row else 0
        for table in ("learnings", "messages"):
            last = {"space": -1, "item": -1}
            while rows := _rebuild_page(database, table, last):
                last = {name: rows[-1][name] for name in last}
                done += sum(1 for one in rows if _text(one))
                if report is not None:
                    report(done, max(done, total))
        with database.transaction(_EVERYTHING) as transaction:
            transaction.run("reembedding.drop_stray_words")
    return done


def _rebuild_page(database: Database, table: str, last: Row) -> list[Row]:
    """The words of the next texts, in one transaction: search has either the old ones or the new ones."""
    with database.transaction(_EVERYTHING) as transaction:
        rows = transaction.all(f"reembedding.hold_{table}", {**last, "limit": WORDS_AT_ONCE})
        texts = [row for row in rows if _text(row)]
        named = [{**row, "source": NAMES} for row in rows if row.get("names")]
        transaction.run("reembedding.drop_words", _places([*texts, *named]))
        _write_words(transaction, [(row, *weights(_text(row))) for row in texts])
        keys = [(row, index_keys(row["names"])) for row in named]
        _write_words(transaction, [(row, found, [1.0] * len(found)) for row, found in keys])
    return rows


def _write_words(transaction: Transaction, made: Sequence[tuple[Row, list[str], list[float]]]) -> None:
    flat = [
        (row, lexeme, weight) for row, lexemes, numbers in made for lexeme, weight in zip(lexemes, numbers, strict=True)
    ]
    params = {"lexemes": [lexeme for _, lexeme, _ in flat], "weights": [weight for *_, weight in flat]}
    transaction.run("reembedding.save_words", {**_places([row for row, *_ in flat]), **params})


# --- both -------------------------------------------------------------------------------------------------------------


def _text(row: Row) -> str:
    """What a row is found by."""
    return message_text(row["role"], row["said_at"], row["content"]) if "role" in row else row["text"] or ""


def _places(rows: Sequence[Row]) -> Row:
    names = (("spaces", "space"), ("sources", "source"), ("items", "item"))
    return {many: [row[one] for row in rows] for many, one in names}


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """As the only one who does this to the database. Raises where somebody else is at it, or where we lack the rights."""
    with database.connection() as connection:
        found = standing(connection, database.names)
        if not found["is_admin"]:
            admin, who = database.names.admin, found["connected_as"]
            raise DatabaseUnsuitable(
                f"{who!r} may not act as {admin}, and only that role sees every space. "
                f'As an administrator of the database, run: GRANT {admin} TO "{who}";'
            )
        params = {"schema": database.names.schema}
        row = connection.execute(query("reembedding.lock"), params).fetchone()
        if not row or not row["taken"]:
            raise ConfigurationError("Another run is changing this database's vectors or words. Wait until it is done.")
        try:
            yield
        finally:
            connection.execute(query("reembedding.unlock"), params)
