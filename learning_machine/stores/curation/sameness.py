"""Pure: do two learnings say the same? For certain only in the same words; in other words it is for a judge to say.

What differs in a number, a unit, a denial or a name is never the same, however near the texts are, and no judge is asked.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Literal

from learning_machine.stores.deciding import covered, telling

Kinship = Literal["same", "doubtful", "different"]

#: From here on, by meaning or by the share of common words, two texts may be the same in other words.
NEAR, SHARED = 0.5, 0.5
#: With so many of the words of either, a text that denies contradicts one that does not.
DENIED = 0.6
# Words that say nothing by themselves, in the languages that have them most.
_SILENT = """a an the also just really that please user users
der die das ein eine einen el los las un una unos le les une des il lo gli uno de het een"""
_EMPTY = frozenset(_SILENT.split())
_WORD = re.compile(r"[^\W_]+(?:[+#]+|(?:['’.\-/:][^\W_]+)*)", re.UNICODE)
#: Names with signs in them, such as C++, C# or .NET.
_SIGNED = re.compile(r"[^\W_]+[+#]+|(?<![\w.])\.[^\W\d_]+", re.UNICODE)
_MEASURE = re.compile(r"((?<!\w)[-−<>≤≥=±~]?\s?\d+(?:[.,:]\d+)*)\s*([^\W\d_]+|[%‰°€$£])?", re.UNICODE)
_SOUNDS_DENIED = re.compile(r"\b(?:do not|don['’]t|never) (?:forget|overlook|miss)\b", re.IGNORECASE)
_ENDING = re.compile(r"(?:^|[.!?:]\s+|\n)\s*[\"'“„(]?\s*$")


def kinship(one: str, other: str, meaning: float | None) -> Kinship:
    """Whether two texts say the same, surely or perhaps. `meaning`: the cosine of their vectors, if there are any."""
    one, other = (unicodedata.normalize("NFKC", text).strip() for text in (one, other))
    if one == other:
        return "same"
    if contradict(one, other):
        return "different"
    if said(one) == said(other) and telling(one) == telling(other):
        return "same"
    close = meaning is not None and meaning >= NEAR
    return "doubtful" if close or shared(one, other) >= SHARED else "different"


def contradict(one: str, other: str) -> bool:
    """Whether a number, a measure, a denial or a name is in one and another in the other.

    A denial in words that are otherwise quite other ones may be another way to say the same: "cannot have nuts because of an
    allergy". That is not for us to say, and left to a judge.
    """
    (numbers, denies), (others, deny) = telling(_meant(one)), telling(_meant(other))
    if numbers != others or _measures(one) != _measures(other) or _signed(one) != _signed(other):
        return True
    if denies != deny and max(covered(one, other), covered(other, one)) >= DENIED:
        return True
    return bool(_names(one) - _words(other)) and bool(_names(other) - _words(one))


def _meant(text: str) -> str:
    """The text with what only sounds like a denial said plainly."""
    return _SOUNDS_DENIED.sub("remember", text)


def shared(one: str, other: str) -> float:
    """The share of the words of each that the other has, in whatever form; the smaller one."""
    return min(covered(one, other), covered(other, one))


@lru_cache(maxsize=20_000)
def _flat(text: str) -> str:
    return " ".join(word.casefold() for word in _tokens(text))


@lru_cache(maxsize=20_000)
def said(text: str) -> tuple[str, ...]:
    """The words in their order, without those that say nothing."""
    return tuple(word for word in map(str.casefold, _tokens(text)) if word not in _EMPTY)


def _tokens(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).replace("’", "'")
    # A script without spaces has no words to compare: then all of it, letter by letter.
    return _WORD.findall(plain) or list(plain.strip())


def _words(text: str) -> frozenset[str]:
    return frozenset(_flat(text).split())


@lru_cache(maxsize=20_000)
def _measures(text: str) -> tuple[tuple[str, str], ...]:
    found = _MEASURE.findall(unicodedata.normalize("NFKC", text))
    return tuple(sorted((number.replace(" ", ""), _unit(unit)) for number, unit in found))


def _unit(word: str) -> str:
    """A unit of measure: what is short, or a sign. A longer word behind a number is a thing that is counted."""
    return word if len(word) <= 3 else ""


@lru_cache(maxsize=20_000)
def _signed(text: str) -> frozenset[str]:
    return frozenset(found.casefold() for found in _SIGNED.findall(text))


@lru_cache(maxsize=20_000)
def _names(text: str) -> frozenset[str]:
    """Words with a capital where none is due."""
    return frozenset(
        found[0].casefold()
        for found in _WORD.finditer(text)
        if found[0][0].isupper() and found[0] != "I" and not _ENDING.search(text[: found.start()])
    )
