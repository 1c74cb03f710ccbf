"""Pure: is "Acme Inc." the Acme we know?

Case, spaces, punctuation and legal suffixes do not tell things apart; accents do, and so do the signs of C, C++ and C#.
A spelling without accents (Muller, Mueller) still finds the one thing that has them (Müller). What could be two things is
asked back, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2s

from learning_machine.state.entities import EntityRef
from learning_machine.state.lexemes.folding import fold, spell_out

_LEGAL = frozenset(
    [
        "inc",
        "incorporated",
        "ltd",
        "limited",
        "llc",
        "llp",
        "lp",
        "corp",
        "corporation",
        "co",
        "company",
        "gmbh",
        "ag",
        "kg",
        "ohg",
        "ug",
        "se",
        "sa",
        "sas",
        "sarl",
        "srl",
        "bv",
        "nv",
        "oy",
        "ab",
        "as",
        "aps",
        "plc",
        "pty",
        "pvt",
        "kk",
    ]
)
# Written without a space before or behind the name.
_LEGAL_UNSPACED = ("株式会社", "有限会社", "合同会社", "股份有限公司", "有限公司", "주식회사")
# "Spa" is a word as well, so it counts only as companies write it.
_SPA = re.compile(r"\bS\.p\.A\.?$|\bSpA$")
# A dot or apostrophe joins; plus and sharp belong to names such as C++ and C#.
_JOINERS = re.compile(r"[.'’`´]")
_BREAKS = re.compile(r"[^\w+#]+|_+")
_POSSESSIVE = re.compile(r"['’]s\b", re.IGNORECASE)
# Scripts without spaces: a name may begin and end anywhere in them.
_UNSPACED = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\u3005]+)")
#: The longest name looked for in a text, in words; in a script without spaces, in characters.
MAX_WORDS, MAX_CHARACTERS = 5, 8
#: A longer key is cut, and its digest put behind it, so that an index holds it.
MAX_KEY = 120


def name_key(name: str) -> str:
    """What a name is compared by."""
    return _key_of(name_words(_SPA.sub("", name.strip()) or name))


def _key_of(words: Sequence[str]) -> str:
    while len(words) > 1 and words[-1] in _LEGAL:
        words = words[:-1]
    key = "".join(words)
    for legal in _LEGAL_UNSPACED:
        key = key.removeprefix(legal).removesuffix(legal) or key
    return key if len(key) <= MAX_KEY else f"{key[:MAX_KEY]}~{blake2s(key.encode(), digest_size=8).hexdigest()}"


def name_words(name: str) -> list[str]:
    plain = _JOINERS.sub("", unicodedata.normalize("NFKC", name).casefold())
    # What a Turkish capital İ becomes is an i with a dot of its own.
    plain = unicodedata.normalize("NFC", plain).replace("i\u0307", "i")
    return [word for word in _BREAKS.split(_UNSPACED.sub(r" \1 ", plain)) if word]


def folded(key: str) -> str:
    """The key without accents."""
    if key.isascii():
        return key
    return "".join(mark for mark in unicodedata.normalize("NFD", fold(key)) if not unicodedata.combining(mark))


def index_keys(names: Iterable[str]) -> list[str]:
    """Every key under which a thing with these names is found: exact ones, and marked ones without accents."""
    keys = [key for name in names if (key := name_key(name))]
    return list(dict.fromkeys([*keys, *(f"~{plain}" for key in keys for plain in (folded(key), spell_out(key)))]))


def lookup_keys(name: str) -> list[str]:
    """The keys to look a name up by. A name that has accents is only looked for as it is written."""
    key = name_key(name)
    if not key:
        return []
    return [key, f"~{key}"] if folded(key) == key else [key]


def mentions(text: str, limit: int = 400) -> list[str]:
    """The keys of every run of words in a text that could be a name, with a possessive s and without."""
    keys = dict.fromkeys(key for part in dict.fromkeys((text, _POSSESSIVE.sub("", text))) for key in _runs(part, limit))
    return [*keys, *(f"~{key}" for key in keys if folded(key) == key)]


def _runs(text: str, limit: int) -> Iterable[str]:
    words = name_words(text)[:limit]
    for length in range(1, MAX_WORDS + 1):
        for start in range(len(words) - length + 1):
            yield _key_of(words[start : start + length])
    for run in _UNSPACED.findall("".join(f"{word} " for word in words)):
        for length in range(2, MAX_CHARACTERS + 1):
            yield from (run[start : start + length] for start in range(min(len(run), limit) - length + 1))


@dataclass(frozen=True)
class Known:
    """A thing that a name may mean. `exact`: found without dropping accents."""

    id: str
    name: str
    type: str
    exact: bool


@dataclass(frozen=True)
class Resolution:
    """What a name means: a known thing, a new one, or too many. `gains_type`: a placeholder learns what it is."""

    known: Known | None = None
    ambiguous: tuple[Known, ...] = ()
    gains_type: bool = False


def resolve(ref: EntityRef, candidates: Sequence[Known]) -> Resolution:
    """Which of the candidates is meant. A type that differs is another thing; one that is missing fits any."""
    exact = [one for one in candidates if one.exact]
    if not ref.type:
        fitting = exact or list(candidates)
        return Resolution(known=fitting[0]) if len(fitting) == 1 else Resolution(ambiguous=tuple(fitting))
    for fitting in (exact, list(candidates)):
        same = [one for one in fitting if one.type == ref.type]
        if same:
            return Resolution(known=same[0]) if len(same) == 1 else Resolution(ambiguous=tuple(same))
        placeholders = [one for one in fitting if not one.type]
        if len(placeholders) == 1:
            return Resolution(known=placeholders[0], gains_type=True)
    return Resolution()
