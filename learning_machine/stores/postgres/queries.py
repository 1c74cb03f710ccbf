"""Named SQL, read once from the `.sql` files beside this module."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString, cast

_MARK = "-- name: "
_PARAMETER = re.compile(r"%(?:\((\w+)\)s|%)")


@cache
def load(file: str) -> dict[str, LiteralString]:
    """The queries of `queries/<file>.sql` by name. A query starts at a line `-- name: <name>` and ends at the next one."""
    text = (files(__package__) / "queries" / f"{file}.sql").read_text(encoding="utf-8")
    blocks = text.split(_MARK)[1:]
    named = (block.split("\n", 1) for block in blocks)
    return {name.strip(): cast(LiteralString, body.strip()) for name, body in named}


def query(name: str) -> LiteralString:
    """The SQL of `"<file>.<name>"`, for example `query("ledger.lock")`."""
    file, _, entry = name.partition(".")
    return load(file)[entry]


@cache
def positional(name: str) -> tuple[bytes, tuple[str, ...]]:
    """The same with `$1`, `$2` … for its parameters, and their names in that order.

    psycopg reads a query of more than 4,000 characters anew each time it is executed; one of this form it sends as it is.
    """
    names: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        parameter = found[1]
        if parameter is None:
            return "%"
        if parameter not in names:
            names.append(parameter)
        return f"${names.index(parameter) + 1}"

    text = _PARAMETER.sub(numbered, query(name))
    return text.encode(), tuple(names)
