"""What can be watched: spans and metrics of each step, and never a word of anybody's."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tracers.context import register_configure_hook
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from opentelemetry import trace

from learning_machine import LearnedKnowledgeConfig, LearningMode, create_learning_agent, telemetry
from learning_machine.nodes.parts import note
from learning_machine.testing import ScriptedModel, change

WORDS = "My canary-name is Alice and I live in canary-town"
LEARNS = [[change("user_profile", "canary-town", kind="field", name="location", quote="I live in canary-town")]]
SAID = {"messages": [{"role": "user", "content": WORDS}]}
ALICE = {"user_id": "canary-alice"}


def talk(door: Callable[..., Any], machine: Any, **options: Any) -> Any:
    agent = create_learning_agent(ScriptedModel(), learning=machine, **options)
    return agent, door(agent, SAID, {"configurable": {"thread_id": "canary-thread"}}, context=ALICE)


def test_each_step_is_a_span(told: Any, machine: Any, door: Callable[..., Any]) -> None:
    """A turn and its learning tell recall, build_context, record, extract and write, the turn's inside the caller's span."""
    found = machine(ScriptedModel(learns=LEARNS))
    with trace.get_tracer("application").start_as_current_span("request") as request:
        talk(door, found)
    assert found.flush()
    for name in ("recall", "build_context", "record", "extract", "write"):
        assert told.spans(name), name
    mine = request.get_span_context().trace_id
    for name in ("recall", "build_context", "record"):
        assert mine in {span.context.trace_id for span in told.spans(name)}, name


def test_deciding_and_curating_are_spans(told: Any, machine: Any) -> None:
    """A verdict and a curation run are told too."""
    learns = [[change("learned_knowledge", "Use spot instances.", name="Spot")]]
    found = machine(
        ScriptedModel(learns=learns),
        learned_knowledge=LearnedKnowledgeConfig(mode=LearningMode.PROPOSE),
        background="external",
    )
    found.process([HumanMessage("What saves money?"), AIMessage("Spot instances.")], user_id="alice", session_id="s")
    told.exporter.clear()
    assert found.proposals.approve("p1", by="alice")[0].status == "saved"
    found.curator.run(user_id="alice")
    (decided,), (curated,) = told.spans("decide"), told.spans("curate")
    assert decided.status.is_ok or decided.status.is_unset
    assert curated.name == "learning_machine.curate"
    assert told.total("step.duration", step="decide", outcome="done") >= 1


def test_metrics_count_what_happened(told: Any, machine: Any) -> None:
    """Changes by store and status, model calls, jobs and durations are counted."""
    before = (
        told.total("changes", store="user_profile", status="saved"),
        told.total("calls"),
        told.total("jobs", event="learned"),
    )
    found = machine(ScriptedModel(learns=LEARNS))
    talk(lambda graph, given, config, **more: graph.invoke(given, config, **more), found)
    assert found.flush()
    after = (
        told.total("changes", store="user_profile", status="saved"),
        told.total("calls"),
        told.total("jobs", event="learned"),
    )
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1]
    assert told.total("step.duration", step="recall", outcome="done") >= 1


def test_nothing_personal_is_told(told: Any, machine: Any, door: Callable[..., Any]) -> None:
    """No word, name, id or error text of a person is in any span or metric, also where steps fail."""

    def fails(_: Any) -> Any:
        raise RuntimeError("canary-error about canary-alice")

    for model in (ScriptedModel(learns=LEARNS), ScriptedModel(learns=fails)):
        found = machine(model)
        talk(door, found)
        found.close()
    found = machine(ScriptedModel(learns=fails), name="failing")
    with pytest.raises(Exception, match="model"):
        found.process([("user", WORDS)], **ALICE)
    assert told.spans("extract"), "the failing step was watched"
    assert {span.status.description for span in told.spans("extract") if not span.status.is_ok} - {None} == {
        "RuntimeError"
    }
    assert told.total("failures") > 0
    assert "canary" not in told.everything()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, machine: Any) -> None:
    """Without OpenTelemetry everything works, and nothing is measured."""
    for name in [name for name in sys.modules if name.split(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    telemetry._opentelemetry.cache_clear()
    try:
        with machine(ScriptedModel(learns=LEARNS)) as found:
            assert [one["status"] for one in found.process([("user", WORDS)], **ALICE)] == ["saved"]
        assert telemetry._tracer() is None
    finally:
        telemetry._opentelemetry.cache_clear()


#: Who is told of every run, as LangSmith's tracer is.
_listener: ContextVar[Any] = ContextVar("listener", default=None)
register_configure_hook(_listener, inheritable=True)


class Runs(RunCollectorCallbackHandler):
    """Every run of a trace, as LangSmith's tracer is told of it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def _on_run_create(self, run: Any) -> None:
        self.seen.append(run)


def test_traces_name_and_group_learning(machine: Any) -> None:
    """In a LangSmith trace learning is one run, `learn`, with its machine and turn, and the model's call in it has a name."""
    found, runs = machine(ScriptedModel(learns=LEARNS)), Runs()
    token = _listener.set(runs)
    try:
        found.process([("user", WORDS)], **ALICE)
    finally:
        _listener.reset(token)
    root = next(run for run in runs.seen if run.name == "learn")
    assert root.parent_run_id is None and "learning" in (root.tags or [])
    assert root.metadata["machine"] == "default" and len(root.metadata["turn"]) == 36
    inside = {root.id}
    for run in runs.seen:
        if run.parent_run_id in inside:
            inside.add(run.id)
    grouped = {run.name for run in runs.seen if run.id in inside}
    assert {"extract", "store", "learning: extract"} <= grouped


def test_asking_a_person_is_no_error(told: Any, machine: Any, url: str) -> None:
    """A turn that stops for a person leaves no span in error."""
    learns = [[change("learned_knowledge", "Use spot instances.", name="Spot", quote="I live in canary-town")]]
    config = LearnedKnowledgeConfig(mode=LearningMode.PROPOSE)
    found = machine(ScriptedModel(learns=learns), learned_knowledge=config)
    run = lambda graph, given, config, **more: graph.invoke(given, config, **more)  # noqa: E731
    _, result = talk(run, found)
    assert result.get("__interrupt__"), json.dumps(str(result))
    assert all(span.status.is_ok for span in told.exporter.get_finished_spans())


def test_log_records_carry_fields(caplog: pytest.LogCaptureFixture, machine: Any) -> None:
    """What a failure's log line says, its record also carries as fields, and no word of anybody's."""

    def fails(_: Any) -> Any:
        raise RuntimeError("canary-error")

    found = machine(ScriptedModel(learns=fails))
    with caplog.at_level("DEBUG", "learning_machine"):
        note(found.parts, "recall", RuntimeError("canary-error"))
    record = next(one for one in caplog.records if getattr(one, "learning", None))
    assert record.learning == {"machine": "default", "step": "recall", "error": "RuntimeError"}
    assert "canary" not in caplog.text
