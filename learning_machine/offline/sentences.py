"""The forms of English sentences the offline model knows, and what they teach. It understands nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from learning_machine.state.extraction import ExtractedChange

# The forms are for what a person types, and must stay quick whatever arrives: more is not read.
_LONGEST_MESSAGE, _LONGEST_SENTENCE = 10_000, 400
_EDGES = " \t\r\n.,;:!?\"'“”()*_"


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern in which a space is any white space, ’ any apostrophe, `~` adverbs, and `I’m` also `I am`."""
    adverbs = "(?: (?:now|just|recently|currently|still|actually|also|really|mostly|usually|always))*"
    text = text.replace("I’m", "(?:I’?m|I am)").replace("~", adverbs).replace("’", "['’]")
    return re.compile(text.replace(" ", r"\s+"), re.IGNORECASE)


#: Profile fields: how they are asked for, and how they are told.
FIELDS = {
    "preferred_name": (_pattern(r"\b(?:my name|call me|who am I)\b"), "I call you {}."),
    "name": (_pattern(r"\b(?:my (?:full )?name|who am I)\b"), "Your name is {}."),
    "location": (_pattern(r"\bwhere (?:do |am )?I (?:live|based)\b"), "You live in {}."),
    "company": (_pattern(r"\b(?:where|who) (?:do )?I work\b"), "You work at {}."),
    "role": (_pattern(r"\bwhat do I (?:do|work as)\b|\bmy (?:job|role)\b"), "Your role is {}."),
    "work": (_pattern(r"\bwhat (?:am I working|do I work) on\b"), "You are working on {}."),
    "preferences": (_pattern(r"\b(?:what do I (?:like|love|prefer|hate)|my preferences)\b"), "Your preferences: {}."),
}

_THING = (
    r"(?!(?:I|it|he|she|they|we|you|this|that|there|here|my|our|the|what|who|where|when|how)\b)"
    r"(?-i:[A-ZÀ-Þ][\w.&'-]*)(?: (?:of |de |van )?(?-i:[A-ZÀ-Þ0-9][\w.&'-]*)){0,3}"
)
_NAME = r"(?-i:[A-ZÀ-Þ][\w'-]*[a-zß-ÿ][\w'-]*)"
#: Not "I like it"; and not "I live in a small house", "I work from home", "call me later".
_REAL = r"(?!(?:not|no|it|this|that|these|those|them|him|her|you|your|us|how|what|when|to)\b)"
_PROPER = rf"{_REAL}(?!(?:an?|my|home|night|fear|peace|later|back|tomorrow|if|at|\w*days?)\b|the (?-i:[a-z]))"
_STYLE = r"(?:answers?|repl(?:y|ies)|bullet points|concise|brief|formal|informal|emojis?|jargon)\b"
_NATION = r"(?:\w+(?:ish|ese)|german|french|dutch|greek|korean|arabic|hindi|(?:ital|russ|ukrain)ian)\b"
_JOB = (
    r"(?:[\w-]+ ){0,3}?(?:engineer|developer|manager|designer|scientist|student|teacher|doctor|nurse|founder|C[A-Z]O)\b"
)

#: A group is named after what its words tell: a profile field, or another kind of learning. The first that fits wins.
_FORMS = [
    _pattern(form)
    for form in (
        rf"(?P<subject>{_THING}) is (?:the |an? )?(?P<relationship>[\w -]{{2,40}}? (?:of|at|for)) (?P<target>{_THING})",
        rf"(?P<subject>{_THING}) (?P<relationship>works (?:at|for)|reports to|manages|founded) (?P<target>{_THING})",
        rf"(?P<subject>{_THING}) (?P<event>(?:launched|released|announced|raised|opened|hired|signed) .+)",
        rf"(?P<subject>{_THING}) (?P<fact>(?:uses|runs on|is based in|is written in|depends on|sells|makes) .+)",
        r"(?:we(?:’ve| have)?~ (?:decided|agreed)|(?:the )?(?:lesson|takeaway|insight)(?::| is))(?: that| to)? (?P<insight>.+)",
        r"(?:I want to|I’d like to|(?:can|could) you help me|help me|my goal is)(?: to)? (?P<goal>.+)",
        rf"(?:(?:you can|everyone|people|just) )*calls? me {_PROPER}(?P<preferred_name>.+)",
        rf"my (?:full |first )?name(?: is|’s) {_PROPER}(?P<name>.+)",
        rf"I’m~ (?!{_NATION}|sorry|fine)(?P<name>{_NAME}(?: {_NAME}){{0,2}})(?=$|,| (?:from|at|with|and|but|in)\b)",
        rf"I’m~ (?:an?|the) (?P<role>{_JOB})(?: (?:at|for|of) (?P<company>.+))?",
        r"(?:(?:I~ )?work|I’m~ working) as (?:an? |the )?(?P<role>.+?)(?: (?:at|for) (?P<company>.+))?$",
        rf"(?:(?:I~ )?work|I’m~ working) (?:at|for) {_PROPER}(?P<company>.+?)(?: as (?:an? |the )?(?P<role>.+))?$",
        rf"(?:I~ work|I’m~ working) on (?!\w*days?\b){_REAL}(?P<work>.+)",
        rf"(?:(?:I~ )?live|I’m~ (?:living|based)) in {_PROPER}(?P<location>.+)",
        rf"I(?:’ve| have)?~ moved (?:from .+? )?to {_PROPER}(?P<location>.+)",
        rf"(?:I~ )?(?:prefer|like|love|want) {_REAL}(?P<communication_style>(?=.*\b{_STYLE}).+)",
        rf"(?:I~ )?(?:prefer|like|love|enjoy) {_REAL}(?P<preferences>.+)",
        rf"(?:I~ )?(?P<preferences>(?:hate|dislike|don’t like|do not like) {_REAL}.+)",
        rf"(?:always )?(?:answer|reply|write)(?: to me)?(?: always)? in (?P<language>{_NATION})",
        rf"(?P<communication_style>(?:keep (?:it|(?:your |the )?{_STYLE})|(?:be|no|avoid|don’t use) (?:\w+ )?{_STYLE}).*)",
        rf"(?P<observation>I~ use {_REAL}.+|I’m~ (?:allergic|vegetarian|vegan|training|learning)\b.*)",
        r"(?P<observation>my (?:favou?rite [\w ]{2,30}|dog|cat|birthday) is .+)",
    )
]
_STORES = dict.fromkeys(("relationship", "event", "fact"), "entity_memory") | {"observation": "user_profile"}
_STORES |= {"insight": "learned_knowledge", "goal": "session_context"}

_SENTENCE = re.compile(r"((?:[^.!?;…\n]++|[.!?;…]++(?=\S))+)([.!?;…]*)")
#: Quoted lines and secrets; and what is supposed, or told of others.
_UNREAD = _pattern(r"^\s*>|\b(?:password|passphrase|pin|secret|token|(?:api|access) key|card number) is\b")
_NOT_MEANT = _pattern(r"\b(?:if|suppose|imagine|pretend|unless|wish|says?|said|told (?!you)|translate)\b")
_CLAUSE_END = _pattern(
    r"(?:\s*[,–—]\s*(?:(?:and|but|so) )?| (?:and|but) )(?=(?:I|I’\w+|my [^,]{1,40} is|call|can|could|everyone|what|where|who|"
    r"how|please|keep|answer|we|live|work|prefer|like|love|enjoy|hate)\b)"
)
_LEAD = _pattern(
    r"^(?:(?:hi|hey|hello|ok(?:ay)?|well|so|yes|(?:no|I mean)(?=[,.!])|sorry|oh|by the way|also|and|but|actually|please|now|"
    r"thanks|good (?:morning|evening|afternoon)|there)\b[\s,:!.–—-]*)+"
)
_REMEMBER = _pattern(r"(?:remember|don’t forget|note)(?: that\b|:|(?= (?:I|I’m|my|we)\b))\s*")
_CORRECTION = _pattern(
    rf"(?:(?:(?:no|nope|actually|sorry|wait)\b[\s,.!–—-]*)+(?:it’s|it is|I meant?)|I meant) (?:(?:in|at) )?{_PROPER}"
    r"(?!(?:the|fine|ok|okay|good|right|just|too|very|so)\b)(?P<value>[^,]+)"
)
#: Where the value of a field that is a name or a place ends, and what may follow any value.
_ENDING = ("name", "preferred_name", "company", "role", "location")
_END = re.compile(
    r",\s+(?![A-ZÀ-Þ])|\s+(?:and\s+(?![A-ZÀ-Þ])|(?:but|because|since|with|who|which|where|so|when|near|from|for|in|at|on|as)\b)"
)
_TAIL = _pattern(
    r"(?:,? (?:now|too|as well|please|though|these days|right now|currently|(?:last|this) (?:week|month|year)))+$"
)


def read(texts: Sequence[str]) -> list[list[ExtractedChange]]:
    """What each of the user's messages teaches. "No, it's Porto" is about the field spoken of right before it."""
    found, topic = [], ""
    for text in texts:
        changes: list[ExtractedChange] = []
        before, topic = topic, ""
        for sentence, asked in sentences(text):
            corrected = _CORRECTION.match(sentence) if (topic or before) in _ENDING else None
            said = _changes({topic or before: corrected["value"]}, sentence) if corrected else _stated(sentence, asked)
            topic = next((one.name for one in said if one.name in FIELDS), asked_for(sentence)) or topic
            changes += said
        found.append(changes)
    return found


def sentences(text: str) -> Iterator[tuple[str, bool]]:
    """The sentences, and whether each is asked; quoted lines, secrets and endless ones left out."""
    for words, mark in _SENTENCE.findall(text[:_LONGEST_MESSAGE]):
        if words.strip() and len(words) <= _LONGEST_SENTENCE and not _UNREAD.search(words):
            yield words.strip(), "?" in mark


def asked_for(text: str) -> str:
    """The profile field a text asks for, or `""`."""
    return next((field for field, (asked, _) in FIELDS.items() if asked.search(text)), "")


def is_single(one: ExtractedChange) -> bool:
    """Whether there can only be one of its kind and name."""
    return one.kind in ("summary", "goal") or (one.kind == "field" and one.name != "preferences")


def _stated(sentence: str, asked: bool) -> list[ExtractedChange]:
    """What the clauses state. The last one of a question states nothing, but may say what the user wants to reach."""
    clauses = [] if _NOT_MEANT.search(sentence) else _CLAUSE_END.split(sentence)
    stated = [one for clause in clauses[: -1 if asked else None] for one in _read_clause(clause)]
    return stated + [one for clause in clauses[-1:] for one in _read_clause(clause) if asked and one.kind == "goal"]


def _read_clause(clause: str) -> list[ExtractedChange]:
    words = _LEAD.sub("", clause).strip(_EDGES)
    remember = _REMEMBER.match(words)
    quote = words[remember.end() :] if remember else words
    forms = (found.groupdict() for form in _FORMS if (found := form.match(quote)))
    return _changes(next(forms, {"observation": quote} if remember else {}), quote)


def _changes(said: dict[str, str], quote: str) -> list[ExtractedChange]:
    """What was said, by the names of its groups, as changes for the stores it belongs to."""
    ends = {end: said.pop(end, None) for end in ("subject", "target")}
    changes = []
    for group, words in said.items():
        if not words:
            continue
        value = _TAIL.sub("", _END.split(words, 1)[0] if group in _ENDING else words).strip(_EDGES)
        name = group if group not in _STORES else None
        if group == "insight":
            name = " ".join(value.split()[:6])
        if group == "relationship":
            name, value = words, f"{ends['subject']} {words} {ends['target']}"
        day = re.search(r"\b\d{4}-\d\d-\d\d\b", words) if group == "event" else None
        more = {**ends, "name": name, "when": day and day.group()}
        kind = group if group in _STORES else "field"
        change = ExtractedChange(store=_STORES.get(group, "user_profile"), kind=kind, value=value, quote=quote)
        changes.append(change.model_copy(update=more))
    return changes
