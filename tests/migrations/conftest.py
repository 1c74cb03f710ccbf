"""What the tests of the migrations share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row


@pytest.fixture
def look(empty_url: str) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Runs SQL on this test's database as its superuser."""
    with psycopg.connect(empty_url, autocommit=True, row_factory=dict_row) as connection:

        def run(sql: str, **params: Any) -> list[dict[str, Any]]:
            cursor = connection.execute(sql, params)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

        yield run
