"""Pure: where in time a claim lands: as what holds from now on, as history, or as the end of what stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from learning_machine.state.changes import Add, Change, Quote, Retire, Revise

#: Words that were said longer ago than this hold from when they were said, not from when they were read.
OLD_WORDS = timedelta(days=1)


@dataclass(frozen=True)
class Claim:
    """What a change says about time: `since` and `until` as said, and when it was said, where that was long ago."""

    since: datetime | None
    until: datetime | None
    said_at: datetime | None = None

    @classmethod
    def of(cls, change: Change, quote: Quote | None, now: datetime) -> Claim:
        said_at = quote.said_at if quote is not None else None
        old = said_at is not None and now - said_at > OLD_WORDS
        return cls(change.since, getattr(change, "until", None), said_at if old else None)

    @property
    def start(self) -> datetime | None:
        """From when on it surely holds."""
        return self.since or self.said_at

    @property
    def impossible(self) -> bool:
        """Whether it ends before it begins."""
        return self.since is not None and self.until is not None and self.until <= self.since

    def is_over(self, now: datetime) -> bool:
        return self.until is not None and self.until <= now


@dataclass(frozen=True)
class Landing:
    """How a claim is written. `open`: it takes its slot; `past`: closed history. `holds_from` may be open: since whenever."""

    kind: Literal["open", "past"]
    since: datetime | None = None
    holds_from: datetime | None = None
    holds_to: datetime | None = None
    #: Without a date of its own it holds from when it is written.
    from_now: bool = False


def ends_what_stands(change: Change, claim: Claim, now: datetime, *, same: bool, began: datetime | None) -> bool:
    """Whether a claim that is over says until when the standing value held, as in "I lived there until last year"."""
    if isinstance(change, Retire) or not same or not claim.is_over(now):
        return False
    return began is None or (claim.until is not None and claim.until > began)


def as_end(change: Add | Revise, claim: Claim, handle: str) -> Retire:
    """The same said as an end."""
    return Retire(store=change.store, handle=handle, quote=change.quote, since=claim.until)


def land(claim: Claim, now: datetime, *, next_start: datetime | None, had: bool, inherits: Landing | None) -> Landing:
    """Where a claim lands. `next_start`: when something began that is dated later; `had`: the slot held something before;
    `inherits`: when the standing value began, if this is the same once more."""
    if claim.is_over(now):
        return Landing("past", claim.since, claim.since, claim.until)
    if claim.start is not None and next_start is not None:
        return Landing("past", claim.since, claim.start, _earlier(next_start, claim.until))
    if claim.since is not None:
        return Landing("open", claim.since, claim.since, claim.until)
    if inherits is not None:
        return replace(inherits, holds_to=claim.until)
    return Landing("open", None, claim.said_at, claim.until, from_now=had and claim.said_at is None)


def _earlier(one: datetime, other: datetime | None) -> datetime:
    return one if other is None else min(one, other)
