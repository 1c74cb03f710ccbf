"""Write learning_machine/stores/postgres/schema.sql: what the migrations add up to, to be read and never run.

Usage: schema.py. It needs the extra [embedded], whose PostgreSQL brings `pg_dump`. A test says when the file is stale.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.embedded import start
from learning_machine.stores.postgres.embedded_account import installed
from learning_machine.stores.postgres.migrate import prepare

FILE = Path(__file__).resolve().parent.parent / "learning_machine" / "stores" / "postgres" / "schema.sql"
HEADER = """\
-- The schema as PostgreSQL {major} sees it after all migrations: for reading alone, made by `make schema`.
-- The migrations are the truth. Who may do what is in grants.sql; the queue's tables lie in a schema of their own.
"""
# Settings of the session, keys that are random, and what only says which kind of thing comes next.
NOISE = re.compile(r"^(?:SET .*|SELECT pg_catalog\.set_config.*|\\(?:un)?restrict .*|--.*)\n", re.MULTILINE)


def newest() -> str:
    """The newest PostgreSQL that is installed, by its major version."""
    return max(installed(), key=int)


def schema(url: str) -> str:
    """The text of the file, for a migrated database. The same for the same migrations."""
    command = [str(installed()[newest()] / "pg_dump"), "--schema-only", "--no-owner", "--no-privileges"]
    command += ["--schema=learning_machine", url]
    dumped = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    plain = re.sub(r"\n{3,}", "\n\n", NOISE.sub("", dumped)).strip()
    return f"{HEADER.format(major=newest())}\n{plain}\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        server = start(Path(home))
        try:
            database = Database(server.url)
            prepare(database)
            database.close()
            FILE.write_text(schema(server.url), "utf-8")
        finally:
            server.release()
    print(f"wrote {FILE.relative_to(Path.cwd()) if FILE.is_relative_to(Path.cwd()) else FILE}")


if __name__ == "__main__":
    main()
