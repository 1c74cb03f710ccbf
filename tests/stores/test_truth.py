"""Truth over time at the gate: what is dated lands where it belongs, and any day can be asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from learning_machine.state.changes import Add, Origin, Receipt, Retire, Revise
from learning_machine.stores.ledger_store import LedgerStore
from learning_machine.stores.protocol import Standing


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Slots:
    """One single-valued slot of Alice's, told and asked."""

    def __init__(self, gate: Any) -> None:
        self.gate = gate

    def says(self, text: str, since: str | None = None, until: str | None = None, **more: Any) -> Receipt:
        change = Add(
            store="notes",
            kind="field",
            name="city",
            slot="city",
            text=text,
            since=day(since) if since else None,
            until=day(until) if until else None,
        )
        return self.gate.write(change, origin=more.pop("origin", Origin.USER), **more)[0]

    def left(self, handle: str | None, since: str | None = None) -> Receipt:
        change = Retire(store="notes", handle=handle or "", since=day(since) if since else None)
        return self.gate.write(change, origin=Origin.USER)[0]

    def now(self) -> list[str]:
        return self.gate.texts()

    def at(self, as_of: str | datetime, known_at: datetime | None = None) -> list[str]:
        back = day(as_of) if isinstance(as_of, str) else as_of
        standing = Standing(as_of=back, known_at=known_at or datetime.now(UTC) + timedelta(minutes=1))
        store = type("Notes", (LedgerStore,), {"learning_type": "notes", "private": False})(ledger=self.gate.ledger)
        return [item.text for item in store.recall(user_id="alice", standing=standing) or ()]


@pytest.fixture
def city(gate: Any) -> Slots:
    return Slots(gate)


def test_moved(city: Slots, see: Any) -> None:
    """A move closes the old home as of its date and opens the new one; both remain, and one row is open."""
    city.says("London")
    moved = city.says("Lisbon", since="2026-03-01")
    assert (moved.status, moved.replaced is not None) == ("saved", True)
    assert city.now() == ["Lisbon"]
    assert city.at("2026-01-15") == ["London"] and city.at("2026-03-01") == city.at("2026-05-01") == ["Lisbon"]
    assert [row["text"] for row in see("select text from learning where true_to = '2026-03-01Z'")] == ["London"]
    assert see("select count(*) as open from learning where known_to is null") == [{"open": 1}]


def test_what_held_before_is_history(city: Slots) -> None:
    """A stretch that is over, told after what holds now, is kept as history and displaces nothing."""
    city.says("Lisbon", since="2020-01-01")
    told = city.says("Paris", since="2010-01-01", until="2015-01-01")
    assert (told.status, told.past, told.replaced) == ("saved", True, None)
    assert "as history" in str(told)
    assert city.now() == ["Lisbon"]
    assert [city.at(f"{year}-06-01") for year in (2009, 2012, 2016, 2021)] == [[], ["Paris"], [], ["Lisbon"]]


def test_out_of_order(city: Slots) -> None:
    """Moves that are told in another order than they happened read as if they had been told in order."""
    city.says("Rome", since="2022-01-01")
    city.says("Oslo", since="2010-01-01")
    city.says("Bern", since="2016-01-01")
    assert city.now() == ["Rome"]
    assert [city.at(f"{year}-06-01") for year in (2009, 2012, 2018, 2023)] == [[], ["Oslo"], ["Bern"], ["Rome"]]


def test_until_last_year(city: Slots) -> None:
    """Said of what stands, "until last year" ends it: the slot is no longer known, and was until then."""
    held = city.says("London")
    told = city.says("London", until="2025-06-01")
    assert (told.status, told.replaced) == ("saved", held.handle)
    assert city.now() == []
    assert city.at("2025-01-01") == ["London"] and city.at("2025-07-01") == []


def test_until_later(city: Slots) -> None:
    """What ends on a day to come holds until then."""
    soon = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    city.says("London")
    city.says("Berlin", until=soon)
    assert city.now() == ["Berlin"]
    assert city.at(datetime.now(UTC) + timedelta(days=60)) == []


def test_a_plan(city: Slots) -> None:
    """What begins on a day to come takes its place on that day, and not before."""
    soon = datetime.now(UTC) + timedelta(days=30)
    city.says("London")
    city.says("Berlin", since=soon.date().isoformat())
    assert city.now() == ["London"] and city.at(soon + timedelta(days=1)) == ["Berlin"]
    city.says("Oslo")
    assert city.now() == ["Oslo"]


def test_words_of_long_ago(city: Slots, says: Any) -> None:
    """An old conversation that is imported late teaches what was true when it was said, and displaces nothing."""
    city.says("Lisbon")
    said = says("I live in Paris.", at=day("2015-05-05"))
    change = Add(store="notes", kind="field", name="city", slot="city", text="Paris", quote="I live in Paris")
    assert city.gate.write(change, said=said)[0].past
    assert city.now() == ["Lisbon"] and city.at("2016-01-01") == ["Paris"]


def test_the_same_with_a_date(city: Slots) -> None:
    """The same value told again with the day since when is news; told once more it is known."""
    city.says("Lisbon")
    assert city.says("Lisbon", since="2020-01-01").status == "saved"
    assert city.says("Lisbon", since="2020-01-01").status == "known"
    assert city.at("2019-01-01") == [] and city.at("2021-01-01") == ["Lisbon"] == city.now()


def test_left(city: Slots) -> None:
    """What ceased on a day ceased then, also when it is told later."""
    held = city.says("Lisbon", since="2020-01-01")
    city.left(held.handle, "2023-01-01")
    assert city.now() == [] and city.at("2022-12-31") == ["Lisbon"] and city.at("2023-01-02") == []


def test_what_was_known(city: Slots) -> None:
    """What was known at a time is what was told until then, whatever came to light later."""
    city.says("London")
    before = datetime.now(UTC)
    city.says("Lisbon", since="2026-03-01")
    assert city.at(before, known_at=before) == ["London"]
    assert city.at("2026-05-01", known_at=before) == ["London"] and city.at("2026-05-01") == ["Lisbon"]


def test_it_ends_before_it_begins(city: Slots) -> None:
    """A stretch that would end before it begins is refused."""
    assert city.says("Paris", since="2015-01-01", until="2010-01-01").status == "refused"


def test_a_worse_claim_about_the_past(city: Slots) -> None:
    """Of a day that the user has told of, a guess says nothing else."""
    city.says("Paris", since="2010-01-01", until="2015-01-01")
    guess = city.says("Rome", since="2012-01-01", until="2013-01-01", origin=Origin.INFERENCE)
    assert guess.status == "refused" and "better supported" in guess.reason


def test_revise_with_a_date(gate: Any) -> None:
    """A revision may carry its date too."""
    held = gate.add("London", slot="city", origin=Origin.USER)
    change = Revise(store="notes", handle=held.handle or "", text="Lisbon", since=day("2026-03-01"))
    assert gate.write(change, origin=Origin.USER)[0].status == "saved"
    assert Slots(gate).at("2026-02-01") == ["London"] and gate.texts() == ["Lisbon"]
