"""Putting right what was learned: add, edit, forget, and undo. What was typed is never lost, whatever the answer."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from learning_machine.errors import InvalidInput, LearningNotFound, NotAllowed, StaleEdit, UndoConflict, WriteFailed
from learning_machine.server.dependencies import may_share
from learning_machine.server.pages.addresses import ROOT, address
from learning_machine.server.pages.routing import pages
from learning_machine.server.pages.views.learnings import explained
from learning_machine.server.pages.visits import Sent, Visit, Visiting
from learning_machine.server.problems import Problem, status_of
from learning_machine.state.changes import Receipt
from learning_machine.state.views import LearningView

router = pages()

LONGEST = 20_000
#: What went wrong on the way of a form, and leaves it open with what was typed.
WRONG = (InvalidInput, NotAllowed, WriteFailed, Problem)
_TOLD = {
    "saved": "Saved.",
    "known": "That was known already.",
    "pending": "Sent to a reviewer. It counts once they approve it.",
    "challenged": "What is known is better supported, so yours waits until a reviewer has decided.",
}


class Refusal(Exception):
    """Why nothing was written."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


# --- edit -------------------------------------------------------------------------------------------------------------


@router.get("/learnings/{handle}/edit")
def edit_page(visit: Visiting, handle: str, back: str = "") -> Any:
    one = visit.machine.get(handle, **visit.scope)
    return _edit_form(visit, one, one.text, back=_own(back))


@router.post("/learnings/{handle}/edit")
def edit(visit: Visiting, sent: Sent, handle: str) -> Any:
    """Other words in its place. When it has changed since, both are shown, and nothing is written."""
    text, back = sent.text("text"), _own(sent.text("back"))
    try:
        _check_length(text)
        receipt = visit.machine.edit(
            handle, text, expected=sent.text("version"), reviewer=visit.caller.reviewer, **visit.scope
        )
        said = _told(receipt)
    except StaleEdit:
        return _edit_form(visit, newest(visit, handle), text, status=412, stale=True, back=back)
    except (Refusal, *WRONG) as error:
        one = visit.machine.get(handle, **visit.scope)
        return _edit_form(visit, one, text, status=_status(error), wrong=_reason(error), back=back)
    undo = receipt.handle if receipt.status == "saved" and receipt.handle else ""
    now = receipt.handle if receipt.handle and receipt.handle.startswith("k") else handle
    return visit.go(back or address("learnings", now), said, undo=undo)


def newest(visit: Visit, handle: str) -> LearningView:
    """What stands now where this learning stood."""
    one = visit.machine.get(handle, **visit.scope)
    for _ in range(100):
        if not one.superseded_by:
            break
        try:
            one = visit.machine.get(one.superseded_by, **visit.scope)
        except LearningNotFound:
            break
    return one


def _edit_form(
    visit: Visit,
    one: LearningView,
    text: str,
    *,
    status: int = 200,
    stale: bool = False,
    wrong: str = "",
    back: str = "",
) -> Response:
    editable = one.holds and one.kind not in ("entity", "relationship")
    return visit.show(
        "edit.html", status, one=one, text=text, stale=stale, wrong=wrong, longest=LONGEST, back=back, editable=editable
    )


# --- forget -----------------------------------------------------------------------------------------------------------


@router.get("/learnings/{handle}/forget")
def forget_page(visit: Visiting, handle: str) -> Any:
    """Before a thing goes with all that is known of it, or where the button was pressed on something that has changed."""
    one = visit.machine.get(handle, **visit.scope)
    return visit.show("forget.html", one=one, stale=False)


@router.post("/learnings/{handle}/forget")
def forget(visit: Visiting, sent: Sent, handle: str) -> Any:
    """It no longer holds; the next page offers to undo it."""
    try:
        receipts = visit.machine.forget(
            handle, expected=sent.text("version"), reviewer=visit.caller.reviewer, **visit.scope
        )
        said = _told(
            worst(receipts),
            "Forgotten." if len(receipts) == 1 else f"Forgotten, with {len(receipts) - 1:,} learnings about it.",
        )
    except StaleEdit:
        return visit.show("forget.html", 412, one=newest(visit, handle), stale=True)
    except Refusal as error:
        raise Problem(error.status, error.reason) from None
    return visit.go(_own(sent.text("back")) or address("knowledge"), said, undo=last_batch(visit, handle))


def worst(receipts: list[Receipt]) -> Receipt:
    return next((one for one in receipts if one.status not in ("saved", "known")), receipts[0])


def last_batch(visit: Visit, handle: str) -> str:
    """By what the last change of a learning is undone, with all that was changed together with it."""
    why = explained(visit, handle)
    return str(why["changes"][-1].get("batch", "")) if why and why["changes"] else ""


# --- undo -------------------------------------------------------------------------------------------------------------


@router.post("/undo")
def undo(visit: Visiting, sent: Sent) -> Any:
    """Take back what was just done."""
    where = _own(sent.text("back")) or f"{ROOT}/"
    try:
        done = visit.machine.undo(sent.text("what"), **visit.scope)
    except (UndoConflict, NotAllowed) as error:
        return visit.go(where, str(error), kind="wrong")
    if done.status == "undone":
        return visit.go(where, "Undone: it is as it was before.", undo=str(done.batch or ""))
    return visit.go(where, "There was nothing to undo: it is as it was before already.", kind="wrong")


# --- add --------------------------------------------------------------------------------------------------------------


@router.post("/add")
def add(visit: Visiting, sent: Sent) -> Any:
    """Keep what a person writes, as their own word."""
    text, namespace = sent.text("text"), sent.text("namespace") or None
    try:
        _check_length(text)
        may_share(visit.caller, namespace)
        scope = visit.scope | ({"namespace": namespace} if namespace else {})
        named = {name: sent.text(name)[:500] or None for name in ("kind", "name", "subject", "when")}
        receipt = visit.machine.add(sent.text("store"), text, reviewer=visit.caller.reviewer, **named, **scope)
        said = _told(receipt)
    except (Refusal, *WRONG) as error:
        return visit.show("add.html", _status(error), sent=sent, wrong=_reason(error), back=_own(sent.text("back")))
    undone_by = receipt.handle if receipt.status == "saved" and receipt.handle else ""
    return visit.go(_own(sent.text("back")) or address("knowledge"), said, undo=undone_by)


# --- what they share --------------------------------------------------------------------------------------------------


def _told(receipt: Receipt, saved: str = "") -> str:
    """What is said of a receipt. Raises `Refusal` when nothing was written."""
    if receipt.status == "refused":
        raise Refusal(422, f"Nothing was written: {receipt.reason}.")
    if receipt.status == "failed":
        raise Refusal(503, "It could not be written just now, so nothing was changed. Try again.")
    return saved if saved and receipt.status in ("saved", "known") else _TOLD[receipt.status]


def _status(error: Exception) -> int:
    if isinstance(error, Refusal | Problem):
        return error.status
    return status_of(error) if isinstance(error, InvalidInput | NotAllowed | WriteFailed) else 500


def _reason(error: Exception) -> str:
    return str(error)


def _check_length(text: str) -> None:
    if not text:
        raise Refusal(422, "There is nothing in it. Write what should be known.")
    if len(text) > LONGEST:
        raise Refusal(422, f"It may have at most {LONGEST:,} characters, and has {len(text):,}. Shorten it.")


def _own(where: str) -> str:
    """An address of these pages; any other is none."""
    return where if where.startswith(f"{ROOT}/") and "\\" not in where and "//" not in where else ""
