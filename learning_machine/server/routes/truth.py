"""What stood in a place before, why something is known, keeping it, and taking a change back."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from learning_machine.server.dependencies import Machine, Who
from learning_machine.server.models import Asked, Name, Text
from learning_machine.server.problems import Problem
from learning_machine.state.messages import clean_text
from learning_machine.state.views import LearningView, View

router = APIRouter(prefix="/v1", tags=["truth"])


class Why(View):
    """Why a learning is known."""

    handle: str
    origin: str
    trust: int
    mode: str
    certain: bool = Field(description="Whether all that it was derived from still holds.")
    quotes: tuple[str, ...] = Field((), description="Your own words it stands on. Others' words are never shown.")
    verdicts: list[dict[str, Any]] = Field(default_factory=list, description="What people decided on it.")
    replaced: str | None = None
    replaced_by: str | None = None
    derived_from: list[dict[str, Any]] = Field(default_factory=list)
    derived: list[dict[str, Any]] = Field(default_factory=list, description="What rests on it.")
    changes: list[dict[str, Any]] = Field(default_factory=list, description="What happened to it, in order.")


class WhyRecalled(Asked):
    """A message whose recall is to be explained."""

    message: Text
    handles: list[Name] | None = Field(None, max_length=200, description="Which learnings to account for; none: all.")


class Undo(Asked):
    """What to take back."""

    target: Name = Field(description="The handle of a learning, or a batch, turn or curation run.")
    partly: bool = Field(False, description="Undo what can be, and say what is in the way.")


class Undone(View):
    """What was taken back."""

    status: str
    batch: str | None = Field(None, description="The undo's own name, by which it is undone itself.")
    changes: list[dict[str, Any]] = Field(default_factory=list)
    left: list[dict[str, Any]] = Field(default_factory=list, description="What could not be, and why.")


@router.get("/learnings/{handle}/history", summary="Read a learning's history")
def read_history(who: Who, machine: Machine, handle: str) -> list[LearningView]:
    """All that ever stood in its place, newest first."""
    return machine.versions(handle, **who.scope)


@router.get("/learnings/{handle}/why", summary="Read why a learning is known")
def read_why(who: Who, machine: Machine, handle: str) -> Why:
    """Where it comes from, who decided, what it replaced, and what rests on it."""
    found = machine.explain(handle, **who.scope)
    same = ("handle", "mode", "certain", "verdicts", "replaced", "replaced_by", "derived_from", "derived", "changes")
    sources = {name: found["sources"][name] for name in ("origin", "trust", "quotes")}
    return Why(**sources, **{name: found[name] for name in same})


@router.post("/recall/why", summary="Explain a recall")
def explain_recall(who: Who, machine: Machine, asked: WhyRecalled) -> dict[str, Any]:
    """Why a message recalls what it does: scores by parts, and of what was left out the stage that did it."""
    found = machine.explain_recall(clean_text(asked.message), ids=asked.handles, **who.scope)
    return {name: value for name, value in found.items() if name != "message"}


@router.put("/learnings/{handle}/pin", summary="Pin a learning")
def pin_learning(who: Who, machine: Machine, handle: str) -> LearningView:
    """Curation leaves it alone: it is neither archived nor merged away. What takes its place is pinned too."""
    machine.pin(handle, by=who.user, **who.scope)
    return machine.get(handle, **who.scope)


@router.delete("/learnings/{handle}/pin", summary="Unpin a learning")
def unpin_learning(who: Who, machine: Machine, handle: str) -> LearningView:
    """Curation may archive or merge it again."""
    machine.pin(handle, pinned=False, by=who.user, **who.scope)
    return machine.get(handle, **who.scope)


@router.post("/undo", summary="Undo a change")
def undo(who: Who, machine: Machine, asked: Undo) -> Undone:
    """Take back the last change of a learning, or all that one batch, turn or curation run changed."""
    found = machine.undo(clean_text(asked.target), by=who.user, partly=asked.partly, **who.scope)
    if found.status == "nothing":
        raise Problem(404, "There is nothing to undo by that name here.")
    return Undone(
        status=found.status,
        batch=str(found.batch) if found.batch else None,
        changes=found.changes,
        left=found.left,
    )
