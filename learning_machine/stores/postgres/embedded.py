"""A PostgreSQL server with nothing to set up: `start()` joins it or starts it, and the last to leave stops it.

It listens on a socket only its own user can reach, never on the network. Each process that uses it holds a shared lock
on its directory; the system drops that lock however a process ends, so nobody is counted who is gone.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import pwd
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from learning_machine.errors import EmbeddedServerError, MissingPackage
from learning_machine.stores.postgres.embedded_account import installed
from learning_machine.stores.postgres.embedded_cluster import Cluster

DATABASE = "learning_machine"

_guard = threading.RLock()
_servers: dict[Path, EmbeddedServer] = {}


def home() -> Path:
    """The directory everything embedded lives below: `LEARNING_MACHINE_HOME`, or the user's data directory."""
    chosen = os.environ.get("LEARNING_MACHINE_HOME")
    if chosen:
        return Path(chosen).expanduser()
    try:
        from platformdirs import user_data_path  # comes with the optional package
    except ImportError as error:
        raise MissingPackage(
            "The user's data directory cannot be found without platformdirs. "
            "Run pip install 'langgraph-learning-machine[embedded]', or set LEARNING_MACHINE_HOME."
        ) from error
    return user_data_path("learning-machine", appauthor=False)


def start(home: Path | None = None) -> EmbeddedServer:
    """The running server of this home, started if need be. Call `release()` when done; the exit of Python does too."""
    installed()
    root = Path(os.path.realpath(home or _default_home()))
    with _guard:
        known = _servers.get(root)
        server = known if known and known._mine else EmbeddedServer(root)
        try:
            server._join()
        except OSError as error:
            raise EmbeddedServerError(
                f"The embedded PostgreSQL server cannot use {root}: {error}. "
                "Set LEARNING_MACHINE_HOME to a directory of your own on a local disk."
            ) from error
        if known and known is not server:
            known._forget()
        _servers[root] = server
        return server


_default_home = home


class EmbeddedServer:
    """This process's share in the server of one home. Made by `start()`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._place = root / "postgres"
        self._cluster = Cluster(self._place)
        self._process = os.getpid()
        self._count = 0
        self._share: int | None = None

    @property
    def url(self) -> str:
        """The database `learning_machine`."""
        return self.url_for(DATABASE)

    def url_for(self, database: str) -> str:
        """The same server, another database. It may not exist yet."""
        return self._cluster.url_for(database)

    def release(self) -> None:
        """Take back one `start()`. With the last one of the last process the server stops."""
        with _guard:
            if self._mine and self._count:
                self._count -= 1
                if not self._count:
                    self._leave()

    @property
    def _mine(self) -> bool:
        """Not after a fork: what the parent started, the child neither counts nor stops."""
        return self._process == os.getpid()

    def _join(self) -> None:
        _prepare(self._place)
        try:
            with self._alone():
                self._take_share()
                self._cluster.trim_log()
                self._cluster.open(DATABASE)
        except BaseException:
            if not self._count:
                self._leave()
            raise
        self._count += 1

    def _take_share(self) -> None:
        if self._share is None:
            self._share = os.open(self._place, os.O_RDONLY)
            fcntl.flock(self._share, fcntl.LOCK_SH)
            atexit.register(self._exit)

    def _leave(self) -> None:
        if self._share is None:
            return
        with self._alone():
            # The share becomes exclusive if no other process has one. Own children that inherited it do not count.
            with suppress(BlockingIOError):
                fcntl.flock(self._share, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._cluster.stop()
            self._forget()
        atexit.unregister(self._exit)

    def _forget(self) -> None:
        if self._share is not None:
            os.close(self._share)
            self._share = None

    def _exit(self) -> None:
        if self._mine:
            self._count = 0
            with suppress(OSError):  # the home may be deleted by now; then the server stops by itself
                self._leave()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time starts or stops. A lock of the process, so that no forked child keeps it."""
        lock = os.open(self._place / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _prepare(place: Path) -> None:
    """Make the directory, or check that it is ours: its owner decides which program we run on its data."""
    place.parent.mkdir(0o700, parents=True, exist_ok=True)
    place.mkdir(0o700, exist_ok=True)
    owner = place.stat().st_uid
    if owner != os.geteuid():
        raise EmbeddedServerError(
            f"{place} belongs to {_user_name(owner)}, and this process runs as {_user_name(os.geteuid())}. "
            "Run as its owner, or set LEARNING_MACHINE_HOME to a directory of your own."
        )
    place.chmod(0o700)


def _user_name(uid: int) -> str:
    try:
        return f"the user {pwd.getpwuid(uid).pw_name!r}"
    except KeyError:
        return f"user number {uid}"


def _renew_guard() -> None:
    global _guard
    _guard = threading.RLock()


# No fork while a thread starts a server: the child would hold its locks open for as long as it lives.
os.register_at_fork(
    before=lambda: _guard.acquire(), after_in_parent=lambda: _guard.release(), after_in_child=_renew_guard
)
