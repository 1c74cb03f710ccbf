"""Pure: is "Acme Inc." the Acme we know?

Case, spaces, punctuation and legal suffixes do not tell things apart; accents do, and so do the signs of C, C++ and C#.
A spelling without accents still finds the one thing that has them. What could be two things is asked back, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from learning_machine.state.entities import EntityRef

_LEGAL = frozenset(
    {
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
        "spa",
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
    }
)  # fmt: skip
# A dot, apostrophe or dash joins; plus and sharp belong to names such as C++ and C#.
_JOINERS = re.compile(r"[.'’`´]")
_BREAKS = re.compile(r"[^\w+#]+|_+")
#: The longest name looked for in a text, in words.
MAX_WORDS = 5


def name_key(name: str) -> str:
    """What a name is compared by."""
    words = name_words(name)
    while len(words) > 1 and words[-1] in _LEGAL:
        words = words[:-1]
    return "".join(words)


def name_words(name: str) -> list[str]:
    plain = _JOINERS.sub("", unicodedata.normalize("NFKC", name).casefold())
    return [word for word in _BREAKS.split(plain) if word]


def folded(key: str) -> str:
    """The key without accents."""
    return "".join(character for character in unicodedata.normalize("NFD", key) if not unicodedata.combining(character))


def index_keys(names: Iterable[str]) -> list[str]:
    """Every key under which a thing with these names is found: exact ones, and marked ones without accents."""
    keys = [key for name in names if (key := name_key(name))]
    return list(dict.fromkeys([*keys, *(f"~{folded(key)}" for key in keys)]))


def lookup_keys(name: str) -> list[str]:
    """The keys to look a name up by. A name that has accents is only looked for as it is written."""
    key = name_key(name)
    if not key:
        return []
    return [key, f"~{key}"] if folded(key) == key else [key]


def mentions(text: str, limit: int = 400) -> list[str]:
    """The keys of every run of words in a text that could be a name."""
    words = name_words(text)[:limit]
    runs = (
        words[start : start + length] for length in range(1, MAX_WORDS + 1) for start in range(len(words) - length + 1)
    )
    keys = dict.fromkeys(key for run in runs if (key := name_key(" ".join(run))))
    return [*keys, *(f"~{key}" for key in keys if folded(key) == key)]


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
    fitting = exact or list(candidates)
    if not ref.type:
        return Resolution(known=fitting[0]) if len(fitting) == 1 else Resolution(ambiguous=tuple(fitting))
    same = [one for one in fitting if one.type == ref.type]
    if len(same) == 1:
        return Resolution(known=same[0])
    if same:
        return Resolution(ambiguous=tuple(same))
    placeholders = [one for one in fitting if not one.type]
    if len(placeholders) == 1:
        return Resolution(known=placeholders[0], gains_type=True)
    return Resolution()
