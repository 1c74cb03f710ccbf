"""Pure: do two learnings say the same? For certain only in the same words; in other words it is for a judge to say.

What differs in a number, a unit, a denial or a name is never the same, however near the texts are, and no judge is asked.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property
from typing import Literal

from learning_machine.stores.deciding import asked_for, forms_in, share, telling

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


class Spoken:
    """A text, with what decides whether another says the same. Each is found once, however many it is compared with."""

    def __init__(self, text: str) -> None:
        self.text = unicodedata.normalize("NFKC", text).strip()

    @cached_property
    def said(self) -> tuple[str, ...]:
        return said(self.text)

    @cached_property
    def telling(self) -> tuple[list[str], bool]:
        """Its numbers, and whether it denies; what only sounds like a denial is said plainly first."""
        return telling(_SOUNDS_DENIED.sub("remember", self.text))

    @cached_property
    def strictly(self) -> tuple[list[str], bool]:
        return telling(self.text)

    @cached_property
    def measures(self) -> tuple[tuple[str, str], ...]:
        found = _MEASURE.findall(self.text)
        return tuple(sorted((number.replace(" ", ""), _unit(unit)) for number, unit in found))

    @cached_property
    def signed(self) -> frozenset[str]:
        return frozenset(found.casefold() for found in _SIGNED.findall(self.text))

    @cached_property
    def names(self) -> frozenset[str]:
        """Words with a capital where none is due."""
        return frozenset(
            found[0].casefold()
            for found in _WORD.finditer(self.text)
            if found[0][0].isupper() and found[0] != "I" and not _ENDING.search(self.text[: found.start()])
        )

    @cached_property
    def words(self) -> frozenset[str]:
        # Case folding may bring forth what is no letter, and so part a word.
        return frozenset(" ".join(word.casefold() for word in _tokens(self.text)).split())

    @cached_property
    def asked(self) -> list[list[str]]:
        return asked_for(self.text)

    @cached_property
    def forms(self) -> frozenset[str]:
        return forms_in(self.text)


def kinship(one: Spoken, other: Spoken, meaning: float | None) -> Kinship:
    """Whether two texts say the same, surely or perhaps. `meaning`: the cosine of their vectors, if there are any."""
    if one.text == other.text:
        return "same"
    if contradict(one, other):
        return "different"
    if one.said == other.said and one.strictly == other.strictly:
        return "same"
    close = meaning is not None and meaning >= NEAR
    return "doubtful" if close or shared(one, other) >= SHARED else "different"


def contradict(one: Spoken, other: Spoken) -> bool:
    """Whether a number, a measure, a denial or a name is in one and another in the other.

    A denial in words that are otherwise quite other ones may be another way to say the same: "cannot have nuts because of an
    allergy". That is not for us to say, and left to a judge.
    """
    (numbers, denies), (others, deny) = one.telling, other.telling
    if numbers != others or one.measures != other.measures or one.signed != other.signed:
        return True
    if denies != deny and max(_both(one, other)) >= DENIED:
        return True
    return bool(one.names - other.words) and bool(other.names - one.words)


def shared(one: Spoken, other: Spoken) -> float:
    """The share of the words of each that the other has, in whatever form; the smaller one."""
    return min(_both(one, other))


def _both(one: Spoken, other: Spoken) -> tuple[float, float]:
    return share(one.asked, other.forms), share(other.asked, one.forms)


def said(text: str) -> tuple[str, ...]:
    """The words in their order, without those that say nothing."""
    return tuple(word for word in map(str.casefold, _tokens(text)) if word not in _EMPTY)


def _tokens(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).replace("’", "'")
    # A script without spaces has no words to compare: then all of it, letter by letter.
    return _WORD.findall(plain) or list(plain.strip())


def _unit(word: str) -> str:
    """A unit of measure: what is short, or a sign. A longer word behind a number is a thing that is counted."""
    return word if len(word) <= 3 else ""
