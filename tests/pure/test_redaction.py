"""Secrets are taken out of texts, and what only looks like one stays.

Every secret here is made at run time from a seed: none is written in this file, and none has ever been in use.
"""

from __future__ import annotations

import base64
import random
import string
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_machine.state.redaction import redact

DICE = random.Random()
ALNUM = string.ascii_letters + string.digits
URLSAFE = ALNUM + "-_"
BASE64 = ALNUM + "+/"
HEX = "0123456789abcdef"
PEM_BEGIN = "-----BEGIN {} KEY-----".format("PRIVATE")
UPPER = string.ascii_uppercase + "234567"


@pytest.fixture(autouse=True)
def same_secrets_every_time() -> None:
    """Each test draws the same secrets, whichever tests ran before it."""
    DICE.seed(20240501)


def draw(length: int, alphabet: str = ALNUM) -> str:
    """Random characters; a letter and a digit stand in third and fourth place, as nearly all real tokens have both."""
    drawn = "".join(DICE.choice(alphabet) for _ in range(length))
    if alphabet.isdigit():
        return drawn
    return drawn[:2] + ("a7" if "a" in alphabet else "A7") + drawn[4:]


def card(prefix: str, length: int, groups: str = "") -> str:
    """A number with a right check digit, in groups such as "4-6-5" when the separator is a dash."""
    body = prefix + "".join(DICE.choice(string.digits) for _ in range(length - len(prefix) - 1))
    digits = next(body + last for last in string.digits if luhn(body + last) == 0)
    if not groups:
        return digits
    gap = groups[1]
    sizes = map(int, groups.split(gap))
    rest = iter(digits)
    return gap.join("".join(next(rest) for _ in range(size)) for size in sizes)


def luhn(digits: str) -> int:
    """Zero when the check digit is right: the textbook way, written differently from the code under test."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10


def iban(country: str, account: str) -> str:
    def number(text: str) -> int:
        return int("".join(str(int(character, 36)) for character in text))

    return f"{country}{98 - number(account + country + '00') % 97:02d}{account}"


def in_fours(text: str) -> str:
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def jwt() -> str:
    header, claims = '{"alg":"HS256","typ":"JWT"}', '{"sub":"1234567890","name":"Alice","iat":1516239022}'
    parts = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in (header, claims)]
    return ".".join([*parts, draw(43, URLSAFE)])


def pem(kind: str, newline: str = "\n") -> str:
    body = newline.join(draw(64, BASE64) for _ in range(6))
    name = f"{kind} PRIVATE KEY".strip()
    return f"-----BEGIN {name}-----{newline}{body}{newline}{draw(30, BASE64)}=={newline}-----END {name}-----"


# Tokens known by their form alone: (label, secret). Each is put into two of the carriers below.
FORMS: list[tuple[str, Callable[[], str]]] = [
    ("api key", lambda: "sk-" + draw(48)),
    ("api key", lambda: "sk-proj-" + draw(120, URLSAFE)),
    ("api key", lambda: "sk-svcacct-" + draw(60, URLSAFE)),
    ("api key", lambda: "sk-ant-api03-" + draw(93, URLSAFE) + "AA"),
    ("api key", lambda: "sk-or-v1-" + draw(64, HEX)),
    ("api key", lambda: "AIza" + draw(35, URLSAFE)),
    ("api key", lambda: "sk_" + "live_" + draw(24)),
    ("api key", lambda: "rk_" + "live_" + draw(99)),
    ("api key", lambda: "SG." + draw(22, URLSAFE) + "." + draw(43, URLSAFE)),
    ("api key", lambda: "SK" + draw(32, HEX)),
    ("api key", lambda: "lsv2_pt_" + draw(32, HEX) + "_" + draw(10, HEX)),
    ("api key", lambda: draw(52) + "JQQJ99" + draw(26)),
    ("api key", lambda: "gsk_" + draw(52)),
    ("token", lambda: "ghp_" + draw(36)),
    ("token", lambda: "gho_" + draw(36)),
    ("token", lambda: "github_pat_" + draw(22) + "_" + draw(59)),
    ("token", lambda: "glpat-" + draw(20, URLSAFE)),
    ("token", lambda: f"xoxb-{draw(12, string.digits)}-{draw(12, string.digits)}-{draw(24)}"),
    (
        "token",
        lambda: "xapp-1-A0" + draw(9, UPPER) + "-" + draw(13, string.digits) + "-" + draw(64, HEX),
    ),
    ("token", lambda: "hf_" + draw(34)),
    ("token", lambda: "npm_" + draw(36)),
    ("token", lambda: "pypi-AgEIcHlwaS5vcmc" + draw(150, URLSAFE)),
    ("token", lambda: draw(10, string.digits) + ":AA" + draw(33, URLSAFE)),
    ("token", lambda: "M" + draw(25) + "." + draw(6) + "." + draw(38, URLSAFE)),
    ("token", jwt),
    ("aws key", lambda: "AKIA" + draw(16, UPPER)),
    ("aws key", lambda: "ASIA" + draw(16, UPPER)),
    ("private key", lambda: pem("RSA")),
    ("private key", lambda: pem("OPENSSH")),
    ("private key", lambda: pem("", "\\n")),
    ("card number", lambda: card("4", 16)),
    ("card number", lambda: card("4", 16, "4 4 4 4")),
    ("card number", lambda: card("54", 16, "4-4-4-4")),
    ("card number", lambda: card("37", 15, "4 6 5")),
    ("card number", lambda: card("6011", 16)),
    ("iban", lambda: iban("DE", draw(18, string.digits))),
    ("iban", lambda: in_fours(iban("CH", draw(17, string.digits)))),
    ("iban", lambda: in_fours(iban("GB", "WEST" + draw(14, string.digits)))),
    ("iban", lambda: iban("FR", draw(13, string.digits) + "M" + draw(9, string.digits)).lower()),
]
CARRIERS = [
    "Here it is: {}. It stopped working today, why?",
    "Bitte prüfe {}, die Größe stimmt nicht – danke!",
    "我的是{}，请帮我看看。",
    'client = Client("{}", retries=3)\n',
    '{"kind": "note", "value": "{}", "n": 1}',
    "curl -H 'X-Custom: {}' https://api.example.com/v1/things",
    "line one\\n{}\\nline three",
    "see (`{}`) above",
    "{}",
    "**{}**\n\nThanks, Alice",
]
# Values known by what stands around them: (label, text, secret).
NAMED: list[tuple[str, str, Callable[[], str]]] = [
    ("secret", "aws_secret_access_key = {}\nregion = eu", lambda: draw(40, BASE64)),
    ("secret", "AccountName=acme;AccountKey={};EndpointSuffix=core", lambda: draw(86, BASE64) + "=="),
    ("secret", 'OPENWEATHER_API_KEY="{}"', lambda: draw(32, HEX)),
    ("secret", "X-Api-Key: {}\r\nAccept: */*", lambda: draw(40)),
    ("secret", '{"client_secret": "{}", "id": 7}', lambda: draw(32, URLSAFE)),
    ("secret", '{\\"apiKey\\": \\"{}\\"}', lambda: draw(24)),
    ("secret", "Unser API-Key: {} (bitte nicht weitergeben)", lambda: draw(36, HEX)),
    ("secret", "the access token is {}, valid for an hour", lambda: draw(30)),
    ("secret", "API密钥：{}。谢谢", lambda: draw(32)),
    ("secret", "tool --api-token {} --verbose", lambda: draw(20)),
    ("token", "Authorization: Bearer {}", lambda: draw(40, URLSAFE)),
    ("token", "-H 'Authorization: Basic {}'", lambda: base64.b64encode(b"alice:" + draw(9).encode()).decode()),
    ("password", "DATABASE_URL=postgresql://app:{}@db.example.com:5432/app", lambda: draw(16)),
    ("password", "redis://:{}@10.0.0.5:6379/0", lambda: "p@" + draw(10) + "!"),
    ("password", "git clone https://alice:{}@git.example.com/a/b.git", lambda: draw(20)),
    ("secret", "My password is {} and I want to change it", lambda: "hunter" + draw(1, string.digits)),
    ("secret", "Mein Passwort lautet {}, bitte merken", lambda: "Sommer" + "2024!"),
    ("secret", "我的密码是{}，别告诉别人", lambda: "abc" + "123456"),
    ("secret", "Passwort: {}\nBenutzer: anna", lambda: "Tr0ub4dor" + "&3"),
    ("secret", "spring.datasource.password={}", lambda: draw(12)),
    ("secret", "if password == '{}':", lambda: "password" + "123"),
    ("secret", "<user>bob</user><password>{}</password>", lambda: draw(10)),
    ("secret", 'password: str = "{}"', lambda: "correct" + "horse"),
    ("secret", "mysql --password={} -u root", lambda: "s3cr" + "et"),
]


def test_recall() -> None:
    """A hundred secrets, in sentences of three languages, in code, JSON and quotes: each is replaced, and only it."""
    places = [(n + 5 * again) % len(CARRIERS) for n in range(len(FORMS)) for again in (0, 1)]
    twice = [form for form in FORMS for _ in (0, 1)]
    cases = [(label, CARRIERS[place], make()) for place, (label, make) in zip(places, twice, strict=True)]
    cases += [(label, text, make()) for label, text, make in NAMED]
    redacted = [redact(text.replace("{}", secret)) for _, text, secret in cases]
    expected = [text.replace("{}", f"[redacted: {label}]") for label, text, _ in cases]
    assert len({secret for _, _, secret in cases}) >= 100
    assert [secret for (_, _, secret), text in zip(cases, redacted, strict=True) if secret in text] == []
    assert redacted == expected


LOOK_ALIKES = r"""
sk-learn
pip install scikit-learn sk-dist==0.1.9
the skeleton in the closet
ask-me-anything-about-the-2024-release-notes
task-force-2024-planning-and-review
sk-learn-compatible-pipelines-for-everyone-2
sk-ecdsa-sha2-nistp256
disk-usage-report-20240501-final-version
the password is hidden
The password is case-sensitive and 8-letter words are refused.
Passwords must have at least 12 characters, 1 digit and 1 sign.
password: required
Password: at least 8 characters
password = None
password=os.environ["DB_PASSWORD_2"]
password=hash_password(form2.data)
password = settings.DB_PASSWORD_2
My password is 2nd-floor-themed.
password: str = getpass.getpass()
password=${DB_PASSWORD}
password: ********
"password": "string"
"password": "Password"
{"type": "password", "name": "field1", "label": "Passwort"}
Passwort vergessen? Passwort: siehe Abschnitt 12b
我的密码忘了，怎么办？
密码：不能少于8位
my token of appreciation
a token is 4 characters on average
The token is base64-encoded.
token: str
tokens: 128000
max_tokens=4096
token = tokenizer.encode(text1)[0]
token = get_token_from_vault2()
api_key=settings.openai_api_key_v2
api_key = "YOUR_API_KEY"
api_key: <your-key-here>
The secret of success2024 is practice
secret: true
Secret Santa 2024 is on December 12th
The key is under the mat
key: value1234
primary_key=user_id_2
"cache_key": "user:1234:profile"
Bearer of good news
bearer-of-bad-news-2024-edition
Authorization: required
123e4567-e89b-12d3-a456-426614174000
id=9f1b6c3e-4d2a-4f6b-8c1d-2e3f4a5b6c7d
commit 3f786850e387550fdab836ed7e6dc881de23001b
merged in 9fceb02 and e83c5163316f89bfbde7d9ab23ca2e25604af290
sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
the MD5 d41d8cd98f00b204e9800998ecf8427e is that of nothing
Order 2024-000123-77 shipped
order number 1234567890123456
order number 4111111111111112
card 4111 1111 1111 1112 was refused
socks5://<username>:<password>@proxy-host
invoice 5500-0000-0000-0005
tracking 1Z999AA10123456784
tracking 00340434161094042557
ticket INC0012345678
+49 151 23456789
+4915123456789012
(415) 555-2671
+86 138 0013 8000
0041 44 668 18 00
tel:+1-800-555-0199
ISBN 978-3-16-148410-0
ISBN 9783161484100
EAN 4006381333931
IMEI 490154203237518
2024-05-01T12:00:00.000Z
01.05.2024 12:30:15
1714564800000
20240501120000123
v1.2.3-rc.4+build.20240501
Python 3.11.9, torch==2.3.0+cu121
#ff8800 and #1A2B3C4D
rgba(255, 136, 0, 0.5)
SGVsbG8= is Hello
aGVsbG8gd29ybGQ=
192.168.178.24:8080
2001:0db8:85a3:0000:0000:8a2e:0370:7334
00:1A:2B:3C:4D:5E
/usr/lib/python3.11/site-packages/token1234/secret_key.py
C:\Users\alice\secret_keys\readme2.txt
https://example.com/reset?step=2&lang=de
https://example.com:8443/docs/tokens#secret
http://localhost:3000, mail me at bob@example.com
git@github.com:acme/widgets.git
ssh://git@github.com:22/acme/widgets.git
alice.smith+news2024@example.co.uk
postgresql://localhost:5432/app
postgresql://app:${DB_PASSWORD}@db:5432/app
Jean-Luc O'Neill-Schäfer
王小明住在北京市朝阳区建国路88号
DE-10115 Berlin, Straße 12a
DE00 3704 0044 0532 0130 00
GB82 WEST 1234 5698 7654 33
π = 3.14159265358979323846
4.111111111111111111
0x7ffee4b1c9f8
hf_transformers_are_great_for_everyone_2024
npm_config_registry_and_npm_lifecycle_event
eyJust.a.normal.sentence.with.dots
AKIArumi is not an id
arn:aws:iam::123456789012:role/deployer
-----BEGIN CERTIFICATE-----
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice@laptop
price: 4 111 111 111 EUR
""".strip().splitlines()  # fmt: skip


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_look_alikes_stay(text: str) -> None:
    """What has the shape, the length or the name of a secret but is none stays byte for byte, alone or in a sentence."""
    assert redact(text) == text
    sentence = f"Hello, {text}, and so on.\n"
    assert redact(sentence) == sentence


def test_enough_look_alikes() -> None:
    """There are at least a hundred different ones."""
    assert len(set(LOOK_ALIKES)) >= 100


def test_several_secrets_in_one_text() -> None:
    """Each of several secrets is replaced, and what is between them stays."""
    first, second = "ghp_" + draw(36), card("4", 16, "4 4 4 4")
    assert redact(f"a {first} b {second} 12/27 123 c") == "a [redacted: token] b [redacted: card number] 12/27 123 c"


def test_refused_number_hides_no_card() -> None:
    """A card number is found even when what stands before it could be taken for its first group."""
    assert redact(f"room 4999 {card('51', 16, '4 4 4 4')}") == "room 4999 [redacted: card number]"


def test_what_one_removal_uncovers_is_removed_too() -> None:
    """A value that looks like a password only once the card number after it is gone is replaced in the same call."""
    assert redact(f"password: 123456:{card('4', 16)}") == "password: [redacted: secret]:[redacted: card number]"


def test_aws_secret_beside_its_id() -> None:
    """An AWS secret, which has no form of its own, is known by the key id before it."""
    pair = f"{'AKIA' + draw(16, UPPER)} / {draw(40, BASE64)}"
    assert redact(f"aws: {pair} eu-central-1") == "aws: [redacted: aws key] / [redacted: aws key] eu-central-1"


def test_key_without_an_end() -> None:
    """A private key whose end was not pasted is replaced as far as it goes on."""
    text = pem("EC").rpartition("\n")[0]
    assert redact(f"{text}\nregards") == "[redacted: private key]\nregards"


# Pieces, separated by bars, that tangled together make up half secrets.
FRAGMENTS = (
    "password|api_key|token|=|: | is |\"|'|[|]|redacted: |[redacted: token]|--|\\n|sk-|ghp_|eyJ|.|xoxb-|Bearer |://|a:|@|,"
    "|;x=| |-|\n|是|x1y2z3w4|Q|4111|4111 1111 1111 1111|370000000000002|DE89|3704 0044 0532 0130 00|密码|hunter2!|(|)|<|$"
    "|" + f"{PEM_BEGIN}|{PEM_BEGIN.replace('BEGIN', 'END')}|AKIA" + "A7" * 8 + "|" + "ab" * 20
).split("|")


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join))
def test_redacting_twice_changes_nothing(text: str) -> None:
    """A redacted text is left alone, however its secrets were tangled."""
    once = redact(text)
    assert redact(once) == once


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    """Text of any characters comes back, and twice redacted is once redacted."""
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    ("unit", "length"),
    [
        *[(unit, 1_000_000) for unit in ("a", "sk-", "1", "eyJ")],
        *[(unit, 200_000) for unit in ("eyJ-", "a ", "--", "password=", "token: ", "://a:", "SG.", "bearer ", "密码")],
        *[(unit, 200_000) for unit in (PEM_BEGIN, "4111 ", "DE89 ", "AKIA" + "A" * 16 + " ")],
    ],
)
def test_hostile_texts_take_linear_time(unit: str, length: int) -> None:
    """A long run of what opens a pattern is read in about the time of any other text of its length."""
    text = (unit * length)[:length]
    began = time.process_time()
    redact(text)
    assert time.process_time() - began < 2.5
