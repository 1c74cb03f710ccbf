"""Who may see what: row-level security holds for everybody, superusers too, and without a scope nothing is seen."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from learning_machine.state.changes import Add
from learning_machine.state.messages import Said
from learning_machine.state.modes import LearningMode
from learning_machine.state.scope import Scope
from learning_machine.stores.ledger import Ledger
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.migrate import prepare
from learning_machine.stores.postgres.transactions import Access, Space, Transaction
from learning_machine.stores.spaces import access_of
from learning_machine.stores.writing import Source

See = Callable[..., list[dict[str, Any]]]
#: Rows that the library has no call for in a few lines, for every space there is.
FILL = """
insert into derived_from (space, learning, source_space, source) select space, id, space, id from learning;
insert into root (space, learning_space, learning, session, anchor) select space, space, id, 's', 'a' from learning;
insert into flag (space, learning, reason) select space, id, 'left behind' from learning;
insert into supporter (space, proposal, supporter) select space, id, space from proposal;
insert into tombstone (space, digest) select id, 'x' from space;
insert into curation (space, id, machine, plan) select id, gen_random_uuid(), 'm', '{}' from space;
insert into imported (space, batch, source) select id, gen_random_uuid(), 'notes.md' from space;
insert into archived (space, learning, reason, batch) select space, id, 'faded', gen_random_uuid() from learning;
insert into strength (space, learning, since, half_life) select space, id, now(), 1 from learning;
insert into judged (space, one, other, same)
    select one.space, one.id, other.id, false
    from learning one join learning other on other.space = one.space and other.id > one.id;
insert into job_error (space, machine, turn, attempt, error) select space, 'm', gen_random_uuid(), 1, 'e' from learning;
insert into embedding_model (name, dimension, active) values ('m', 2, true);
insert into posting (space, source, lexeme, item, weight) select space, 'notes', 'word', id, 1 from learning on conflict do nothing;
insert into embedding (space, item, source, model, vector)
    select space, learning.id, 'notes', embedding_model.id, '[1,2]' from learning, embedding_model;
"""


#: Every table whose rows belong to somebody. Of tombstones everybody sees all, which are digests: what was erased is not
#: taken in again, in whatever space.
TABLES = """
select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'space'
where c.relnamespace = 'learning_machine'::regnamespace and c.relkind in ('r', 'p') and c.relname <> 'tombstone'
"""


def seen(transaction: Transaction) -> dict[str, list[int]]:
    """The spaces whose rows are seen, table by table."""
    tables = [row["name"] for row in transaction.connection.execute(TABLES)]
    sql = " union all ".join(
        f"select '{table}' as name, array(select distinct space from {table} order by 1) as spaces" for table in tables
    )
    return {row["name"]: row["spaces"] for row in transaction.connection.execute(sql)}  # type: ignore[call-overload]


def everywhere(found: dict[str, list[int]], *spaces: int) -> bool:
    """Whether exactly these spaces' rows are seen, in every table."""
    return len(found) >= 13 and all(rows == sorted(spaces) for rows in found.values())


@pytest.fixture
def filled(gate: Any, make_thread: Callable[..., Any], see: See, says: Any) -> Database:
    """Every table has rows of Alice's and of Bob's."""
    for user in ("alice", "bob"):
        thread = make_thread(user=user)
        line = thread.turn([], "u1", "a1")
        gate.write(
            Add(store="notes", kind="note", text=f"{user} secret", quote="words"),
            user=user,
            session="s1",
            anchor=line[-1],
            reads=[thread.id("a1")],
            said=[Said("u1", "user", "words")],
        )
        gate.add(f"{user} says more", user=user)
        gate.add(f"{user} proposes", user=user, modes={"notes": LearningMode.PROPOSE})
    see(FILL)
    found: Database = gate.database
    return found


@pytest.fixture
def spaces(filled: Database, see: See) -> dict[str, int]:
    """The id of each person's space."""
    return {row["owner"]: row["id"] for row in see("select owner, id from space")}


# --- one scope --------------------------------------------------------------------------------------------------------


def test_a_superusers_url_is_guarded(filled: Database, see: See, spaces: dict[str, int]) -> None:
    """Also on a superuser's URL a transaction sees its scope alone, in every table."""
    assert see("select rolsuper from pg_roles where rolname = current_user") == [{"rolsuper": True}]
    for user in ("alice", "bob"):
        with filled.transaction(Access(user_id=user)) as transaction:
            assert everywhere(seen(transaction), spaces[user])
            rows = transaction.connection.execute("select owner from space").fetchall()
            assert rows == [{"owner": user}]


def test_nobody_sees_nothing(filled: Database) -> None:
    """Without a user, in a session, in a group or with an empty id: nothing of anybody's."""
    for access in (
        Access(),
        Access(session="s1"),
        Access(groups=("team",)),
        Access(user_id=""),
        Access(spaces=()),
        Access(user_id="eve"),
    ):
        with filled.transaction(access) as transaction:
            assert everywhere(seen(transaction))
            assert transaction.connection.execute("select 1 from space").fetchall() == []


def test_the_bare_role_sees_nothing(filled: Database) -> None:
    """The library's role without any setting, as a forgotten call would have it, sees no row of any table."""
    with psycopg.connect(filled.conninfo, row_factory=dict_row) as connection:
        connection.execute("set role learning_machine_app; set search_path = learning_machine")
        assert everywhere(seen(Transaction(connection)))
        assert connection.execute("select * from space").fetchall() == []


def test_settings_end_with_the_transaction(filled: Database, spaces: dict[str, int]) -> None:
    """What a transaction was allowed is gone with it, however it ended: the connection is given back as it was."""
    for user in ("alice", "bob"):
        with filled.transaction(Access(user_id=user)) as transaction:
            connection = transaction.connection
        with pytest.raises(ZeroDivisionError), filled.transaction(Access(user_id=user)) as transaction:
            connection = transaction.connection
            raise ZeroDivisionError
        settings = connection.execute(
            "select current_user, current_setting('learning_machine.spaces', true) as spaces"
        ).fetchone()
        assert settings == ("postgres", "")


def test_named_spaces(filled: Database, spaces: dict[str, int]) -> None:
    """A job that knows only where its turn lies sees those spaces and no other."""
    alice, bob = spaces["alice"], spaces["bob"]
    for named in ((alice,), (alice, bob)):
        with filled.transaction(Access(spaces=named)) as transaction:
            assert everywhere(seen(transaction), *named)
    with filled.transaction(Access(spaces=(4711,))) as transaction:
        assert everywhere(seen(transaction))


def test_a_malformed_setting_fails_closed(filled: Database) -> None:
    """A setting that is no list of spaces is an error, not a way in."""
    for value in ("x", "{x}", "1", "{1,2"):
        with pytest.raises(psycopg.DataError), filled.transaction(Access(user_id="alice")) as transaction:
            transaction.connection.execute("select set_config('learning_machine.spaces', %s, true)", (value,))
            transaction.connection.execute("select * from learning").fetchall()


def test_admin_sees_all(filled: Database, spaces: dict[str, int]) -> None:
    """The admin's role, which only erase, export-all and audit use, sees every space."""
    with filled.transaction(Access(admin=True)) as transaction:
        assert everywhere(seen(transaction), *spaces.values())


@pytest.mark.parametrize(
    "group", ["alice", "user:alice", "user", "global", "{alice}", 'alice","bob', "*", "%", "alice\\"]
)
def test_a_group_is_no_person(gate: Any, group: str) -> None:
    """A group that is called like a person, or like a trick, is a group."""
    gate.add("Alice's secret", user="alice")
    gate.add("the group's", user="bob", groups=[group], into=group) if group not in ("user", "global") else None
    seen = gate.texts("eve", groups=(group,))
    assert seen == ([] if group in ("user", "global") else ["the group's"])
    assert gate.texts("alice") == ["Alice's secret"]


def test_users_that_look_alike(gate: Any) -> None:
    """Any string is a user of its own; nothing is folded, trimmed or joined."""
    users = [
        "alice",
        "Alice",
        "alice ",
        "user:alice",
        "{alice}",
        'a"b',
        "a'b",
        "a,b",
        "NULL",
        "null",
        "\\",
        "%",
        "*",
        "é",
        "e\u0301",
        "0",
        "😀",
    ]
    for number, user in enumerate(users):
        assert gate.add(f"secret {number}", user=user).status == "saved"
    assert [gate.texts(user) for user in users] == [[f"secret {number}"] for number in range(len(users))]


def test_a_person_with_groups(gate: Any) -> None:
    """A person sees their own, the groups they name, and what is everybody's; a group sees no person."""
    gate.add("own", user="alice")
    gate.add("team's", user="bob", groups=["team"], into="team")
    gate.add("everybody's", user="bob", into="global")
    assert gate.texts("alice", groups=("team",)) == ["own", "team's", "everybody's"]
    assert gate.texts("alice") == ["own", "everybody's"]
    assert gate.texts("eve", groups=("team", "other")) == ["team's", "everybody's"]


# --- writing over the border ------------------------------------------------------------------------------------------


def test_insert_for_another(filled: Database, see: See, spaces: dict[str, int]) -> None:
    """The database itself refuses a row for a space that the scope does not have, in every table."""
    for table in [row["name"] for row in see(TABLES)]:
        columns = [
            row["name"]
            for row in see(
                "select attname as name from pg_attribute "
                "where attrelid = %(table)s::regclass and attnum > 0 and attidentity = ''",
                table=table,
            )
        ]
        copied = ", ".join("%(bob)s" if column == "space" else column for column in columns)
        sql = f"insert into {table} ({', '.join(columns)}) select {copied} from {table}"
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"),
            filled.transaction(Access(user_id="alice")) as t,
        ):
            t.connection.execute(sql, {"bob": spaces["bob"]})  # type: ignore[call-overload]


def test_a_space_for_another(filled: Database) -> None:
    """Nor can somebody open a space for another person, session or group."""
    for space in (Space("user", "mallory"), Space("session", "s9"), Space("group", "team")):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            filled.transaction(Access(user_id="alice")) as transaction,
        ):
            transaction.space(space)


def test_changing_anothers_rows(filled: Database, see: See) -> None:
    """An update or delete without a condition reaches the own rows alone."""
    for sql in (
        "update learning set pinned = true",
        "update turn set abandoned_at = now()",
        "delete from posting",
        "delete from message",
    ):
        with filled.transaction(Access(user_id="alice")) as transaction:
            transaction.connection.execute(sql)  # type: ignore[call-overload]
    assert see("select distinct owner, pinned from learning join space on space.id = space order by owner") == [
        {"owner": "alice", "pinned": True},
        {"owner": "bob", "pinned": False},
    ]
    for table in ("posting", "message"):
        assert {row["owner"] for row in see(f"select owner from {table} join space on space.id = space")} == {"bob"}
    assert see("select owner from turn join space on space.id = space where abandoned_at is null") == [{"owner": "bob"}]


# --- many at once -----------------------------------------------------------------------------------------------------

PEOPLE = ("alice", "user:alice", "Alice", "{alice}", "null", "bob")
GROUPS = ("alice", "bob", "user:bob")


class Crowd:
    """People who write, read and fail at random, over a pool that is too small for them."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, max_size=4)
        prepare(self.database)
        self.ledger = Ledger(self.database)
        self.leaks: list[str] = []
        self.read_marks = Counter[str]()

    def scope(self, chance: random.Random) -> Scope:
        user = chance.choice(PEOPLE)
        # Who is in which group is fixed, so that what may be seen can be told from the name.
        return Scope(user_id=user, session_id=f"s {user}", groups=tuple(GROUPS[PEOPLE.index(user) % 3 :]))

    def act(self, number: int) -> None:
        chance = random.Random(number)
        scope = self.scope(chance)
        [self.write, self.read, self.look, self.fail, self.break_off][chance.choice((0, 0, 1, 2, 3, 4))](scope, chance)

    def write(self, scope: Scope, chance: random.Random) -> None:
        into = chance.choice(("user", "user", *scope.groups))
        mark = canary(scope.user_id if into == "user" else None, into)
        quote, slot = f"words of {canary(scope.user_id, 'user')}", chance.choice((None, "a", "b"))
        change = Add(store="notes", kind="note", text=f"{mark} {number_of(chance)}", quote=quote, slot=slot)
        source = Source(said=[Said("u1", "user", quote)], namespaces={"notes": into})
        self.check(scope, [vars(receipt) for receipt in self.ledger.write([change], scope=scope, source=source)])

    def read(self, scope: Scope, chance: random.Random) -> None:
        params = {"store": "notes", "subject": "", "session": scope.session_id, "here": [], "limit": 20}
        history = {"store": None, "subject": None, "closed": True, "limit": 20}
        for rows in self.database.read(access_of(scope), [("recall.current", params), ("recall.history", history)]):
            self.check(scope, rows)

    def look(self, scope: Scope, chance: random.Random) -> None:
        """A query that forgot every condition."""
        table = chance.choice(("learning", "evidence", "change", "space"))
        with self.database.transaction(access_of(scope)) as transaction:
            self.check(scope, transaction.connection.execute(f"select * from {table} limit 50").fetchall())  # type: ignore[call-overload]

    def fail(self, scope: Scope, chance: random.Random) -> None:
        """A statement that fails, inside a transaction or a pipeline."""
        with pytest.raises(psycopg.Error):
            if chance.random() < 0.5:
                with self.database.transaction(access_of(scope)) as transaction:
                    transaction.connection.execute("select 1 / 0")
            else:
                self.database.read(access_of(scope), [("recall.one", {"id": "x"})])

    def break_off(self, scope: Scope, chance: random.Random) -> None:
        """An exception of the program's own in the middle of a transaction."""
        with pytest.raises(KeyError), self.database.transaction(access_of(scope)) as transaction:
            self.check(scope, transaction.connection.execute("select * from learning limit 5").fetchall())
            raise KeyError("enough")

    def check(self, scope: Scope, rows: Any) -> None:
        """Everything that was read carries the mark of somebody this scope may read."""
        allowed = {canary(scope.user_id, "user"), *(canary(None, group) for group in scope.groups)}
        marks = Counter(re.findall(r"canary<[^>]*>", json.dumps(list(rows), default=str, ensure_ascii=False)))
        self.read_marks += marks
        self.leaks += [f"{scope.user_id} saw {mark}" for mark in marks if mark not in allowed]
        owners = {row["owner"] for row in rows if "owner" in row} - {None, scope.user_id}
        groups = {row["grp"] for row in rows if "grp" in row} - {None, *scope.groups}
        self.leaks += [f"{scope.user_id} saw the space of {other}" for other in (*owners, *groups)]


def canary(user: str | None, group: str) -> str:
    name = f"person {PEOPLE.index(user)}" if user is not None else f"group {GROUPS.index(group)}"
    return f"canary<{name}>"


def number_of(chance: random.Random) -> int:
    return chance.randrange(40)


@pytest.fixture
def crowd(blank: Database) -> Iterator[Crowd]:
    found = Crowd(blank.conninfo)
    yield found
    found.database.close()


@pytest.mark.parametrize("operations", [1_000, pytest.param(10_000, marks=pytest.mark.full)])
def test_no_leaks(crowd: Crowd, operations: int) -> None:
    """Of many random operations of several people at once, many of which fail, none reads another's words."""
    with ThreadPoolExecutor(8) as threads:
        for done in threads.map(crowd.act, range(operations)):
            assert done is None
    assert crowd.leaks == []
    # It read a lot, of everybody's: had something leaked, it would have been seen.
    assert set(crowd.read_marks) == {
        *(canary(user, "user") for user in PEOPLE),
        *(canary(None, group) for group in GROUPS),
    }
    assert sum(crowd.read_marks.values()) > operations * 5
