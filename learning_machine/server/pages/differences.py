"""What a change would change: the words that go, and those that come."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

#: As many words as are compared; longer texts are shown one after the other.
MOST_WORDS = 600
_WORDS = re.compile(r"\s+|[^\W_]+|.", re.DOTALL)


class Piece(NamedTuple):
    """A part of a text: it stays, goes or comes."""

    what: Literal["same", "gone", "new"]
    text: str


def differences(before: str, after: str) -> list[Piece]:
    """The new text with the old one's words among it. Texts without anything in common are not mixed."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if max(len(old), len(new)) > MOST_WORDS:
        return _apart(before, after)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < 0.35:
        return _apart(before, after)
    pieces = []
    for what, i, j, k, m in matcher.get_opcodes():
        if what == "equal":
            pieces.append(Piece("same", "".join(old[i:j])))
            continue
        pieces += [Piece("gone", "".join(old[i:j]))] if i < j else []
        pieces += [Piece("new", "".join(new[k:m]))] if k < m else []
    return pieces


def _apart(before: str, after: str) -> list[Piece]:
    return [Piece("gone", before), Piece("new", after)] if before else [Piece("new", after)]
