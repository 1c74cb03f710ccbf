"""Short names for learnings, made from their ids, so that they stay the same wherever they are shown."""

from __future__ import annotations

import re

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_HANDLE = re.compile(r"\[?([kpm])([0-9a-z]{1,13})\]?")
#: Learnings, proposals, and what was said.
LEARNING, PROPOSAL, SAID = "k", "p", "m"


def handle_of(learning: int, letter: str = LEARNING) -> str:
    """The handle of an id, for example `k3f`; of a proposal `p3f`."""
    digits = ""
    while learning:
        learning, digit = divmod(learning, 36)
        digits = _DIGITS[digit] + digits
    return letter + (digits or "0")


def id_of(handle: str, letter: str = LEARNING) -> int | None:
    """The id behind a handle, or `None` for what is none. Brackets and capitals, as models write them, are fine."""
    match = _HANDLE.fullmatch(handle.strip().lower())
    number = int(match[2], 36) if match and match[1] == letter else None
    return number if number is not None and number < 2**63 else None
