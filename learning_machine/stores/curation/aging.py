"""Pure: how strong a learning is by now.

    strength = 2 ** -(days / half-life)        half-life = days of its kind * (1 + log2(1 + uses) / 2 + log2(voices))

Forgetting as a half-life that practice makes longer is Ebbinghaus' curve (1885) in the form of half-life regression
(Settles and Meeder, "A Trainable Spaced Repetition Model for Language Learning", ACL 2016). That practice counts less
the more of it there was is the power law of base-level learning in ACT-R (Anderson and Schooler, "Reflections of the
Environment in Memory", 1991), taken as a logarithm. The days are counted from when it was last learned, said, used, or wanted back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import log2

_DAY = 86_400.0


@dataclass(frozen=True)
class Fading:
    """From when on a learning fades, and in how many days it loses half."""

    since: datetime
    half_life: float

    def strength(self, now: datetime) -> float:
        """Between 0 and 1; 1 until it begins."""
        days = max(0.0, (now - self.since).total_seconds() / _DAY)
        return float(2.0 ** -(days / self.half_life))


def half_life(days: float, *, uses: int = 0, voices: int = 1) -> float:
    """The days until half is lost: longer for what was shown to the model, and for what was said more than once."""
    return days * (1 + log2(1 + max(uses, 0)) / 2 + log2(max(voices, 1)))


def fading_of(
    kind: str,
    days_of: Mapping[str, float],
    *,
    known_from: datetime,
    uses: int = 0,
    used_at: datetime | None = None,
    voices: int = 1,
    said_at: datetime | None = None,
    wanted_at: datetime | None = None,
    pinned: bool = False,
) -> Fading | None:
    """How a learning fades; `None` for what is pinned, and for a kind that has no half-life because it is timeless."""
    days = days_of.get(kind)
    if days is None or pinned:
        return None
    since = max(moment for moment in (known_from, used_at, said_at, wanted_at) if moment is not None)
    return Fading(since, half_life(days, uses=uses, voices=voices))
