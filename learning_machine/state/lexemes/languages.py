"""Which languages a text may be in, and the stem of a word in one of them.

Short texts say little about their language, so the answer is a few candidates rather than one guess: small words vote,
and so do letters and word endings that few languages have. A script that one language has to itself decides at once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from itertools import islice
from threading import Lock
from typing import Any

from learning_machine.state.lexemes.stop_words import STOP_WORDS

#: Languages of the Latin script that are told apart, in the order in which equal candidates are named.
LATIN = (
    *("english", "german", "french", "spanish", "italian", "portuguese", "dutch", "swedish"),
    *("danish", "norwegian", "finnish", "hungarian", "romanian", "polish", "czech", "turkish"),
)
_BY_SCRIPT = (
    ("russian", re.compile("[\u0400-\u052f]")),
    ("greek", re.compile("[\u0370-\u03ff\u1f00-\u1fff]")),
    ("arabic", re.compile("[\u0600-\u06ff\u0750-\u077f]")),
    ("hindi", re.compile("[\u0900-\u097f]")),
    ("tamil", re.compile("[\u0b80-\u0bff]")),
    ("armenian", re.compile("[\u0530-\u058f]")),
)
# Languages of a script above that have letters of their own. Ukrainian and Bulgarian are stemmed as Russian: both sides
# of a comparison are, so what matters is only that their endings are much alike.
_INSTEAD = {
    "russian": ("serbian", re.compile("[ђћџјљњ]")),
    "arabic": ("persian", re.compile("[پچژگ\u06a9\u06cc]")),
}
_LETTERS = {
    "german": "äöü",
    "french": "çèêàâîôûùœëï",
    "spanish": "ñíóá",
    "italian": "èòàùì",
    "portuguese": "ãõçêáâó",
    "dutch": "ë",
    "swedish": "åäö",
    "danish": "åæø",
    "norwegian": "åæø",
    "finnish": "äö",
    "hungarian": "őűáéíóöü",
    "romanian": "ăâîșțşţ",
    "polish": "ąćęłńśźż",
    "czech": "čďěňřšťůž",
    "turkish": "ğışçöü",
}
_ENDINGS = {
    "english": "ing tion ed ly ness ght ers ves ows",
    "german": "ung ungen keit heit lich isch schaft ert et eiten äuser",
    "french": "eux eaux aux ment ant eur oire ique ée ées isons",
    "spanish": "ción ciones dad mente ando iendo aje ones eza",
    "italian": "zione zioni tà mente ando endo gli cchio etto isce iere ere",
    "portuguese": "ção ções dade mente ando endo gem ões inho ões",
    "dutch": "heid lijk tje tjes ijn aar aat eeft oud uis uizen eren",
    "swedish": "het ning ningar arna erna ade ska orna ör",
    "danish": "hed ning erne ede else igt ør ker",
    "norwegian": "het ning ene else igt ør ker ette",
    "finnish": "ssa ssä lla llä sta stä nen inen aan ään iin aa ää tta llä oita",
    "hungarian": "ban ben nak nek val vel ság ség ból ből ni tt ek ok",
    "romanian": "ului lor ele ește ează ea iile ură",
    "polish": "ość ego nie ych ami ach owie uje ać ić czny ów",
    "czech": "ost ého ní ých ami ách uje at it ech kou ový",
    "turkish": "lar ler yor dır dir ında inde lık lik mak mek ım iyor ıyor",
}
# What a small word, a letter and an ending are worth; each is shared out among the languages that have it.
_WORD, _LETTER, _ENDING = 3.0, 1.5, 0.6
_ENOUGH = 200  # words that are read to tell a language
_NEAR = 0.6  # of the best candidate's points: another that has as much is a candidate too
_FEW = 0.3  # points; fewer than this are no evidence

Votes = dict[str, tuple[tuple[str, float], ...]]


def _shared(lists: Iterable[tuple[str, Iterable[str]]], worth: float) -> Votes:
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for language, signs in lists:
        for sign in dict.fromkeys(signs):
            owners[sign].append(language)
    return {sign: tuple((language, worth / len(have)) for language in have) for sign, have in owners.items()}


_WORD_VOTES = _shared(((language, STOP_WORDS[language]) for language in LATIN), _WORD)
_LETTER_VOTES = _shared(_LETTERS.items(), _LETTER)
_ENDING_VOTES = _shared(((language, endings.split()) for language, endings in _ENDINGS.items()), _ENDING)
_NOT_ASCII = re.compile("[^\x00-\x7f]")


def likely_languages(words: Iterable[str]) -> tuple[str, ...]:
    """The candidates for a text of these words (lower case, as written), best first; none if nothing tells.

    Every script in it has its own: of a text half Russian and half German, both are named.
    """
    sample = list(islice(words, _ENOUGH))
    joined = " ".join(sample)
    found = () if joined.isascii() else _by_script(joined)
    return (*_latin(sample), *found)


def possible_languages(words: Iterable[str]) -> tuple[str, ...]:
    """The same for a question: where nothing tells, all that are written in its script."""
    found = likely_languages(words)
    return found if any(language in LATIN for language in found) else (*found, *LATIN)


def _by_script(text: str) -> tuple[str, ...]:
    found = []
    for language, letters in _BY_SCRIPT:
        if letters.search(text):
            other, sign = _INSTEAD.get(language, (language, letters))
            found.append(other if sign.search(text) else language)
    return tuple(found)


def _latin(words: Iterable[str]) -> tuple[str, ...]:
    points: defaultdict[str, float] = defaultdict(float)
    for word in words:
        for language, worth in _votes(word):
            points[language] += worth
    best = max(points.values(), default=0.0)
    if best < _FEW:
        return ()
    near = (language for language in LATIN if points[language] >= _NEAR * best)
    return tuple(sorted(near, key=lambda language: -points[language]))


@lru_cache(maxsize=20_000)
def _votes(word: str) -> tuple[tuple[str, float], ...]:
    if "'" in word and word not in _WORD_VOTES:
        return tuple(vote for part in word.split("'") for vote in _votes(part))
    votes = list(_WORD_VOTES.get(word, ()))
    if not word.isascii():
        for letter in dict.fromkeys(_NOT_ASCII.findall(word)):
            votes += _LETTER_VOTES.get(letter, ())
    if word not in _WORD_VOTES:
        for length in range(2, min(6, len(word) - 1)):
            votes += _ENDING_VOTES.get(word[-length:], ())
    return tuple(votes)


_stemmers: dict[str, Any] = {}
_stemming = Lock()  # a stemmer keeps the word it works on in itself


@lru_cache(maxsize=50_000)
def stem(word: str, language: str) -> str:
    """The stem of `word`, which is in lower case; the word itself where stemming would leave nothing."""
    with _stemming:
        if language not in _stemmers:
            _stemmers[language] = _stemmer(language)
        return str(_stemmers[language].stemWord(word)) or word


def _stemmer(language: str) -> Any:
    """Always the one in Python: if PyStemmer is installed, `snowballstemmer` answers with its, of another version.

    Stems are kept in the database, where every machine must make the same of a word.
    """
    module = import_module(f"snowballstemmer.{language}_stemmer")
    return getattr(module, f"{language.capitalize()}Stemmer")()
