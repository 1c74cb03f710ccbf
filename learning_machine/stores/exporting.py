"""All that is known of a person, as records of a documented file: read in one snapshot, as that person may see it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from psycopg import Connection
from psycopg.rows import DictRow

from learning_machine.errors import MissingScope
from learning_machine.state.scope import Scope
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.queries import query
from learning_machine.stores.postgres.transactions import Row
from learning_machine.stores.spaces import access_of, own_space

#: The format's name and version, as the first line says them.
FORMAT, VERSION = "learning-machine", 1
#: Kinds of records, in the order of the file, and the query of each.
RECORDS = {
    "turn": "export.turns",
    "message": "export.messages",
    "learning": "export.learnings",
    "proposal": "export.proposals",
    "evidence": "export.evidence",
    "derived_from": "export.derived",
    "root": "export.roots",
    "archived": "export.archived",
}
#: Rows fetched from the server at once.
AT_ONCE = 500
#: Called with how many records are written, and how many there are.
Report = Callable[[int, int], None]


def records(database: Database, scope: Scope, *, machine: str, report: Report | None = None) -> Iterator[Row]:
    """The records of the file, header first and a count of them last, read from the database as they are asked for."""
    own = own_space(scope)
    if own is None:
        raise MissingScope()
    access = access_of(scope, timeout_ms=0)
    with database.transaction(access, first="export.snapshot") as transaction:
        connection = transaction.connection
        spaces = connection.execute(query("export.spaces")).fetchall()
        number = next((row["id"] for row in spaces if row["kind"] == own.kind), -1)
        place = {"own": number, "spaces": [row["id"] for row in spaces]}
        yield _header(spaces, own.kind, machine)
        row = connection.execute(query("export.size"), place).fetchone()
        total, counts = int(row["records"]) if row else 0, dict.fromkeys(RECORDS, 0)
        for kind, name in RECORDS.items():
            for one in _rows(connection, name, place):
                counts[kind] += 1
                yield {"record": kind, **one["row"]}
                if report is not None:
                    report(sum(counts.values()), total)
        yield {"record": "end", "counts": counts}


def as_line(record: Row) -> str:
    """A record as a line of the file."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"


def _header(spaces: list[Row], own: str, machine: str) -> Row:
    """The first line: what it is, and what the numbers of the spaces stand for. It does not name the person."""
    named = {str(row["id"]): {"kind": row["kind"], **({"group": row["grp"]} if row["grp"] else {})} for row in spaces}
    return {
        "record": "header",
        "format": FORMAT,
        "version": VERSION,
        "exported_at": datetime.now(UTC).isoformat(),
        "machine": machine,
        "own": own,
        "spaces": named,
    }


def _rows(connection: Connection[DictRow], name: str, place: Row) -> Iterator[Row]:
    with connection.cursor(name="export") as cursor:
        cursor.itersize = AT_ONCE
        yield from cursor.execute(query(name), place)
