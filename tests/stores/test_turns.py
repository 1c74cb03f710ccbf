"""Recording turns: what was said is kept with the job that reads it, once, and for as long as was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from learning_machine import LearningMachine, UserProfileConfig
from learning_machine.errors import ConfigurationError, WriteFailed
from learning_machine.state.limits import BatchWindow
from learning_machine.state.messages import Said
from learning_machine.state.scope import Scope
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.turns import MAX_BATCH_TOKENS, TurnRecord, Turns, UnreadTurn, one_branch, turn_id
from learning_machine.testing import ScriptedModel, change

See = Callable[..., list[dict[str, Any]]]
ALICE = Scope(user_id="alice", session_id="s1")
LEARNS = [change("user_profile", "Bern", kind="field", name="location", quote="I live in Bern")]
TALK = [("user", "I live in Bern"), ("assistant", "Nice"), ("user", "Thanks")]


def record(*texts: str, answer: str = "a1", **options: Any) -> TurnRecord:
    said = tuple(Said(f"{answer}-{number}", "user", text) for number, text in enumerate(texts))
    return TurnRecord(
        **{"session": "s1", "said": said, "answer": answer, "keys": [one.key for one in said], "here": [], **options}
    )


@pytest.fixture
def turns(blank: Database) -> Turns:
    return Turns(blank, "default")


# --- recording --------------------------------------------------------------------------------------------------------


def test_nothing_to_record(turns: Turns, see: See) -> None:
    """Where nothing was said, or for nobody, nothing is recorded."""
    assert turns.record(ALICE, record()) is None
    assert turns.record(Scope(), record("hello")) is None
    assert see("select 1 from turn") == []


def test_recorded_with_its_job(turns: Turns, see: See) -> None:
    """A turn and the job that reads it are recorded together; more turns of the thread wait for the same job."""
    for number in range(3):
        assert turns.record(ALICE, record("hello", answer=f"a{number}"), BatchWindow()) is not None
    assert see("select count(*) as n from turn") == [{"n": 3}]
    assert see("select status, queue_name from procrastinate_jobs") == [
        {"status": "todo", "queue_name": "learning:default"}
    ]


def test_both_or_neither(turns: Turns, see: See) -> None:
    """When the job cannot be queued, the turn is not recorded either; and it can be, the next time."""
    for table in ("procrastinate_jobs", "message"):
        see(f"alter table {table} add constraint fault check (false)")
        try:
            with pytest.raises(WriteFailed):
                turns.record(ALICE, record("hello"), BatchWindow())
        finally:
            see(f"alter table {table} drop constraint fault")
        assert (
            see("select 1 from turn") == see("select 1 from message") == see("select 1 from procrastinate_jobs") == []
        )
    assert turns.record(ALICE, record("hello"), BatchWindow()) is not None
    assert len(see("select 1 from turn")) == len(see("select 1 from procrastinate_jobs")) == 1


def test_twenty_at_once(turns: Turns, see: See) -> None:
    """Twenty turns of one thread recorded at once are all kept, none twice, with one job, and none is left behind."""
    with ThreadPoolExecutor(20) as threads:
        list(
            threads.map(
                lambda number: turns.record(ALICE, record("hello", answer=f"a{number % 20}"), BatchWindow()), range(40)
            )
        )
    assert see("select count(*) as n, count(abandoned_at) as left from turn") == [{"n": 20, "left": 0}]
    assert see("select count(*) as n from message") == [{"n": 20}]
    assert see("select count(*) as n from procrastinate_jobs") == [{"n": 1}]
    assert see("select count(distinct parent) as n from turn") == [{"n": 19}]


def test_the_same_turn_has_the_same_id(turns: Turns) -> None:
    """A turn recorded again is the same turn; another machine's or thread's is another."""
    first = turns.record(ALICE, record("hello"))
    assert first == turns.record(ALICE, record("hello")) and first is not None
    assert first[1] == turn_id("default", "s1", "a1")
    assert len({turn_id(machine, session, "a1") for machine in ("m", "n") for session in ("", "s1")}) == 4


@pytest.mark.parametrize("text", ["\x00", "a\ud800b", "x" * 1_000_000, "'; drop table message; -- %s %(x)s"])
def test_any_words(turns: Turns, see: See, text: str) -> None:
    """Whatever was said can be recorded."""
    assert turns.record(ALICE, record(text)) is not None
    assert len(see("select content from message")[0]["content"]) == len(text)


def test_any_extras(turns: Turns) -> None:
    """Whatever else a scope carries, the turn is recorded; what is data comes back with it."""
    scope = Scope(
        user_id="alice", session_id="s1", project="a\x00", client=object(), deep={"x": [float("nan"), "\ud800"]}
    )
    recorded = turns.record(scope, record("hello"))
    assert recorded is not None
    [unread] = turns.unread(recorded[0], "s1")
    assert unread.scope.user_id == "alice" and unread.scope.extras["deep"] == {"x": [None, "\ufffd"]}


def test_secrets_are_taken_out(blank: Database, see: See) -> None:
    """What is kept of what was said has gone through redaction."""
    turns = Turns(blank, "default", redact=lambda text: text.replace("hunter2", "[secret]"))
    turns.record(ALICE, record("my password is hunter2"))
    assert see("select content from message") == [{"content": "my password is [secret]"}]


# --- reading ----------------------------------------------------------------------------------------------------------


def unread(id: int, parent: int | None, words: int = 1) -> UnreadTurn:
    from uuid import UUID

    said = (Said(f"u{id}", "user", "word " * words),)
    return UnreadTurn(UUID(int=id), None if parent is None else UUID(int=parent), f"a{id}", ALICE, said)


def test_a_batch_is_one_branch() -> None:
    """Turns are read together only along one branch, in order."""
    turns = [unread(1, None), unread(2, 1), unread(3, 1), unread(4, 2), unread(5, 3)]
    assert [turn.answer for turn in one_branch(turns)] == ["a1", "a2", "a4"]
    assert one_branch([]) == []


def test_a_batch_has_a_limit() -> None:
    """A batch stays inside its budget; a single turn that is longer is read alone."""
    long = MAX_BATCH_TOKENS
    assert len(one_branch([unread(1, None, long), unread(2, 1)])) == 1
    assert len(one_branch([unread(1, None), unread(2, 1, long), unread(3, 2)])) == 1
    assert len(one_branch([unread(1, None), unread(2, 1), unread(3, 2)])) == 3


def test_unread_in_order(thread: Any, see: See) -> None:
    """Unread turns come oldest first with their words in order; a parked one does not hold up the others."""
    line: list[str] = []
    for number in range(1, 4):
        line = thread.turn(line, f"u{number}", f"a{number}")
    space = see("select id from space")[0]["id"]
    found = thread.turns.unread(space, "s1")
    assert [[one.key for one in turn.said] for turn in found] == [["u1", "a1"], ["u2", "a2"], ["u3", "a3"]]
    assert [one.key for turn in thread.turns.unread(space, "s1", 1) for one in turn.said] == ["u1", "a1"]
    thread.turns.note_failure(space, thread.id("a1"), 5, "TimeoutError", parked=True)
    assert [turn.answer for turn in thread.turns.unread(space, "s1")] == ["a2", "a3"]
    assert thread.turns.line_before(space, thread.id("a3")) != []


# --- keeping ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def learner(blank: Database) -> Iterator[Callable[..., LearningMachine]]:
    made: list[LearningMachine] = []

    def make(**options: Any) -> LearningMachine:
        model = ScriptedModel(learns=lambda new: LEARNS if "Bern" in new[0]["text"] else [])
        made.append(LearningMachine(db=blank.conninfo, model=model, user_profile=UserProfileConfig(), **options))
        return made[-1]

    yield make
    for machine in made:
        machine.close()


def kept(see: See) -> list[str]:
    return [row["content"] for row in see("select content from message order by id")]


def check_learned(machine: LearningMachine, see: See) -> None:
    """Whatever became of the messages, what was learned and the words behind it are there."""
    assert machine.recall(user_id="alice")["user_profile"].location == "Bern"
    assert see("select quote from evidence") == [{"quote": "I live in Bern"}]


def test_kept_for_ever(learner: Callable[..., LearningMachine], see: See) -> None:
    """By default what was said is kept, without an end."""
    machine = learner()
    machine.process(TALK, user_id="alice", session_id="s1")
    assert kept(see) == ["I live in Bern", "Nice", "Thanks"]
    assert see("select count(expires_at) as n from message") == [{"n": 0}]
    check_learned(machine, see)


def test_kept_until_learned(learner: Callable[..., LearningMachine], see: See) -> None:
    """`until_learned`: what extraction has read is deleted, with what search knew of it; what it has not read is kept."""
    machine = learner(keep_messages="until_learned")
    machine.recall(user_id="alice")
    machine.parts.turns.record(Scope(user_id="bob", session_id="s9"), record("unread", session="s9"))
    machine.process(TALK, user_id="alice", session_id="s1")
    assert kept(see) == ["unread"]
    assert (
        see("select 1 from posting where source = 'message' and space = (select id from space where owner = 'alice')")
        == []
    )
    assert (
        see("select 1 from embedding where source = 'message' and space = (select id from space where owner = 'alice')")
        == []
    )
    check_learned(machine, see)
    assert machine.process(TALK, user_id="alice", session_id="s1") == []  # what was learned is still known to be


def test_kept_for_days(learner: Callable[..., LearningMachine], see: See) -> None:
    """A number of days: what was said is deleted when they are over, with what search knew of it, and not before."""
    machine = learner(keep_messages=7)
    machine.process(TALK, user_id="alice", session_id="s1")
    ends = [row["expires_at"] for row in see("select expires_at from message")]
    week = datetime.now(UTC) + timedelta(days=7)
    assert len(ends) == 3 and all(abs(end - week) < timedelta(minutes=5) for end in ends)
    machine.parts.turns.drop_expired()
    assert len(kept(see)) == 3
    see("update message set expires_at = now() - interval '1 second' where content <> 'Thanks'")
    machine.parts.turns.drop_expired()
    assert kept(see) == ["Thanks"]
    assert (
        see(
            "select 1 from posting p where source = 'message' and not exists (select from message m where m.id = p.item)"
        )
        == []
    )
    check_learned(machine, see)


def test_expired_words_go_with_the_next_batch(learner: Callable[..., LearningMachine], see: See) -> None:
    """Each batch that is learned takes along what has expired of the same person."""
    machine = learner(keep_messages=1)
    machine.process(TALK, user_id="alice", session_id="s1")
    see("update message set expires_at = now() - interval '1 second'")
    machine.process([("user", "Something else")], user_id="alice", session_id="s2")
    assert kept(see) == ["Something else"]


@pytest.mark.parametrize("keep", ["never", 0, -1, 1.5, None, "7"])
def test_not_a_time(keep: Any) -> None:
    """Anything else is refused where it is written."""
    with pytest.raises(ConfigurationError, match="keep_messages"):
        LearningMachine(keep_messages=keep)
