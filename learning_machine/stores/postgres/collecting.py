"""What LangGraph's `PostgresSaver` would send, collected, so that all of it can be sent together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langgraph.checkpoint.postgres import PostgresSaver

from learning_machine.stores.postgres.pipelines import Statement
from learning_machine.stores.postgres.queries import numbered

#: An insertion of a row that leaves one that is there alone.
_ADDS = re.compile(r"^(\s*insert\b.*\bvalues\s*)(\([%s,\s]+\))(\s*on conflict\b.*\bdo nothing\s*)$", re.I | re.S)


def collected(save: Callable[[PostgresSaver], Any], serde: Any) -> list[Statement]:
    """The statements of something that a saver saves."""
    statements: list[Statement] = []
    save(_Collecting(statements, serde))
    return statements


class _Collecting(PostgresSaver):
    """The library's saver, whose statements are collected instead of sent."""

    def __init__(self, statements: list[Statement], serde: Any) -> None:
        super().__init__(_Nowhere(), serde=serde)  # type: ignore[arg-type]
        self._collects = _Cursor(statements)

    @contextmanager
    def _cursor(self, *, pipeline: bool = False) -> Iterator[Any]:
        yield self._collects


class _Cursor:
    """What stands in for a cursor. psycopg's own `executemany` would wait for answers."""

    def __init__(self, statements: list[Statement]) -> None:
        self._statements = statements

    def execute(self, statement: str, parameters: Sequence[Any]) -> None:
        text, _ = numbered(statement)
        self._statements.append(Statement(text, parameters))

    def executemany(self, statement: str, many: Iterable[Sequence[Any]]) -> None:
        rows = list(many)
        if len(rows) > 1 and _ADDS.search(statement):
            # Rows that may not be there yet go together; what changes rows may name one twice.
            together = _ADDS.sub(lambda found: found[1] + ", ".join([found[2]] * len(rows)) + found[3], statement)
            statement, rows = together, [[value for row in rows for value in row]]
        for parameters in rows:
            self.execute(statement, parameters)


class _Nowhere:
    """Stands where a connection would be."""
