"""Text cut into the word pieces of BERT's uncased vocabulary."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache

_LONGEST_WORD = 100  # characters; a longer word is not looked up
_IDEOGRAPHS = (
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F)),
    *((0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0x2F800, 0x2FA1F)),
)


class WordPieces:
    """The numbers of the pieces of a text, by a vocabulary whose lines are numbered from 0.

    A word that cannot be put together from pieces has none. Safe to use from many threads.
    """

    def __init__(self, vocabulary: Iterable[str]) -> None:
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}
        # Most words of a text are met again in the next one.
        self._of_word: Callable[[str], tuple[int, ...]] = lru_cache(maxsize=50_000)(self._cut)

    def __call__(self, text: str) -> list[int]:
        found: list[int] = []
        for word in split(text):
            found += self._of_word(word)
        return found

    def _cut(self, word: str) -> tuple[int, ...]:
        """The longest piece that begins the word, then the longest that goes on, and so forth."""
        if len(word) > _LONGEST_WORD:
            return ()
        pieces: list[int] = []
        start, end = 0, len(word)
        while start < len(word):
            number = self._numbers.get(word[start:end] if start == 0 else f"##{word[start:end]}")
            if number is None:
                end -= 1
                if end == start:
                    return ()
            else:
                pieces.append(number)
                start, end = end, len(word)
        return tuple(pieces)


def split(text: str) -> list[str]:
    """Words in lower case without accents; every punctuation mark and every Chinese character is a word of its own."""
    if not text.isascii():
        text = unicodedata.normalize("NFD", text)
    return text.translate(_treatment).lower().split()


class _Treatment(dict[int, str]):
    """What becomes of a character, found when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = treated = _treat(code)
        return treated


def _treat(code: int) -> str:
    character = chr(code)
    category = unicodedata.category(character)
    if character in "\t\n\r" or category == "Zs":
        return " "
    if category == "Mn" or category[0] == "C" or character == "\ufffd":
        return ""
    stands_alone = category[0] == "P" or any(first <= code <= last for first, last in _IDEOGRAPHS)
    # Signs such as + and $ are punctuation to BERT where they are ASCII.
    stands_alone = stands_alone or (code < 128 and not character.isalnum())
    return f" {character} " if stands_alone else character


_treatment = _Treatment()
