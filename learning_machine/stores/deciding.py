"""Pure: what the gate does with a change, given what stands where it wants to go."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2s
from typing import Any, Literal

from learning_machine.state.changes import Quote
from learning_machine.state.lexemes import lexemes, query_lexemes
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
    true_from: datetime | None = None
    holds_from: datetime | None = None

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
            standing["status"] != "retired",
            opened,
            standing.get("true_from"),
            standing.get("holds_from"),
        )


Outcome = Literal["save", "known", "challenge"]


def decide(incumbent: Incumbent, content_key: str, trust: int, *, actor: str | None, shared: bool) -> Outcome:
    """Newer wins among equals within one owner; a less trusted claim, or another person's equal one, has to wait."""
    if not incumbent.active:
        # What somebody took back, a less trusted claim does not bring back.
        return "challenge" if incumbent.id is not None and trust < incumbent.trust else "save"
    if incumbent.content_key == content_key:
        return "save" if trust > incumbent.trust else "known"
    if trust < incumbent.trust:
        return "challenge"
    if shared and trust == incumbent.trust and actor != incumbent.actor:
        return "challenge"
    return "save"


def content_key(kind: str, name: str, text: str, value: Any = None) -> str:
    """The same for the same content: case, spacing and closing punctuation do not count; structured values do."""
    plain = _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    plain = plain.rstrip(" .!,;:") or plain
    structure = json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else ""
    return blake2s("\0".join((kind, name.casefold(), plain, structure)).encode(), digest_size=16).hexdigest()


def lock_key(space: int, store: str, subject: str, slot: str) -> int:
    """The advisory lock of a slot: 63 bits of a hash, as Postgres takes them."""
    digest = blake2s("\0".join((str(space), store, subject, slot)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


#: From here on two texts say the same: the share of the words of each that the other has, and how near their vectors are.
#: The nearer, the fewer words they need to share; without vectors, nearly all.
_ENOUGH = ((0.8, 0.85), (0.4, 0.9))
NEARLY_ALL = 0.82
_DENIALS = """not no never none without cannot nicht kein keine keinen nie niemals ohne nunca sin ne pas jamais sans non niet
geen nooit não nao sem nem senza mai inte aldrig utan ikke aldri uden nie bez не нет без"""
_NEGATIONS = frozenset(_DENIALS.split())
# Small words that turn a statement round.
_SIDES = """before after above below over under more less fewer only unless except until since within beyond vor nach über
unter mehr weniger nur außer bis antes después más menos sólo solo avant après plus moins sauf some most least
first last min max minimum maximum off up down out einige algunos quelques"""
_TURNING = frozenset(_SIDES.split())
#: Words whose two sides are not to be exchanged.
_JOINS = "over than before after to into from by als vor nach statt que avant après"
_ORDERING = frozenset(_JOINS.split())
_CONTRACTION = re.compile(r"\b(can|won|\w+?)n?['’]t\b")
_TOKEN = re.compile(r"[\w']+")


def says_the_same(one: str, other: str, meaning: float | None) -> bool:
    """Whether two insights are one in other words. A number, a denial or an order that differs makes them two."""
    if _plain(one) == _plain(other):
        return True
    if telling(one) != telling(other) or _sides(one) != _sides(other) or _exchanged(one, other):
        return False
    if _another(one, other):
        return False
    common = min(covered(one, other), covered(other, one))
    if meaning is None or common == 1:
        return common >= NEARLY_ALL
    return any(common >= words and meaning >= near for words, near in _ENOUGH)


def _another(one: str, other: str) -> bool:
    """Whether all words are the same, in their order, but one: then they speak of different things, if in the same way."""
    mine, yours = _words(one), _words(other)
    if len(mine) != len(yours):
        return False
    apart = [(left, right) for left, right in zip(mine, yours, strict=True) if left != right]
    return len(apart) == 1 and not covered(*apart[0])


def covered(text: str, by: str) -> float:
    """The share of a text's words, small ones left out, that another text has, in whatever form."""
    return share(asked_for(text), forms_in(by))


def asked_for(text: str) -> list[list[str]]:
    """The words of a text, small ones and denials left out, each by the forms it may have."""
    return [group for group in query_lexemes(_spelt_out(text)) if group[0] not in _NEGATIONS]


def forms_in(text: str) -> frozenset[str]:
    """The words of a text in all their forms."""
    return frozenset(lexemes(_spelt_out(text)))


def share(asked: Sequence[Sequence[str]], there: frozenset[str]) -> float:
    """The share of words asked for that are there."""
    return sum(not there.isdisjoint(group) for group in asked) / len(asked) if asked else 0.0


def telling(text: str) -> tuple[list[str], bool]:
    """The numbers of a text, and whether it denies."""
    words = _words(text)
    denials = sum(word in _NEGATIONS for word in words)
    return sorted(word for word in words if any(map(str.isdigit, word))), denials % 2 == 1


def _sides(text: str) -> set[str]:
    return {word for word in _words(text) if word in _TURNING}


def _exchanged(one: str, other: str) -> bool:
    """Whether what stands on the two sides of a word such as "over" has changed places."""
    return any((word, right, left) in _pairs(other) for word, left, right in _pairs(one) if left != right)


def _pairs(text: str) -> set[tuple[str, str, str]]:
    words = _words(text)
    return {(word, words[at - 1], words[at + 1]) for at, word in enumerate(words[1:-1], start=1) if word in _ORDERING}


def _words(text: str) -> list[str]:
    return _TOKEN.findall(_spelt_out(text).casefold())


def _spelt_out(text: str) -> str:
    """`don't` as `do not`, so that a denial is a word."""
    return _CONTRACTION.sub(r"\1 not", text.translate(_QUOTES))


class Witness:
    """What was said, ready to be asked for quotes."""

    def __init__(self, said: Iterable[Said] = ()) -> None:
        # The user's words first: a quote found there is worth more.
        self._said = [(one, _in_words(_plain(one.content))) for one in sorted(said, key=lambda one: one.role != "user")]

    def find(self, quote: str | None) -> Quote | None:
        """The quote, if somebody said it: found in a message up to case, spacing and quotation marks."""
        wanted = _in_words(_plain(quote or "").strip(" .!?,;:。\"'"))
        for one, words in self._said if wanted else ():
            if wanted in words:
                return Quote(text=(quote or "").strip(), message=one.key, role=one.role, said_at=one.at)
        return None


#: Letters and digits of the scripts that set spaces between words.
_WORD = re.compile(r"[^\W_\u0e00-\U0010ffff]+")


def _in_words(text: str) -> str:
    """The text with its words fenced, so that none is found inside another: JavaScript does not say Java."""
    return _WORD.sub("\x01\\g<0>\x01", text)


def _plain(text: str) -> str:
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).translate(_QUOTES)).casefold()
