"""What LangGraph's `PostgresSaver` would send, collected: so that all of it is sent together, or asked by an event loop."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from langgraph.checkpoint.postgres import PostgresSaver

from learning_machine.stores.postgres.pipelines import Row, Statement
from learning_machine.stores.postgres.queries import numbered

T = TypeVar("T")
#: An insertion of a row that leaves one that is there alone.
_ADDS = re.compile(r"^(\s*insert\b.*\bvalues\s*)(\([%s,\s]+\))(\s*on conflict\b.*\bdo nothing\s*)$", re.I | re.S)


def collected(save: Callable[[PostgresSaver], Any], serde: Any) -> list[Statement]:
    """The statements of something that a saver saves."""
    statements: list[Statement] = []
    save(_Collecting(_Cursor(statements), serde))
    return statements


def read_with(answers: Sequence[list[Row]], read: Callable[[PostgresSaver], T], serde: Any) -> T | Statement:
    """What a saver reads where its first statements have these answers; the next statement, where it has one more."""
    try:
        return read(_Collecting(_Answered(answers), serde))
    except _Unanswered as unanswered:
        return unanswered.statement


class _Collecting(PostgresSaver):
    """The library's saver, with something else in place of its cursor."""

    def __init__(self, cursor: Any, serde: Any) -> None:
        super().__init__(_Nowhere(), serde=serde)  # type: ignore[arg-type]
        self._collects = cursor

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


class _Answered:
    """A cursor that knows the answers to the first statements, and raises at the next."""

    def __init__(self, answers: Sequence[list[Row]]) -> None:
        self._answers = iter(answers)
        self._rows: Iterator[Row] = iter(())

    def execute(self, statement: str, parameters: Sequence[Any]) -> None:
        answer = next(self._answers, None)
        if answer is None:
            raise _Unanswered(Statement(numbered(statement)[0], parameters))
        self._rows = iter(answer)

    def fetchone(self) -> Row | None:
        return next(self._rows, None)

    def fetchall(self) -> list[Row]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return self._rows


class _Unanswered(Exception):
    """A statement that nobody has answered yet."""

    def __init__(self, statement: Statement) -> None:
        super().__init__()
        self.statement = statement


class _Nowhere:
    """Stands where a connection would be."""
