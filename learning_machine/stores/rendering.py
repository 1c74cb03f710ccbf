"""Pure: what was recalled, as text that stays data wherever it is put.

Stored text is one line, has no control or invisible direction characters, and cannot open or close a block: `<`, `>` and
`&` are escaped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from learning_machine.state.tokens import estimate_tokens, truncate

_SPACE = re.compile(r"\s+")
# What means something at the beginning of a line: to Markdown, as the name of a speaker, or as a sign of a chat template.
_LEADING = re.compile(
    r"(?:#|`{3}|~{3}|[-*+=_]{2,}|[-*+] |\||\d+[.)] |\[/?INST|(?:system|developer|user|human|assistant|ai|tool|function)\s*[:：])",
    re.IGNORECASE,
)
# What looks like the handle of an entry, and is only part of its text.
_HANDLE = re.compile(r"\[([kpm][0-9a-z]{1,13})\]", re.IGNORECASE)
#: Longest single value shown; the whole is still in the ledger.
MAX_VALUE_TOKENS = 250
#: And longest name.
MAX_NAME_TOKENS = 60


def one_line(text: str) -> str:
    """Stored text as a single harmless line."""
    folded = _SPACE.sub(" ", unicodedata.normalize("NFC", text))
    shown = folded if folded.isprintable() else "".join(character for character in folded if _visible(character))
    visible = shown.strip()
    return _HANDLE.sub(r"(\1)", visible.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _visible(character: str) -> bool:
    """No controls, surrogates, direction marks or tag characters; joiners stay, since scripts and emoji need them."""
    return character in "\u200c\u200d" or unicodedata.category(character) not in ("Cc", "Cf", "Cs")


def line(text: str, *, name: str = "", handle: str = "", note: str = "") -> str:
    """One entry: `- name: text note [handle]`."""
    head = f"{named(name)}: " if name else ""
    tail = f" [{handle}]" if handle else ""
    return f"- {inert(f'{head}{truncate(one_line(text), MAX_VALUE_TOKENS)}{_noted(note)}')}{tail}"


def _noted(note: str) -> str:
    return f" {one_line(note)}" if note else ""


def named(name: str) -> str:
    """A name in a line, cut where it is longer than any name."""
    return truncate(one_line(name), MAX_NAME_TOKENS)


def inert(text: str) -> str:
    """A line's text that begins nothing: no heading, list, fence or speech of its own."""
    return f"\\{text}" if _LEADING.match(text) else text


def block(tag: str, lines: Sequence[str], *, hidden: int = 0) -> str:
    """The lines inside `<tag>`; how many more there are is said."""
    if not lines and not hidden:
        return ""
    more = [f"- ({hidden} more not shown)"] if hidden else []
    return "\n".join((f"<{tag}>", *more, *lines, f"</{tag}>"))


def shorten(text: str, max_tokens: int) -> str:
    """A block cut to a budget line by line, still closed and saying how much is missing; other text cut at its end."""
    if estimate_tokens(text) <= max_tokens:
        return text
    lines = text.split("\n")
    if len(lines) < 3 or not (lines[0].startswith("<") and lines[-1].startswith("</")):
        return truncate(text, max_tokens) if max_tokens > 0 else ""
    frame = estimate_tokens(lines[0]) + estimate_tokens(lines[-1]) + 12
    kept = fit(lines[1:-1], max_tokens - frame) if max_tokens > frame else []
    if frame > max_tokens:
        return ""
    return "\n".join((lines[0], *kept, f"- ({len(lines) - 2 - len(kept)} more lines not shown)", lines[-1]))


def fit(lines: Iterable[str], max_tokens: int) -> list[str]:
    """The longest head of the lines that stays inside the budget."""
    kept, used = [], 0
    for entry in lines:
        used += estimate_tokens(entry) + 1
        if used > max_tokens:
            break
        kept.append(entry)
    return kept
