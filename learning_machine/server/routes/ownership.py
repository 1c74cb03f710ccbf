"""What is known of you is yours: all of it in a file, or gone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import Field

from learning_machine.server.dependencies import Machine, Who, scoped
from learning_machine.server.models import Asked, Name
from learning_machine.server.problems import Problem

router = APIRouter(prefix="/v1", tags=["ownership"])
JSON_LINES = "application/x-ndjson"


class Erasure(Asked):
    """What is to be gone for good: all of yours, or one conversation, thing, file or time of it."""

    confirm: Name = Field(description="Your own name once more, because this cannot be undone.")
    session_id: Name | None = None
    entity: Name | None = None
    source: Name | None = Field(None, description="The name of an imported file.")
    since: datetime | None = None
    until: datetime | None = None


@router.get(
    "/export",
    summary="Export what is known of you",
    response_class=StreamingResponse,
    responses={200: {"content": {JSON_LINES: {"schema": {"type": "string"}}}, "description": "A line of JSON each"}},
)
def export(who: Who, machine: Machine) -> Any:
    """All of it, as lines of JSON that `learning-machine import` reads."""
    return StreamingResponse(machine.export(**who.scope), media_type=JSON_LINES)


@router.post("/erase", summary="Erase what is known of you")
def erase(who: Who, machine: Machine, wanted: Erasure) -> dict[str, Any]:
    """Remove it everywhere, history and words too. The answer is the receipt, which says how much of what is gone."""
    if wanted.confirm != who.user:
        raise Problem(422, "`confirm` has to be your own name, as the server knows it. Nothing was erased.")
    narrowed = wanted.model_dump(exclude={"confirm", "session_id"})
    return machine.erase(**narrowed, **scoped(who, session_id=wanted.session_id))
