"""The review queue: what waits for a person, with all they need to judge it, and what they decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from starlette.responses import Response

from learning_machine.errors import NotAllowed, ProposalNotFound
from learning_machine.server import reviewing
from learning_machine.server.models import Decided, ProposalView, VerdictOn
from learning_machine.server.pages.addresses import address
from learning_machine.server.pages.differences import Piece, differences
from learning_machine.server.pages.routing import pages
from learning_machine.server.pages.texts import SHORT, shortened
from learning_machine.server.pages.views.putting_right import LONGEST
from learning_machine.server.pages.visits import Form, Sent, Visit, Visiting
from learning_machine.server.problems import Problem

router = pages()

PAGE = 20
_GOOD = ("saved", "known", "rejected")


class Card(NamedTuple):
    """A proposal as it is laid before somebody. `text`, `reason`: what they have typed; `notice`: why it is shown again."""

    one: ProposalView
    pieces: Sequence[Piece]
    text: str = ""
    reason: str = ""
    notice: str = ""


def card_of(one: ProposalView, *, whole: bool = False, **typed: str) -> Card:
    longest = len(one.text) + len(one.replaces) if whole else 3 * SHORT
    pieces = differences(shortened(one.replaces, longest), shortened(one.text, longest)) if one.replaces else ()
    return Card(one, pieces, **({"text": one.text} | typed))


# --- looking ----------------------------------------------------------------------------------------------------------


@router.get("/review")
def queue(visit: Visiting, show: str = "waiting", risk: str = "", store: str = "", page: int = 1) -> Any:
    """What waits, oldest first, by who would see it; or what was decided, newest first."""
    waiting = show != "decided"
    found = reviewing.visible(visit.machine, visit.caller, status="pending" if waiting else None)
    if not waiting:
        found = [one for one in reversed(found) if one.status != "pending"]
    chosen = [one for one in found if risk in ("", one.risk) and store in ("", one.store)]
    if waiting:
        chosen.sort(key=lambda one: (one.namespace, one.store))
    pages_there = max(1, -(-len(chosen) // PAGE))
    page = min(max(1, page), pages_there)
    cards = [card_of(one) for one in chosen[(page - 1) * PAGE : page * PAGE]]
    return visit.show(
        "review.html",
        show="waiting" if waiting else "decided",
        groups=_grouped(cards) if waiting else [((), cards)],
        total=len(chosen),
        all=len(found),
        decidable=sum(one.one.decidable for one in cards),
        first=(page - 1) * PAGE + 1,
        page=page,
        pages=pages_there,
        page_size=PAGE,
        risk=risk,
        store=store,
        risks=Counter(one.risk for one in found),
        stores=Counter(one.store for one in found),
        longest=LONGEST,
    )


def _grouped(cards: list[Card]) -> list[tuple[tuple[str, str], list[Card]]]:
    return [(key, list(some)) for key, some in groupby(cards, lambda card: (card.one.namespace, card.one.store))]


@router.get("/review/{handle}")
def proposal(visit: Visiting, handle: str) -> Any:
    """One proposal, whole."""
    return _alone(visit, card_of(reviewing.one(visit.machine, visit.caller, handle), whole=True))


def _alone(visit: Visit, card: Card, status: int = 200) -> Response:
    if visit.partly:
        return visit.part("parts/proposal.html", status, card=card, longest=LONGEST, back="")
    return visit.show("proposal.html", status, card=card, longest=LONGEST)


# --- deciding ---------------------------------------------------------------------------------------------------------


@router.post("/review/{handle}")
def decide(visit: Visiting, sent: Sent, handle: str) -> Any:
    """One verdict. What cannot be done leaves the proposal there with what was typed, and says why."""
    text, reason = sent.text("text"), sent.text("reason")
    found = _decided(visit, handle, sent, text, reason)
    if found.status in _GOOD:
        said, undo = _said(found, sent.text("action")), found.learning if found.status == "saved" else ""
        if visit.partly:
            return visit.part("parts/decided.html", said=said, undo=undo or "", back=address("review"))
        return visit.go(_back(sent), said, undo=undo or "")
    if found.status in ("not found", "not allowed"):
        raise Problem(404 if found.status == "not found" else 403, found.reason or "There is no such proposal here.")
    now = reviewing.one(visit.machine, visit.caller, handle)
    notice = (
        "It has changed since it was shown to you, so nothing was decided. This is how it stands now; look again."
        if found.status == "stale"
        else f"Nothing was stored: {found.reason}."
    )
    typed = {"text": text} if sent.text("action") == "edit" else {}
    status = 412 if found.status == "stale" else 409
    return _alone(visit, card_of(now, whole=True, reason=reason, notice=notice, **typed), status)


def _decided(visit: Visit, handle: str, sent: Form, text: str, reason: str) -> Decided:
    action = sent.text("action")
    if action not in ("approve", "edit", "reject"):
        raise Problem(422, "The form says no decision. Go back, and press one of the buttons.")
    if action == "edit" and not 0 < len(text) <= LONGEST:
        why = f"a text has from 1 to {LONGEST:,} characters, and yours has {len(text):,}"
        return Decided(handle=handle, status="refused", reason=why)
    verdict = VerdictOn(action=action, text=text if action == "edit" else None, message=reason[:2_000])  # type: ignore[arg-type]
    return _told(visit, handle, verdict, sent.text("version"))


def _told(visit: Visit, handle: str, verdict: VerdictOn, version: str) -> Decided:
    try:
        return reviewing.decide(visit.machine, visit.caller, handle, verdict, version)
    except ProposalNotFound:
        return Decided(handle=handle, status="not found")
    except NotAllowed as error:
        return Decided(handle=handle, status="not allowed", reason=str(error))


@router.post("/review")
def decide_several(visit: Visiting, sent: Sent) -> Any:
    """The same verdict on each that was chosen, each bound to what was shown."""
    action = sent.text("action")
    chosen = [one.partition(".") for one in sent.all("chosen")][:500]
    if action not in ("approve", "reject") or not chosen:
        return visit.go(_back(sent), "Nothing was chosen. Tick some proposals first.", kind="wrong")
    verdict = VerdictOn(action=action)  # type: ignore[arg-type]
    found = [reviewing.decided(visit.machine, visit.caller, handle, verdict, version) for handle, _, version in chosen]
    good = sum(one.status in _GOOD for one in found)
    said = f"{good:,} {'approved' if action == 'approve' else 'rejected'}."
    if good < len(found):
        stale = sum(one.status == "stale" for one in found)
        said += f" {stale:,} had changed since and still wait; look at them again." if stale else ""
        other = len(found) - good - stale
        said += f" {other:,} could not be decided, and still wait." if other else ""
    return visit.go(_back(sent), said, kind="done" if good == len(found) else "wrong")


def _said(found: Decided, action: str) -> str:
    if found.status == "rejected":
        return "Rejected. It is not proposed again unless somebody states it anew."
    if found.status == "known":
        return "Approved; it was known already."
    return "Approved in your words." if action == "edit" else "Approved."


def _back(sent: Form) -> str:
    """The page of the queue one was on."""
    page = sent.text("page")
    filters = {name: sent.text(name)[:100] for name in ("risk", "store")}
    return address("review", page=page if page.isdigit() else "", **filters)
