"""Named SQL, read once from the `.sql` files beside this module."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import LiteralString, cast

_MARK = "-- name: "
_PARAMETER = re.compile(r"%(?:\((\w+)\)s|%|(s))")


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
    """The same with `$1`, `$2` … for its parameters, and their names in that order."""
    text, names = numbered(query(name))
    return text, names


@lru_cache(maxsize=1_000)
def numbered(text: str) -> tuple[bytes, tuple[str, ...]]:
    """SQL with `$1`, `$2` … for psycopg's `%(name)s` or `%s`, and the names in that order; those without a name have none."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        if found[1] is None or found[1] not in names:
            names.append(found[1] or "")
        return f"${names.index(found[1]) + 1 if found[1] else len(names)}"

    return _PARAMETER.sub(number, text).encode(), tuple(names)
