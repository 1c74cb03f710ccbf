"""A normalised text taken apart: words, names with signs in them (`c++`, `node.js`, an address), and unspaced scripts."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Scripts written without spaces between words, whose characters are taken in pairs. Those of the first two groups are
# words by themselves as well.
_HAN = "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HANGUL = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97f\uac00-\ud7ff"
_KANA = "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
_SOUTHERN = ("\u0e01-\u0e3a\u0e40-\u0e4e", "\u0e80-\u0ecf\u0edc-\u0edf", "\u1000-\u103f\u1050-\u109f", "\u1780-\u17d3")
_UNSPACED = re.compile(f"[{_HAN}{_KANA}]+|[{_HANGUL}]+|" + "|".join(f"[{script}]+" for script in _SOUTHERN))
_ALONE = re.compile(f"[{_HAN}{_HANGUL}]")

# Letters or digits of any other script. The signs of Indian scripts that join letters are not letters to Python.
_BEGIN = f"[^\\W_{_HAN}{_HANGUL}{_KANA}{''.join(_SOUTHERN)}]"
_RUN = f"{_BEGIN}(?:{_BEGIN}|[\u0300-\u036f\u0900-\u0963\u0970-\u0dff])*"
_INNER = r"(?:[.@'+-]|_{1,2}|(?<=\d)[,:/](?=\d))"
# The number of parts is limited, so that a line without spaces does not become one word.
_WORD = re.compile(rf"(?:(?<![\w.@#])[.@#])?{_RUN}(?:{_INNER}{_RUN}){{0,11}}(?:\+\+|\#(?![^\W\d]))?")
_PART = re.compile(_RUN)

_ELIDED = re.compile(
    r"(?<!\w)(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|dell|dall|nell|sull|all|un|quest|quell|bell|com|dov)'(?=\w)"
)
_GROUPED = re.compile(r"\d{1,3}(?:[.,']\d{3})+")
_VERSION = re.compile(r"v?(\d+(?:\.\d+)+)")
_PHRASE = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)+")


@dataclass(frozen=True)
class Word:
    """What one word of a text is found by."""

    exact: tuple[str, ...]  # as it is, the best first: `node.js`, `3.11.4` and `3.11`
    parts: tuple[str, ...]  # ordinary words in it, to be stemmed


def split_words(text: str) -> list[str]:
    """The words of a normalised text, those of unspaced scripts left out."""
    return _WORD.findall(text)


def split_runs(text: str) -> list[str]:
    """The stretches of a normalised text that are in a script without spaces."""
    return [] if text.isascii() else _UNSPACED.findall(text)


def pairs(run: str) -> list[str]:
    """Every two neighbouring characters of `run`; of a single one, that one."""
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def stand_alone(run: str) -> list[str]:
    """The characters of `run` that may be words by themselves."""
    return _ALONE.findall(run)


def analyse(token: str) -> Word:
    """What `token`, one of `split_words`, is found by."""
    if token.isalnum():
        return Word((), (token,))
    if token[-1] in "+#":
        base = token.lstrip(".@#").rstrip("+#")
        return Word((token,), (base,) if len(base) > 2 else ())
    token = _without_apostrophes(token)
    parts = tuple(dict.fromkeys(_PART.findall(token)))
    if len(parts) == 1 and parts[0] == token:
        return Word((), parts)
    if _PHRASE.fullmatch(token):
        joined = token.replace("-", "")
        return Word((), (*parts, joined) if token.count("-") < 3 else parts)
    if _GROUPED.fullmatch(token):
        return Word((re.sub(r"\D", "", token), token), ())
    return Word(_as_it_is(token), parts)


def _without_apostrophes(token: str) -> str:
    """`l'école` as `école`, `alice's` as `alice`, `o'neil` as `oneil`."""
    if "'" not in token or token[0].isdigit():
        return token
    token = _ELIDED.sub("", token, count=1).removesuffix("'s")
    return token.replace("'", "")


def _as_it_is(token: str) -> tuple[str, ...]:
    version = _VERSION.fullmatch(token)
    if version:
        numbers = version[1].split(".")
        return (*dict.fromkeys((token, *(".".join(numbers[:n]) for n in range(len(numbers), 1, -1)))),)
    joined = token.replace("-", "")
    return (token,) if joined == token else (token, joined)
