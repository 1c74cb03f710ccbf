"""Which model made the vectors of a database. One at a time: vectors of two models are never compared."""

from __future__ import annotations

from collections.abc import Callable

from learning_machine.errors import ConfigurationError
from learning_machine.stores.postgres.database import Access, Database


def register(database: Database, name: str, dimension: Callable[[], int]) -> int:
    """The id of this model in the database. The first one to come is the database's; another one is an error."""
    with database.transaction(Access()) as transaction:
        active = transaction.one("search.active_model")
    if active is None:
        size = dimension()
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
