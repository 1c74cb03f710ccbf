"""The conversation itself as a source of recall: what was said, when and by whom, for what extraction did not lift out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from learning_machine.state.messages import keys_of
from learning_machine.stores import conversation
from learning_machine.stores.conversation import ConversationConfig
from learning_machine.stores.protocol import Standing
from learning_machine.testing import change


def noon(days_ago: int) -> datetime:
    """Noon in UTC, so many days before the day it is by now: the tests may run across midnight."""
    return datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)


def said(*texts: str, at: datetime | None = None, session: str = "x") -> list[Any]:
    """A conversation, the user first, all of it said at one time."""
    extra = {"at": at} if at else {}
    roles = (HumanMessage, AIMessage)
    return [
        roles[number % 2](text, id=f"{session}-{number}-{text[:20]}", additional_kwargs=extra)
        for number, text in enumerate(texts)
    ]


def tell(
    world: Any, *texts: str, session: str = "s1", at: datetime | None = None, user: str | None = "alice", **scope: Any
) -> None:
    world.learned = []
    world.machine.process(said(*texts, at=at, session=session), user_id=user, session_id=session, **scope)


def passages(world: Any, message: str, **scope: Any) -> list[str]:
    found = world.recall(message, **scope).get("conversation")
    return [one.content for one in found.passages] if found else []


def learn(world: Any, text: str, *learned: dict[str, Any], session: str = "s1") -> Any:
    """One turn in which that was said and this was learned; the first receipt."""
    world.learned = list(learned)
    return world.machine.process(said(text, "Noted.", session=session), user_id="alice", session_id=session)[0]


# --- what is found ----------------------------------------------------------------------------------------------------


def test_what_was_said(world: Any) -> None:
    """Who said what, and on which day, with the answer to a question or the question of an answer."""
    at = noon(3)
    tell(world, "My boat is called Matilda.", "A lovely name for a boat.", at=at)
    day = f"{at:%Y-%m-%d}"
    [mine, answer] = sorted(
        world.recall("What is the name of my boat?")["conversation"].passages, key=lambda one: one.role, reverse=True
    )
    assert (mine.role, mine.day, mine.after) == ("user", day, "A lovely name for a boat.")
    assert (answer.role, answer.before) == ("assistant", "My boat is called Matilda.")
    context = world.context("What is the name of my boat?")
    assert f"- {day}, user: My boat is called Matilda. — answered: A lovely name for a boat." in context


def test_the_same_words_once(world: Any) -> None:
    """What was asked and answered in the same words on the same day is told once, and leaves its place to something else."""
    before, at = noon(2), noon(1)
    for number in range(12):
        tell(world, "Which train goes to Bern?", "The one at nine.", session=f"s{number}", at=before)
    tell(world, "Which train goes to Bern?", "The one at ten.", session="later", at=at)
    tell(world, "The train to Bern was late.", "Sorry.", session="other", at=at)
    found = world.recall("train to Bern")["conversation"].passages
    told = [(one.day, one.role, one.content, one.before, one.after) for one in found]
    assert len(told) == len(set(told)) and len({one.day for one in found}) == 2
    assert "The train to Bern was late." in [one.content for one in found]


def test_the_neighbours_help(world: Any) -> None:
    """What stands beside a hit is lent some of its worth, so an answer comes up with its question."""
    tell(
        world,
        "Which port should the ferry leave from?",
        "Piraeus, at seven.",
        "Thanks!",
        "My pleasure.",
        "And cheese?",
        "Feta.",
    )
    assert passages(world, "ferry port leave")[0].startswith("Which port")
    assert world.recall("ferry port leave")["conversation"].passages[0].after == "Piraeus, at seven."


def test_what_was_taken_back(world: Any) -> None:
    """Of a turn whose words were taken back since nothing is recalled, not even beside another; said anew, it is."""
    words = change("user_profile", "90k", kind="field", name="salary", quote="salary is 90k")
    tell(world, "What is a fair salary?", "That depends.")
    salary = learn(world, "My salary is 90k.", words)
    tell(world, "Is a salary paid monthly?", "It is.")
    everything = "What did I say about my salary?"
    assert "My salary is 90k." in passages(world, everything)
    learn(world, "Forget that.", change("user_profile", action="retire", handle=salary["handle"], quote="Forget that."))
    assert passages(world, everything) and not shown(world, everything, "90k")
    learn(world, "My salary is 90k, after all.", words)
    assert shown(world, everything, "90k")


def test_as_much_as_is_wanted(make_world: Any) -> None:
    """Where more messages may be recalled, more candidates are looked at."""
    world = make_world(conversation=ConversationConfig(max_results=40))
    for number in range(30):
        tell(world, f"The budget for boat {number} is {number}00.", session=f"s{number}")
    assert len(passages(world, "What is the budget for a boat?")) == 30


def test_what_was_taken_back_crowds_nothing_out(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns that are no longer told, more than candidates are looked at, leave the place to the one that is."""
    monkeypatch.setattr(conversation, "LEAST", 5)
    monkeypatch.setattr(conversation, "EACH", 1)
    quoted = [f"The vault code is {number}." for number in range(8)]
    for number, text in enumerate(quoted):
        note = change("user_profile", text, kind="observation", quote=text)
        receipt = learn(world, text, note, session=f"s{number}")
        learn(
            world,
            "No.",
            change("user_profile", action="retire", handle=receipt["handle"], quote="No."),
            session=f"s{number}",
        )
    tell(world, "I once left the vault open by a code of honour.", "I see.", session="last")
    assert passages(world, "vault code") == ["I once left the vault open by a code of honour."]


def shown(world: Any, message: str, word: str) -> bool:
    """Whether anything recalled of the conversation has the word in it, or beside it."""
    found = world.recall(message).get("conversation")
    return any(word in f"{one.content} {one.before} {one.after}" for one in (found.passages if found else ()))


def test_private(world: Any) -> None:
    """What somebody said is recalled to them alone, whatever groups they share."""
    tell(world, "The vault code word is heliotrope.", "Noted.", groups=("engineering",))
    assert passages(world, "vault code word", groups=("engineering",), session_id="s2")
    for user, groups in (
        ("bob", ("engineering",)),
        ("alice ", ()),
        (None, ("engineering",)),
        ("engineering", ("alice",)),
    ):
        assert passages(world, "vault code word heliotrope", user=user, groups=groups) == []
        assert passages(world, "vault code word heliotrope", user=user, groups=groups, session_id="s1") == []


def test_without_a_user(world: Any) -> None:
    """What nobody in particular said stays in its conversation."""
    tell(world, "The vault code word is heliotrope.", "Noted.", user=None)
    assert passages(world, "vault code word", user=None, session_id="s1")
    assert passages(world, "vault code word", user=None, session_id="s2") == []


@pytest.mark.parametrize("options", [{"conversation": False}])
def test_switched_off(make_world: Any, options: dict[str, Any]) -> None:
    """Switched off, nothing of a conversation is searched, nor made searchable."""
    world = make_world(**options)
    tell(world, "My boat is called Matilda.", "Lovely.")
    assert passages(world, "What is the name of my boat?") == []
    assert "conversation" not in world.machine.stores.types


def test_config(make_world: Any) -> None:
    """The config says how many messages, and how much of them."""
    few = make_world(conversation=ConversationConfig(max_results=2))
    for number in range(6):
        tell(few, f"Boat number {number} sails in summer.", "Good.", session=f"s{number}")
    assert len(passages(few, "Which boat sails in summer?")) == 2
    small = make_world(conversation=ConversationConfig(max_context_tokens=30))
    assert "more not shown" in small.context("Which boat sails in summer?")


# --- what is not ------------------------------------------------------------------------------------------------------


def test_not_what_is_in_sight(world: Any) -> None:
    """What the agent has in front of it is not recalled a second time, neither as a hit nor beside one."""
    tell(world, "My boat is called Matilda.", "A lovely name for a boat.")
    messages = said("My boat is called Matilda.", "A lovely name for a boat.", session="s1")
    here = tuple(keys_of(messages, "s1"))
    store = world.machine.stores["conversation"]
    question = world.machine.parts.embedder.question("What is the name of my boat?")
    standing = Standing(machine="default", here=here, question=question, now=noon(0))
    assert store.recall(user_id="alice", session_id="s1", standing=standing) is None
    one = Standing(machine="default", here=here[1:], question=question, now=noon(0))
    found = store.recall(user_id="alice", session_id="s1", standing=one)
    assert [(one.content, one.after) for one in found.passages] == [("My boat is called Matilda.", "")]


def test_kept_until_learned(make_world: Any) -> None:
    """Messages kept only until they are learned from are not found afterwards."""
    world = make_world(keep_messages="until_learned")
    tell(world, "My boat is called Matilda.", "Lovely.")
    assert passages(world, "What is the name of my boat?") == []


def test_kept_for_some_days(make_world: Any, see: Any) -> None:
    """Messages kept for some days are found until then, and not after."""
    world = make_world(keep_messages=30)
    tell(world, "My boat is called Matilda.", "Lovely.")
    assert passages(world, "What is the name of my boat?")
    see("update message set expires_at = now() - interval '1 second'")
    assert passages(world, "What is the name of my boat?") == []


def test_a_branch_left_behind(world: Any, thread: Any) -> None:
    """What was said on a branch left behind is not found, nor stands beside what is."""
    first = thread.turn([], "boat one", "answer one")
    thread.turn(first, "boat two", "answer two")
    thread.turn(first, "boat three", "answer three")
    space = world.machine.parts.turns
    index_all(world, thread)
    found = world.recall("words of boat")["conversation"].passages
    contents = {one.content for one in found} | {one.before for one in found} | {one.after for one in found}
    assert "words of boat one" in contents
    assert "words of boat three" in contents
    assert "words of boat two" not in contents
    assert "words of answer two" not in contents
    assert space.machine == "default"


def index_all(world: Any, thread: Any) -> None:
    """Make what the thread's turns hold findable, as reading them does."""
    parts = world.machine.parts
    row = next(iter(parts.database.read(_access(thread), [("access.spaces", {})])), None)
    assert row is not None
    with parts.database.transaction(_access(thread)) as transaction:
        turns = transaction.connection.execute("select space, id from turn").fetchall()
    for turn in turns:
        unread = parts.turns.unread(turn["space"], thread.scope.session_id)
        texts = {(one.id, words.key): words.content for one in unread for words in one.said}
        parts.turns.index(turn["space"], texts, parts.embedder.vectors(list(texts.values())))
        with parts.database.transaction(_access(thread)) as transaction:
            transaction.run(
                "ledger.read", {"space": turn["space"], "turns": [one.id for one in unread], "batch": turn["id"]}
            )


def _access(thread: Any) -> Any:
    from learning_machine.stores.spaces import access_of

    return access_of(thread.scope)


# --- times ------------------------------------------------------------------------------------------------------------


def test_a_time_in_the_question(world: Any) -> None:
    """A time in the message narrows what was said to that time, however much else was said."""
    tell(world, "The budget for boats is 900.", "Noted.", session="old", at=noon(1))
    for number in range(60):
        tell(
            world,
            f"The budget for boats, draft {number}, is under discussion.",
            "Noted.",
            session=f"s{number}",
            at=noon(40 + number),
        )
    assert any("900" in one for one in passages(world, "What did I say in the last 3 days about the budget for boats?"))
    assert all(
        "draft" not in one for one in passages(world, "What did I say in the last 3 days about the budget for boats?")
    )
    assert passages(world, "What did I say about the budget for boats 30 years ago?") == []


def test_words_that_only_say_when(world: Any) -> None:
    """A rare word that only says when does not make the words that are asked for count for nothing."""
    for number in range(30):
        tell(world, f"The budget for boats, draft {number}, is under discussion.", session=f"s{number}", at=noon(1))
    told = world.machine.explain_recall(
        "What did I say about the budget for boats in the last 3 days?", user_id="alice"
    )
    covered = [one["parts"]["words"]["covered"] for one in told["recalled"]]
    assert covered == [1.0] * 5


def test_the_speakers_day(world: Any) -> None:
    """Days are the asker's: what was said late in the evening in UTC was said the next day in Auckland."""
    late = noon(5).replace(hour=22)
    tell(world, "My boat is called Matilda.", "Lovely.", at=late)
    next_day = f"{late + timedelta(days=1):%Y-%m-%d}"
    assert passages(world, f"What of the boat on {next_day}?") == []
    assert passages(world, f"What of the boat on {next_day}?", timezone="Pacific/Auckland")
    assert f"- {next_day}, user:" in world.context("What is the boat called?", timezone="Pacific/Auckland")
