"""What a user's English sentences say: the rules applied to text, with the exact words each fact stands on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from learning_machine.offline import rules

# The rules are for what a person types, and must stay quick whatever arrives: more is not read.
LONGEST_MESSAGE, LONGEST_SENTENCE = 10_000, 400


@dataclass(frozen=True)
class Fact:
    """One thing said: the profile field or other kind it belongs to, the value, and the exact words."""

    field: str
    value: str
    quote: str
    name: str = ""
    subject: str = ""
    target: str = ""

    @property
    def text(self) -> str:
        """The fact as it stands by itself: of "my dog is called Rex" all of it, of "my name is Ann" the name."""
        is_sentence = self.field == "observation" or (self.field == "preferences" and self.name)
        return self.quote if is_sentence else self.value


def told(said: Sequence[tuple[str, str]], known: Sequence[tuple[str, str]]) -> list[list[Fact]]:
    """The facts of each user message, corrections of what was just spoken of included. `said`: (role, text)."""
    return [
        [*_corrections(text, said[:index], known), *facts_in(text)]
        for index, (role, text) in enumerate(said)
        if role == "user"
    ]


def facts_in(text: str) -> list[Fact]:
    """What the sentences of one message state, in their order. Questions and suppositions state nothing."""
    if rules.FOREIGN.match(text):
        return []
    found = [fact for sentence, mark in sentences(text) for fact in _read_sentence(sentence, "?" in mark)]
    return list(dict.fromkeys(found))


def sentences(text: str) -> Iterator[tuple[str, str]]:
    """The sentences, each with the mark that ends it; code, quoted lines, secrets and endless ones left out."""
    for prose in text[:LONGEST_MESSAGE].split("```")[::2]:
        start = 0
        for end in [*rules.SENTENCE_END.finditer(prose), None]:
            sentence = prose[start : end.start() if end else len(prose)].strip()
            if 0 < len(sentence) <= LONGEST_SENTENCE and not rules.UNREAD.search(sentence):
                yield sentence, end.group() if end else ""
            start = end.end() if end else start


def asks(text: str) -> bool:
    """Whether the message holds a question."""
    return any("?" in mark or rules.ASKS.match(_after_lead(sentence)) for sentence, mark in sentences(text))


def steps_in(text: str) -> list[str]:
    """The steps of a plan: a numbered list, or "the plan is: this, then that"."""
    text = text[:LONGEST_MESSAGE]
    plan = rules.PLAN.search(text)
    parts: list[str] = rules.NUMBERED.findall(text)
    if len(parts) < 2:
        parts = rules.STEP_END.split(plan[1]) if plan else []
    steps = [part.strip(rules.EDGES) for part in parts if part.strip(rules.EDGES)]
    return steps if len(steps) > 1 else []


def in_your_words(text: str) -> str:
    """The user's words as said back to them: "I live in Lisbon" becomes "you live in Lisbon"."""
    return rules.MINE.sub(lambda found: rules.YOURS[found.group().lower()], text.replace("’", "'"))


def _corrections(text: str, before: Sequence[tuple[str, str]], known: Sequence[tuple[str, str]]) -> list[Fact]:
    """The new value when the message corrects what either side spoke of last: "no, it's Porto"."""
    for sentence, mark in sentences(text):
        found = None if "?" in mark else rules.CORRECTION.match(sentence.replace("’", "'"))
        if found:
            topics = (
                _topic(words, known) if role == "assistant" else _topic_after(words) for role, words in before[::-1]
            )
            field = next(filter(None, topics), "")
            value = _value(field, re.sub(r",? not .*$", "", found["value"] or found["meant"]))
            return [Fact(field, value, sentence)] if field and value else []
    return []


def _topic(text: str, known: Sequence[tuple[str, str]] = ()) -> str:
    """The field an answer speaks of last, by its words, or by a value it repeats."""
    lowered = text[:LONGEST_MESSAGE].lower()
    spoken = {found.start(): field for field, words in rules.TOPICS.items() for found in re.finditer(words, lowered)}
    repeated = (field for field, value in known if field in rules.TOPICS and value and value.lower() in lowered)
    return spoken[max(spoken)] if spoken else next(repeated, "")


def _topic_after(text: str) -> str:
    """The field a user message ends with: one it states, or one it asks for."""
    topics = [""]
    for sentence, _ in sentences(text):
        stated = [fact.field for fact in _read_sentence(sentence, asked=False) if fact.field in rules.TOPICS]
        topics += stated or filter(None, [_topic(in_your_words(sentence))])
    return topics[-1]


def _read_sentence(sentence: str, asked: bool) -> list[Fact]:
    if rules.REMEMBER.match(_after_lead(sentence)):
        return [] if asked else _read_clause(sentence, after_i=False)
    if rules.NOT_MEANT.search(sentence):
        return []
    clauses, found, after_i = _clauses(sentence), [], False
    for index, clause in enumerate(clauses):
        body = _after_lead(clause)
        question = rules.ASKS.match(body) or (asked and index == len(clauses) - 1)
        found += [fact for fact in _read_clause(clause, after_i) if not question or fact.field == "goal"]
        after_i = after_i or body[:1] in "iI"
    return found


def _clauses(sentence: str) -> list[str]:
    ends = list(rules.CLAUSE_END.finditer(sentence.replace("’", "'")))
    starts = [0, *(end.end() for end in ends)]
    stops = [*(end.start() for end in ends), len(sentence)]
    return [sentence[start:stop] for start, stop in zip(starts, stops, strict=True)]


def _after_lead(clause: str) -> str:
    found = rules.LEAD.match(clause)
    return clause[found.end() :] if found else clause


def _read_clause(clause: str, after_i: bool) -> list[Fact]:
    """The facts of a clause, tried without the words it is introduced by ("hi, actually") and with them."""
    body = _after_lead(clause)
    asked_to = rules.REMEMBER.match(body)
    body = body[asked_to.end() :] if asked_to else body
    for words in (body, clause):
        # "I live in Porto and work at Acme": the second clause goes without its subject.
        lent = "I " if after_i and rules.ELIDED.match(words) else ""
        for rule in rules.RULES:
            found = rule.match(lent + words.replace("’", "'"))
            if found and (facts := _facts(found, words, len(lent))):
                return facts
    words = body.strip(rules.EDGES)
    return [Fact("remembered", words, words)] if asked_to and words else []


def _facts(found: re.Match[str], words: str, lent: int) -> list[Fact]:
    spans = {name: (max(found.start(name) - lent, 0), found.end(name) - lent) for name in found.groupdict()}
    said = {name: words[start:end].strip(rules.EDGES) for name, (start, end) in spans.items() if end > start}
    quote, subject = words.strip(rules.EDGES), said.get("subject", "")
    match said:
        case {"relation": relation, "target": target}:
            return [Fact("relationship", quote, quote, relation, subject, target)]
        case {"fact": fact}:
            return [Fact("fact", fact, quote, subject=subject)]
        case {"owned": owned, "said": value}:
            return _owned(owned, value, quote)
        case {"introduced": introduced}:
            name = _value("name", introduced)
            return [Fact("name", name, quote)] if _is_name(name) else []
        case {"likes": likes}:
            return _likes(_value("likes", likes), quote)
    return [Fact(field, value, quote) for field, raw in said.items() if (value := _value(field, raw))]


def _owned(owned: str, said: str, quote: str) -> list[Fact]:
    """What "my … is …" tells: a field when its words name one, else an observation named after them."""
    owned = " ".join(owned.lower().split())
    field = rules.OWNED.get(owned, "")
    value = _value(field or "said", re.sub(r"^an? ", "", said))
    if not value or re.match(rules.NOT_OWNED, owned):
        return []
    if field:
        return [Fact(field, value, quote)]
    return [
        Fact("preferences" if owned.startswith("favo") else "observation", value, quote, re.sub(r"\W+", "_", owned))
    ]


def _likes(value: str, quote: str) -> list[Fact]:
    if re.search(rules.STYLE, value, re.IGNORECASE):
        return [Fact("communication_style", value, quote)]
    parts = re.split(r",\s*(?:and\s+)?|\s+and\s+", value) if "," in value else [value]
    return [Fact("preferences", part.strip(rules.EDGES), quote) for part in parts if part.strip(rules.EDGES)]


def _value(field: str, raw: str) -> str:
    """The words that are the value, without what follows them; empty when they cannot be one."""
    value = re.split(rules.ENDS[field], raw, maxsplit=1, flags=re.IGNORECASE)[0] if field in rules.ENDS else raw
    value = rules.TAIL.sub("", value).strip(rules.EDGES)
    refused = field in rules.NO_VALUE and re.match(rf"(?:{rules.NO_VALUE[field]})(?!\w)", value, re.IGNORECASE)
    is_long = field in rules.TOPICS and len(value.split()) > 8
    return "" if refused or is_long else value


def _is_name(value: str) -> bool:
    """Whether words after "I'm" are a name: all begin with a capital, none is a nationality or an abbreviation."""
    words = value.split()
    capitals = all(word[0].isupper() and not word[1:].isupper() for word in words)
    return (
        bool(words) and capitals and not re.fullmatch(rules.NATION + "|sorry|fine|vegan|sure", words[0], re.IGNORECASE)
    )
