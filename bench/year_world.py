"""A made-up year of one user, the same for the same seed: what is said on each day, and what of it is true in the end.

Every text has a meaning, which the ledger is never told. Two texts of one meaning say the same; nothing else does.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
#: How often on a day something of each sort is said.
NEW, REPEATED, DRESSED, PARAPHRASED, ONE_OFF, TAKEN_BACK = 0.35, 0.5, 0.35, 0.5, 0.6, 0.03


def templates(*, held_out: bool = False) -> dict[str, Any]:
    """The templates the curator was written with, or those it was never seen by."""
    name = "year_templates_held_out.json" if held_out else "year_templates.json"
    found: dict[str, Any] = json.loads((FOLDER / name).read_text("utf-8"))
    return found


@dataclass(frozen=True)
class Told:
    """Something that is said on a day. `meaning` is for whoever counts."""

    day: int
    store: str
    kind: str
    text: str
    meaning: str
    name: str = ""
    about: str = ""
    taken_back: bool = False


@dataclass(frozen=True)
class Meaning:
    """One thing that can be said in several ways, and a question that it answers."""

    key: str
    store: str
    kind: str
    ways: tuple[str, ...]
    question: str
    about: str = ""
    name: str = ""


@dataclass
class Year:
    """The year: what is told, in order of days; and what is still valid at its end."""

    told: list[Told] = field(default_factory=list)
    valid: dict[str, Meaning] = field(default_factory=dict)
    meaning_of: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def on(self, day: int) -> Iterator[Told]:
        return (one for one in self.told if one.day == day)


def make(seed: int, days: int, given: dict[str, Any]) -> Year:
    """A year from a seed: what there is to say is drawn first, then on which day which of it is said how."""
    draw, year = random.Random(seed), Year()
    _lasting(year, given)
    waiting = meanings(draw, given)
    draw.shuffle(waiting)
    said: list[Meaning] = []
    for day in range(days):
        if waiting and (draw.random() < NEW or days - day <= len(waiting)):
            meaning = waiting.pop()
            said.append(meaning)
            year.valid[meaning.key] = meaning
            _say(year, day, meaning, meaning.ways[0])
        _again(year, draw, day, said)
        if draw.random() < TAKEN_BACK and len(said) > 5:
            gone = said.pop(draw.randrange(len(said)))
            year.valid.pop(gone.key)
            _say(year, day, gone, gone.ways[0], taken_back=True)
        _passing(year, draw, day, given)
        _moves(year, day, days, given)
    return year


def meanings(draw: random.Random, given: dict[str, Any]) -> list[Meaning]:
    """All that can be said more than once."""
    found: list[Meaning] = []
    for number, one in enumerate(given["facts"]):
        kind = {"user_profile": "observation", "learned_knowledge": "insight", "entity_memory": "fact"}[one["store"]]
        things = draw.sample(given["companies"], len(given["companies"])) if kind == "fact" else [""]
        for place, who in enumerate(things):
            values = one["values"] if kind != "fact" else [one["values"][place % len(one["values"])]]
            for value in values:
                ways = tuple(way.format(value=value, who=who) for way in one["phrasings"])
                question = one["question"].format(value=value, who=who)
                found.append(Meaning(f"fact {number} {value} {who}", one["store"], kind, ways, question, who))
    for number, one in enumerate(given["twins"]):
        kind = {"user_profile": "observation", "learned_knowledge": "insight"}[one["store"]]
        for place, text in enumerate(one["texts"]):
            found.append(Meaning(f"twin {number} {place}", one["store"], kind, (text,), one["question"]))
    return found


def _lasting(year: Year, given: dict[str, Any]) -> None:
    """What is said on the first day and holds for good."""
    for one in given["timeless"]:
        values = one["value"] if isinstance(one["value"], list) else [one["value"]]
        for value in values:
            key = f"timeless {one['name']} {value}"
            meaning = Meaning(key, "user_profile", "field", (value,), one["question"], name=one["name"])
            year.valid[key] = meaning
            _say(year, 0, meaning, value)


def _again(year: Year, draw: random.Random, day: int, said: list[Meaning]) -> None:
    """What is said once more: in the same words, in the same words dressed otherwise, or in other words."""
    if not said:
        return
    for chance, way in ((REPEATED, "same"), (DRESSED, "dressed"), (PARAPHRASED, "other")):
        if draw.random() < chance:
            meaning = draw.choice(said)
            text = draw.choice(meaning.ways) if way == "other" else meaning.ways[0]
            _say(year, day, meaning, dressed(text, draw) if way == "dressed" else text)


def dressed(text: str, draw: random.Random) -> str:
    """The same words with another ending, beginning or spacing."""
    return draw.choice(
        (f"{text}.", f"{text}!", text[:1].swapcase() + text[1:], f"  {text} ", text.replace(" ", "  ", 1))
    )


def _passing(year: Year, draw: random.Random, day: int, given: dict[str, Any]) -> None:
    """What happened once, and what a conversation of that day was about."""
    if draw.random() < ONE_OFF:
        who, text = draw.choice(given["companies"]), draw.choice(given["oneoffs"])
        happened = f"{text.format(who=draw.choice(given['people']))} on day {day}"
        meaning = Meaning(f"once {day}", "entity_memory", "event", (happened,), "", who)
        _say(year, day, meaning, happened)
    text = given["sessions"][day % len(given["sessions"])].format(day=day)
    _say(year, day, Meaning(f"session {day}", "session_context", "summary", (text,), ""), text)


def _moves(year: Year, day: int, days: int, given: dict[str, Any]) -> None:
    """What takes the place of what was so before."""
    for one in given["moves"]:
        step = max(1, days // len(one["values"]))
        if day % step == 0 and day // step < len(one["values"]):
            value, key = one["values"][day // step], f"move {one['name']}"
            meaning = Meaning(key, "user_profile", "field", (value,), one["question"], name=one["name"])
            year.valid[key] = meaning
            _say(year, day, meaning, value)


def _say(year: Year, day: int, meaning: Meaning, text: str, *, taken_back: bool = False) -> None:
    told = Told(day, meaning.store, meaning.kind, text, meaning.key, meaning.name, meaning.about, taken_back)
    year.told.append(told)
    year.meaning_of[meaning.store, meaning.about, " ".join(text.split())] = meaning.key
