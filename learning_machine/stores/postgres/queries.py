"""Named SQL, read once from the `.sql` files beside this module."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import LiteralString, cast

_MARK = "-- name: "


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
