"""The forms of English sentences the offline model knows, and what they teach. It understands nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.times import period_in


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern in which a space is any white space, ’ any apostrophe, `~` adverbs, and `I’m` also `I am`."""
    adverbs = "(?: (?:now|just|recently|currently|still|actually|also|really|mostly|usually))*"
    text = text.replace("I’m", "(?:I’?m|I am)").replace("~", adverbs).replace("’", "['’]")
    return re.compile(text.replace(" ", r"\s+"), re.IGNORECASE)


#: Profile fields: how they are asked for, and how they are told.
FIELDS = {
    "name": (_pattern(r"\b(?:my (?:full )?name|who am I)\b"), "Your name is {}."),
    "location": (_pattern(r"\bwhere (?:do |am )?I (?:live|based)\b"), "You live in {}."),
    "company": (_pattern(r"\b(?:where|who) (?:do )?I work\b"), "You work at {}."),
    "preferences": (_pattern(r"\b(?:what do I (?:like|love|prefer|hate)|my preferences)\b"), "Your preferences: {}."),
}

_NO_THING = r"(?!(?:I|it|he|she|they|we|you|this|that|there|here|my|our|the|what|who|where|when|how)\b)"
_THING = rf"{_NO_THING}(?-i:[A-ZÀ-Þ][\w.&'-]*)(?: (?:of |de |van )?(?-i:[A-ZÀ-Þ0-9][\w.&'-]*)){{0,3}}"
_NAME = r"(?-i:[A-ZÀ-Þ][\w'-]*[a-zß-ÿ][\w'-]*)"
#: Not "I like it"; and not "I live in a small house", "I work from home", "call me later", "no, it's fine".
_REAL = r"(?!(?:not|no|it|this|that|these|those|them|him|her|you|your|us|how|what|when|to)\b)"
_NO_NAME = r"an?|my|home|night|fear|peace|later|back|tomorrow|if|at|\w*days?|fine|ok|okay|good|right|just|too|so"
_PROPER = rf"{_REAL}(?!(?:{_NO_NAME})\b|the (?-i:[a-z]))"
_STYLE = r"(?:answers?|repl(?:y|ies)|bullet points|concise|brief|formal|informal|emojis?|jargon)\b"
_NATION = r"(?:\w+(?:ish|ese)|german|french|dutch|greek|korean|arabic|hindi|(?:ital|russ|ukrain)ian)\b"
_LEAD = r"(?:(?:hi|hey|hello|ok(?:ay)?|well|so|yes|(?:no|I mean)(?=,)|sorry|and|but|actually|please|now|there)\b[\s,:!.–—-]*)*"
_REMEMBER = r"(?:remember|don’t forget|note)(?: that\b|:|(?= (?:I|I’m|my|we)\b)) "

#: A group is named after what its words tell: a profile field, or another kind of learning. The first that fits wins.
_FORMS = (
    rf"(?:(?:no|nope|actually|sorry|wait)\b[\s,.!–—-]*it(?:’s| is)|I meant?) (?:in |at )?{_PROPER}(?P<correction>.+)",
    rf"(?P<subject>{_THING}) is (?:the |an? )?(?P<relationship>[\w -]{{2,40}}? (?:of|at|for)) (?P<target>{_THING})",
    rf"(?P<subject>{_THING}) (?P<relationship>works (?:at|for)|reports to|manages|founded) (?P<target>{_THING})",
    rf"(?P<subject>{_THING}) (?P<event>(?:launched|released|announced|raised|opened|hired) (?=.*?(?P<when>\d{{4}}-\d\d-\d\d)|).+)",
    rf"(?P<subject>{_THING}) (?P<fact>(?:uses|runs on|is based in|is written in|depends on|sells|makes) .+)",
    r"(?:we(?:’ve| have)?~ (?:decided|agreed)|(?:the )?(?:lesson|insight)(?: learned)?(?::| is))(?: that| to)? (?P<insight>.+)",
    r"(?:I want to|I’d like to|(?:can|could) you help me|help me|my goal is)(?: to)? (?P<goal>.+)",
    rf"(?:(?:you can|everyone|people|just) )*calls? me {_PROPER}(?P<preferred_name>.+)",
    rf"my (?:full |first )?name(?: is|’s) {_PROPER}(?P<name>.+)",
    rf"I’m~ (?!{_NATION}|sorry|fine)(?P<name>{_NAME}(?: {_NAME}){{0,2}})(?=$|,| (?:from|at|with|and|but|in)\b)",
    r"(?:(?:I~ )?work|I’m~ working) as (?:an? |the )?(?P<role>.+?)(?: (?:at|for) (?P<company>.+))?$",
    rf"(?:(?:I~ )?work|I’m~ working) (?:at|for) {_PROPER}(?P<company>.+?)(?: as (?:an? |the )?(?P<role>.+))?$",
    rf"(?:I~ work|I’m~ working) on (?!\w*days?\b){_REAL}(?P<work>.+)",
    rf"(?:(?:I~ )?live|I’m~ (?:living|based)|I(?:’ve| have)~ lived) in {_PROPER}(?P<location>.+)",
    rf"I (?:used to live|lived)(?=.*\b(?:until|till|to|between)\b) in {_PROPER}(?P<location>.+)",
    rf"I(?:’ve| have)?~ moved (?:from .+? )?to {_PROPER}(?P<location>.+)",
    rf"(?:I~ prefer {_REAL}|(?=(?:keep|be|no|avoid|don’t use) ))(?P<communication_style>(?:\S+ ){{0,4}}?{_STYLE}.*)",
    rf"(?:I~ )?(?:prefer|like|love|enjoy) {_REAL}(?P<preferences>.+)",
    rf"(?:I~ )?(?P<preferences>(?:hate|dislike|don’t like|do not like) {_REAL}.+)",
    rf"(?:always )?(?:answer|reply|write)(?: to me)?(?: always)? in (?P<language>{_NATION})",
    rf"(?P<observation>I~ use {_REAL}.+|I’m~ (?:an? )?(?:allergic|vegetarian|vegan)\b.*|my (?:favou?rite [\w ]+|dog|cat) is .+)",
    r"forget (?:that |about )?(?P<forgotten>.+)",
    rf"{_REMEMBER}(?P<observation>.+)",
)
_PATTERNS = [_pattern(f"{_LEAD}(?:{_REMEMBER})?{form}") for form in _FORMS]
_STORES = dict.fromkeys(("relationship", "event", "fact"), "entity_memory") | {"insight": "learned_knowledge"}
_STORES |= {"goal": "session_context", "observation": "user_profile", "forgotten": "user_profile"}

_SENTENCE = re.compile(r"((?:[^.!?;…\n]++|(?<![.!?;…])[.!?;…]++(?=\S))+)([.!?;…]*)")
#: Quoted lines, secrets, and what is supposed or told of others.
_UNREAD = _pattern(
    r"^>|\b(?:password|secret|token|key)(?: is|:)|\b(?:if|suppose|imagine|pretend|wish|says?|said|told (?!you))\b"
)
_STARTS = "I|I’\\w+|my|call|can|could|everyone|what|where|who|how|please|keep|answer|we|live|work|prefer|like|love|hate"
_WHOLE = _pattern(r"(?:so )?(?:the )?(?:lesson|insight|we(?:’ve| have)?~ (?:decided|agreed))\b")
_CLAUSE_END = _pattern(rf"(?:\s*[,–—]\s*(?:(?:and|but|so) )?| (?:and|but) )(?=(?:{_STARTS})\b)")
_EDGES = " \t\r\n.,;:!?\"'“”()*_"
_UNTIL = _pattern(r"\b(?:until|till|to|and) (?=\w*\d{4}\b|(?:last|this) )|\b(?:until|till)\b")
#: Where the value of a field that is a name or a place ends, and what may follow any value.
_ENDING = ("name", "preferred_name", "company", "role", "location")
_CAPITAL, _ENDS = (
    "(?-i:[A-ZÀ-Þ])",
    "but|because|with|who|which|where|so|when|near|from|for|in|at|on|as|since|until|till|between",
)
_END = _pattern(rf", (?!{_CAPITAL})| (?:and (?!{_CAPITAL})|(?:{_ENDS})\b)")
_TAIL = _pattern(r"(?:,? (?:now|too|as well|please|though|these days|right now|currently|(?:last|this) \w+))+$")


def read(texts: Sequence[str]) -> list[list[ExtractedChange]]:
    """What each of the user's messages teaches. "No, it's Porto" is about the field spoken of right before it."""
    found, topic = [], ""
    for text in texts:
        changes, before, topic = list[ExtractedChange](), topic, ""
        for sentence, asked in sentences(text):
            stated = _stated(sentence, asked, topic or before)
            asked_for = [field for field, (pattern, _) in FIELDS.items() if pattern.search(sentence)]
            spoken_of = [name for name in (*asked_for, *(one.name or "" for one in stated)) if name in _ENDING]
            topic = spoken_of[-1] if spoken_of else topic
            changes += stated
        found.append(changes)
    return found


def sentences(text: str) -> Iterator[tuple[str, bool]]:
    """The sentences worth reading, and whether each is asked. Of what no person types the beginning is enough."""
    for words, mark in _SENTENCE.findall(text[:10_000]):
        sentence = words.strip()
        if 0 < len(sentence) <= 400 and not _UNREAD.search(sentence):
            yield sentence, "?" in mark


def _stated(sentence: str, asked: bool, topic: str) -> list[ExtractedChange]:
    """What the clauses state. The last one of a question states nothing, but may say what the user wants to reach."""
    clauses = [part.strip(_EDGES) for part in ([sentence] if _WHOLE.match(sentence) else _CLAUSE_END.split(sentence))]
    stated = []
    for number, clause in enumerate(clauses, start=1):
        said = next((found.groupdict() for form in _PATTERNS if (found := form.match(clause))), {})
        if "goal" in said or not (asked and number == len(clauses)):
            stated += _changes(said, clause, topic)
    return stated


def _changes(said: dict[str, str | None], quote: str, topic: str) -> list[ExtractedChange]:
    """What was said, by the names of its groups, as changes for the stores it belongs to."""
    more, changes = {end: said.pop(end, None) for end in ("subject", "target", "when")}, []
    for group, words in ((topic if group == "correction" else group, words or "") for group, words in said.items()):
        value = _TAIL.sub("", _END.split(words)[0] if group in _ENDING else words).strip(_EDGES)
        name = {"relationship": words, "insight": " ".join(value.split()[:6]).strip(_EDGES)}.get(group)
        value = f"{more['subject']} {words} {more['target']}" if group == "relationship" else value
        store, name = _STORES.get(group, "user_profile"), name if group in _STORES else group
        kind = group if group in _STORES else "field"
        change = ExtractedChange(store=store, kind=kind, name=name, value=value, quote=quote)
        dates = _dates(quote) if group in _ENDING else {}
        changes += [change.model_copy(update={**more, **dates})] if group and value else []
    return changes


def _dates(clause: str) -> dict[str, str | None]:
    """From when until when what a clause states holds, where it says so."""
    period = period_in(clause)
    ends = period.until is not None and _UNTIL.search(clause) is not None
    return {
        "when": period.since.date().isoformat() if period.since else None,
        "until": period.until.date().isoformat() if ends and period.until else None,
    }
