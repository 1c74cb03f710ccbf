"""What the offline model says: from the context blocks it is shown and from what the user said in the same thread."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage

from learning_machine.offline.rules import CORRECTION, TOPICS
from learning_machine.offline.sentences import Fact, asks, in_your_words, steps_in, told
from learning_machine.state.messages import role_of, text_of

NOTICE = "I am the offline pattern model, not a language model."
UNKNOWN = "I don't know that yet."
# Enough for a demo, and quick whatever a thread or a context holds.
_MOST_MESSAGES, _MOST_ENTRIES = 50, 500

_OPENS, _CLOSES = re.compile(r"<(\w+)>"), re.compile(r"</(\w+)>")
_ENTRY = re.compile(r"- (?:([\w -]{1,60}): )?(.+?)(?: \[(k\w+)\])?")
_GREETS = re.compile(r"\s*(?:hi|hey|hello|good (?:morning|evening|afternoon))\b", re.IGNORECASE)
_ABOUT_ME = re.compile(r"\babout me\b|\babout myself\b|\bwho am I\b", re.IGNORECASE)
_ABOUT_PLAN = re.compile(
    r"\b(?:plan|goal|next step|steps|progress|summary|summari[sz]e|where were we|talk(?:ing|ed)? about)\b",
    re.IGNORECASE,
)
_QUESTIONS = [
    (re.compile(pattern, re.IGNORECASE), field, sentence)
    for pattern, field, sentence in (
        (r"\bmy (?:full |first )?name\b|\bwho am I\b", "name", "Your name is {}."),
        (r"\bwhat (?:should|do) you call me\b", "preferred_name", "You want to be called {}."),
        (r"\bwhere (?:do|am) I (?:live|living|based)\b|\bmy (?:city|location)\b", "location", "You live in {}."),
        (
            r"\b(?:where|who|what company) (?:do|am) I (?:work|working)\b|\bmy (?:company|employer)\b",
            "company",
            "You work at {}.",
        ),
        (r"\bwhat do I do\b|\bwhat do I work as\b|\bmy (?:job|role|profession)\b", "role", "Your role is {}."),
        (r"\bwhat (?:am I working on|do I work on)\b", "work", "You are working on {}."),
        (r"\bmy pronouns\b", "pronouns", "Your pronouns are {}."),
        (r"\bmy time\s?zone\b", "timezone", "Your time zone is {}."),
        (r"\b(?:which|what) language\b", "language", "You want answers in {}."),
        (
            r"\bwhat (?:do|would) I (?:\w+ )?(?:like|love|enjoy|prefer|hate)\b|\bmy preferences\b",
            "preferences",
            "I have: {}.",
        ),
    )
]
_COMMON = re.compile(
    r"a|about|am|an|and|any|anything|are|at|be|but|by|can|could|did|do|does|for|from|had|has|have|he|her|his|how|i|if|in|is|it|"
    r"its|know|like|me|my|name|now|of|on|or|our|please|remember|s|she|should|so|some|t|tell|than|that|the|their|them|then|there|they|"
    r"this|to|was|we|were|what|when|where|which|who|why|will|with|would|you|your"
)


@dataclass(frozen=True)
class Entry:
    """One line of a context block, or something said earlier: the block it stood in, its name and its text."""

    block: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}" if self.name else in_your_words(self.text)


@dataclass(frozen=True)
class Seen:
    """All that one call shows: context entries, what was said as (role, text), and the facts of each user message."""

    entries: list[Entry]
    said: list[tuple[str, str]]
    facts: list[list[Fact]]

    @property
    def newest(self) -> list[Fact]:
        return self.facts[-1] if self.facts else []

    @property
    def stated(self) -> list[Fact]:
        """What the user said in this thread; of a field with one value the last."""
        facts = [fact for facts in self.facts for fact in facts if fact.field != "goal"]
        return list({fact.field if fact.field in TOPICS else fact.text: fact for fact in facts}.values())

    @property
    def lines(self) -> list[Entry]:
        """What can be answered with. What was said in this thread takes the place of the context."""
        newer = {fact.field for fact in self.stated if fact.field in TOPICS}
        kept = [entry for entry in self.entries if entry.name not in newer]
        return [*kept, *(Entry("said", "", _heard(fact)) for fact in self.stated)]

    def values(self) -> dict[str, list[str]]:
        """What is known by field name."""
        named = [(entry.name, entry.text) for entry in self.lines] + [(fact.field, fact.text) for fact in self.stated]
        known: dict[str, list[str]] = {}
        for name, text in named:
            known.setdefault(name, []).append(text)
        known.setdefault("name", known.get("preferred_name", []))
        return {name: list(dict.fromkeys(values)) for name, values in known.items() if values}


def look(messages: Sequence[BaseMessage]) -> Seen:
    """What there is to answer from."""
    entries: list[Entry] = []
    said: list[tuple[str, str]] = []
    for message in [
        *(m for m in messages[:-_MOST_MESSAGES] if isinstance(m, SystemMessage)),
        *messages[-_MOST_MESSAGES:],
    ]:
        role = role_of(message)
        if role == "assistant":
            said.append((role, text_of(message)))
        elif role or isinstance(message, SystemMessage):
            found, rest = read_blocks(text_of(message))
            entries += found
            said += [(role, rest)] if role else []
    entries = entries[:_MOST_ENTRIES]
    return Seen(entries, said, told(said, [(entry.name, entry.text) for entry in entries]))


def read_blocks(text: str) -> tuple[list[Entry], str]:
    """The entries of the context blocks in a text, and the text without the blocks."""
    entries, rest, inside = [], [], []
    for line in text.split("\n"):
        if line.startswith("<") and (opened := _OPENS.fullmatch(line)):
            inside.append(opened[1])
        elif inside and _CLOSES.fullmatch(line):
            inside.pop()
        elif not inside:
            rest.append(line)
        elif line.startswith("- ") and not line.startswith("- (") and (entry := _ENTRY.fullmatch(line)):
            entries.append(Entry(inside[-1], entry[1] or "", _unescaped(entry[2])))
    return entries, "\n".join(rest)


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def answer(messages: Sequence[BaseMessage]) -> str:
    """The answer to the last user message. The first of a thread says what is answering."""
    seen = look(messages)
    words = next((text for role, text in reversed(seen.said) if role == "user"), "")
    first = not any(isinstance(message, AIMessage) for message in messages)
    known = seen.values()
    parts = [_noted(seen.newest, words), _found(words, seen, known)]
    if not any(parts):
        parts = [UNKNOWN if asks(words) else "" if _GREETS.match(words) else "None of my patterns fits that.", NOTICE]
    elif first:
        parts.append(NOTICE)
    return " ".join(part for part in (_greeting(words, first, known), *parts) if part)


def _greeting(words: str, first: bool, known: dict[str, list[str]]) -> str:
    name = (known.get("preferred_name") or known.get("name") or [""])[0]
    return f"Hello {name}!".replace(" !", "!") if _GREETS.match(words) or (first and name) else ""


def _noted(facts: Sequence[Fact], words: str) -> str:
    """What was understood. Not that it was saved: learning comes later."""
    steps = steps_in(words)
    heard = [*map(_heard, facts), *([f"the plan has {len(steps)} steps"] if steps else [])]
    return f"Noted: {'; '.join(dict.fromkeys(heard))}." if heard else ""


def _heard(fact: Fact) -> str:
    if fact.field == "goal":
        return f"your goal is to {fact.value}"
    if CORRECTION.match(fact.quote.replace("’", "'")):
        return f"your {fact.field.replace('_', ' ')} is {fact.value}"
    return in_your_words(fact.quote)


def _found(words: str, seen: Seen, known: dict[str, list[str]]) -> str:
    """The answer to a question, or nothing."""
    if not asks(words):
        return ""
    found = [(match.start(), field, told) for asks_for, field, told in _QUESTIONS if (match := asks_for.search(words))]
    answers = [told.format("; ".join(known[field])) if field in known else UNKNOWN for _, field, told in sorted(found)]
    if _ABOUT_ME.search(words):
        about = [str(entry) for entry in seen.lines if entry.block != "session_context"]
        return _listed("This is what I know about you", about) or UNKNOWN
    if not found and _ABOUT_PLAN.search(words):
        plan = [str(entry) for entry in seen.entries if entry.block == "session_context"]
        answers = [_listed("This is where we are", plan)]
    if len(found) < 2 and not any(part and part != UNKNOWN for part in answers):
        answers = [_listed("From what I have", _related(words, seen))]
    return " ".join(dict.fromkeys(part for part in answers if part))


def _listed(title: str, lines: Sequence[str]) -> str:
    """The lines in one sentence, without the marks they end with."""
    return f"{title}: {'; '.join(dict.fromkeys(line.rstrip('.') for line in lines))}." if lines else ""


def _related(words: str, seen: Seen) -> list[str]:
    """What shares most words with the question, at most three lines."""
    sought = _stems(words)
    scored = [(len(sought & _stems(f"{entry.name} {entry.text}")), str(entry)) for entry in seen.lines]
    best = max((score for score, _ in scored), default=0)
    return [line for score, line in scored if best and score == best][:3]


def _stems(text: str) -> set[str]:
    words = re.findall(r"\w+", text[:2000].lower())
    return {re.sub(r"(?:'s|ing|ed|es|s|e)$", "", word) or word for word in words if not _COMMON.fullmatch(word)}
