"""Any day, as it was known at any moment: what the ledger reads is what replaying everything that was told gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learning_machine.state.changes import Add, Change, Origin, Receipt, Retire
from learning_machine.stores.ledger_store import LedgerStore
from learning_machine.stores.protocol import Standing

#: Days that are told of: long past, and to come. What is not dated is told at `TODAY` and a little.
PAST, TODAY, COMING = range(1, 13), 50.0, (100, 101, 102)
#: Histories of one example, each in a slot of its own; times the examples of a run, a thousand.
TOGETHER, EXAMPLES = 25, 40


@dataclass(frozen=True)
class Told:
    """One thing told: a value with its dates, or that there is none any more."""

    value: str | None
    since: int | None = None
    until: int | None = None


days = st.one_of(st.none(), st.sampled_from([*PAST, *PAST, *COMING]))
told = st.one_of(
    st.builds(Told, st.sampled_from("abc"), days, days),
    st.builds(Told, st.sampled_from("abc"), days),
    st.builds(Told, st.none(), st.one_of(st.none(), st.sampled_from([*PAST]))),
)
histories = st.lists(st.lists(told, min_size=2, max_size=6), min_size=TOGETHER, max_size=TOGETHER)


# --- by replaying ------------------------------------------------------------------------------------------------------


@dataclass
class Claim:
    """What was told, with the stretch it is taken to hold for. `stated`: its beginning was said."""

    value: str | None
    start: float
    end: float
    stated: int | None
    void: bool = False


@dataclass
class Replay:
    """Everything told about one slot, in order, painted on a line of days."""

    claims: list[Claim] = field(default_factory=list)
    standing: Claim | None = None

    def tell(self, one: Told, now: float) -> None:
        if one.since is not None and one.until is not None and one.until <= one.since:
            return
        if one.value is None:
            self.take_back(one.since, now)
        elif one.until is not None and one.until <= now:
            self.tell_of_the_past(one, now)
        else:
            self.tell_of_now(one, now)

    def take_back(self, since: int | None, now: float) -> None:
        if self.standing is not None and self.standing.value is not None:
            self.open(Claim(None, now if since is None else since, inf, since))

    def tell_of_the_past(self, one: Told, now: float) -> None:
        held = self.standing
        assert one.until is not None
        if held is not None and held.value == one.value and one.until > held.start:
            self.take_back(one.until, now)
        else:
            self.remember(one.value, -inf if one.since is None else one.since, one.until, one.since)

    def tell_of_now(self, one: Told, now: float) -> None:
        held, until = self.standing, inf if one.until is None else one.until
        if one.since is not None:
            later = [claim.stated for claim in self.claims if claim.stated and one.since < claim.stated <= now]
            if later:
                return self.remember(one.value, one.since, min(*later, until), one.since)
        if held is not None and held.value == one.value:
            if one.until is not None or (one.since is not None and one.since != held.stated):
                held.void = True
                start = held.start if one.since is None else one.since
                self.open(Claim(one.value, start, until, held.stated if one.since is None else one.since))
            return None
        start = one.since if one.since is not None else -inf if held is None else now
        return self.open(Claim(one.value, start, until, one.since))

    def open(self, claim: Claim) -> None:
        if self.standing is not None:
            self.standing.end = min(self.standing.end, claim.start)
        self.claims.append(claim)
        self.standing = claim

    def remember(self, value: str | None, start: float, end: float, stated: int | None) -> None:
        self.claims.append(Claim(value, start, end, stated))

    def value_at(self, day: float) -> str | None:
        """Later beginnings are painted over earlier ones, and what was told later over what was told before."""
        painted = None
        for claim in sorted((claim for claim in self.claims if not claim.void), key=lambda claim: claim.start):
            if claim.start <= day < claim.end:
                painted = claim.value
        return painted


# --- by the ledger -----------------------------------------------------------------------------------------------------


def date(day: int) -> datetime:
    start = datetime(2020, 1, 1, tzinfo=UTC) if day < TODAY else datetime(2040, 1, 1, tzinfo=UTC)
    return start + timedelta(days=day)


class Desk:
    """Tells the ledger one thing about each of many slots at once, and reads them all."""

    def __init__(self, gate: Any, user: str) -> None:
        self.gate, self.user = gate, user
        self.handles: dict[int, str] = {}

    def tell(self, things: dict[int, Told]) -> None:
        numbered = [(number, change) for number, one in things.items() if (change := self.change(number, one))]
        receipts = self.gate.write(*(change for _, change in numbered), user=self.user, origin=Origin.USER)
        for (number, _), receipt in zip(numbered, receipts, strict=True):
            assert receipt.status in ("saved", "known", "refused"), receipt
            self.keep(number, receipt)

    def keep(self, number: int, receipt: Receipt) -> None:
        if receipt.handle and receipt.status == "saved" and not receipt.past:
            self.handles[number] = receipt.handle

    def change(self, number: int, one: Told) -> Change | None:
        since, until = (None if day is None else date(day) for day in (one.since, one.until))
        if one.value is None:
            handle = self.handles.get(number)
            return Retire(store="notes", handle=handle, since=since) if handle else None
        slot = f"slot{number}"
        return Add(store="notes", kind="field", name=slot, slot=slot, text=one.value, since=since, until=until)

    def now(self) -> datetime:
        with self.gate.database.connection() as connection:
            return connection.execute("select clock_timestamp() as now").fetchone()["now"]  # type: ignore[no-any-return]

    def read(self, as_of: datetime, known_at: datetime) -> dict[str, str]:
        store = type("Notes", (LedgerStore,), {"learning_type": "notes", "private": False})(ledger=self.gate.ledger)
        items = store.recall(user_id=self.user, standing=Standing(as_of=as_of, known_at=known_at)) or ()
        return {item.slot: item.text for item in items}


def check(gate: Any, stories: list[list[Told]], user: str) -> None:
    desk, known = Desk(gate, user), []
    for step in range(max(map(len, stories))):
        desk.tell({number: story[step] for number, story in enumerate(stories) if step < len(story)})
        known.append(desk.now())
    for step, known_at in enumerate(known):
        replays = [Replay() for _ in stories]
        for at in range(step + 1):
            for replay, story in zip(replays, stories, strict=True):
                if at < len(story):
                    replay.tell(story[at], TODAY + at)
        moments = [(day + 0.5, date(day) + timedelta(hours=12)) for day in (0, 2, 5, 9, 12, 101, 103)]
        for day, as_of in [*moments, (TODAY + step + 0.5, known_at)]:
            expected = {f"slot{number}": value for number, one in enumerate(replays) if (value := one.value_at(day))}
            assert desk.read(as_of, known_at) == expected, (step, day)


_users = iter(range(1_000_000))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(stories=histories)
def test_any_day_as_it_was_known(gate: Any, stories: list[list[Told]]) -> None:
    """On a thousand histories with late, backdated and contradicting arrivals the ledger reads what replaying gives."""
    check(gate, stories, f"user {next(_users)}")
