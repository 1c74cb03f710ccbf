"""Pure: what the gate does with a change, given what stands where it wants to go."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import Any, Literal

from learning_machine.state.changes import Quote
from learning_machine.state.lexemes import lexemes
from learning_machine.state.messages import Said

_SPACE = re.compile(r"\s+")
_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "„": '"', "\u00a0": " "})


@dataclass(frozen=True)
class Incumbent:
    """The newest row of a slot that counts where the conversation stands, and the row that is open in the database."""

    id: int | None = None
    content_key: str | None = None
    trust: int = 0
    actor: str | None = None
    active: bool = False
    open: int | None = None

    @classmethod
    def of(cls, rows: Sequence[dict[str, Any]]) -> Incumbent:
        """From the slot's rows, newest first."""
        opened = next((row["id"] for row in rows if row["open"]), None)
        standing = next((row for row in rows if row["counts"]), None)
        if standing is None:
            return cls(open=opened)
        return cls(
            standing["id"],
            standing["content_key"],
            standing["trust"],
            standing["actor"],
            standing["status"] == "active",
            opened,
        )


Outcome = Literal["save", "known", "challenge"]


def decide(incumbent: Incumbent, content_key: str, trust: int, *, actor: str | None, shared: bool) -> Outcome:
    """Newer wins among equals within one owner; a less trusted claim, or another person's equal one, has to wait."""
    if not incumbent.active:
        return "save"
    if incumbent.content_key == content_key:
        return "save" if trust > incumbent.trust else "known"
    if trust < incumbent.trust:
        return "challenge"
    if shared and trust == incumbent.trust and actor != incumbent.actor:
        return "challenge"
    return "save"


def content_key(kind: str, name: str, text: str, value: Any = None) -> str:
    """The same for the same content: case, spacing and closing punctuation do not count; structured values do."""
    plain = _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip(" .!,;:")
    structure = json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else ""
    return blake2s("\0".join((kind, name.casefold(), plain, structure)).encode(), digest_size=16).hexdigest()


def lock_key(space: int, store: str, subject: str, slot: str) -> int:
    """The advisory lock of a slot: 63 bits of a hash, as Postgres takes them."""
    digest = blake2s("\0".join((str(space), store, subject, slot)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


#: From here on two texts say the same: cosine of their vectors, or share of words in common.
SAME_MEANING, SAME_WORDS = 0.9, 0.72
_NEGATIONS = frozenset(
    {
        "not",
        "no",
        "never",
        "none",
        "without",
        "don't",
        "doesn't",
        "isn't",
        "aren't",
        "cannot",
        "can't",
        "won't",
        "nicht",
        "kein",
        "keine",
        "nie",
        "ohne",
        "nunca",
        "sin",
        "ne",
        "pas",
        "jamais",
        "sans",
        "non",
        "niet",
        "geen",
        "não",
        "sem",
    }
)  # fmt: skip
_TOKEN = re.compile(r"[\w']+")


def says_the_same(one: str, other: str, meaning: float | None) -> bool:
    """Whether two insights are one in other words. A number or a negation that differs makes them two."""
    if telling(one) != telling(other):
        return False
    left, right = set(lexemes(one)), set(lexemes(other))
    common = len(left & right) / max(len(left | right), 1)
    return common >= SAME_WORDS or ((meaning or 0.0) >= SAME_MEANING and common >= SAME_WORDS / 3)


def telling(text: str) -> tuple[list[str], bool]:
    """The numbers of a text, and whether it denies."""
    words = _TOKEN.findall(text.translate(_QUOTES).casefold())
    denials = sum(word in _NEGATIONS for word in words)
    return sorted(word for word in words if any(map(str.isdigit, word))), denials % 2 == 1


class Witness:
    """What was said, ready to be asked for quotes."""

    def __init__(self, said: Iterable[Said] = ()) -> None:
        # The user's words first: a quote found there is worth more.
        self._said = [(one, _plain(one.content)) for one in sorted(said, key=lambda one: one.role != "user")]

    def find(self, quote: str | None) -> Quote | None:
        """The quote, if somebody said it: found in a message up to case, spacing and quotation marks."""
        wanted = _plain(quote or "").strip(" .!,;:\"'")
        for one, plain in self._said if wanted else ():
            if wanted in plain:
                return Quote(text=(quote or "").strip(), message=one.key, role=one.role, said_at=one.at)
        return None


def _plain(text: str) -> str:
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).translate(_QUOTES)).casefold()
