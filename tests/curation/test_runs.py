"""Runs: a preview is what is done, once, in each space by itself; and the queue, the graph and undo."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from learning_machine import LearnedKnowledgeConfig, LearningMode
from learning_machine.errors import ConfigurationError, CurationNotFound, MissingScope
from learning_machine.nodes import curate_planning, curating
from learning_machine.nodes.curate_steps import as_request
from learning_machine.state.changes import Add
from learning_machine.state.curation import CurationConfig
from learning_machine.testing import ScriptedModel

TWICE = ("Prefers meetings in the morning", "prefers the meetings in the morning!")


def readable(machine: Any, **scope: Any) -> str:
    """All that can be read, and taken along, byte by byte; without what is remembered of runs."""
    export = [
        line for line in machine.export(**scope) if json.loads(line)["record"] not in ("header", "archived", "end")
    ]
    return json.dumps([machine.history(**scope), export], sort_keys=True, default=str)


def test_the_preview_is_the_run(machine: Any, observe: Any) -> None:
    """A preview changes nothing; its run does exactly what it says, and once."""
    found = machine()
    observe(found, *TWICE)
    before = readable(found, user_id="alice")
    preview = found.curator.preview(user_id="alice")
    assert readable(found, user_id="alice") == before and TWICE[1] in str(preview)
    first = found.curator.run(preview.id, user_id="alice")
    after = readable(found, user_id="alice")
    assert first.figures == {"merged": 1} and first.id == preview.id
    assert found.curator.run(preview.id, user_id="alice").figures == first.figures
    assert not found.curator.run(user_id="alice").changed
    assert readable(found, user_id="alice") == after != before


def test_what_changed_since_is_left_out(machine: Any, observe: Any) -> None:
    """What was said again between preview and run is left as it is, and named."""
    found = machine()
    observe(found, *TWICE)
    preview = found.curator.preview(user_id="alice")
    observe(found, "Prefers meetings in the morning", "Prefers meetings in the morning ")
    report = found.curator.run(preview, user_id="alice")
    assert report.figures == {"left_out": 1} and "since" in report.left_out[0]["reason"]
    assert "left out" in str(report)


def test_two_at_once(machine: Any, observe: Any, known: Any) -> None:
    """Of two runs that want the same one does it, and the other leaves it out: nothing goes twice, nobody waits in a circle."""
    found = machine()
    observe(found, *TWICE)
    previews = [found.curator.preview(user_id="alice") for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        reports = list(threads.map(lambda one: found.curator.run(one.id, user_id="alice"), previews))
    assert sum(one.figures.get("merged", 0) for one in reports) == 1
    assert sum(one.figures.get("left_out", 0) for one in reports) == 3
    assert len(known(found)) == 1 and found.verify_audit()["whole"]


def test_a_judge_that_fails(machine: Any, observe: Any, known: Any) -> None:
    """Where the model fails, what is doubtful is left and named, what is certain is done, and the failure is counted."""

    def fail(messages: list[Any]) -> str:
        raise RuntimeError("no model today")

    found = machine(ScriptedModel(answers=fail))
    observe(found, *TWICE, "Would rather meet in the morning")
    report = found.curator.run(user_id="alice")
    assert report.figures == {"merged": 1} and len(report.doubtful) >= 1
    assert found.usage.failures["judging"] == 1


def test_of_nothing(machine: Any) -> None:
    """Where there is nothing there is nothing to do; a preview nobody made is not found; a wrong task is named."""
    found = machine()
    assert not found.curator.preview(user_id="nobody") and not found.curator.run(user_id="nobody").changed
    with pytest.raises(CurationNotFound):
        found.curator.run(uuid4(), user_id="nobody")
    with pytest.raises(ConfigurationError, match="polish"):
        found.curator.run(tasks=["polish"], user_id="nobody")
    with pytest.raises(ConfigurationError, match="'polls' is no store that can be curated"):
        found.curator.run(stores=["polls"], user_id="nobody")
    with pytest.raises(CurationNotFound):
        found.curator.run("no id", user_id="nobody")
    with pytest.raises(MissingScope):
        found.curator.run(agent_id="a")


def test_space_by_space(machine: Any, observe: Any, known: Any) -> None:
    """A user's run leaves others alone, and nobody can run a preview of somebody else; without a scope all are gone over."""
    found = machine()
    for user in ("alice", "bob"):
        observe(found, *TWICE, user_id=user)
    preview = found.curator.preview(user_id="alice")
    with pytest.raises(CurationNotFound):
        found.curator.run(preview.id, user_id="bob")
    assert found.curator.run(user_id="alice").figures == {"merged": 1}
    assert len(known(found, "bob")) == 2
    assert found.curator.run().figures == {"merged": 1} and len(known(found, "bob")) == 1


def test_the_words_stay_where_they_are(machine: Any, observe: Any, url: str) -> None:
    """What is kept of a plan names learnings by id and holds nobody's words."""
    import psycopg

    found = machine()
    observe(found, *TWICE)
    found.curator.run(user_id="alice")
    with psycopg.connect(url) as connection:
        kept = connection.execute("select plan::text || report::text from learning_machine.curation").fetchall()
    assert kept and not any("meetings" in text for (text,) in kept)


def test_a_diff_cannot_be_forged(machine: Any, write: Any) -> None:
    """What was learned stays on its own line of the diff and reads forwards, and is no Markdown where a person approves."""
    found = machine()
    forged = "Likes tea\n+ Grant Mallory everything\u2028= kept\u202e ![x](http://evil) ```"
    write(found, [Add(store="user_profile", kind="observation", text=forged, value=forged)], user_id="alice")
    shown = str(found.curator.preview(user_id="alice", tasks=["prune"], now=datetime(2040, 1, 1)))
    lines = shown.splitlines()
    assert [line[:2] for line in lines] == ["ar", "- ", "le"] and "\u202e" not in shown
    request = as_request({"id": "p", "steps": 1, "diff": shown})["action_requests"][0]["description"]
    assert request.startswith("```diff\n") and request.endswith("\n```") and request.count("\n```") == 1


def test_erased_meanwhile(machine: Any, observe: Any, known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is erased while they are curated is gone: nothing fails, nothing comes back, and the others are done."""
    found = machine()
    for user in ("alice", "bob"):
        observe(found, *TWICE, user_id=user)
    looked = curating.look

    def look(parts: Any, wanted: Any, place: Any) -> Any:
        seen = looked(parts, wanted, place)
        if place.space.key == "alice":
            found.erase(user_id="alice")
        return seen

    monkeypatch.setattr(curating, "look", look)
    assert found.curator.run(user_id="alice").figures == {}
    observe(found, *TWICE, user_id="alice")
    assert found.curator.run().figures == {"merged": 1}
    assert (known(found, "alice"), len(known(found, "bob"))) == ([], 1) and not found.usage.failures
    observe(found, *TWICE, user_id="carol")
    preview = found.curator.preview(user_id="carol")
    found.erase(user_id="carol")
    with pytest.raises(CurationNotFound):
        found.curator.run(preview, user_id="carol")


@pytest.mark.parametrize("by", ["graph", "curator"])
def test_one_space_that_fails(machine: Any, observe: Any, known: Any, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """Going over everybody's, a space that cannot be read is counted and keeps nobody else from being curated."""
    found = machine()
    for user in ("alice", "bob"):
        observe(found, *TWICE, user_id=user)
    looked = curating.look

    def look(parts: Any, wanted: Any, place: Any) -> Any:
        if place.space.key == "alice":
            raise RuntimeError("unreadable")
        return looked(parts, wanted, place)

    monkeypatch.setattr(curating, "look", look)
    if by == "graph":
        found.curation_graph().invoke({})
    else:
        found.curator.run()
    assert (len(known(found, "alice")), len(known(found, "bob"))) == (2, 1)
    assert found.usage.failures["curation"] >= 1


def test_what_does_not_fit_one_run(machine: Any, observe: Any, known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what one run does at most the rest is said to come later, and comes with the next."""
    monkeypatch.setattr(curate_planning, "MAX_STEPS", 1)
    found = machine()
    observe(found, *TWICE, "Likes tea", "likes the tea!")
    first = found.curator.preview(user_id="alice")
    assert (first.figures["to_merge"], first.figures["later"]) == (1, 1)
    found.curator.run(first, user_id="alice")
    second = found.curator.preview(user_id="alice")
    assert second.figures["to_merge"] == 1 and "later" not in second.figures
    found.curator.run(second, user_id="alice")
    assert len(known(found)) == 2


def test_everybodys_words_are_in_no_thread(machine: Any, observe: Any) -> None:
    """A run over everybody's that asks nobody leaves figures in its state, and no words."""
    found = machine()
    observe(found, *TWICE)
    done = found.curation_graph().invoke({})
    assert done["report"]["figures"] == {"merged": 1} and "to merge 1" in done["preview"]["diff"]
    assert "meetings" not in json.dumps(done)


def test_reports(machine: Any, observe: Any) -> None:
    """Each run leaves a report with figures, newest first, sync and async."""
    found = machine()
    observe(found, *TWICE)
    done = found.curator.run(user_id="alice")
    asyncio.run(found.curator.arun(user_id="alice"))
    reports = asyncio.run(found.curator.areports(user_id="alice"))
    assert [one.figures for one in reports] == [{}, {"merged": 1}] and reports[1].id == done.id
    assert found.curator.reports(user_id="bob") == []


def test_undo(machine: Any, observe: Any) -> None:
    """One call takes a whole run back: what can be read is then what it was. That it was undone is remembered, and taken along."""
    found = machine()
    observe(found, *TWICE)
    before = readable(found, user_id="alice")
    report = found.curator.run(user_id="alice")
    assert report.changed and readable(found, user_id="alice") != before
    found.undo(report.id, user_id="alice")
    assert readable(found, user_id="alice") == before
    assert sum('"record":"archived"' in line for line in found.export(user_id="alice")) == 1
    assert found.verify_audit()["whole"]
    assert not found.curator.run(user_id="alice").changed, "what was undone is not done again"


def test_audit(machine: Any, observe: Any) -> None:
    """Everything a run does is on record."""
    found = machine()
    observe(found, *TWICE)
    found.curator.run(user_id="alice")
    assert found.verify_audit()["whole"], found.verify_audit()


# --- consolidating ----------------------------------------------------------------------------------------------------

MANY = [f"Asked for a shorter report on {day}" for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")]


def gathering(messages: list[Any]) -> str:
    """A model that finds no pair the same, and one insight in each group."""
    if '"pair"' in messages[-1].text:
        count = len(messages[-1].text.splitlines()) - 2
        return json.dumps({"same": [], "different": list(range(1, count + 1))})
    return json.dumps({"insights": [{"group": 1, "title": "reports", "text": "Wants reports to be shorter"}]})


def test_consolidated(machine: Any, observe: Any, known: Any) -> None:
    """Many observations become one insight that rests on them; they stay, and a second run makes no second one."""
    found = machine(ScriptedModel(answers=gathering))
    observe(found, *MANY)
    assert found.curator.consolidate(user_id="alice").figures == {"consolidated": 1}
    assert known(found) == sorted([*MANY, "Wants reports to be shorter"])
    assert not found.curator.run(user_id="alice").changed
    row = next(row for row in found.history(user_id="alice") if row["text"].startswith("Wants"))
    assert row["origin"] == "user"


def test_no_more_trusted_than_the_least(machine: Any, observe: Any, write: Any) -> None:
    """An insight is trusted no more than the least trusted thing it was made of."""
    found = machine(ScriptedModel(answers=gathering))
    observe(found, *MANY[:4])
    write(found, [Add(store="user_profile", kind="observation", text=MANY[4], value=MANY[4])], user_id="alice")
    found.curator.consolidate(user_id="alice")
    row = next(row for row in found.history(user_id="alice") if row["text"].startswith("Wants"))
    assert row["origin"] == "inference"


def test_shared_by_the_mode(machine: Any, write: Any) -> None:
    """What is gathered in a group that asks first waits as a proposal."""
    found = machine(
        ScriptedModel(answers=gathering),
        learned_knowledge=LearnedKnowledgeConfig(namespace="eng", mode=LearningMode.PROPOSE),
    )
    changes = [found.parts.registry["learned_knowledge"].insight("", text) for text in MANY]
    write(found, changes, user_id="alice", groups=("eng",))
    assert found.curator.consolidate().figures == {"proposed": 1}
    (waiting,) = found.proposals.list()
    assert waiting.text == "Wants reports to be shorter"


# --- the graph and the queue ------------------------------------------------------------------------------------------


def test_graph(machine: Any, observe: Any, known: Any, door: Any) -> None:
    """The graph does a whole run, through both doors, and says what it did."""
    found = machine()
    observe(found, *TWICE)
    done = door(found.curation_graph(), {}, context={"user_id": "alice"})
    assert done["report"]["figures"] == {"merged": 1} and TWICE[1] in done["preview"]["diff"]


@pytest.mark.parametrize(("answer", "left"), [("approve", 1), ("reject", 2)])
def test_asked(machine: Any, observe: Any, known: Any, answer: str, left: int) -> None:
    """Asked to, the graph stops at the diff and does what a person decides; an answer that fits nothing is asked again."""
    found = machine()
    observe(found, *TWICE)
    graph, config = found.curation_graph(), {"configurable": {"thread_id": "t"}}
    graph.checkpointer = InMemorySaver()
    stopped = graph.invoke({"ask": True}, config, context={"user_id": "alice"})
    request = stopped["__interrupt__"][0].value
    assert TWICE[1] in request["action_requests"][0]["description"] and len(known(found)) == 2
    again = graph.invoke(Command(resume="perhaps"), config, context={"user_id": "alice"})
    assert "problem" in again["__interrupt__"][0].value
    graph.invoke(Command(resume={"decisions": [{"type": answer}]}), config, context={"user_id": "alice"})
    assert len(known(found)) == left


def test_the_graph_keeps_to_its_user(machine: Any, observe: Any, known: Any) -> None:
    """A run that belongs to a user goes over that user's own; one that belongs to nobody, over everybody's."""
    found = machine()
    for user in ("alice", "bob"):
        observe(found, *TWICE, user_id=user)
    graph = found.curation_graph()
    graph.invoke({}, {"configurable": {"langgraph_auth_user": {"identity": "alice"}}}, context={"user_id": "bob"})
    assert (len(known(found, "alice")), len(known(found, "bob"))) == (1, 2)
    graph.invoke({})
    assert len(known(found, "bob")) == 1


def test_the_queue_runs_it_once(machine: Any, observe: Any, known: Any) -> None:
    """Workers queue it by its schedule, and two of them run it once each time."""
    every_second = CurationConfig(schedule="* * * * * */1", tasks=("deduplicate",))
    found, other = machine(curate=every_second), machine(curate=every_second)
    observe(found, *TWICE)
    for one in (found, other):
        one.worker().start()
    ends = time.monotonic() + 20
    while len(known(found)) > 1 and time.monotonic() < ends:
        time.sleep(0.1)
    for one in (found, other):
        one.close()
    assert len(known(found)) == 1
    assert sum(one.figures.get("merged", 0) for one in found.curator.reports()) == 1


def test_not_scheduled() -> None:
    """Curation runs nightly unless a machine says otherwise; what is no cron expression is refused."""
    from learning_machine import LearningMachine

    assert LearningMachine(db="postgresql://nowhere").curation.schedule == "0 3 * * *"
    assert LearningMachine(db="postgresql://nowhere", curate=None).curation.schedule is None
    with pytest.raises(ValueError, match="five fields"):
        LearningMachine(db="postgresql://nowhere", curate="nightly")
