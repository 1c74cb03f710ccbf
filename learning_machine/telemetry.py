"""Spans and metrics by OpenTelemetry: for whoever configured it, and otherwise nothing at all.

Only OpenTelemetry's API is used: where the application set up no exporter, or the package is absent (extra `telemetry`),
nothing is measured and nothing leaves the process. What is told are names of steps, stores and errors, counts and seconds;
never who it was about, and never a word of what was said or learned.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

#: What tracers and meters are asked for under.
SCOPE = "learning_machine"
Fact = str | int | float | bool


@contextmanager
def step(name: str, **facts: Fact) -> Iterator[dict[str, Fact]]:
    """One step of learning as a span `learning_machine.<name>` and in the histogram of durations.

    Facts put into the yielded dict while it runs are told too. An interrupt of the graph is an outcome, not an error.
    """
    found: dict[str, Fact] = dict(facts)
    tracer = _tracer()
    if tracer is None:
        yield found
        return
    began = time.perf_counter()
    outcome = "done"
    with tracer.start_as_current_span(f"{SCOPE}.{name}", record_exception=False, set_status_on_exception=False) as span:
        try:
            yield found
        except BaseException as error:
            outcome = "interrupted" if _asks(error) else type(error).__name__
            if outcome != "interrupted":
                _mark(span, outcome)
            raise
        finally:
            span.set_attributes({f"{SCOPE}.{key}": value for key, value in found.items()})
            labels = {"step": name, "outcome": outcome} | {key: found[key] for key in ("machine",) if key in found}
            _instruments()["duration"].record(time.perf_counter() - began, labels)


def count(what: str, number: int = 1, **labels: Fact) -> None:
    """Add to one of the counters: `changes`, `failures`, `jobs`, `tokens`, `calls`."""
    if number and _tracer() is not None:
        _instruments()[what].add(number, labels)


def count_changes(receipts: Sequence[Any]) -> None:
    """Count what became of changes, by store and status."""
    for receipt in receipts:
        count("changes", store=str(receipt.store), status=str(getattr(receipt.status, "value", receipt.status)))


def fields(**facts: Fact | None) -> dict[str, Any]:
    """What a log record says, as fields for a formatter that writes JSON: `extra=` of a logging call."""
    return {"learning": {name: value for name, value in facts.items() if value is not None}}


def _asks(error: BaseException) -> bool:
    """Whether a graph stops here to ask a person."""
    return any(kind.__name__ == "GraphBubbleUp" for kind in type(error).__mro__)


def _mark(span: Any, kind: str) -> None:
    """Mark a span as failed by the kind of error alone: its text could hold what a person said."""
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, kind))
    span.set_attribute("error.type", kind)


def _tracer() -> Any:
    """The tracer of whatever provider is configured; `None` while there is none, or without the package."""
    found = _opentelemetry()
    return found[0] if found is not None and any(_is_configured(provider()) for provider in found[1:]) else None


def _is_configured(provider: Any) -> bool:
    """Whether a provider is more than what the API puts in the place of one."""
    return not type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))


@cache
def _opentelemetry() -> tuple[Any, Callable[[], Any], Callable[[], Any]] | None:
    """Our tracer, and where to ask for the providers."""
    try:
        from opentelemetry import metrics, trace
    except ImportError:
        return None
    return trace.get_tracer(SCOPE), trace.get_tracer_provider, metrics.get_meter_provider


@cache
def _instruments() -> dict[str, Any]:
    from opentelemetry import metrics

    meter = metrics.get_meter(SCOPE)
    counters = {
        "changes": "Changes by store and by what became of them",
        "failures": "Steps of learning that failed; the reply went out all the same",
        "jobs": "Jobs by what became of them",
        "calls": "Model calls that learning made",
        "tokens": "Tokens that learning cost",
    }
    made: dict[str, Any] = {
        name: meter.create_counter(f"{SCOPE}.{name}", description=text) for name, text in counters.items()
    }
    made["duration"] = meter.create_histogram(f"{SCOPE}.step.duration", unit="s", description="How long a step took")
    return made
