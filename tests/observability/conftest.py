"""OpenTelemetry, configured as an application would, with exporters that keep what they get."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Told:
    """All that was told to OpenTelemetry."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracing = TracerProvider()
        tracing.add_span_processor(SimpleSpanProcessor(self.exporter))
        trace.set_tracer_provider(tracing)
        metrics.set_meter_provider(MeterProvider([self.reader]))

    def spans(self, name: str) -> list[Any]:
        return [span for span in self.exporter.get_finished_spans() if span.name == f"learning_machine.{name}"]

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """The labels and the value of each point of a metric, all added up since the process began."""
        data = self.reader.get_metrics_data()
        return [
            (dict(point.attributes), getattr(point, "value", None) or getattr(point, "count", 0))
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == f"learning_machine.{name}"
            for point in metric.data.data_points
        ]

    def total(self, name: str, **labels: Any) -> int:
        return sum(value for found, value in self.points(name) if labels.items() <= found.items())

    def everything(self) -> str:
        """Every name and value in every span and metric, as one text."""
        spans = "".join(span.to_json() for span in self.exporter.get_finished_spans())
        data = self.reader.get_metrics_data()
        return spans + (data.to_json() if data else "")


#: A process has one provider for good, so it is set when a test here first needs it.
_told: list[Told] = []


@pytest.fixture
def told() -> Iterator[Told]:
    if not _told:
        _told.append(Told())
    _told[0].exporter.clear()
    yield _told[0]
    _told[0].exporter.clear()
