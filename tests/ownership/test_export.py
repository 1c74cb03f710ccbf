"""Taking along what is known of a person, and bringing it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg

from learning_machine import LearningMachine
from learning_machine import Scope as scope_of
from learning_machine.state.handles import id_of
from learning_machine.testing import change

WITHOUT_SESSION: dict[str, Any] = {"user_id": "alice", "groups": ["eng"]}
ALICE: dict[str, Any] = {"user_id": "alice", "session_id": "s1", "groups": ["eng"]}
QUESTIONS = (
    "Where do I live?",
    "What do retries need?",
    "Who is Sam?",
    "Who works at Acme?",
    "What did I say of Acme?",
)


def seen(machine: LearningMachine) -> list[Any]:
    """All that is recalled for some questions: items, ranks and the text itself."""
    return [
        (machine.build_context(message=question, **scope), machine.recall(message=question, **scope))
        for question in QUESTIONS
        for scope in (ALICE, {**ALICE, "session_id": "s2"})
    ]


def test_wiped_and_imported_everything_is_recalled_as_before(
    alice: LearningMachine, full: Callable[..., LearningMachine], other_url: str
) -> None:
    """Export, an empty database, import: the same items, the same ranks, and a context equal to the byte."""
    before = seen(alice)
    assert "Lisbon" in before[0][0] and "jitter" in before[2][0] and "Sam" in before[4][0]
    lines = list(alice.export(user_id="alice", groups=["eng"]))
    wiped = full(db=other_url)
    imported = wiped.import_(lines, user_id="alice", groups=["eng"])
    assert not imported.problems, imported.problems
    assert seen(wiped) == before
    assert wiped.verify_audit()["whole"]


def histories(machine: LearningMachine, **scope: Any) -> list[Any]:
    return machine.history(**{"user_id": "alice", "groups": ["eng"], **scope})


def test_history_comes_along(alice: LearningMachine, full: Callable[..., LearningMachine], other_url: str) -> None:
    """What was replaced is brought back as it was: both times, origin, order and words."""
    before = histories(alice)
    assert any(row["text"] == "Porto" and row["known_to"] for row in before)
    wiped = full(db=other_url)
    wiped.import_(list(alice.export(**WITHOUT_SESSION)), **WITHOUT_SESSION)
    assert histories(wiped) == before
    turns = {json.loads(line)["id"] for line in alice.export(**WITHOUT_SESSION) if '"record":"turn"' in line}
    assert len(turns) == 2
    for turn in turns:
        assert wiped.learned(turn) == alice.learned(turn)


def test_what_curation_archived_stays_archived_and_goes_in_its_time(
    alice: LearningMachine, full: Callable[..., LearningMachine], url: str, other_url: str
) -> None:
    """What was archived comes along as such, with what stands for it, and is deleted when its grace is over."""
    name, home = (next(one for one in histories(alice) if one["text"] == text) for text in ("Alice", "Lisbon"))
    with psycopg.connect(url) as connection:
        connection.execute("set search_path = learning_machine")
        connection.execute(
            "update learning set status = 'archived', known_to = now() where id = %s", [id_of(name["handle"])]
        )
        connection.execute(
            "insert into archived (space, learning, survivor, reason, batch, at) "
            "select space, id, %s, 'says the same', gen_random_uuid(), now() - interval '400 days' from learning where id = %s",
            [id_of(home["handle"]), id_of(name["handle"])],
        )
    lines = list(alice.export(**WITHOUT_SESSION))
    assert sum('"record":"archived"' in line for line in lines) == 1
    wiped = full(db=other_url)
    assert not wiped.import_(lines, **WITHOUT_SESSION).problems
    assert list(wiped.export(**WITHOUT_SESSION))[1:] == lines[1:]
    for machine in (alice, wiped):
        assert machine.curator.prune(user_id="alice").figures == {"deleted": 1}
        assert "Alice" not in {row["text"] for row in histories(machine)}


def test_importing_twice_doubles_nothing(
    alice: LearningMachine, full: Callable[..., LearningMachine], other_url: str
) -> None:
    """Once more into the same database, or where it came from: everything is known."""
    lines = list(alice.export(**WITHOUT_SESSION))
    before = histories(alice)
    for machine in (full(db=other_url), alice):
        for _ in range(2):
            imported = machine.import_(lines, **WITHOUT_SESSION)
        assert {what.split()[-1] for what in imported.counts} == {"known"}, imported.counts
        assert histories(machine) == before
        assert machine.verify_audit()["whole"]


def test_ids_that_others_have_are_mapped(
    alice: LearningMachine, full: Callable[..., LearningMachine], other_url: str
) -> None:
    """Into a database in use, what was learned gets other ids and means the same; Bob's stays his."""
    lines = list(alice.export(user_id="alice"))
    used = full(
        [[change("user_profile", f"likes {n}", kind="observation", quote=f"I like {n}") for n in range(9)]],
        db=other_url,
    )
    used.process(
        [{"role": "user", "content": " ".join(f"I like {n}" for n in range(9))}], user_id="bob", session_id="b"
    )
    bobs = used.recall(user_id="bob")
    used.import_(lines, user_id="alice")
    assert used.recall(user_id="bob") == bobs
    there = used.recall(**ALICE)["user_profile"]
    assert there.values == alice.recall(**ALICE)["user_profile"].values
    texts = [(row["text"], row["status"], row["known_from"], row["quotes"]) for row in histories(used, groups=[])]
    assert texts == [
        (row["text"], row["status"], row["known_from"], row["quotes"]) for row in histories(alice, groups=[])
    ]
    used.import_(lines, user_id="alice")
    assert len(histories(used, groups=[])) == len(texts)
    assert used.verify_audit()["whole"]


def test_what_was_learned_since_stays(
    alice: LearningMachine, full: Callable[..., LearningMachine], other_url: str
) -> None:
    """A restore takes nothing's place: where something newer stands, what comes back is history."""
    lines = list(alice.export(**WITHOUT_SESSION))
    used = full(
        [[change("user_profile", "Madrid", kind="field", name="location", quote="I live in Madrid")]], db=other_url
    )
    used.process([{"role": "user", "content": "I live in Madrid"}], user_id="alice", session_id="n")
    imported = used.import_(lines, **WITHOUT_SESSION)
    assert imported.counts["learning kept as history"] == 1
    assert used.recall(**ALICE)["user_profile"].values["location"] == "Madrid"
    assert used.verify_audit()["whole"]


def test_a_file_that_is_not_trusted_gains_no_trust(
    alice: LearningMachine, full: Callable[..., LearningMachine], other_url: str
) -> None:
    """Untrusted, everything counts as imported, whatever the file says; trusted, trust is what the origin is worth."""
    lines = list(alice.export(**WITHOUT_SESSION))
    forged = [
        line.replace('"origin":"user"', '"origin":"reviewer"').replace('"trust":60', '"trust":99') for line in lines
    ]
    machine = full(db=other_url)
    machine.import_(forged, trusted=False, **WITHOUT_SESSION)
    rows = histories(machine)
    assert {row["origin"] for row in rows} == {"import"}
    assert {row["text"] for row in rows} >= {"Alice", "Lisbon", "Retries need jitter.", "Sam works at Acme."}
    assert "Porto" not in {row["text"] for row in rows}
    again = machine.import_(forged, trusted=False, **WITHOUT_SESSION)
    assert not any(what.endswith("saved") for what in again.counts)


def test_a_broken_export_brings_what_is_valid(
    alice: LearningMachine, full: Callable[..., LearningMachine], other_url: str
) -> None:
    """What of a damaged file can be read arrives; each line that cannot is listed; one that was cut off says so."""
    lines = list(alice.export(**WITHOUT_SESSION))
    at = next(number for number, line in enumerate(lines) if '"text":"Alice"' in line)
    broken = [*lines[:-1]]
    broken[at] = broken[at][:40] + "\n"
    broken.insert(at, '{"record":"learning","id":1}\n')
    broken.insert(at, '{"record":"mystery"}\n')
    bad = json.loads(lines[at])
    bad |= {"id": 999_999, "known_from": "never", "content_key": "other"}
    broken.insert(at, json.dumps(bad) + "\n")
    machine = full(db=other_url)
    imported = machine.import_(broken, **WITHOUT_SESSION)
    places = {problem.where for problem in imported.problems}
    assert {f"line {number}" for number in range(at + 1, at + 5)} | {"the end"} <= places
    assert machine.recall(**ALICE)["user_profile"].values == {"location": "Lisbon"}
    assert machine.verify_audit()["whole"]


def test_nobody_takes_along_the_words_of_others(alice: LearningMachine, full: Callable[..., LearningMachine]) -> None:
    """Of a shared namespace the knowledge comes along, not whose it is nor the words it stands on."""
    lines = "".join(alice.export(user_id="bob", groups=["eng"]))
    assert "Retries need jitter." in lines
    for word in ("alice", "Lisbon", "Sam of Acme", '"space 1"'):
        assert word not in lines
    assert "jitter" not in "".join(alice.export(user_id="bob"))


def test_pending_proposals_and_unread_turns_come_along(full: Callable[..., LearningMachine], other_url: str) -> None:
    """What waits for a decision waits again, with its words; what waits to be read is read there."""
    from learning_machine import LearningMode
    from learning_machine.state.config import UserProfileConfig

    taught = [[change("user_profile", "Porto", kind="field", name="location", quote="I live in Porto")]]
    options = {"user_profile": UserProfileConfig(mode=LearningMode.PROPOSE)}
    machine = full(taught, **options)
    machine.process([{"role": "user", "content": "I live in Porto", "id": "p"}], user_id="alice", session_id="s")
    machine._record_all(
        [{"role": "user", "content": "I like tea", "id": "q"}], scope_of(user_id="alice", session_id="t")
    )
    tea = [[change("user_profile", "tea", kind="observation", quote="I like tea")]]
    # Closed before its database goes: its worker would wait for it.
    with full(tea, db=other_url, background="worker") as there:
        there.import_(list(machine.export(user_id="alice")), user_id="alice")
        before, after = (one.proposals.list(user_id="alice") for one in (machine, there))
        assert [(p.text, p.quote, p.proposed_at) for p in before] == [
            (p.text, p.quote, p.proposed_at) for p in after if p.text == "Porto"
        ]
        assert there.flush()
        assert {p.text for p in there.proposals.list()} >= {"Porto"} and there.model.extractions
        there.proposals.approve(before[0].handle, by="alice")
        assert there.recall(user_id="alice")["user_profile"].values["location"] == "Porto"
        assert there.verify_audit()["whole"]


def test_export_and_import_work_in_both_styles_and_stream(alice: LearningMachine) -> None:
    """The asynchronous twins do the same; lines come as they are asked for, with a report of how far it is."""
    import asyncio

    reports: list[tuple[int, int]] = []
    lines = alice.export(on_progress=lambda *so_far: reports.append(so_far), **WITHOUT_SESSION)
    assert json.loads(next(lines))["record"] == "header" and not reports
    rest = list(lines)
    assert reports[-1][0] == reports[-1][1] == len(rest) - 1
    assert len(asyncio.run(alice.aexport(**WITHOUT_SESSION))) == len(rest) + 1
    asked = asyncio.run(alice.aimport(["{}"], format="mem0", dry_run=True, user_id="alice"))
    assert asked.unread == 1
