"""Whether it runs, and how much: for whoever runs it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request, Response

from learning_machine.errors import LearningMachineError
from learning_machine.machine import LearningMachine
from learning_machine.server.dependencies import Admin
from learning_machine.server.metrics import MEDIA_TYPE
from learning_machine.server.models import Health
from learning_machine.stores.postgres.transactions import Access

router = APIRouter(tags=["operation"])

VERSION = version("langgraph-learning-machine")


@router.get("/v1/health", summary="Is it alive?")
@router.get("/health", include_in_schema=False)
def health() -> Health:
    """It answers. Nothing else is asked."""
    return Health(status="ok", version=VERSION)


@router.get("/v1/ready", summary="Is it ready?", responses={503: {"model": Health, "description": "Not ready"}})
@router.get("/ready", include_in_schema=False)
def ready(request: Request, response: Response) -> Health:
    """Whether the database answers, and its schema is one this version works with."""
    found = {name: _state(machine) for name, machine in request.app.state.machines.all().items()}
    fine = all(state == "ok" for state in found.values())
    response.status_code = 200 if fine else 503
    return Health(status="ok" if fine else "not ready", version=VERSION, machines=found)


def _state(machine: LearningMachine) -> str:
    try:
        machine.database.read(Access(), [("browsing.ready", {})])
    except LearningMachineError as error:
        return type(error).__name__
    return "ok"


@router.get(
    "/v1/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
@router.get("/metrics", include_in_schema=False)
def metrics(who: Admin, request: Request) -> Any:
    """Requests, model calls, tokens, failures and what waits, in Prometheus' text format."""
    return Response(request.app.state.metrics.text(), media_type=MEDIA_TYPE)
