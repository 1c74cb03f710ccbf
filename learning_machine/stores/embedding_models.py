"""Which model made the vectors of a database. One at a time: vectors of two models are never compared."""

from __future__ import annotations

from collections.abc import Callable

from psycopg import sql

from learning_machine.errors import ConfigurationError
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.queries import query
from learning_machine.stores.postgres.transactions import Access, Row

#: halfvec holds vectors of up to 16,000 numbers, but an index on it only takes this many.
MAX_DIMENSION = 4_000


def check_dimension(name: str, dimension: int) -> None:
    """Refuse vectors that no index could ever take."""
    if not 0 < dimension <= MAX_DIMENSION:
        raise ConfigurationError(
            f"The vectors of {name} have {dimension:,} numbers; 1 to {MAX_DIMENSION:,} can be kept. "
            "Ask the model for fewer dimensions, or use another."
        )


def register(database: Database, name: str, dimension: Callable[[], int]) -> int:
    """The id of this model in the database. The first one to come is the database's; another one is an error."""
    with database.transaction(Access()) as transaction:
        active = transaction.one("search.active_model")
    if active is None:
        size = dimension()
        check_dimension(name, size)
        with database.transaction(Access()) as transaction:
            transaction.run("search.add_model", {"name": name, "dimension": size, "active": True})
            active = transaction.one("search.active_model")
    if active is None or active["name"] != name:
        there = active["name"] if active else "another model"
        raise ConfigurationError(
            f"The database's vectors were made by {there}, and this machine embeds with {name}. "
            "Configure that one, or change all vectors with: learning-machine reembed --machine MODULE:ATTRIBUTE (this machine)."
        )
    return int(active["id"])


def has_index(database: Database) -> bool:
    """Whether vectors are searched by an index, whichever model it is for."""
    with database.transaction(Access()) as transaction:
        return bool(transaction.all("search.vector_indexes", {"schema": database.names.schema}))


def build_index(database: Database) -> str | None:
    """Build the index for the database's model, and drop those of others: its name, or `None` when there are no vectors.

    Search is exact without it, and takes a tenth of a second for every some ten thousand vectors in a scope. With it, the
    scopes that hold more than `EXACT_UP_TO` are searched by it. It is built while everything goes on working, and needs
    the rights of the schema's owner.
    """
    with database.transaction(Access()) as transaction:
        active = transaction.one("search.active_model")
        there = transaction.all("search.vector_indexes", {"schema": database.names.schema})
    wanted = f"embedding_nearest_{active['id']}" if active else None
    for one in there:
        if one["name"] != wanted or not one["valid"]:
            _change(database, "search.drop_vector_index", {"index": one["name"]})
    if active and wanted not in {one["name"] for one in there if one["valid"]}:
        _change(database, "search.build_vector_index", {"index": wanted, **active})
    return wanted


def _change(database: Database, name: str, row: Row) -> None:
    """Build or drop an index as the schema's owner. Neither can be done inside a transaction."""
    statement = sql.SQL(query(name)).format(
        index=sql.Identifier(row["index"]),
        schema=sql.Identifier(database.names.schema),
        vectors=sql.Identifier(database.names.vector_schema),
        dimension=sql.Literal(row.get("dimension")),
        model=sql.Literal(row.get("id")),
    )
    with database.connection() as connection:
        connection.execute(statement)
