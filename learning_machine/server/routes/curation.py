"""Tidying up what was learned of you: looking first, then doing exactly that."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from learning_machine.server.dependencies import Machine, Who
from learning_machine.server.models import Asked
from learning_machine.state import curation
from learning_machine.state.curation import Task
from learning_machine.state.views import View

router = APIRouter(prefix="/v1/curation", tags=["curation"])


class Wanted(Asked):
    """What to look for."""

    tasks: list[Task] | None = Field(None, description="Only these; none: all that the machine is set to.")


class Planned(Asked):
    """Which plan to carry out."""

    preview: UUID


class Preview(View):
    """What a run would do."""

    id: UUID
    made_at: datetime | None
    text: str = Field(description="All of it, to be read.")
    steps: list[dict[str, Any]]
    doubtful: list[dict[str, Any]]
    figures: dict[str, int]


class Report(View):
    """What a run did. Its id is what `undo` takes."""

    id: UUID
    ran_at: datetime | None
    text: str
    left_out: list[dict[str, Any]]
    doubtful: list[dict[str, Any]]
    figures: dict[str, int]


@router.post("/previews", summary="Preview a curation", status_code=201)
def preview(who: Who, machine: Machine, wanted: Wanted) -> Preview:
    """What a run over your own learnings would do; kept, so that it can be run as it is."""
    found = machine.curator.preview(tasks=wanted.tasks, user_id=who.user)
    return Preview(
        id=found.id,
        made_at=found.made_at,
        text=str(found),
        steps=list(found.steps),
        doubtful=list(found.doubtful),
        figures=found.figures,
    )


@router.post("/runs", summary="Run a curation")
def run(who: Who, machine: Machine, planned: Planned) -> Report:
    """Do exactly what a preview says, once. What has changed since is left out and named."""
    return report_of(machine.curator.run(planned.preview, user_id=who.user))


@router.get("/runs", summary="List curation runs")
def reports(who: Who, machine: Machine) -> list[Report]:
    """What runs over your own learnings did, newest first."""
    return [report_of(one) for one in machine.curator.reports(user_id=who.user)]


def report_of(found: curation.Report) -> Report:
    return Report(
        id=found.id,
        ran_at=found.ran_at,
        text=str(found),
        left_out=list(found.left_out),
        doubtful=list(found.doubtful),
        figures=found.figures,
    )
