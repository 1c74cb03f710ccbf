"""agno's learnings table, read from a live Postgres: its rows come one after another, and nothing is written there."""

from __future__ import annotations

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from learning_machine.errors import InvalidInput
from learning_machine.stores.importing import agno
from learning_machine.stores.importing.found import Finding
from learning_machine.stores.postgres.connections import unavailable
from learning_machine.stores.postgres.queries import query

#: Rows fetched at once.
AT_ONCE = 500


def learnings_of(url: str, user: str | None) -> Finding:
    """What agno learned of a user. Raises `InvalidInput` where no table looks like agno's."""
    try:
        with psycopg.connect(url, connect_timeout=10, row_factory=dict_row) as connection:
            connection.read_only = True
            place = connection.execute(query("import.agno_table")).fetchone()
            if place is None:
                raise InvalidInput(
                    "No table there looks like agno's learnings. Check the URL, and that its role may read it."
                )
            table = sql.Identifier(place["schema"], place["name"])
            with connection.cursor(name="agno") as cursor:
                cursor.itersize = AT_ONCE
                cursor.execute(sql.SQL(query("import.agno_rows")).format(table=table), {"user": user})
                yield from agno.rows(cursor)
    except psycopg.OperationalError as error:
        raise unavailable(error) from error
