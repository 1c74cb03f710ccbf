"""Secrets taken out of a text before it is stored or sent to a model: keys, passwords, card and account numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass


def redact(text: str) -> str:
    """`text` with every secret it recognises replaced by a marker such as `[redacted: api key]`, all else unchanged.

    It knows the published forms of keys and tokens, and values called a password, key, secret or token that look like
    one. It cannot know a secret without a form or a name. Redacting twice changes nothing more.
    """
    for _ in range(_MOST_PASSES):
        before = text
        for rule in RULES:
            text = _apply(rule, text)
        if text == before:
            break
    return text


@dataclass(frozen=True)
class Rule:
    """A kind of secret. The pattern's group `secret`, or else all of it, is replaced where `accept` agrees."""

    label: str
    pattern: re.Pattern[str]
    accept: Callable[[re.Match[str]], bool] = bool


def _apply(rule: Rule, text: str) -> str:
    parts, done = [], 0
    for start, end in _spans(rule, text):
        parts += [text[done:start], f"[redacted: {rule.label}]"]
        done = end
    return "".join([*parts, text[done:]]) if parts else text


def _spans(rule: Rule, text: str) -> Iterator[tuple[int, int]]:
    group: str | int = "secret" if "secret" in rule.pattern.groupindex else 0
    place = 0
    while match := rule.pattern.search(text, place):
        start, end = match.span(group)
        if rule.accept(match):
            place = end
            yield start, start + len(match[group].rstrip(_TRAILING))
        else:
            # A refused match may hide the beginning of a right one; a long one is left as a whole, to stay linear.
            place = end if end - start > _LONGEST_RETRY else match.start() + 1


_MOST_PASSES = 8  # taking out one secret can uncover another; more often than this only in texts made for it
_LONGEST_RETRY = 64
_TRAILING = ".,;:)]}>"  # ends a sentence or a bracket more often than a secret
_DOUBLED = str.maketrans("0123456789", "0246813579")  # by Luhn: the sum of the digits of the double

# --- what values look like --------------------------------------------------------------------------------------------

_MIXED_RUN = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*+[0-9])(?=[0-9]*+[A-Za-z])[A-Za-z0-9]{8}")
_TURN = re.compile(r"(?<=[0-9])[A-Za-z]|(?<=[A-Za-z])[0-9]")
_QUOTE = re.compile(r"\\?[\"'`”“’»」]")
_FLAG = re.compile(r"--[a-z-]*\Z", re.IGNORECASE)
# What stands where a secret would: variables, templates, masks, dates, paths, addresses, names of methods.
_STAND_IN = re.compile(
    r"(?s)\$[{(].*|\$[A-Za-z_]+|%[\w({].*|\{.*|<.*|\[.*|[*xX.•_-]+|\d{4}-\d\d-\d\d\b.*|[.~]{0,2}/[a-z_.-]+/.*"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?:base|sha|SHA|md|MD|aes|AES|utf|UTF|argon|pbkdf|http|rfc|RFC)-?\d{1,4}[a-z-]{0,10}"
)
_CODE = re.compile(
    r"(?i)[a-z_][\w.]+[(\[]|(?:self|this|os|process|cfg|config|settings|env|args|opts|options|request|req|data|ctx|user"
    r"|params|props|secrets|vault|var|local|module)\."
)
_COMPOUND = re.compile(r"[a-z0-9]+(?:-[a-z]{2,})+")
_PLAIN_WORD = re.compile(
    r"(?i)string|required|optional|hidden|example|placeholder|changeme|invalid|incorrect|missing|unknown|default|expired"
    r"|forgotten|redacted|masked|undefined|(?:my|your|new|old|current|confirm)?[ _-]?(?:pass[a-z]*|kennwort|secret|token)"
)


def _looks_random(value: str) -> bool:
    return _MIXED_RUN.search(value) is not None or (len(value) >= 16 and len(_TURN.findall(value)) >= 3)


def _is_no_phrase(match: re.Match[str]) -> bool:
    return len(_TURN.findall(match[0])) >= 3 or max(map(len, re.split("[_-]", match[0]))) >= 24


def _is_secret_value(match: re.Match[str]) -> bool:
    """Whether what is assigned to a password, key or token is one, rather than a word about it or a piece of code."""
    value, quoted, end = match["secret"].rstrip(_TRAILING), match["quote"], match.end("secret")
    bare = match["bare"] and not _FLAG.search(match.string, max(0, match.start() - 32), match.start())
    if len(value) < 6 or _STAND_IN.fullmatch(value) or (not quoted and (bare or _CODE.match(value))):
        return False
    spoken = bool(bare or match["spoken"])
    if not match["password"]:
        return len(value) >= (12 if spoken else 8) and _looks_random(value)
    whole = quoted and not bare and _QUOTE.match(match.string, end)
    return _looks_like_password(value, spoken) or bool(whole and not _PLAIN_WORD.fullmatch(value))


def _looks_like_password(value: str, spoken: bool) -> bool:
    """Digits alone, or a word with digits or signs in it; in a sentence not a compound such as `8-letter-word`."""
    if value.isdigit():
        return True
    if not any(map(str.isalpha, value)) or (spoken and _COMPOUND.fullmatch(value)):
        return False
    return any(map(str.isdigit, value)) or not set("!@#$%^*").isdisjoint(value.rstrip("!?*"))


def _is_card(match: re.Match[str]) -> bool:
    digits = "".join(str(int(character)) for character in match[0] if character.isdigit())
    doubled = digits[-2::-2].translate(_DOUBLED)
    return _CARD_RANGES.fullmatch(digits) is not None and sum(map(int, digits[-1::-2] + doubled)) % 10 == 0


def _passes_mod_97(match: re.Match[str]) -> bool:
    characters = "".join(filter(str.isalnum, match[0]))
    return int("".join(str(int(c, 36)) for c in characters[4:] + characters[:4])) % 97 == 1


# --- the table --------------------------------------------------------------------------------------------------------

# Where a token may begin: not inside a word, but after an escaped line end or a percent-encoded character.
_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
# Published forms. None may run on without bound and then require more, or hostile texts would take quadratic time.
_API_KEYS = (
    r"AIza[\w-]{35,}|GOCSPX-[\w-]{20,}",  # Google
    r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{24,}=*",  # Stripe
    r"SG\.[\w-]{16,}\.[\w-]{16,}|SK[0-9a-f]{32}\b|key-[0-9a-f]{32}\b",  # SendGrid, Twilio, Mailgun
    r"(?<!\\)(?:[A-Za-z0-9]{32,60}JQQJ9[9D][A-Za-z0-9]{10,40}|\w{3}\dQ~[\w.~-]{31,34})",  # Azure AI, Entra
    r"(?:gsk_|xai-|pplx-|tvly-(?:dev-|prod-)?|r8_)[A-Za-z0-9]{20,}",  # Groq, xAI, Perplexity, Tavily, Replicate
    r"lsv2_[a-z]{2}_[0-9a-f]{32}(?:_[0-9a-f]{10})?",  # LangSmith
)
_TOKENS = (
    r"gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_\w{22,}",
    r"gl(?:agent|cbt|dt|ffct|ft|imt|oas|pat|ptt|rt|soat)-[\w.-]{20,}",  # GitLab
    r"xox[a-z](?:\.xox[a-z])?-(?=[\w-]{0,40}\d)[\w-]{10,}|xapp-\d-[\w-]{10,}|hooks\.slack\.com/services/[\w/]{20,}",
    r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,}|discord(?:app)?\.com/api/webhooks/\d{5,25}/[\w-]{30,}",
    r"\d{8,10}:[\w-]{35}(?![\w-])",  # Telegram
    r"hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36,}|pypi-[\w-]{50,}",
    r"ya29\.[\w-]{20,}|(?:dop_v1|shp(?:at|ca|pa|ss)|glsa|dckr_pat|figd)_[\w-]{24,}|hvs\.[\w-]{24,}",
    r"(?<![_-])eyJ[\w-]{8,}+(?:\.[\w-]*+){2,4}",  # JSON Web Token
)
_PEM_NAME = r"[A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
_PEM = (
    rf"-----BEGIN {_PEM_NAME}(?:[^-]*+(?:-(?!----)[^-]*+)*+-----END {_PEM_NAME}"
    r"|(?:(?:\s|\\[nr])*+[A-Za-z0-9+/]{16,}=*)*+)"  # without an end: as far as it goes on
)
_URL = r"(?<=\w)://[^\s/?#:@'\"<>,]{0,128}:(?P<secret>(?!\[redacted|\d{1,5}[/?#])[^\s/'\"<>,\u3000-\uffff]{1,256})@"
_AWS_SECRET = r"A[KS]IA[A-Z0-9]{16}[\s\S]{1,80}?(?<![\w+/])(?P<secret>[\w+/]{40})(?![\w+/=])"
_BEARER = r"(?i:bearer|authorization[\"']?\s?[:=]\s?[\"']?[a-z]{3,10})[ \t]{1,4}(?P<secret>[\w.~+/-]{12,}=*)"
_ASSIGNED = r"""
    (?<!\[redacted:[ ])
    (?: (?P<password> password | passwd | passphrase | passcode | passwort | kennwort | contraseña | mot[ ]de[ ]passe
          | senha | wachtwoord | (?<![a-z])(?:pass|pwd|pw) | 密码 | 密碼 | 口令 | パスワード | 비밀번호 | пароль )
      | (?:api|access|secret|private|signing|encryption|account|master|service|storage|auth|app)[ _-]?key
      | secret | token | schlüssel | 密钥 | 密鑰 | 令牌 )
    (?: \\?["'`]?[\])]?[ \t]{0,8}
        (?: :[ ]?(?:str|string|Optional\[str\])[ ]?(?:\|[ ]?None[ ]?)?= | :=|={1,3}>?|->|[:：＝]|>(?!@) ) \s{0,8}
      | (?P<spoken> [ \t]{1,4}(?:is|was|ist|war|lautet|est|es)(?:[ \t](?:now|jetzt))?[ \t:]{1,4}
          | [ \t]?[是为為は는][ \t:：]{0,4} )
      | (?P<bare> [ \t]{1,4} ) )
    (?:\w{1,20}\((?=["'])|[bfru](?=["']))? (?P<quote> \\?["'`“„‘«「] )?
    (?P<secret> (?!https?://)
        (?: [!#-%(-+\--:=-Z\]-_a-~\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u024f]++
          | \[(?!redacted:) | [&;,](?![\s"'`]|[\w .-]{0,40}[=:]) | <(?![/a-z!]) | \\(?!["'`nrt]) )++ )
"""
_CARD_RANGES = re.compile(
    r"4\d{15}(?:\d{3})?|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|(?:6011|64[4-9]\d|65\d\d|35(?:2[89]|[3-8]\d)|220[0-4])\d{12}|62\d{14,17}"
)
_GAP = "[ \u00a0.·‐–-]"
_CARD = rf"(?:\d{{14,19}}|\d{{4}}(?:{_GAP}\d{{4}}){{3}}|\d{{4}}{_GAP}\d{{6}}{_GAP}\d{{4,5}})(?![A-Za-z\d])"
_IBAN_COUNTRIES = {
    15: "NO", 16: "BE", 18: "DK|FI|FK|FO|GL|NL", 19: "MK|SI", 20: "AT|BA|EE|KZ|LT|LU|MN|XK", 21: "CH|HR|LI|LV",
    22: "BG|BH|CR|DE|GB|GE|IE|ME|RS", 23: "AE|GI|IL|IQ|OM|SO|TL", 24: "AD|CZ|ES|MD|PK|RO|SA|SE|SK|TN|VG", 25: "LY|PT|ST",
    26: "IS|TR", 27: "BI|DJ|FR|GR|IT|MC|SM", 28: "AL|AZ|BY|CY|DO|GT|HU|LB|NI|PL|SV", 29: "BR|EG|PS|QA|UA",
    30: "JO|KW|MU|YE", 31: "MT|SC", 32: "LC", 33: "RU",
}  # fmt: skip
_IBANS = "|".join(
    rf"(?:{countries})\d\d(?:[ \u00a0-]?[A-Z0-9]{{4}}){{{(length - 4) // 4}}}(?:[ \u00a0-]?[A-Z0-9]{{{length % 4}}})?"
    for length, countries in _IBAN_COUNTRIES.items()
)
_IBAN = re.compile(rf"(?=[A-Z]{{2}}\d\d){_START}(?:{_IBANS})(?![A-Z0-9])", re.ASCII | re.IGNORECASE)
RULES = (
    Rule("private key", re.compile(_PEM)),
    Rule("password", re.compile(_URL, re.IGNORECASE), lambda match: not _STAND_IN.fullmatch(match["secret"])),
    Rule("aws key", re.compile(_AWS_SECRET, re.ASCII)),
    Rule("aws key", re.compile(rf"{_START}A(?:[KS]I|BI|CC)A[A-Z0-9]{{16}}(?![A-Za-z0-9])")),
    Rule("token", re.compile(rf"{_START}(?:{'|'.join(_TOKENS)})", re.ASCII)),
    Rule("api key", re.compile(rf"{_START}(?:{'|'.join(_API_KEYS)})", re.ASCII)),
    Rule("api key", re.compile(rf"{_START}sk-[\w-]{{16,}}", re.ASCII), _is_no_phrase),
    Rule("token", re.compile(_BEARER, re.ASCII), lambda match: _looks_random(match["secret"])),
    Rule("secret", re.compile(_ASSIGNED, re.ASCII | re.IGNORECASE | re.VERBOSE), _is_secret_value),
    Rule("iban", _IBAN, _passes_mod_97),
    Rule("card number", re.compile(rf"(?=\d){_START}(?<!\d\.){_CARD}"), _is_card),
)
