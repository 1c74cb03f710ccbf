"""The forms of English sentences the offline model knows. What fits none of them it does not understand.

In a rule a space stands for any white space and `~` for adverbs; a group is named after what its words tell. The first
rule whose words make sense wins.
"""

from __future__ import annotations

import re

_PRONOUN = r"(?:I|it|he|she|they|we|you|this|that|there|my|our|the|here|what|who)\b"
_PROPER = rf"(?!{_PRONOUN})(?-i:[A-ZÀ-Þ][\w.&'-]*)(?: (?:of |de |van |von )?(?-i:[A-ZÀ-Þ0-9][\w.&'-]*)){{0,3}}"
_ADVERBS = r"(?: (?:now|just|recently|currently|still|actually|also|really|mostly|usually|absolutely|both))*"
_JOB = r"(?:[\w-]+ ){0,3}(?:\w*(?:er|or|ist|eer|ant|yst|ect)|nurse|chef|lead|head|student|C[A-Z]O|dev|pilot|judge)\b"
_ZONE = r"(?-i:UTC|GMT|[A-Z]{1,3}[SD]?T|[A-Z]\w+/[A-Z])[\w:+-]*"
_NUMBER = r"(?:an?|one|two|three|four|five|\d+)"
_PASSING = r"(?:\w+ )?(?:question|problem|idea|issue|bug|request|doubt|feeling|task|bit|little|lot)s?\b"
_ANSWERS = r"(?:answers?|repl(?:y|ies)|responses?|explanations?)"
STYLE = rf"\b(?:{_ANSWERS}|bullet points|concise|brief|formal|informal|emojis?|jargon)\b"
NATION = (
    r"\w*(?:ish|ese|german|korean|american|mexican)|french|dutch|greek|thai|czech|arabic|hindi|hebrew|swiss|"
    r"(?:ital|ind|brazil|austral|russ|ukrain|canad|norweg|hungar|roman|pers|belg|austr|indones)ian"
)

_RULES = (
    rf"(?P<subject>{_PROPER}) is (?:the |an? )?(?P<relation>[\w -]{{2,40}}? (?:of|at|for)) (?P<target>{_PROPER})$",
    rf"(?P<subject>{_PROPER}) (?P<relation>works (?:at|for)|reports to|manages|leads|founded) (?P<target>{_PROPER})$",
    rf"(?P<subject>{_PROPER}) (?P<fact>(?:uses|runs on|is based in|is written in|depends on|sells|makes) .+)",
    r"we(?:'ve| have)?~ (?:decided|agreed) (?:to |that |on )?(?P<insight>.+)",
    r"(?:the )?(?:lesson(?: learned)?|takeaway)(?: is(?: that)?|:) (?P<insight>.+)",
    r"(?:I want to|I need to|I'd like to|(?:can|could) you help me|help me|(?:my|our) goal is)(?: to)? (?P<goal>.+)",
    r"I~ use (?P<pronouns>\w+(?:/\w+)+) pronouns",
    r"(?:(?:you can|you may|just|everyone|people|my friends) )*calls? me (?P<preferred_name>.+)",
    r"I~ (?:go by|prefer to be called) (?P<preferred_name>.+)",
    r"my (?P<owned>[\w' -]{1,40}?)(?: is| are|'s)~ (?:called )?(?P<said>.+)",
    r"I'm~ (?P<introduced>.+)",
    rf"I'm~ in (?:the )?(?P<timezone>{_ZONE})(?: time\s?zone)?$",
    rf"I'm~ (?:an?|the) (?P<role>{_JOB}(?: of (?-i:[a-z]\w*))?)(?: (?:at|for|of) (?P<company>.+))?",
    r"(?:I~ work|I'm~ (?:working|employed)) as (?:an? |the )?(?P<role>.+?)(?: (?:at|for) (?P<company>.+))?$",
    r"(?:I~ (?:work|started)|(?:I'm~|I(?:'ve| have) been) working) (?:at|for) (?P<company>.+?)(?: as (?:an? |the )?(?P<role>.+))?$",
    r"(?:I~ work on|I'm~ working on|I'm~ building) (?P<work>.+)",
    r"(?:I~ live|I'm~ (?:living|based)) in (?P<location>.+)",
    r"I(?:'ve| have)?~ moved (?:here )?(?:from .+? )?to (?P<location>.+)",
    r"I(?:'d| would)?~ (?:rather have|prefer) (?P<likes>.+)",
    r"I~ (?:like|love|enjoy) (?P<likes>.+)",
    r"I~ (?P<preferences>(?:hate|dislike|can't stand|don't like|do not like|don't enjoy) .+)",
    rf"(?:always )?(?:answer|reply|respond|write|speak|talk)(?: to me)?(?: always)? in (?P<language>{NATION})\b",
    rf"(?P<communication_style>keep (?:it|things|(?:your |the |all )?{_ANSWERS}) .+)",
    rf"(?P<communication_style>(?:be|no|avoid|don't use|do not use|use) (?:\w+ )?{STYLE}.*)",
    r"(?P<preferences>(?:always|never) (?!mind|an?|nice|good|great|happy|glad|heard|been).+)",
    rf"(?P<observation>I(?:'ve| have)(?: got)?~ {_NUMBER} (?!{_PASSING}).+)",
    r"(?P<observation>I~ (?:use|speak|play|own|drive|study|teach) (?!it\b|this\b|that\b).+)",
    r"(?P<observation>I~ (?:grew up|was born|(?:can't|don't) (?:eat|drink)) .+)",
    r"(?P<observation>I'm~ (?:training|learning|studying|preparing|allergic|married|from|\d+ years) .+)",
    rf"(?P<observation>I'm~ an? (?!{_PASSING}).+)",
    r"(?P<observation>I'm~ (?:vegetarian|vegan|retired|left-handed|colou?r-?blind).*)",
)


def _compiled(rule: str) -> re.Pattern[str]:
    spelled = rule.replace("I'm", r"(?:I'?m|I am)").replace("~", _ADVERBS).replace(" ", r"\s+")
    return re.compile(spelled, re.IGNORECASE)


RULES = tuple(map(_compiled, _RULES))

#: "my … is": which field it is.
OWNED = {
    "name": "name", "full name": "name", "first name": "name", "nickname": "preferred_name", "pronouns": "pronouns",
    "role": "role", "job": "role", "job title": "role", "profession": "role", "current project": "work",
    "company": "company", "employer": "company",
    "timezone": "timezone", "time zone": "timezone", "location": "location", "city": "location", "language": "language",
    "preferred language": "language",
}  # fmt: skip
NOT_OWNED = (
    r"(?:.* )?(?:question|problem|issue|point|guess|idea|plan|bad|code|error|turn|request|answer|goal|concern)s?$"
)

_NAME_ENDS = r",| (?:and|but|from|at|by|for|with|who|in|here)\b"
#: Where the value of a field ends.
ENDS = {
    "name": _NAME_ENDS,
    "preferred_name": _NAME_ENDS,
    "role": r",| (?:at|for|in|with|who|from|since|and|but|on|by|working)\b",
    "company": r",| (?:as|in|on|since|because|where|which|with|who|from|for|but)\b",
    "location": r", (?!(?-i:[A-Z]))| (?:with|because|since|where|which|so|but|while|when|for|and|after|until|near)\b",
    "work": r", (?:which|and|but|so)\b| (?:because|since|which)\b",
}
#: What the value of a field never begins with.
NO_VALUE = {
    "name": r"not|no|on|in|the|an?|hard|too|very|so|it|that|what",
    "preferred_name": r"later|back|tomorrow|when|if|at|on|now|soon|crazy|an?|tonight|old|what|not|today|by|the",
    "company": r"home|night|it|this|that|them|him|her|you|us|free|myself|weekends?|not|the (?:moment|weekend)|\d\S*",
    "location": r"an?|my|your|this|that|it|fear|hope|peace|not|the (?!(?-i:[A-Z]))",
    "role": r"not|(?:\w+ )?(?:lover|owner|user)|great|hard|stressful|fun|boring|to",
    "likes": r"it|this|that|these|those|you|your|how|what|when|him|her|them|not|to be",
    "work": r"it|this|that|them|something|not|\w+days?|weekends?",
    "said": r"not|no|that|how|what|why|whether|to|in|at|on|too|so|very|broken|failing|slow|wrong",
}
#: The fields that hold one value, and by which words an answer shows that it speaks of one.
TOPICS = {
    "name": r"\byour (?:full )?name\b",
    "preferred_name": r"\bcall you\b",
    "location": r"\byou (?:live|are based)\b|\byour city\b",
    "company": r"\byou work(?! as| on)\b|\byour company\b",
    "role": r"\byour (?:role|job)\b|\byou work as\b",
    "work": r"\byou(?:'re| are) working on\b|\byou work on\b",
    "timezone": r"\byour time ?zone\b",
    "pronouns": r"\byour pronouns\b",
    "language": r"\b(?:which|what) language\b",
}


def _pattern(*parts: str) -> re.Pattern[str]:
    return re.compile("".join(parts), re.IGNORECASE | re.MULTILINE)


SENTENCE_END = re.compile(r"(?<!\bDr)(?<!\bMr)(?<!\bMs)(?<!\bMrs)(?<!\bSt)[.!?;…]+(?=\s|$)|\n+")
#: What is left unread: quoted lines, and secrets.
UNREAD = _pattern(r"^>|\b(?:password|passphrase|passcode|pin|secret|token|(?:api|access|private) key|card number) is\b")
CLAUSE_END = _pattern(
    r"(?:\s*[,–—]\s*(?:(?:and|but|so)\s+)?|\s+(?:and|but)\s+)",
    r"(?=(?:I|I'\w+|my [^,]{1,40} (?:is|are)|call|please|can|could|do|everyone|what|where|who|how|keep|always|never|answer|",
    r"actually|it's|live|work|prefer|like|love|enjoy|hate|use|we)\b)",
)
LEAD = _pattern(
    r"(?:(?:hi|hey|hello|ok(?:ay)?|well|so|yes|yeah|no|nope|sorry|oh|btw|by the way|fyi|also|and|but|actually|in fact|",
    r"please|currently|now|thanks|thank you|good (?:morning|evening|afternoon)|there|wait)\b[\s,:!.–—-]*)*",
)
ELIDED = _pattern(r"(?:live|work|prefer|like|love|enjoy|hate|use)\b")
ASKS = _pattern(
    r"(?:do(?!\s+not\b)|does|did|am|is|are|was|can|could|will|would|should|have(?=\s+(?:I|we|you)\b)|has|what|where|who|when|why|how|which|whose)\b",
    r"|(?:tell|remind) me\b",
)
NOT_MEANT = _pattern(r"\b(?:if|suppose|imagine|pretend|unless|wish|hypothetically|says?|said|told (?!you))\b")
FOREIGN = _pattern(
    r"\s*(?:please |(?:can|could) you )*(?:translate|proofread|rewrite|rephrase|summari[sz]e|complete)\b"
)
REMEMBER = _pattern(
    r"(?:remember|don't forget|note|keep in mind)(?:\s+that\b|:|,|(?=\s+(?:I|I'm|my|we)\b))\s+(?=\S)",
)
TAIL = _pattern(
    r"(?:,?\s+(?:now|too|as well|please|though|by the way|these days|at the moment|right now|currently|today|anymore|",
    r"last (?:week|month|year|summer)|this (?:week|month|year)|(?:in|since) \d{4}))+$",
)
CORRECTION = _pattern(
    r"(?:(?:no|nope|actually|sorry|wait|oops|correction)\b[\s,.!–—-]*)+(?:it's|it is|I meant|I mean|make that)\s+",
    r"(?:(?:in|at)\s+)?(?P<value>.+)|I meant\s+(?P<meant>.+)",
)
PLAN = _pattern(r"(?:\b(?:the|our|my) plan is(?: to)?:?|^first,?)\s+([^\n.?!]{1,400})")
STEP_END = _pattern(r"\s*(?:[,;]\s*)?\b(?:and\s+)?(?:then|finally)\b[\s,]*|[,;]\s*(?:and\s+)?")
NUMBERED = _pattern(r"^\s{0,8}\d{1,2}[.)]\s+(\S.{0,200})$")
MINE = _pattern(r"\b(?:I'm|I am|I've|I was|I|my|me|we)\b(?!/)")
YOURS = {
    "i'm": "you're", "i am": "you are", "i've": "you've", "i was": "you were", "i": "you", "my": "your", "me": "you",
    "we": "you",
}  # fmt: skip
EDGES = " \t\r\n.,;:!?\"'“”()*_"
