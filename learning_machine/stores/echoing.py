"""Pure: what the agent was shown and repeats is not learned again.

An agent says again what it recalled, extraction reads it as news, and the next turn recalls it twice. So an inference,
something that no words of the user stand behind, is compared with what the agent was shown while it spoke.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from learning_machine.state.lexemes import lexemes, query_lexemes
from learning_machine.stores.deciding import telling

#: Of so many telling words one may be new, and the text is still an echo.
ONE_NEW_IN = 6
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|\n+")
#: Words that an echo is dressed in.
_FILLERS = """user users person customer nutzer benutzer usuario utilisateur also really very just currently generally
typically said says mentioned told stated noted known remembers explicitly"""
_FILLING = frozenset(_FILLERS.split())


@dataclass(frozen=True)
class Shown:
    """Something the agent was shown: a learning, or with no id something said in an earlier conversation."""

    text: str
    id: int | None = None
    store: str = ""
    subject: str = ""
    slot: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Shown:
        """A learning's row."""
        return cls(row["text"], row["id"], row["store"], row["subject"], row["slot"])


def echo_of(text: str, shown: Sequence[Shown], *, store: str, subject: str, slot: str) -> Shown | None:
    """What a text repeats, if anything. What stands in a slot of its own repeats only what that slot held."""
    named = not slot.startswith("=")
    for one in shown:
        same_store = one.store == store
        if named and not (same_store and (one.subject, one.slot) == (subject, slot)):
            continue
        if same_store and one.subject and subject and one.subject != subject:
            continue
        if any(repeats(text, sentence) for sentence in {one.text, *_SENTENCE.split(one.text)}):
            return one
    return None


def repeats(text: str, other: str) -> bool:
    """Whether a text says nothing that the other does not: its words, numbers and denials are all there."""
    words = [group for group in query_lexemes(text) if group[0] not in _FILLING]
    there = set(lexemes(other))
    new = sum(not there.intersection(group) for group in words)
    if not words or new > len(words) // ONE_NEW_IN:
        return False
    numbers, denies = telling(text)
    known_numbers, known_denies = telling(other)
    return set(numbers) <= set(known_numbers) and denies == known_denies
