"""Text made comparable: one form for what is the same letter, and a second, plainer one without accents."""

from __future__ import annotations

import re
import unicodedata

_NOTHING = (
    *(0x00AD, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFE0E, 0xFE0F, 0xFEFF),  # hints for layout
    *(*range(0x0591, 0x05BE), 0x05BF, 0x05C1, 0x05C2, 0x05C4, 0x05C5, 0x05C7),  # Hebrew vowel signs
    *(*range(0x0610, 0x061B), 0x0640, *range(0x064B, 0x0660), 0x0670, *range(0x06D6, 0x06DD)),  # Arabic ones, stretch
)
_SAME_SIGN: dict[int, str | None] = {
    **dict.fromkeys(_NOTHING),
    **dict.fromkeys((0x2018, 0x2019, 0x201B, 0x02BC, 0x00B4, 0x0060), "'"),
    **dict.fromkeys((0x2010, 0x2011), "-"),
    0x200B: " ",
}
_OTHER_DIGIT = re.compile(r"[^\D0-9]")

_PLAIN = {
    **dict(zip("øłđħıŧŋð", "oldhitnd", strict=True)),
    "æ": "ae",
    "œ": "oe",
    "þ": "th",
    "ё": "е",
    **dict.fromkeys("أإآٱ", "ا"),
    "ى": "ي",
    "ی": "ي",
    "ک": "ك",
    "ة": "ه",
}
_WITH_ACCENTS = re.compile("[\u00c0-\u024f\u1e00-\u1fff\u0370-\u03ff]")
_ACCENT = re.compile("[\u0300-\u036f]")
_SPELT_OUT = {
    ord(letter): spelling for letter, spelling in zip("äöüøåæ", ["ae", "oe", "ue", "oe", "aa", "ae"], strict=True)
}


def normalise(text: str) -> str:
    """Lower case, one code point for one sign, digits as 0 to 9; accents stay."""
    if text.isascii():
        return text.lower().replace("`", "'")
    text = unicodedata.normalize("NFKC", text.translate(_SAME_SIGN)).casefold()
    text = unicodedata.normalize("NFC", text).replace("i\u0307", "i")  # what a Turkish capital İ becomes
    return _OTHER_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)


def fold(word: str) -> str:
    """A normalised word without accents: `müller` becomes `muller`, `łódź` becomes `lodz`."""
    return word if word.isascii() else word.translate(_folding)


def spell_out(word: str) -> str:
    """A normalised word with umlauts as they are written without them: `müller` becomes `mueller`."""
    return word if word.isascii() else word.translate(_SPELT_OUT)


def is_latin(word: str) -> bool:
    """Whether a word is of the Latin alphabet, told by its first letter."""
    return word[0] < "\u0250" or "\u1e00" <= word[0] < "\u1f00"


class _Folding(dict[int, str]):
    """Each letter's plain form, found when it is first met. Accents of other alphabets are letters, and stay."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        plain = _PLAIN.get(letter, letter)
        if _WITH_ACCENTS.match(letter) or _ACCENT.match(letter):
            plain = _ACCENT.sub("", unicodedata.normalize("NFD", plain))
        self[code] = plain
        return plain


_folding = _Folding()
