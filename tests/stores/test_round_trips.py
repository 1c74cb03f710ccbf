"""What recalling and recording cost: one round trip to the database each, whatever stores ask."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6

from learning_machine import LearningMachine
from learning_machine.checkpointer import BothDoorsSaver
from learning_machine.state.limits import BatchWindow
from learning_machine.state.messages import Said
from learning_machine.state.scope import Scope
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.migrate import prepare
from learning_machine.stores.postgres.transactions import Access
from learning_machine.stores.turns import TurnRecord, Turns
from learning_machine.testing import ScriptedModel, change

SOCKET = ".s.PGSQL.5432"
#: How long nobody may have spoken before the server's answer is let through, in seconds.
QUIET = 0.05


class Line:
    """A long line to the server: it answers only when the client has said all it has to say, and the turns are counted."""

    def __init__(self, server: Path, here: Path) -> None:
        self.server, self.turns = server, 0
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(here / SOCKET))
        self._listening.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self.server / SOCKET))
        held, client_spoke_last = b"", False
        with client, server:
            while True:
                speaking, _, _ = select.select([client, server], [], [], QUIET if held else None)
                if not speaking:
                    client.sendall(held)
                    held, client_spoke_last = b"", False
                for speaker in speaking:
                    said = speaker.recv(65536)
                    if not said:
                        return
                    if speaker is client:
                        self.turns += not client_spoke_last
                        client_spoke_last = True
                        server.sendall(said)
                    else:
                        held += said

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.fixture
def line(blank: Database) -> Iterator[tuple[str, Callable[[], int]]]:
    """The URL of the database at the end of a long line, and how often a call went back and forth since last asked."""
    url = urlsplit(blank.conninfo)
    real = parse_qs(url.query)["host"][0]
    with TemporaryDirectory() as folder:
        found, before = Line(Path(real), Path(folder)), [0]

        def turns() -> int:
            since = found.turns - before[0]
            before[0] = found.turns
            return since

        yield blank.conninfo.replace(quote(real, safe=""), quote(folder, safe="")), turns
        found.close()


LEARNS = [
    change("user_profile", "Bern", kind="field", name="location"),
    change("session_context", "about sailing", kind="summary"),
    change("learned_knowledge", "Deploys fail on Fridays", kind="learning", name="Fridays"),
    change("entity_memory", "sells locks", kind="fact", subject="Acme (company)"),
]
SOME = {"user_profile": True, "session_context": True}
ALL = SOME | {"learned_knowledge": True, "entity_memory": True}


@pytest.mark.parametrize("stores", [SOME, ALL], ids=["two stores", "all stores"])
def test_recall_is_one_round_trip(
    blank: Database, line: tuple[str, Callable[[], int]], stores: dict[str, bool]
) -> None:
    """Recall of all built-in stores goes to the database and back once, from the second call on."""
    url, turns = line
    with LearningMachine(db=blank.conninfo, model=ScriptedModel(learns=[LEARNS]), **stores) as machine:
        machine.process([("user", "I live in Bern. Acme sells locks.")], user_id="alice", session_id="s1")
    with LearningMachine(db=url, **stores) as machine:
        machine.recall(user_id="alice", session_id="s1", message="Where does Acme deploy?")
        assert turns() > 1
        asked: dict[str, Any] = {
            "user_id": "alice",
            "session_id": "s1",
            "message": "Where does Acme deploy on Fridays?",
        }
        for _ in range(3):
            found = machine.recall(**asked)
            assert turns() == 1
            assert asyncio.run(machine.arecall(**asked)) == found
            assert turns() == 1
        assert set(stores) <= set(found)


def test_recording_is_one_round_trip(blank: Database, line: tuple[str, Callable[[], int]]) -> None:
    """A turn is recorded with its job in one, also the first of a person."""
    url, turns = line
    database = Database(url, max_size=1)
    prepare(database)
    database.read(Access(), [("recall.one", {"id": 1})])
    turns()
    for number, person in enumerate(("alice", "alice", "bob")):
        said = [Said(f"q{number}", "user", "hello"), Said(f"a{number}", "assistant", "hello to you")]
        turn = TurnRecord(session="s1", said=said, answer=f"a{number}", keys=[one.key for one in said], here=[])
        assert (
            Turns(database, "default").record(Scope(user_id=person, session_id="s1"), turn, BatchWindow()) is not None
        )
        assert turns() == 1
    database.close()


@pytest.mark.parametrize("door", ["", "a"], ids=["sync", "async"])
def test_saving_a_checkpoint_is_one_round_trip(line: tuple[str, Callable[[], int]], door: str) -> None:
    """A checkpoint with all its parts, and what a step wrote, are saved in one each."""
    url, turns = line
    database = Database(url, max_size=1)
    prepare(database)
    saver = BothDoorsSaver(lambda: database)

    def call(name: str, *arguments: Any) -> Any:
        outcome = getattr(saver, door + name)(*arguments)
        return asyncio.run(outcome) if door else outcome

    place: Any = {"configurable": {"thread_id": "t1", "checkpoint_ns": ""}}
    for number in range(3):
        values: dict[str, Any] = {"messages": [number], "one": {"n": number}, "two": {"n": number}}
        versions: Any = dict.fromkeys(values, f"{number}.1")
        found: Any = {**empty_checkpoint(), "id": str(uuid6()), "channel_values": values, "channel_versions": versions}
        turns()
        saved = call("put", place, found, {"source": "loop", "step": number}, versions)
        first = turns()
        call("put_writes", saved, [("one", 1), ("two", {"a": 2})], str(uuid4()))
        assert number == 0 or (first, turns()) == (1, 1)
        assert (kept := call("get_tuple", saved)) is not None
        assert kept.checkpoint["channel_values"] == values and len(kept.pending_writes or ()) == 2
    saver.close()
    database.close()


def test_a_transaction_is_a_few(line: tuple[str, Callable[[], int]]) -> None:
    """The line counts: a transaction statement by statement goes back and forth for each."""
    url, turns = line
    database = Database(url, max_size=1)
    prepare(database)
    access = Access(user_id=Scope(user_id="alice").user_id)
    database.read(access, [("recall.one", {"id": 1})])
    turns()
    with database.transaction(access) as transaction:
        transaction.one("recall.one", {"id": 1})
    assert turns() == 4  # begin, who asks and what they may see, the question, commit
    database.close()
