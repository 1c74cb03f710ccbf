"""Made-up learnings of one person, the same for the same size: what is told to us and to others in a benchmark.

Only the standard library: another project's interpreter imports this too.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

#: Words in the order of how often they are used, the first ones in a good part of all texts.
COMMON = """
    project customer team release invoice report plan meeting budget contract server database export dashboard login
    payment schedule deadline review backup migration ticket pipeline training supplier delivery warehouse campaign
    survey onboarding policy audit licence renewal upgrade outage latency storage network printer laptop office travel
    hotel flight visa insurance tax salary hiring interview candidate manager director workshop conference webinar
    newsletter website search mobile tablet browser plugin library compiler test coverage branch merge commit rollback
"""
_SYLLABLES = (
    "ba be bo da do du fa fe ga go ka ke ki la le lo ma mi mo na ne no pa pe ra ri ro sa se si ta te ti to va vi"
)
_VERBS = (
    "prefers needs postponed approved rejected moved renewed cancelled shared measured doubled halved ordered tested"
)
_RELATIONS = ("supplies", "owns", "works with", "competes with", "reports to")
_TYPES = ("company", "person", "project", "product")
#: Observations of a person grow slowly: from here on there are no more.
MOST_OBSERVATIONS = 200
START = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Thing:
    """Something in the world: facts, what happened, and whom it is connected to."""

    name: str
    type: str
    facts: tuple[str, ...] = ()
    events: tuple[tuple[datetime, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> int:
        """How many learnings it is: its name and everything known of it."""
        return 1 + len(self.facts) + len(self.events) + len(self.links)


@dataclass
class World:
    """What one person's agent has learned."""

    observations: list[str] = field(default_factory=list)
    insights: list[tuple[str, str]] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many learnings there are; what was said is not one."""
        return len(self.observations) + len(self.insights) + sum(thing.size for thing in self.things)


def world_of(size: int, seed: int = 7) -> World:
    """A world of exactly so many learnings: things with their facts and events for the most part, and as many messages."""
    made, draw, names = World(), random.Random(seed), set[str]()
    while (left := size - made.size) > 0:
        made.things.append(_thing(draw, made.things, min(left, 5), names))
        if size - made.size > 2:
            made.insights += [_insight(draw), _insight(draw)]
        if size - made.size > 0 and len(made.observations) < MOST_OBSERVATIONS:
            made.observations.append(f"The user {draw.choice(_VERBS.split())} the {_words(draw, 4)}")
    made.said = [("assistant" if number % 2 else "user", _sentence(draw, 18)) for number in range(size)]
    return made


def crowd_of(size: int, seed: int = 7) -> World:
    """A world of so many things with one fact each."""
    draw = random.Random(seed)
    return World(things=[Thing(_name(draw), draw.choice(_TYPES), (_sentence(draw, 9),)) for _ in range(size)])


def messages_for(world: World) -> dict[str, str]:
    """What is asked of a world: about a thing by its name, in words that many texts have, and nothing at all."""
    thing = world.things[len(world.things) // 2]
    return {
        "names a thing": f"What is the state of things with {thing.name}?",
        "common words": "Which customer asked the team about the invoice report for the project release?",
        "small talk": "Thanks, that was very helpful!",
    }


def _thing(draw: random.Random, others: Sequence[Thing], size: int, names: set[str]) -> Thing:
    kinds = ("fact", "event", "fact", "link")[: size - 1]
    link = ((draw.choice(_RELATIONS), draw.choice(others).name),) if "link" in kinds and others else ()
    facts = tuple(_sentence(draw, 9) for _ in range(kinds.count("fact") + (kinds.count("link") - len(link))))
    events = ((START + timedelta(hours=draw.randrange(8_000)), _sentence(draw, 8)),) if "event" in kinds else ()
    name = next(one for one in iter(lambda: _name(draw), "") if one not in names)
    names.add(name)
    return Thing(name, draw.choice(_TYPES), facts, events, link)


def _insight(draw: random.Random) -> tuple[str, str]:
    return _words(draw, 3).capitalize(), _sentence(draw, 16)


def _sentence(draw: random.Random, length: int) -> str:
    return f"The {_words(draw, length // 2)} {draw.choice(_VERBS.split())} the {_words(draw, length - length // 2)}."


def _words(draw: random.Random, count: int) -> str:
    """Words as they come in texts: a few of them often, most of them seldom."""
    return " ".join(_word(draw) for _ in range(count))


def _word(draw: random.Random) -> str:
    if draw.random() < 0.4:
        return _name(draw, 3).lower()
    common = COMMON.split()
    return common[min(int(draw.paretovariate(0.7)) - 1, len(common) - 1)]


def _name(draw: random.Random, syllables: int = 4) -> str:
    return "".join(draw.choice(_SYLLABLES.split()) for _ in range(syllables)).capitalize()
