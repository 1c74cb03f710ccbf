"""Figures for Prometheus. They say how much and how long, and nothing of anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from learning_machine.errors import LearningMachineError
from learning_machine.machine import LearningMachine

MEDIA_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """One app's figures, in a registry of its own: another app in the process has another."""

    def __init__(self, machines: Callable[[], Mapping[str, LearningMachine]]) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        labels = ["method", "route"]
        self._requests = Counter(
            "learning_machine_http_requests", "Requests answered.", [*labels, "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "learning_machine_http_request_seconds", "How long answers took.", labels, registry=self.registry
        )
        self.registry.register(MachineFigures(machines))

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer. Methods nobody knows are one, or a caller could make any number of them."""
        method = method if method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS") else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class MachineFigures(Collector):
    """What learning has cost in this process, and what waits: read when it is asked for."""

    def __init__(self, machines: Callable[[], Mapping[str, LearningMachine]]) -> None:
        self._machines = machines

    def collect(self) -> Iterator[Metric]:
        calls = CounterMetricFamily("learning_machine_model_calls", "Model calls made to learn.", labels=["machine"])
        tokens = CounterMetricFamily("learning_machine_tokens", "Tokens they took.", labels=["machine", "direction"])
        failures = CounterMetricFamily("learning_machine_failures", "Steps that failed.", labels=["machine", "step"])
        jobs = GaugeMetricFamily("learning_machine_jobs", "Jobs by what they wait for.", labels=["machine", "state"])
        up = GaugeMetricFamily("learning_machine_database_up", "Whether the database answers.", labels=["machine"])
        for name, machine in self._machines().items():
            usage = machine.usage
            calls.add_metric([name], usage.calls)
            tokens.add_metric([name, "in"], usage.input_tokens)
            tokens.add_metric([name, "out"], usage.output_tokens)
            for step, count in dict(usage.failures).items():
                failures.add_metric([name, step], count)
            depth = _depth(machine)
            up.add_metric([name], 0 if depth is None else 1)
            for state, count in (depth or {}).items():
                if isinstance(count, int):
                    jobs.add_metric([name, state], count)
        yield from (calls, tokens, failures, jobs, up)


def _depth(machine: LearningMachine) -> dict[str, Any] | None:
    try:
        return machine.queue_depth()
    except LearningMachineError:
        return None
