"""A part of what is known of a person taken out: a conversation, a thing, a file, a time; and what stands again then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from langchain_core.messages import HumanMessage

from learning_machine import LearningMachine, LearningMode, create_learning_agent
from learning_machine.errors import InvalidInput
from learning_machine.state.config import LearnedKnowledgeConfig
from learning_machine.testing import ScriptedModel, change
from tests.ownership.conftest import ALICE, BOB, dump, teach
from tests.ownership.test_importers import HERE

Full = Callable[..., LearningMachine]


def knows(text: str, **more: Any) -> list[dict[str, Any]]:
    return [change("learned_knowledge", text, quote=text, **more)]


def lives_in(place: str) -> list[dict[str, Any]]:
    return [change("user_profile", place, kind="field", name="location", quote=f"I live in {place}")]


# --- a conversation ---------------------------------------------------------------------------------------------------


def test_a_session_is_erased_and_the_rest_stays(alice: LearningMachine, url: str) -> None:
    """Of a session its words and what it taught go; other sessions stay."""
    teach(alice, [change("user_profile", "tea", kind="observation", quote="I like tea")], "I like tea", "s2", **ALICE)
    receipt = alice.erase(session_id="s1", user_id="alice")
    left = dump(url)
    assert "Lisbon" not in left and "Acme" not in left and "tea" in left
    assert "tea" in alice.build_context(**ALICE) and receipt["what"] == "session"
    assert alice.verify_audit()["whole"]


def test_what_an_erased_session_replaced_stands_again(full: Full) -> None:
    """What was known before the session is known again, and found; what it took back stays taken back."""
    machine = full()
    teach(machine, lives_in("Porto"), "I live in Porto", "s0", **ALICE)
    teach(machine, lives_in("Lisbon"), "I live in Lisbon", "s1", **ALICE)
    receipt = machine.erase(user_id="alice", session_id="s1")
    assert "Porto" in machine.build_context(**ALICE) and receipt["kept"]["learnings that stand again"] == 1
    teach(machine, lives_in("Madrid"), "I live in Madrid", "s2", **ALICE)
    handle = next(row["handle"] for row in machine.history(**ALICE) if row["text"] == "Madrid")
    teach(
        machine,
        [{"store": "user_profile", "action": "retire", "handle": handle, "quote": "forget where I live"}],
        "Please forget where I live",
        "s2",
        **ALICE,
    )
    assert "Madrid" not in machine.build_context(**ALICE)
    machine.erase(user_id="alice", session_id="s2")
    assert "Porto" not in machine.build_context(**ALICE)
    assert machine.verify_audit()["whole"]


@pytest.mark.parametrize("store", ["user_profile", "learned_knowledge"])
def test_words_of_an_erased_session_do_not_come_back_with_the_file(store: str, full: Full, url: str) -> None:
    """What two sessions taught stays when one is erased; its words from there are refused when an old export comes in."""
    machine = full()
    kind = "observation" if store == "user_profile" else None
    for session, text in (("s0", "I like jitter"), ("s1", "As Kolibri showed, I like jitter")):
        teach(machine, [change(store, "I like jitter", kind=kind, quote=text)], text, session, **ALICE)
    lines = list(machine.export(**ALICE))
    assert "Kolibri" in "".join(lines)
    machine.erase(user_id="alice", session_id="s1")
    assert "Kolibri" not in dump(url)
    imported = machine.import_(lines, **ALICE)
    assert "Kolibri" not in dump(url)
    assert imported.counts["evidence refused"] and not imported.counts["evidence restored"]
    assert "I like jitter" in str(machine.recall(message="What do I like?", **ALICE)[store])


# --- a thing ----------------------------------------------------------------------------------------------------------


def test_a_thing_is_erased_whatever_spoke_of_it(full: Full, url: str) -> None:
    """Facts, connections, summaries, insights, quotes, messages and checkpoints that name it go, under each of its names;
    what else was said in the same conversation stays."""
    machine = full()
    agent = create_learning_agent(ScriptedModel(answers=lambda said: f"I hear: {said[-1].text}"), learning=machine)
    config: Any = {"configurable": {"thread_id": "s"}}
    said = "Sam Orlov (we call him Sammy) works at Acme. Retries need jitter."
    agent.invoke({"messages": [HumanMessage(said, id="h1")]}, config, context=ALICE)
    agent.invoke({"messages": [HumanMessage("The samples are fine.", id="h2")]}, config, context=ALICE)
    fact = "Sam Orlov (we call him Sammy) works at Acme"
    machine.model.learns = [
        [
            change("entity_memory", fact, kind="fact", subject="Sam Orlov (person)", quote=fact),
            change("entity_memory", "Sammy", kind="alias", subject="Sam Orlov (person)"),
            change("session_context", "Alice speaks of Sam Orlov.", kind="summary"),
            change("learned_knowledge", "Retries need jitter", quote="Retries need jitter"),
            change("user_profile", "works with Sam Orlov", kind="observation", quote=said),
        ]
    ]
    for space, turn, _ in machine.parts.turns.unread_threads(machine_scope(ALICE)):
        machine.learn(space, turn)
    assert "Orlov" in machine.build_context(message="Who is Sam Orlov?", **ALICE)
    receipt = machine.erase(user_id="alice", entity="sam orlov")
    left = dump(url)
    assert "Orlov" not in left and "orlov" not in left
    assert "samples" in left and [m.text for m in agent.get_state(config).values["messages"]] == [
        "The samples are fine.",
        "I hear: The samples are fine.",
    ]
    assert "jitter" in machine.build_context(message="What do retries need?", **ALICE)
    assert receipt["removed"]["messages"] == 2 and machine.verify_audit()["whole"], receipt
    agent.invoke({"messages": [HumanMessage("Good.", id="h3")]}, config, context=ALICE)
    assert machine.parts.turns.unread_threads(machine_scope(ALICE))


def machine_scope(scope: dict[str, Any]) -> Any:
    from learning_machine import Scope

    return Scope(**scope)


@pytest.mark.parametrize(
    ("name", "said", "spared"),
    [
        ("Sam", "I met SAM.", "The same sample"),
        ("C++", "I write C++ daily", "I write C daily"),
        ("Acme (EU) Ltd.", "We buy from acme  (eu) ltd. often", "We buy from acme often"),
        ("田中", "昨日田中さんと話した", "昨日山中さんと話した"),
        ("Łódź", "I saw łódź!", "I saw łódźki"),
        ("a|b", "see a|b there", "see a there"),
    ],
)
def test_a_name_is_found_as_a_word(name: str, said: str, spared: str, full: Full, url: str) -> None:
    """A thing's name counts as a whole word, in any case and script, and never as a pattern."""
    machine = full()
    teach(machine, [], said, "s", **ALICE)
    teach(machine, [], spared, "s", **ALICE)
    machine.erase(user_id="alice", entity=name)
    left = dump(url)
    assert said not in left and spared in left


def test_a_thing_others_spoke_of_stays_theirs(full: Full) -> None:
    """What others brought into the shared namespace about it, in words of theirs, is not this person's to erase."""
    machine = full()
    teach(machine, knows("Gannet is the build server"), "Gannet is the build server", "b", **BOB)
    teach(machine, knows("Gannet needs more memory"), "Gannet needs more memory", "a", **ALICE)
    machine.erase(user_id="alice", entity="Gannet")
    found = machine.build_context(message="What is Gannet?", **BOB)
    assert "build server" in found and "memory" not in found.replace("<entity_memory>", "")


# --- a file -----------------------------------------------------------------------------------------------------------


def test_what_came_from_a_file_is_erased(alice: LearningMachine, url: str) -> None:
    """All that was imported from a document goes, and nothing else."""
    alice.import_(HERE / "mem0.json", **ALICE)
    assert "oolong" in dump(url)
    alice.erase(user_id="alice", source="mem0.json")
    assert "oolong" not in dump(url) and "Lisbon" in dump(url)
    again = alice.import_(HERE / "mem0.json", **ALICE)
    assert again.unread == 3 and "oolong" not in dump(url)


@pytest.mark.parametrize("learn", [True, False])
def test_conversations_that_came_from_a_file_are_erased(learn: bool, full: Full, url: str) -> None:
    """So do conversations of a file, their words and what they taught; they are refused when the file comes again."""
    machine = full([[change("user_profile", "sails the Gannet", kind="observation", quote="My boat is called Gannet")]])
    teach(machine, [], "I like tea", "s", **ALICE)
    machine.import_(HERE / "claude.json", learn=learn, **ALICE)
    assert "Gannet" in dump(url)
    receipt = machine.erase(user_id="alice", source="claude.json")
    left = dump(url)
    assert "Gannet" not in left and "gannet" not in left and "tea" in left
    assert receipt["removed"]["turns"] == 1
    machine.import_(HERE / "claude.json", learn=learn, **ALICE)
    assert "Gannet" not in dump(url) and machine.verify_audit()["whole"]


def test_an_export_that_was_brought_in_is_a_file_too(
    alice: LearningMachine, full: Full, other_url: str, tmp_path: Any
) -> None:
    """What a restore brought is erased by the name of its file."""
    path = tmp_path / "alice.jsonl"
    path.write_text("".join(alice.export(**ALICE)), "utf-8")
    there = full(db=other_url)
    there.import_(path, **ALICE)
    assert "Lisbon" in there.build_context(**ALICE)
    there.erase(user_id="alice", source="alice.jsonl")
    assert "Lisbon" not in dump(other_url) and "Acme" not in dump(other_url)
    assert there.verify_audit()["whole"]


# --- a time -----------------------------------------------------------------------------------------------------------


def test_a_time_is_erased(alice: LearningMachine, url: str) -> None:
    """What was said and learned in a time goes, and what came before stays."""
    middle = datetime.now(UTC)
    teach(alice, [change("user_profile", "tea", kind="observation", quote="I like tea")], "I like tea", "s2", **ALICE)
    alice.erase(user_id="alice", since=middle)
    assert "tea" not in dump(url) and "Lisbon" in alice.build_context(**ALICE)
    assert alice.verify_audit()["whole"]


def test_an_old_conversation_brought_in_today_belongs_to_both_times(full: Full, url: str) -> None:
    """It goes with the time it was said in, and with the time it came in."""
    for window in ({"until": datetime(2026, 6, 30, tzinfo=UTC)}, {"since": datetime.now(UTC) - timedelta(hours=1)}):
        machine = full()
        machine.import_(HERE / "claude.json", user_id="zoe")
        assert "Gannet" in dump(url)
        machine.erase(user_id="zoe", **window)
        assert "Gannet" not in dump(url)
        machine.erase(user_id="zoe")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("delete from learning_machine.tombstone")


# --- what is meant ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "meant",
    [
        {"session": "s1"},
        {"entitty": "Sam"},
        {"since": datetime(2026, 1, 1)},
        {"entity": " "},
        {"source": ""},
    ],
)
def test_what_narrows_nothing_erases_nothing(meant: dict[str, Any], alice: LearningMachine) -> None:
    """A name that is not known, or says nothing, is an error: it could otherwise erase all there is."""
    with pytest.raises(InvalidInput, match="Nothing was erased"):
        alice.erase(user_id="alice", **meant)
    assert "Lisbon" in alice.build_context(**ALICE)


# --- what several people said ----------------------------------------------------------------------------------------


def test_what_curation_merged_into_an_erased_learning_stands_again(full: Full, url: str) -> None:
    """Bob's own words, archived because Alice's said the same, are shown again when hers are gone."""
    machine = full()
    bobs, hers = (
        "Feature flags should expire after one release",
        "Flags that outlive their rollout confuse whoever reads the code",
    )
    teach(machine, knows(bobs), bobs, "b", **BOB)
    teach(machine, knows(hers, name="Flags"), hers, "a", **ALICE)
    with psycopg.connect(url, autocommit=True) as connection:
        ids = connection.execute(
            "select id from learning_machine.learning where store = 'learned_knowledge' order by id"
        ).fetchall()
        assert len(ids) == 2
        connection.execute("set search_path to learning_machine")
        connection.execute(
            "with done as (update learning_machine.learning set status = 'archived', known_to = clock_timestamp() "
            "where id = %s returning *) insert into learning_machine.archived (space, learning, survivor, reason, batch) "
            "select space, id, %s, 'the same', gen_random_uuid() from done",
            [ids[0][0], ids[1][0]],
        )
    asked: dict[str, Any] = {"message": "When do feature flags expire?", **BOB}
    assert bobs not in str(machine.recall(**asked).get("learned_knowledge"))
    receipt = machine.erase(user_id="alice")
    assert bobs in str(machine.recall(**asked).get("learned_knowledge"))
    assert receipt["kept"]["learnings that stand again"] == 1


@pytest.mark.parametrize("edited", [True, False])
def test_a_reviewers_words_go_and_their_decisions_stay(
    edited: bool, machine: Callable[..., LearningMachine], url: str
) -> None:
    """What Alice worded for Bob is told in his words again; what she only approved stays, without her name."""
    found = machine(
        ScriptedModel(),
        learned_knowledge=LearnedKnowledgeConfig(namespace="eng", mode=LearningMode.HITL),
        reviewers=["alice"],
        background="external",
    )
    teach(found, knows("Tests need names"), "Tests need names", "b", **BOB)
    teach(found, knows("Commits need reasons"), "Commits need reasons", "b", **BOB)
    first, second = found.proposals.list()
    if edited:
        found.proposals.edit(first.handle, text="Tests need names, says Kookaburra", by="alice")
    else:
        found.proposals.approve(first.handle, by="alice")
    found.proposals.reject(second.handle, reason="Kookaburra knows better", by="alice")
    found.erase(user_id="alice")
    left = dump(url)
    assert "alice" not in left and "Kookaburra" not in left and "kookaburra" not in left
    assert "Tests need names" in found.build_context(message="What do tests need?", **BOB)
    report = found.verify_audit()
    assert report["whole"], report


def test_who_settled_a_flag_is_forgotten(full: Full, url: str) -> None:
    """A person's name does not stay on what they looked at again."""
    machine = full()
    teach(machine, knows("Tests need names"), "Tests need names", "b", **BOB)
    teach(machine, [], "Hello", "a", **ALICE)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "insert into learning_machine.flag (space, learning, reason, settled_at, settled_by, verdict) "
            "select space, id, 'left behind', now(), 'alice', 'kept' from learning_machine.learning"
        )
    machine.erase(user_id="alice")
    assert "alice" not in dump(url)
