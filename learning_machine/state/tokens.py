"""How many tokens a text is likely to cost, and how to make it fit: the one estimator all budgets are counted with."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

ELLIPSIS = " …"

# Han, kana, bopomofo, Hangul, their punctuation, and full- and half-width forms: about a token each in today's models.
_CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    "\U0001aff0-\U0001b16f\U00020000-\U0003ffff]+"
)
_NEAR = 8  # two tokens of letters
_WORD_SEARCH = 32  # how far a cut moves back to reach the end of a word
_MARK_SEARCH = 64  # how far it moves back to keep a character together; a longer stack of marks is not writing


def estimate_tokens(text: str) -> int:
    """An estimate of the tokens of `text`: a quarter for each character, one for each CJK character, rounded up.

    It is not a tokenizer: it needs no download, is the same for every model, and is meant for budgets. English is met
    closely, dense text (code, emoji, rare scripts) can cost more. Where counts must be exact, pass another estimator.
    """
    wide = 0 if text.isascii() else len(text) - len(_CJK.sub("", text))
    return -(-(len(text) + 3 * wide) // 4)


def truncate(text: str, max_tokens: int, estimate: Callable[[str], int] = estimate_tokens) -> str:
    """`text` if it fits into `max_tokens`, else its beginning with ` …` at the end, which is counted too.

    The cut is moved back to the end of a word when one is near, and never separates an accent, an emoji sequence or a
    flag. `estimate` should not shrink when text is added. A budget too small for anything gives an empty text.
    """
    if estimate(text) <= max_tokens:
        return text
    end = _longest(text, max_tokens, estimate)
    while end > 0:
        shortened = text[: _clean_cut(text, end)].rstrip() + ELLIPSIS
        # An exact tokenizer may count a shorter text higher than a longer one.
        if shortened != ELLIPSIS and estimate(shortened) <= max_tokens:
            return shortened
        end = end * 9 // 10
    only_mark = ELLIPSIS.strip()
    return only_mark if estimate(only_mark) <= max_tokens else ""


def _longest(text: str, max_tokens: int, estimate: Callable[[str], int]) -> int:
    """The length of the longest beginning that fits together with the ellipsis.

    Guesses in proportion, looks just beside the guess, then halves, so that a long text is counted only a few times.
    """
    low, low_cost = 0, estimate(ELLIPSIS)
    high, high_cost = len(text), estimate(text)
    fits, step = True, 0
    while high - low > 1:
        guesses = (
            low + (high - low) * (max_tokens - low_cost) // max(1, high_cost - low_cost),
            low + _NEAR if fits else high - _NEAR,
            (low + high) // 2,
        )
        middle = min(max(guesses[step % 3], low + 1), high - 1)
        cost = estimate(text[:middle] + ELLIPSIS)
        fits, step = cost <= max_tokens, step + 1
        if fits:
            low, low_cost = middle, cost
        else:
            high, high_cost = middle, cost
    return low


def _clean_cut(text: str, end: int) -> int:
    """A place to cut at or shortly before `end`: after a word if one ends near, otherwise between two characters."""
    if end >= len(text) or text[end].isspace():
        return end
    if not (_CJK.match(text[end]) or _CJK.match(text[end - 1])):
        for place in range(end, max(0, end - _WORD_SEARCH), -1):
            if text[place - 1].isspace():
                return place
    for place in range(end, max(0, end - _MARK_SEARCH), -1):
        if not _joined(text, place):
            return place
    return end if end > _MARK_SEARCH else 0


def _joined(text: str, place: int) -> bool:
    """Whether the characters on both sides of `place` are drawn as one."""
    before, after = text[place - 1], text[place]
    if before == "\u200d" or before + after == "\r\n":
        return True
    if _is_flag_half(before) and _is_flag_half(after):
        return _flag_halves_before(text, place) % 2 == 1
    return _extends(after) or (_is_jamo(before) and _is_vowel_or_tail(after))


def _extends(character: str) -> bool:
    """Accents, vowel signs, variation selectors; the joiner, skin tones and tags of emoji."""
    code = ord(character)
    return (
        unicodedata.category(character) in ("Mn", "Me", "Mc")
        or code in (0x200C, 0x200D)
        or 0x1F3FB <= code <= 0x1F3FF
        or 0xE0020 <= code <= 0xE007F
    )


def _is_flag_half(character: str) -> bool:
    return 0x1F1E6 <= ord(character) <= 0x1F1FF


def _flag_halves_before(text: str, place: int) -> int:
    start = place
    while start > 0 and _is_flag_half(text[start - 1]):
        start -= 1
    return place - start


def _is_jamo(character: str) -> bool:
    """Hangul that a following vowel or tail letter is drawn into; composed syllables included."""
    return "\u1100" <= character <= "\u11ff" or "\uac00" <= character <= "\ud7a3"


def _is_vowel_or_tail(character: str) -> bool:
    return "\u1160" <= character <= "\u11ff"
