"""The same app twice for the same tests: alone under uvicorn with tokens, and mounted in `langgraph dev` with its auth."""

from __future__ import annotations

import itertools
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))
sys.path.insert(0, str(Path(__file__).parent))

from dev_server import own_database, served
from http_api import Api
from served_machine import make

from learning_machine.server.standalone import free_port
from learning_machine.server.standalone import server as uvicorn_server
from learning_machine.server.tokens import Role, Tokens, new_token

_numbers = itertools.count(1)


@contextmanager
def running(found: Any) -> Iterator[None]:
    """A uvicorn server in a thread, stopped at the end."""
    thread = threading.Thread(target=found.run, daemon=True)
    thread.start()
    try:
        waiting = threading.Event()
        while not found.started:
            assert thread.is_alive()
            waiting.wait(0.01)
        yield
    finally:
        found.should_exit = True
        thread.join(20)


@pytest.fixture(scope="session")
def alone(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    path = tmp_path_factory.mktemp("tokens") / "tokens.json"
    tokens, made = Tokens(path), {}

    def bearer(user: str, groups: tuple[str, ...], role: Role) -> str:
        if (user, groups, role) not in made:
            token, made[user, groups, role] = new_token(role, user, groups)
            tokens.add(token)
        return made[user, groups, role]

    bearer("first", (), "user")
    with own_database(server) as database, make(db=database) as machine:
        port = free_port()
        with running(uvicorn_server(make(db=database), port=port, tokens=path)):
            yield Api(f"http://127.0.0.1:{port}", machine, bearer, "alone")


@pytest.fixture(scope="session")
def mounted(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("mounted")
    for file in Path(__file__).parent.glob("served_*.py"):
        shutil.copy(file, folder)
    env = {"LEARNING_MACHINE_MACHINE": "served_machine:machine"}
    http = {"app": "learning_machine.server.app:app", "enable_custom_route_auth": True}

    def bearer(user: str, groups: tuple[str, ...], role: Role) -> str:
        return f"{user}|{','.join(groups)}|{'learning:admin' if role == 'admin' else ''}"

    with own_database(server) as database, make(db=database) as machine:
        with served(folder, database, env, http=http, auth={"path": "./served_auth_http.py:auth"}) as found:
            yield Api(found.url, machine, bearer, "mounted")
        assert found.complaints() == []
        assert "Traceback" not in found.log.read_text()


@pytest.fixture(params=["alone", "mounted"])
def api(request: pytest.FixtureRequest) -> Api:
    """Both, one after the other."""
    found: Api = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def name() -> Callable[[str], str]:
    """Names that nobody had before, because tests share a server: `name("alice")`."""
    number = next(_numbers)
    return lambda person: f"{person}-{number}"
