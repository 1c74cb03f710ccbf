"""Is "Acme Inc." the Acme we know? What a name is compared by, and what it may mean."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from learning_machine.state.entities import EntityRef
from learning_machine.stores.resolving import (
    MAX_KEY,
    Known,
    folded,
    index_keys,
    lookup_keys,
    mentions,
    name_key,
    resolve,
)


@pytest.mark.parametrize(
    "names",
    [
        (
            "Acme",
            "ACME",
            " acme ",
            "Acme, Inc.",
            "Acme Inc",
            "acme-inc",
            "A.C.M.E.",
            "Acme GmbH & Co. KG",
            "Acme S.p.A.",
            "Acme SpA",
        ),
        ("T-Mobile", "T Mobile", "TMobile", "t‑mobile"),
        ("Node.js", "NodeJS", "node js"),
        ("O'Neil", "O’Neil", "ONeil"),
        ("C++", "c++", " C++ "),
        ("Nestlé", "NESTLÉ S.A.", "Nestle\u0301"),
        ("Straße", "STRASSE"),
        ("İstanbul", "Istanbul"),
        ("東芝", "株式会社東芝", "東芝 株式会社"),
        ("阿里巴巴", "阿里巴巴有限公司"),
        ("AT&T", "AT & T", "ATT"),
    ],
)
def test_the_same_thing(names: tuple[str, ...]) -> None:
    """Case, spaces, punctuation and legal suffixes do not tell things apart."""
    assert len({name_key(name) for name in names}) == 1


@pytest.mark.parametrize(
    "names",
    [
        ("C", "C++", "C#", "F#"),
        ("Müller", "Möller", "Muller", "Mueller"),
        ("Al", "Always"),
        ("Bath Spa", "Bath"),
        ("Acme", "Acme Labs"),
        ("東芝", "東京"),
        ("Inc", "Ltd"),
    ],
)
def test_different_things(names: tuple[str, ...]) -> None:
    """Accents, the signs of C, C++ and C#, and every other word do."""
    for one, other in combinations(names, 2):
        assert name_key(one) != name_key(other)
        assert lookup_keys(one)[0] not in index_keys([other])


@pytest.mark.parametrize("spelling", ["Muller", "muller", "MUELLER", "Müller", "Muller GmbH"])
def test_accents_may_be_left_out(spelling: str) -> None:
    """A spelling without accents finds the name that has them, spelled out or not."""
    assert set(lookup_keys(spelling)) & set(index_keys(["Müller"]))


@pytest.mark.parametrize(
    ("asked", "known"), [("Lodz", "Łódź"), ("Orsted", "Ørsted"), ("Sao Paulo", "São Paulo"), ("Aero", "Æro")]
)
def test_letters_without_a_mark(asked: str, known: str) -> None:
    """So do the plain forms of letters that carry no separate mark."""
    assert set(lookup_keys(asked)) & set(index_keys([known]))


@pytest.mark.parametrize("asked", ["Möller", "Mûller"])
def test_accents_are_not_exchanged(asked: str) -> None:
    """A name with one accent does not find a name with another."""
    assert not set(lookup_keys(asked)) & set(index_keys(["Müller"]))


@pytest.mark.parametrize("name", ["", "  ", "!!!", "–", "()", "\u200b"])
def test_names_nothing(name: str) -> None:
    """What has no letter, digit or sign of a name names nothing."""
    assert lookup_keys(name) == index_keys([name]) == []


@given(some.text(max_size=400))
def test_any_name(name: str) -> None:
    """Any text has a key that an index holds; looking it up finds what was indexed under it."""
    keys = index_keys([name])
    assert all(len(key) <= MAX_KEY + 20 for key in keys)
    assert set(lookup_keys(name)) <= set(keys) or not lookup_keys(name)
    assert folded(folded(name_key(name))) == folded(name_key(name))


def test_long_names_stay_apart() -> None:
    """Two long names that differ only at their ends are two."""
    assert name_key("x" * 500 + "a") != name_key("x" * 500 + "b")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("What do we know about Acme?", "Acme"),
        ("what about acme inc. and others", "Acme"),
        ("Acme's new office", "Acme"),
        ("the McDonald’s menu", "McDonald's"),
        ("Is (ACME) solvent?", "Acme Inc."),
        ("I met Bob and Eve.", "Eve"),
        ("Ask Mary Ann van der Berg", "Mary Ann van der Berg"),
        ("we write C++ here", "C++"),
        ("rewrite it in C#!", "C#"),
        ("lunch with Muller", "Müller"),
        ("die Firma Müller GmbH", "Müller"),
        ("我们和阿里巴巴合作", "阿里巴巴"),
        ("Acmeの決算と東芝の株", "東芝"),
        ("Acmeの決算", "Acme"),
        ("삼성전자의 실적", "삼성전자"),
        ("node.js, please", "Node.js"),
    ],
)
def test_mentioned(text: str, name: str) -> None:
    """A text that names a thing holds one of its keys, whatever stands around the name."""
    assert set(mentions(text)) & set(index_keys([name]))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("it is always so", "Al"),
        ("a category", "Cat"),
        ("C is fine", "C++"),
        ("we met Möller", "Müller"),
        ("", "Acme"),
        ("macmen", "Acme"),
    ],
)
def test_not_mentioned(text: str, name: str) -> None:
    """A name inside another word, or with other signs or accents, is not named."""
    assert not set(mentions(text)) & set(index_keys([name]))


def test_a_long_text() -> None:
    """However long a text, the keys to look for stay some thousands."""
    assert len(mentions("word another thing " * 10_000)) < 10_000
    assert len(mentions("".join(map(chr, range(0x4E00, 0x9FFF))))) < 10_000
    assert "acme" in mentions("Acme " + "漢字仮名" * 10_000)


# --- what a name means ------------------------------------------------------------------------------------------------

COMPANY, PERSON = Known("1", "Mercury", "company", True), Known("2", "Mercury", "planet", True)
PLACEHOLDER, ACCENTED = Known("3", "Mercury", "", True), Known("4", "Mércury", "company", False)


@pytest.mark.parametrize(
    ("name", "candidates", "means"),
    [
        ("Mercury", [COMPANY], "1"),
        ("Mercury (company)", [COMPANY], "1"),
        ("Mercury (firm)", [COMPANY], "1"),
        ("Mercury (planet)", [COMPANY, PERSON], "2"),
        ("Mercury (company)", [PLACEHOLDER], "3"),
        ("Mercury (company)", [COMPANY, PLACEHOLDER], "1"),
        ("Mercury", [ACCENTED], "4"),
        ("Mercury (company)", [ACCENTED], "4"),
        ("Mercury", [COMPANY, ACCENTED], "1"),
        ("Mercury (company)", [PERSON, ACCENTED], "4"),
        ("Mercury (god)", [COMPANY, PERSON], None),
        ("Mercury", [], None),
    ],
)
def test_what_a_name_means(name: str, candidates: list[Known], means: str | None) -> None:
    """The one thing that fits, the exact spelling before others; a type nobody has is a new thing."""
    found = resolve(EntityRef.parse(name), candidates)
    assert (found.known.id if found.known else None, found.ambiguous) == (means, ())


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        ("Mercury", [COMPANY, PERSON]),
        ("Mercury", [COMPANY, PLACEHOLDER]),
        ("Mercury (company)", [COMPANY, Known("5", "Mercury", "company", True)]),
        ("Mercury", [ACCENTED, Known("6", "Mêrcury", "company", False)]),
    ],
)
def test_never_guessed(name: str, candidates: list[Known]) -> None:
    """What could be two things is neither of them."""
    found = resolve(EntityRef.parse(name), candidates)
    assert found.known is None
    assert set(found.ambiguous) == set(candidates)


def test_a_placeholder_learns_its_type() -> None:
    """A thing of unknown type becomes what it is said to be."""
    assert resolve(EntityRef.parse("Mercury (company)"), [PLACEHOLDER]).gains_type
    assert not resolve(EntityRef.parse("Mercury"), [PLACEHOLDER]).gains_type


@pytest.mark.parametrize(
    ("text", "name", "type"),
    [
        ("Acme", "Acme", ""),
        (" Acme (company) ", "Acme", "company"),
        ("Acme (Organisation)", "Acme", "company"),
        ("Bob (CEO of Acme)", "Bob", ""),
        ("Blade Runner (1982)", "Blade Runner (1982)", ""),
        ("(company)", "(company)", ""),
        ("Java (programming language)", "Java", "programming language"),
    ],
)
def test_a_name_with_its_type(text: str, name: str, type: str) -> None:
    """A type stands in parentheses, one word for each kind; what is no type makes no second thing."""
    ref = EntityRef.parse(text)
    assert (ref.name, ref.type) == (name, type)
