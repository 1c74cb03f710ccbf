"""Forgetting, what follows from it, and saying that one does not know: five hundred small histories.

In the manner of the published MEME tasks (deletion, cascade, absence), with templates of our own. Each episode is a person
who tells things, of some of which others are derived, and then takes one back or replaces it. Everything goes through
recording, extraction (scripted: what a model would have read from these words) and the gate; asked is what the agent would
read afterwards, in 2,000 tokens.

    python bench/meme.py [--episodes 500] [--seed 7] [--db URL]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from learning_machine import LearningMachine
from learning_machine.state.changes import Add, Origin
from learning_machine.state.scope import Scope
from learning_machine.state.tokens import estimate_tokens
from learning_machine.stores.writing import Source
from learning_machine.testing import ScriptedModel, change

BUDGET = 2_000
#: A slot, the words that fill it, the words that ask for it, and what follows from its value.
SLOTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "location": ("I live in {}.", "Where do I live?", ("Pays taxes in {}.", "Takes the tram through {} every day.")),
    "company": ("I work at {}.", "Where do I work?", ("Has a badge of {}.", "Gets insurance through {}.")),
    "role": ("I work as a {}.", "What do I do?", ("Reads journals for every {}.", "Is on call as {}.")),
    "language": ("Answer me in {}.", "Which language do I want?", ("Signs letters in {}.", "Watches films in {}.")),
}
VALUES = {
    "location": ["Tarnow", "Oviedo", "Bergen", "Graz", "Lugano", "Ghent", "Tartu", "Porto", "Vaduz", "Zadar"],
    "company": ["Quillworks", "Nordhaven", "Bluefen", "Parsimony Ltd", "Kestrel Labs", "Ombra", "Fathomly", "Tessel"],
    "role": ["glazier", "actuary", "botanist", "luthier", "surveyor", "typesetter", "welder", "archivist"],
    "language": ["Basque", "Estonian", "Welsh", "Maltese", "Frisian", "Catalan", "Icelandic", "Sorbian"],
}
FILLERS = [
    "Likes {} in the morning.",
    "Has a cousin who keeps {}.",
    "Once wrote an essay about {}.",
    "Plans to buy {} next year.",
    "Cannot stand {}.",
]
THINGS = [
    "black tea",
    "bees",
    "tidal power",
    "a kayak",
    "loud keyboards",
    "old maps",
    "figs",
    "clay tiles",
    "chess clocks",
]
FORGET = [
    "Forget where that was, please.",
    "That is no longer true, and nothing took its place.",
    "Please delete that.",
]


@dataclass(frozen=True)
class Episode:
    """One person's history: the slot that is asked for, its value, what follows, and what happens to it."""

    number: int
    slot: str
    value: str
    task: str
    fillers: tuple[str, ...]
    others: tuple[tuple[str, str], ...]
    newer: str = ""
    depth: int = 1

    @property
    def user(self) -> str:
        return f"person {self.number}"


@dataclass
class Tally:
    """How often each promise was kept."""

    asked: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    tokens: int = 0

    def note(self, promise: str, kept: bool) -> None:
        self.asked[promise] += 1
        self.kept[promise] += kept

    def figures(self) -> dict[str, Any]:
        shares = {promise: round(self.kept[promise] / count, 4) for promise, count in sorted(self.asked.items())}
        return {**shares, "most_tokens": self.tokens, "asked": dict(self.asked)}


def episodes(count: int, seed: int) -> list[Episode]:
    """The histories of a seed: a third each of deletions, cascades through two steps, and replacements."""
    chance = random.Random(seed)
    return [episode(number, chance) for number in range(count)]


def episode(number: int, chance: random.Random) -> Episode:
    slot, *rest = chance.sample(sorted(SLOTS), 3)
    value, newer = chance.sample(VALUES[slot], 2)
    task = ("deletion", "cascade", "replacement")[number % 3]
    fillers = tuple(chance.choice(FILLERS).format(thing) for thing in chance.sample(THINGS, 5))
    others = tuple((name, chance.choice(VALUES[name])) for name in rest)
    return Episode(number, slot, value, task, fillers, others, newer, depth=1 + (task == "cascade"))


class Stage:
    """A machine that plays episodes."""

    def __init__(self, machine: LearningMachine, model: ScriptedModel) -> None:
        self.machine, self.model, self.turns = machine, model, 0
        self.learned: list[dict[str, Any]] = []
        model.learns = lambda new: self.learned

    def say(self, one: Episode, words: str, *learned: dict[str, Any]) -> list[dict[str, Any]]:
        self.learned, self.turns = list(learned), self.turns + 1
        messages = [
            {"role": "user", "content": words, "id": f"u{self.turns}"},
            {"role": "assistant", "content": f"Noted: {words}", "id": f"a{self.turns}"},
        ]
        return self.machine.process(messages, user_id=one.user, session_id=f"s{one.number}")

    def tells(self, one: Episode, slots: Sequence[tuple[str, str]], fillers: Sequence[str] = ()) -> str:
        """Tell values of slots, and what else comes to mind; the handle of the first."""
        told = [(slot, value, SLOTS[slot][0].format(value)) for slot, value in slots]
        facts = [change("user_profile", value, kind="field", name=slot, quote=words) for slot, value, words in told]
        facts += [change("user_profile", text, kind="observation", quote=text) for text in fillers]
        receipts = self.say(one, " ".join([*(words for _, _, words in told), *fillers]), *facts)
        return str(receipts[0]["handle"])

    def derives(self, one: Episode, text: str, handle: str) -> str:
        """What an agent or curation concludes, with what it rests on."""
        index = text
        insight = Add(
            store="learned_knowledge", kind="insight", text=text, value={}, index=index, derived_from=(handle,)
        )
        vectors = self.machine.parts.embedder.vectors([index])
        source = Source(origin=Origin.INFERENCE, vectors=vectors, machine=self.machine.name)
        return str(self.machine.parts.ledger.write([insight], scope=Scope(user_id=one.user), source=source)[0].handle)

    def play(self, one: Episode, chance: random.Random) -> list[str]:
        """Everything that happens; the texts that rested on the value."""
        self.tells(one, one.others, one.fillers[:3])
        ground = self.tells(one, [(one.slot, one.value)])
        rests = []
        for text in SLOTS[one.slot][2]:
            rests.append(text.format(one.value))
            handle = self.derives(one, rests[-1], ground)
            if one.depth > 1:
                rests.append(f"Given {one.value}: {text.format(one.value).lower()}")
                self.derives(one, rests[-1], handle)
        self.end(one, ground, chance)
        return rests

    def end(self, one: Episode, ground: str, chance: random.Random) -> None:
        if one.task == "replacement":
            self.tells(one, [(one.slot, one.newer)], one.fillers[3:])
            return
        words = chance.choice(FORGET)
        gone = change("user_profile", None, action="retire", handle=ground, quote=words)
        more = [change("user_profile", text, kind="observation", quote=text) for text in one.fillers[3:]]
        assert self.say(one, " ".join([words, *one.fillers[3:]]), gone, *more)[0]["status"] == "saved"

    def context(self, one: Episode, question: str) -> str:
        return self.machine.build_context(message=question, user_id=one.user)

    def judge(self, one: Episode, rests: list[str], tally: Tally) -> None:
        """What the agent reads for the question, and for what rested on the answer."""
        asked = self.context(one, SLOTS[one.slot][1])
        contexts = [asked, *(self.context(one, text) for text in rests)]
        tally.tokens = max([tally.tokens, *map(estimate_tokens, contexts)])
        if one.task == "replacement":
            tally.note("replaced value is read", one.newer in asked)
            tally.note("dependents are not asserted", not any(asserts(text, rests) for text in contexts))
            return
        tally.note("deleted value is never read", not any(one.value in text for text in contexts))
        tally.note("dependents are not asserted", not any(asserts(text, rests) for text in contexts))
        tally.note("slot reads no longer known", f"- {one.slot}: no longer known" in asked)
        tally.note("the rest is still read", all(value in asked for _, value in one.others))


def asserts(context: str, rests: list[str]) -> bool:
    """Whether a line says, without a doubt, something that rested on the value."""
    lines = [line for line in context.splitlines() if "no longer certain" not in line]
    return any(text.rstrip(".") in line for line in lines for text in rests)


def measure(machine: LearningMachine, model: ScriptedModel, count: int, seed: int) -> dict[str, Any]:
    """The figures of so many episodes."""
    stage, tally, chance = Stage(machine, model), Tally(), random.Random(seed + 1)
    for one in episodes(count, seed):
        stage.judge(one, stage.play(one, chance), tally)
    return tally.figures()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--episodes", type=int, default=500)
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument("--db", help="a database to play in; without, an embedded one of its own")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as home:
        from learning_machine.stores.postgres.embedded import start

        server = None if asked.db else start(Path(home))
        model = ScriptedModel()
        options: dict[str, Any] = {"user_profile": True, "learned_knowledge": True, "max_context_tokens": BUDGET}
        try:
            with LearningMachine(db=asked.db or server.url, model=model, **options) as machine:  # type: ignore[union-attr]
                began = time.monotonic()
                figures = measure(machine, model, asked.episodes, asked.seed)
        finally:
            if server is not None:
                server.release()
    print(json.dumps({"episodes": asked.episodes, **figures, "seconds": round(time.monotonic() - began)}, indent=1))


if __name__ == "__main__":
    main()
