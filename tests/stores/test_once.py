"""A batch is written once: what was learned and the watermark that says so commit together, or neither does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from learning_machine.errors import WriteFailed
from learning_machine.state.changes import Add
from learning_machine.state.scope import Scope
from learning_machine.stores.writing import Source

ALICE = Scope(user_id="alice", session_id="s1")


def adds(*texts: str) -> list[Add]:
    return [Add(store="notes", kind="note", text=text) for text in texts]


def test_a_batch_is_written_once(thread: Any, see: Any) -> None:
    """The second write of a batch writes nothing and has no receipts."""
    thread.turn([], "u1", "a1")
    source = Source(reads=[thread.id("a1")], machine="default")
    first = thread.gate.ledger.write_all(adds("one", "two"), scope=ALICE, source=source)
    again = thread.gate.ledger.write_all(adds("one", "two", "three"), scope=ALICE, source=source)
    assert ([receipt.status for receipt in first], again) == (["saved", "saved"], [])
    assert thread.recall() == ["one", "two"]
    assert see("select count(*) as n from watermark") == [{"n": 1}]


def test_a_batch_that_overlaps_is_not_written(thread: Any, see: Any) -> None:
    """A batch with one turn that was read and one that was not fails whole, to be cut anew."""
    line = thread.turn([], "u1", "a1")
    thread.turn(line, "u2", "a2")
    ledger, reads = thread.gate.ledger, [thread.id("a1"), thread.id("a2")]
    ledger.write_all(adds("one"), scope=ALICE, source=Source(reads=reads[:1]))
    with pytest.raises(WriteFailed, match="safe to try again"):
        ledger.write_all(adds("two"), scope=ALICE, source=Source(reads=reads))
    assert thread.recall() == ["one"]
    assert see("select count(*) as n from watermark") == [{"n": 1}]


def test_nothing_learned_is_read_too(thread: Any, see: Any) -> None:
    """A batch that taught nothing has its watermark: it is not read again."""
    thread.turn([], "u1", "a1")
    space = see("select id from space")[0]["id"]
    assert [turn.id for turn in thread.turns.unread(space, "s1")] == [thread.id("a1")]
    assert thread.turns.waiting(space, "s1")
    assert thread.gate.ledger.write_all([], scope=ALICE, source=Source(reads=[thread.id("a1")])) == []
    assert thread.turns.unread(space, "s1") == []
    assert not thread.turns.waiting(space, "s1")


@pytest.fixture
def poison(see: Any) -> Iterator[Callable[[str], None]]:
    """Makes the database fail at every insert of this text."""

    def install(text: str) -> None:
        see(f"""
            create function poison() returns trigger language plpgsql as $$
            begin
                if new.text = '{text}' then raise exception 'out of order'; end if;
                return new;
            end $$;
            create trigger poison before insert on learning for each row execute function poison();""")

    yield install
    see("drop trigger if exists poison on learning; drop function if exists poison")


def test_a_failure_in_the_middle_leaves_nothing(thread: Any, see: Any, poison: Callable[[str], None]) -> None:
    """When the last change of a batch fails, nothing of it is left: no row, no evidence, no closed row, no watermark."""
    line = thread.turn([], "u1", "a1")
    thread.learn(line, "Bern", slot="city")
    poison("third")
    changes = [*adds("first", "second"), Add(store="notes", kind="note", text="Basel", slot="city"), *adds("third")]
    source = Source(reads=[thread.id("a1")])
    with pytest.raises(WriteFailed):
        thread.gate.ledger.write_all(changes, scope=ALICE, source=source)
    assert thread.recall() == ["Bern"]
    assert see("select text, known_to from learning") == [{"text": "Bern", "known_to": None}]
    for table, count in (("watermark", 0), ("change", 1), ("evidence", 0)):
        assert see(f"select count(*) as n from {table}") == [{"n": count}]

    see("drop trigger poison on learning")
    receipts = thread.gate.ledger.write_all(changes, scope=ALICE, source=source)
    assert [receipt.status for receipt in receipts] == ["saved"] * 4
    assert thread.recall() == ["first", "second", "Basel", "third"]


def test_every_receipt_of_a_failed_write_says_so(gate: Any, poison: Callable[[str], None]) -> None:
    """No change of a batch that failed is reported as saved, not even those before the one that failed."""
    poison("bad")
    receipts = gate.write(*adds("good", "bad", "good too"))
    assert [receipt.status for receipt in receipts] == ["failed"] * 3
    assert all("nothing was saved" in receipt.reason for receipt in receipts)
    assert gate.texts() == []


def test_errors_hold_no_words(gate: Any, poison: Callable[[str], None], caplog: pytest.LogCaptureFixture) -> None:
    """Neither the receipt nor the log of a failed write repeats what a person said."""
    poison("my diary")
    [receipt] = gate.write(*adds("my diary"))
    assert receipt.status == "failed"
    assert "diary" not in receipt.reason and "diary" not in caplog.text and "out of order" not in receipt.reason


def test_the_same_batch_in_twenty_threads(thread: Any, see: Any) -> None:
    """Twenty workers that write the same batch at once write it once."""
    thread.turn([], "u1", "a1")
    source = Source(reads=[thread.id("a1")])

    def write(_: int) -> int:
        return len(thread.gate.ledger.write_all(adds("one", "two"), scope=ALICE, source=source))

    with ThreadPoolExecutor(20) as threads:
        assert sorted(threads.map(write, range(20))) == [0] * 19 + [2]
    assert see("select count(*) as n from learning") == [{"n": 2}]
