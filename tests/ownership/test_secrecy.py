"""Nobody else reads a person's words: not while they are there, not in logs, and not after they were erased."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from learning_machine import LearningMachine, LearningMode, create_learning_agent
from learning_machine.state.config import LearnedKnowledgeConfig
from learning_machine.testing import ScriptedModel, change
from tests.ownership.conftest import ALICE, BOB, dump, teach

CANARIES = [f"zyxo{number:02d}wren" for number in range(12)]
INSIGHT = "Feature flags should expire after one release"


@pytest.fixture
def secretive(machine: Callable[..., LearningMachine]) -> LearningMachine:
    """A machine to which Alice told twelve things in private, and one insight that Bob and she both brought to the group."""
    found = machine(
        ScriptedModel(),
        user_profile=True,
        session_context=True,
        entity_memory=True,
        learned_knowledge=LearnedKnowledgeConfig(namespace="eng", mode=LearningMode.BACKGROUND),
        background="external",
    )
    teach(found, [change("learned_knowledge", INSIGHT, quote=INSIGHT)], INSIGHT, "b", **BOB)
    said = f"{INSIGHT}, as {CANARIES[0]} showed"
    teach(found, [change("learned_knowledge", INSIGHT, quote=said)], said, "a", **ALICE)
    for number, (store, fields) in enumerate(
        [
            ("user_profile", {"kind": "field", "name": "location"}),
            ("user_profile", {"kind": "observation"}),
            ("session_context", {"kind": "summary"}),
            ("session_context", {"kind": "goal"}),
            ("entity_memory", {"kind": "fact", "subject": f"{CANARIES[5]} (person)"}),
        ],
        1,
    ):
        text = f"I say {CANARIES[number]}"
        teach(found, [change(store, text, quote=text, **fields)], text, f"a{number}", **ALICE)
    proposing = machine(
        ScriptedModel(),
        learned_knowledge=LearnedKnowledgeConfig(namespace="eng", mode=LearningMode.PROPOSE),
        background="external",
    )
    for number in (7, 8):
        text = f"Know {CANARIES[number]}"
        teach(proposing, [change("learned_knowledge", text, quote=text)], text, "ap", **ALICE)
    proposing.proposals.reject(proposing.proposals.list()[0].handle, by="alice", reason=CANARIES[9])
    found.process([HumanMessage(f"Unread {CANARIES[10]}", id="u")], session_id="au", **ALICE)
    return found


def readable(machine: LearningMachine) -> dict[str, str]:
    """All that Bob can read, by where."""
    found: dict[str, Any] = {}
    for question in ("What should I know?", "What do you know of Alice?", INSIGHT, *CANARIES):
        found[f"recall {question}"] = machine.recall(message=question, session_id="a", **BOB)
        found[f"context {question}"] = machine.build_context(message=question, session_id="a", **BOB)
        found[f"search {question}"] = machine.search(question, **BOB)
        found[f"why {question}"] = machine.explain_recall(question, **BOB)
    history = machine.history(**BOB)
    found["history"] = history
    found["learnings"] = machine.learnings(**BOB)
    found["turns"] = machine.turns(**BOB)
    found["entities"] = machine.entities(**BOB)
    found["explained"] = [machine.explain(row["handle"], **BOB) for row in history]
    found["export"] = list(machine.export(**BOB))
    for turn in {line["id"] for line in map(json.loads, machine.export(**ALICE)) if line["record"] == "turn"}:
        found[f"turn {turn}"] = machine.learned(turn, **BOB)
    return {where: repr(what) for where, what in found.items()}


def test_bob_reads_alices_words_nowhere_before_or_after(
    secretive: LearningMachine, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever Bob asks of the machine, and whatever is logged meanwhile, holds none of Alice's words; the shared insight
    stays readable to him all along."""
    caplog.set_level(logging.DEBUG)
    assert sum(word in dump(url) for word in CANARIES) >= 10
    for moment in ("before", "after"):
        if moment == "after":
            secretive.erase(user_id="alice")
            assert not [word for word in CANARIES if word in dump(url)]
        for where, text in readable(secretive).items():
            # A question comes back with its answer.
            asked = [word for word in CANARIES if word in where]
            assert not [word for word in CANARIES if word in text and word not in asked], (moment, where)
        assert INSIGHT in secretive.build_context(message=INSIGHT, **BOB)
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert not [word for word in CANARIES if f"say {word}" in logged or f"Know {word}" in logged]


def test_failures_say_nothing_of_what_was_said(
    secretive: LearningMachine, url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that cannot be read, an erasure that fails and an import that is refused quote nobody."""
    import psycopg

    from learning_machine.errors import WriteFailed

    caplog.set_level(logging.DEBUG)
    lines = list(secretive.export(**ALICE))
    broken = [line.replace('"known_from":"', '"known_from":"x') for line in lines]
    problems = secretive.import_(broken, **ALICE).problems
    assert problems and not any(word in problem.reason for word in CANARIES for problem in problems)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "create function learning_machine.fail() returns trigger language plpgsql as $$ begin "
            "raise exception 'no: %', old.content; end $$"
        )
        connection.execute(
            "create trigger fail before delete on learning_machine.message for each row execute function learning_machine.fail()"
        )
    with pytest.raises(WriteFailed) as raised:
        secretive.erase(user_id="alice")
    assert not any(word in str(raised.value) for word in CANARIES)
    assert not any(word in record.getMessage() for word in CANARIES for record in caplog.records)
    assert CANARIES[1] in secretive.build_context(message="Where do I live?", **ALICE), "half of it is gone"


def test_erased_while_everybody_talks(machine: Callable[..., LearningMachine], url: str) -> None:
    """Alice is erased while she and Bob talk in four threads each and a worker reads: what she said before is nowhere
    afterwards, all that Bob said is there, and what she says then is learned."""
    found = machine(
        ScriptedModel(
            learns=lambda said: [
                change("user_profile", f"likes {one['text']}", kind="observation", quote=one["text"])
                for one in said
                if one["role"] == "user"
            ]
        ),
        user_profile=True,
        background="worker",
    )
    agent = create_learning_agent(ScriptedModel(answers=lambda said: f"I hear {said[-1].text}"), learning=found)
    began, erased, stop = [], threading.Event(), threading.Event()

    def talk(user: str, thread: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            word = f"{user}{thread}x{number}bird"
            after = erased.is_set()
            agent.invoke(
                {"messages": [HumanMessage(word, id=word)]},
                {"configurable": {"thread_id": f"{user}{thread}"}},
                context={"user_id": user},
            )
            began.append((user, word, after))

    talking = [threading.Thread(target=talk, args=(user, n)) for user in ("alice", "bob") for n in range(3)]
    for one in talking:
        one.start()
    while len(began) < 20:
        threading.Event().wait(0.05)
    before = list(began)
    found.erase(user_id="alice")
    erased.set()
    while len([one for one in began if one[2]]) < 12:
        threading.Event().wait(0.05)
    stop.set()
    for one in talking:
        one.join()
    assert found.flush()
    left = dump(url)
    assert not [word for user, word, _ in before if user == "alice" and word in left]
    assert not [word for user, word, _ in began if user == "bob" and word not in left]
    assert not [word for user, word, after in began if user == "alice" and after and word not in left]
    assert found.usage.failures == {} and found.verify_audit()["whole"]
