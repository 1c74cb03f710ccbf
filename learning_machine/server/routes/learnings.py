"""What was learned: list, search, read, add, edit, forget."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from learning_machine.errors import LearningNotFound
from learning_machine.machine import LearningMachine
from learning_machine.server.callers import Caller
from learning_machine.server.dependencies import Cursor, Filter, Limit, Machine, Who, may_share, scoped
from learning_machine.server.etags import IfMatch, IfNoneMatch, required, tagged
from learning_machine.server.models import Edit, NewLearning, Search, Written
from learning_machine.server.problems import Problem
from learning_machine.state.changes import Receipt
from learning_machine.state.messages import clean_text
from learning_machine.state.views import LearningView, Page, State

router = APIRouter(prefix="/v1/learnings", tags=["learnings"])

#: What a receipt says, as an HTTP status. What waits was accepted, and is not done.
_STATUS = {"saved": 200, "known": 200, "pending": 202, "challenged": 202}


@router.get("", summary="List learnings")
def list_learnings(
    who: Who,
    machine: Machine,
    state: State = "holding",
    store: Filter | None = None,
    kind: Filter | None = None,
    namespace: Filter | None = None,
    subject: Filter | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LearningView]:
    """What is known to you, newest first."""
    return machine.learnings(
        state=state,
        store=store,
        kind=kind,
        visible_to=namespace,
        subject=subject,
        limit=limit,
        cursor=cursor,
        **who.scope,
    )


@router.post("/search", summary="Search learnings")
def search_learnings(who: Who, machine: Machine, asked: Search) -> Page[LearningView]:
    """Those that fit a text, best first. It is sent in the body, so that no log of addresses holds it."""
    found = machine.search(clean_text(asked.text), store=asked.store, limit=asked.limit, **who.scope)
    return Page[LearningView](items=tuple(found))


@router.get(
    "/{handle}",
    summary="Read a learning",
    response_model=LearningView,
    responses={304: {"description": "Not modified"}},
)
def read_learning(
    who: Who, machine: Machine, handle: str, response: Response, if_none_match: IfNoneMatch = None
) -> Any:
    """One learning, whether it holds or not. Its ETag is what an edit has to name."""
    return tagged(machine.get(handle, **who.scope), response, if_none_match)


@router.post(
    "",
    summary="Add a learning",
    status_code=201,
    response_model=Written,
    responses={
        200: {"model": Written, "description": "It was known"},
        202: {"model": Written, "description": "It waits for a decision"},
    },
)
def add_learning(who: Who, machine: Machine, new: NewLearning, response: Response) -> Written:
    """Keep what you write, as your own word. A store whose mode asks a reviewer keeps it waiting for one (202)."""
    may_share(who, new.namespace)
    scope = scoped(who, namespace=new.namespace, session_id=new.session_id)
    what = new.model_dump(exclude={"store", "text", "namespace", "session_id"})
    receipt = machine.add(new.store, new.text, reviewer=who.reviewer, **what, **scope)
    return written(machine, who, receipt, response, saved=201)


@router.patch(
    "/{handle}",
    summary="Edit a learning",
    response_model=Written,
    responses={202: {"model": Written, "description": "It waits for a decision"}},
)
def edit_learning(
    who: Who, machine: Machine, handle: str, edit: Edit, response: Response, if_match: IfMatch = None
) -> Written:
    """Put other content in its place. The old one stays in history; the new one has a handle of its own."""
    expected = required(if_match)
    what = edit.model_dump(exclude={"text"})
    receipt = machine.edit(handle, edit.text, expected=expected, reviewer=who.reviewer, **what, **who.scope)
    return written(machine, who, receipt, response)


@router.delete(
    "/{handle}",
    summary="Forget a learning",
    response_model=list[Written],
    responses={202: {"model": list[Written], "description": "It waits for a decision"}},
)
def forget_learning(
    who: Who, machine: Machine, handle: str, response: Response, if_match: IfMatch = None
) -> list[Written]:
    """It no longer holds; of a thing, nothing known of it does. History keeps it, and undo brings it back."""
    receipts = machine.forget(handle, expected=required(if_match), reviewer=who.reviewer, **who.scope)
    response.status_code = max(_status(receipt, 200) for receipt in receipts)
    return [Written.of(receipt) for receipt in receipts]


def written(machine: LearningMachine, who: Caller, receipt: Receipt, response: Response, saved: int = 200) -> Written:
    """The answer to a write: what became of it, and what stands there now with its ETag."""
    response.status_code = _status(receipt, saved)
    learning = None
    if receipt.handle and receipt.handle.startswith("k"):
        try:
            learning = machine.get(receipt.handle, **who.scope)
        except LearningNotFound:
            learning = None
    if learning is not None:
        response.headers["ETag"] = f'"{learning.version}"'
        response.headers["Location"] = f"/v1/learnings/{receipt.handle}"
    return Written.of(receipt, learning)


def _status(receipt: Receipt, saved: int) -> int:
    if receipt.status == "refused":
        raise Problem(422, f"It was refused: {receipt.reason}.")
    if receipt.status == "failed":
        raise Problem(503, "It could not be written, so nothing was saved. It is safe to try again.")
    return saved if receipt.status == "saved" else _STATUS[receipt.status]
