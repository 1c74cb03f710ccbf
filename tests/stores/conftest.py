"""What the tests of the stores share: the gate as it is used, and all rows as the server has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID
from zlib import crc32

import psycopg
import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage, HumanMessage
from psycopg.rows import dict_row

from learning_machine import LearningMachine
from learning_machine.state.changes import Add, Change, Receipt, Retire, Revise
from learning_machine.state.items import Item
from learning_machine.state.messages import Said
from learning_machine.state.scope import Scope
from learning_machine.stores.ledger import Ledger
from learning_machine.stores.ledger_store import LedgerStore
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.migrate import prepare
from learning_machine.stores.postgres.transactions import Access
from learning_machine.stores.protocol import Standing
from learning_machine.stores.turns import TurnRecord, Turns, turn_id
from learning_machine.stores.writing import Source
from learning_machine.testing import ScriptedModel

Row = dict[str, Any]


class Notes(LedgerStore):
    """A store of plain notes: what the ledger does for any store, and no more."""

    learning_type = "notes"
    private = False


class SessionNotes(Notes):
    """The same for a conversation without a user."""

    needs = "session_id"


class Gate:
    """The ledger's gate for one store of notes; every call is a person's, Alice's unless another is named."""

    def __init__(self, database: Database, **options: Any) -> None:
        self.database = database
        self.ledger = Ledger(database, **options)

    def write(
        self,
        *changes: Change,
        user: str | None = "alice",
        groups: Sequence[str] = (),
        into: str = "user",
        **source: Any,
    ) -> list[Receipt]:
        scope = Scope(user_id=user, groups=tuple(groups), session_id=source.pop("session", None))
        return self.ledger.write(changes, scope=scope, source=Source(namespaces={"notes": into}, **source))

    def add(self, text: str, *, quote: str | None = None, slot: str | None = None, **options: Any) -> Receipt:
        own = {name: options.pop(name) for name in ("kind", "value", "name", "subject", "since") if name in options}
        change = Add(**{"store": "notes", "kind": "note", "text": text, "quote": quote, "slot": slot, **own})
        return self.write(change, **options)[0]

    def revise(self, handle: str | None, text: str, *, quote: str | None = None, **options: Any) -> Receipt:
        return self.write(Revise(store="notes", handle=handle or "", text=text, quote=quote), **options)[0]

    def retire(self, handle: str | None, *, quote: str | None = None, **options: Any) -> Receipt:
        return self.write(Retire(store="notes", handle=handle or "", quote=quote), **options)[0]

    def current(self, user: str | None = "alice", **scope: Any) -> tuple[Item, ...]:
        """What recall reads, oldest first."""
        store = SessionNotes if user is None else Notes
        return store(ledger=self.ledger).recall(user_id=user, **scope) or ()

    def about(self, subject: str) -> tuple[Item, ...]:
        """The same of another subject than the user."""
        store = Notes(ledger=self.ledger)
        store.subject = lambda scope: subject  # type: ignore[method-assign]
        return store.recall(user_id="alice", session_id=subject) or ()

    def texts(self, user: str | None = "alice", **scope: Any) -> list[str]:
        return [item.text for item in self.current(user, **scope)]


class Thread:
    """One conversation of Alice's, turn by turn. A line is what is in front of the agent: the keys of its messages."""

    def __init__(
        self,
        database: Database,
        *,
        session: str = "s1",
        machine: str = "default",
        user: str | None = "alice",
        **options: Any,
    ) -> None:
        self.gate = Gate(database)
        self.turns = Turns(database, machine, **options)
        self.scope = Scope(user_id=user, session_id=session)

    def now(self) -> datetime:
        """The database's time, as recall hands it to a turn."""
        with self.gate.database.transaction(Access()) as transaction:
            row = transaction.connection.execute("select clock_timestamp() as now").fetchone()
        return cast(datetime, row and row["now"])

    def turn(
        self,
        line: Sequence[str],
        asked: str,
        answer: str,
        *,
        started: datetime | None = None,
        rooted: bool = True,
        seen: Sequence[str] | None = None,
    ) -> list[str]:
        """Record a turn on a line; the line with it. `seen`: what is in front of the agent, when it is less than the line."""
        said = (Said(asked, "user", f"words of {asked}"), Said(answer, "assistant", f"words of {answer}"))
        here = [*(line if seen is None else seen), asked, answer]
        self.turns.record(
            self.scope,
            TurnRecord(
                session=self.scope.session_id or "",
                said=said,
                answer=answer,
                keys=[asked, answer],
                here=here,
                started=started or self.now(),
                rooted=rooted,
            ),
        )
        return [*line, asked, answer]

    def id(self, answer: str) -> UUID:
        return turn_id(self.turns.machine, self.scope.session_id or "", answer)

    def learn(
        self, line: Sequence[str], text: str, *, slot: str | None = None, anchor: str | None = None, **options: Any
    ) -> Receipt:
        """Learn from the line's last answer, or from another message on it."""
        options = {
            "session": self.scope.session_id,
            "user": self.scope.user_id,
            "machine": self.turns.machine,
            "here": line,
            **options,
        }
        return self.gate.add(text, slot=slot, anchor=anchor or line[-1], **options)

    def recall(self, line: Sequence[str] = (), *, rooted: bool = False) -> list[str]:
        standing = Standing(machine=self.turns.machine, here=tuple(line), rooted=rooted)
        return self.gate.texts(self.scope.user_id, session_id=self.scope.session_id, standing=standing)

    def abandoned(self) -> list[str]:
        """The answers whose turns are marked as left behind."""
        with self.gate.database.transaction(
            Access(user_id=self.scope.user_id, session=self.scope.session_id)
        ) as transaction:
            rows = transaction.connection.execute(
                "select answer from turn where abandoned_at is not null order by seq"
            ).fetchall()
        return [row["answer"] for row in rows]


@pytest.fixture
def thread(blank: Database) -> Thread:
    """A conversation of Alice's."""
    return Thread(blank)


@pytest.fixture
def make_thread(blank: Database) -> Callable[..., Thread]:
    """Makes conversations: `make_thread(session="s2")`."""

    def make(**options: Any) -> Thread:
        return Thread(blank, **options)

    return make


@pytest.fixture(scope="session")
def _blank(server: Any) -> Iterator[tuple[Database, psycopg.Connection[Row]]]:
    """One database for all tests that only need an empty one, and the superuser's connection to it."""
    with psycopg.connect(server.url_for("postgres"), autocommit=True) as connection:
        connection.execute("create database blank template template_learning")
    found = Database(server.url_for("blank"))
    prepare(found)
    with connect(found.conninfo) as connection:
        yield found, connection
    found.close()


def connect(url: str) -> psycopg.Connection[Row]:
    """As the superuser, whom no policy binds."""
    options = "-c search_path=learning_machine,learning_machine_jobs,public"
    return psycopg.connect(url, autocommit=True, row_factory=dict_row, options=options)


#: Deleting is far quicker than making a database; `replica` leaves foreign keys unasked.
CLEAR = """
set session_replication_role = replica;
do $$
declare name regclass;
begin
    for name in select oid from pg_class where relkind = 'r' and relname not like '%_version'
                and relnamespace in ('learning_machine'::regnamespace, 'learning_machine_jobs'::regnamespace) loop
        execute format('delete from %s', name);
    end loop;
end $$;
set session_replication_role = origin;
"""


@pytest.fixture
def blank(_blank: tuple[Database, psycopg.Connection[Row]]) -> Iterator[Database]:
    """A ready database without any rows; quicker than `database`, and not to be changed but in its rows."""
    yield _blank[0]
    _blank[1].execute(CLEAR)


@pytest.fixture
def gate(blank: Database) -> Gate:
    """The gate of this test's database."""
    return Gate(blank)


@pytest.fixture
def make_gate(blank: Database) -> Callable[..., Gate]:
    """Makes gates with options of the ledger."""

    def make(database: Database = blank, **options: Any) -> Gate:
        return Gate(database, **options)

    return make


@pytest.fixture
def see(_blank: tuple[Database, psycopg.Connection[Row]]) -> Callable[..., list[Row]]:
    """Runs SQL as the superuser, whom no policy binds: `see("select …", name=value)`."""

    def run(sql: str, **params: Any) -> list[Row]:
        cursor = _blank[1].execute(sql, params)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def says() -> Callable[..., list[Said]]:
    """What was said, as quotes are checked against it: `says("I am Alice", assistant="Hello")`."""

    def make(*user: str, assistant: str | None = None, at: datetime | None = None) -> list[Said]:
        said = [Said(f"u{number}", "user", text, at) for number, text in enumerate(user, 1)]
        return said + ([Said("a1", "assistant", assistant, at)] if assistant is not None else [])

    return make


#: Words that mean the same to the embeddings of these tests.
SYNONYMS = (
    "car automobile vehicle",
    "buy purchase acquire",
    "quick fast rapid",
    "doctor physician",
    "error failure fault crash",
    "begin start launch",
)


class Concepts(Embeddings):
    """Embeddings that know some synonyms and nothing else: exact, quick and always the same."""

    size = 128

    def __init__(self) -> None:
        self.meaning = {word: group.split()[0] for group in SYNONYMS for word in group.split()}
        self.calls: list[str] = []

    def embed_query(self, text: str) -> list[float]:
        self.calls.append(text)
        vector = [0.0] * self.size
        for word in re.findall(r"\w+", text.casefold()):
            vector[crc32(self.meaning.get(word, word).encode()) % self.size] += 1.0
        length = sum(number * number for number in vector) ** 0.5 or 1.0
        return [number / length for number in vector]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


# --- a machine and the people it learns from --------------------------------------------------------------------------


class World:
    """A machine with all four stores, on this test's database, that learns what it is told to."""

    def __init__(self, database: Database, **options: Any) -> None:
        everything = dict.fromkeys(("user_profile", "session_context", "learned_knowledge", "entity_memory"), True)
        self.learned: list[dict[str, Any]] = []
        self.model = ScriptedModel(learns=lambda new: self.learned)
        self.embeddings = Concepts()
        given = {"db": database.pool, "model": self.model, "embeddings": self.embeddings}
        self.machine = LearningMachine(**{**given, **everything, **options})
        self.turns = 0

    def teach(
        self,
        *learned: dict[str, Any],
        text: str = "Something was said.",
        answer: str = "Noted.",
        user: str | None = "alice",
        **scope: Any,
    ) -> list[Row]:
        """One turn, and what extraction makes of it; the receipts."""
        self.learned, self.turns = list(learned), self.turns + 1
        said = [HumanMessage(text, id=f"u{self.turns}"), AIMessage(answer, id=f"a{self.turns}")]
        return self.machine.process(said, user_id=user, **{"session_id": "s1", **scope})

    def context(self, message: str, user: str | None = "alice", **scope: Any) -> str:
        """What the agent would read."""
        return self.machine.build_context(message=message, user_id=user, **scope)

    def recall(self, message: str, user: str | None = "alice", **scope: Any) -> dict[str, Any]:
        return self.machine.recall(message=message, user_id=user, **scope)

    def __getattr__(self, name: str) -> Any:
        """A store by its learning type."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self.machine.stores[name]


@pytest.fixture
def make_world(blank: Database) -> Iterator[Callable[..., World]]:
    """Makes machines on this test's database, with options."""
    made: list[World] = []

    def make(**options: Any) -> World:
        made.append(World(blank, **options))
        return made[-1]

    yield make
    for one in made:
        one.machine.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A machine with all four stores."""
    return make_world()
