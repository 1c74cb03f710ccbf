"""Which model made the vectors of a database. One at a time: vectors of two models are never compared."""

from __future__ import annotations

from collections.abc import Callable

from learning_machine.errors import ConfigurationError
from learning_machine.stores.postgres.database import Access, Database

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
            f"Configure that one, or change all vectors with: learning-machine reembed --to {name}"
        )
    return int(active["id"])
