"""Lexemes: what a text is found by, and what a question asks for."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_machine.state.lexemes import (
    MAX_LENGTH,
    MAX_LEXEMES,
    MAX_QUERY_WORDS,
    is_small_talk,
    lexemes,
    query_lexemes,
)


def share_found(question: str, text: str) -> float:
    """The share of the question's words that the text has."""
    groups, there = query_lexemes(question), lexemes(text)
    return sum(any(lexeme in there for lexeme in group) for group in groups) / len(groups)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("BERN", "I live in bern."),
        ("muller", "Frau Müller wohnt hier"),
        ("Müller", "an e-mail from Muller"),
        ("Mueller", "I met Mr. Müller at work"),
        ("Müller", "I met Mr. Mueller at work"),
        ("strasse", "Die Straße ist gesperrt"),
        ("cafe", "We went to the café"),
        ("Lodz", "She studied in Łódź"),
        ("Soren", "Søren came for dinner"),
        ("Istanbul", "İSTANBUL is large"),
        ("елка", "У нас дома ёлка"),
        ("ＰＹＴＨＯＮ", "python"),
        ("e\u0301cole", "l'\u00e9cole est fermée"),
        ("كتاب", "هذا كِتَاب جديد"),
        ("٢٠٢٤", "in 2024"),
    ],
)
def test_case_and_accents_do_not_matter(question: str, text: str) -> None:
    """A word is found in whatever case, with or without its accents, in one code point or two."""
    assert share_found(question, text) == 1


def test_accents_asked_for_rank_higher() -> None:
    """The accented spelling of an accented question is a lexeme of its own, which texts without accents lack."""
    (group,) = query_lexemes("Müller")
    assert group[0] == "müller"
    assert "müller" in lexemes("Anna Müller")
    assert "müller" not in lexemes("Anna Muller")


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("running a house", "She runs, and he has been in many houses"),
        ("Welche Häuser und Katzen gibt es?", "Das Haus ist klein, und die Katze ist alt"),
        ("¿Qué casas y gatos tengo?", "Mi casa está en Madrid y mi gato también"),
        ("les chevaux et les maisons", "Nous avons un cheval et une maison à la campagne"),
        ("dove sono le case e i gatti", "Abbiamo una casa con il gatto di mia zia"),
        ("as casas e os gatos", "Eu tenho uma casa e um gato em Lisboa"),
        ("de huizen en de katten", "Ik heb een kat en het huizen kopen is duur"),
        ("mina bilar och katter", "Jag har en bil och en katt som sover"),
        ("мои кошки и книги", "У меня есть кошка, и я читаю книгу"),
        ("kedilerim ve kitaplarım nerede", "Bir kedi ve bir kitap çok güzel"),
        ("minun kissani ja taloni", "Meillä on kissa ja talo"),
        ("moje koty i domy", "Mam kota i dom na wsi"),
    ],
)
def test_other_forms_of_a_word_are_found(question: str, text: str) -> None:
    """Endings do not matter in the language of the text."""
    assert share_found(question, text) == 1


@pytest.mark.parametrize(("question", "text"), [("Häuser", "Das Haus ist klein"), ("gatos", "Mi gato duerme")])
def test_single_word_needs_no_language(question: str, text: str) -> None:
    """A question of one word, which tells no language, is stemmed in all it may be in."""
    assert share_found(question, text) == 1


NAMES = """
    C | C++ | C# | .NET | F# | node.js | 3.11 | v2 | v2.1.3 | GPT-4 | @alice | #roadmap | snake_case | src/app.py | O'Neil
    | alice.smith+news@example.com | https://docs.example.com/a?b=c | 10:30 | 2024-03-15 | 1,000,000 | 192.168.0.1 | 50%
    | k8s | don't | rock'n'roll | état-major | x86_64
"""


@pytest.mark.parametrize("name", [name.strip() for name in NAMES.split("|")])
def test_names_with_signs_are_found(name: str) -> None:
    """Versions, addresses, file names, handles and names with signs are found as they are written."""
    assert share_found(name, f"We said that ({name}), and more.") == 1
    assert share_found(name, "We said something else here, and more.") == 0


def test_names_with_signs_stay_apart() -> None:
    """`C`, `C++` and `C#` are three things; `.NET` is found by its word too, but ranks above it by its sign."""
    for asked in ("C", "C++", "C#"):
        for written in ("C", "C++", "C#"):
            assert (share_found(asked, f"I write {written} at work") == 1) == (asked == written)
    assert ".net" in lexemes("a .NET developer")
    assert ".net" not in lexemes("the net income")


def test_parts_of_names_are_found() -> None:
    """A part of an address, a file name, a date or a longer version finds the whole."""
    assert share_found("smith", "write to alice.smith@example.com") == 1
    assert share_found("tokens.py", "see learning_machine/state/tokens.py") == 1
    assert share_found("2024", "due on 2024-03-15") == 1
    assert share_found("3.11", "runs on Python 3.11.4") == 1
    assert share_found("GPT4", "asked GPT-4") == 1
    assert share_found("email", "send an e-mail") == 1
    assert share_found("1000000", "a budget of 1,000,000") == 1


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("東京", "私は東京に住んでいます"),
        ("猫", "我有一只猫"),
        ("伯尔尼", "我住在伯尔尼的老城区"),
        ("고양이", "고양이가 두 마리 있습니다"),
        ("แมว", "ฉันมีแมวสองตัว"),
        ("Python 猫", "我的猫叫Python很可爱"),
        ("カタカナ", "ｶﾀｶﾅで書く"),
        ("हिन्दी", "मैं हिन्दी बोलता हूँ"),
        ("தமிழ்", "நான் தமிழ் பேசுகிறேன்"),
        ("עברית", "אני מדבר עברית"),
        ("فارسی", "من فارسی صحبت می‌کنم"),
        ("γάτα", "Έχω μια γάτα"),
    ],
)
def test_every_script_is_found(question: str, text: str) -> None:
    """Scripts with and without spaces are found, also mixed; a single Chinese character too."""
    assert share_found(question, text) == 1
    assert share_found(question, "something else") < 1


def test_unspaced_scripts_are_pairs() -> None:
    """A stretch of Chinese is its pairs of characters; a question asks for the pairs, or for its only character."""
    assert query_lexemes("東京都") == [["東京"], ["京都"]]
    assert query_lexemes("京") == [["京"]]
    assert lexemes("東京都") == Counter(["東京", "京都", "東", "京", "都"])


def test_counts() -> None:
    """A lexeme occurs as often as its word does, in any form."""
    assert lexemes("The cat saw the cats. A CAT!")["cat"] == 3


def test_small_words_are_not_asked_for() -> None:
    """The small words of the question's language are left out, and kept when there is nothing else."""
    assert [group[0] for group in query_lexemes("What is the name of my dog?")] == ["name", "dog"]
    assert [group[0] for group in query_lexemes("Wie heißt mein Hund?")] == ["heisst", "hund"]
    assert [group[0] for group in query_lexemes("Where is my Die Hard disc?")] == ["die", "hard", "disc"]
    assert [group[0] for group in query_lexemes("what about me?")] == ["what", "about", "me"]
    assert query_lexemes("?!") == []


def test_words_asked_twice_count_once() -> None:
    """Repeating a word in a question changes nothing."""
    assert query_lexemes("the budget, the Budget and THE BUDGET") == query_lexemes("the budget")


def test_no_character_is_an_operator() -> None:
    """Signs that mean something to a database or a search engine are only signs."""
    plain = query_lexemes("cats dogs")
    for text in ("cats & dogs", "'cats' | (dogs)", "cats% dogs_", "cats:* <-> !dogs", "cats; -- dogs", '"cats" \\dogs'):
        assert [group[0] for group in query_lexemes(text)] == [group[0] for group in plain], text


HOSTILE = ("", " ", "\0", "a\0b", "\ud800", "x\udfff", "%", "'; drop table", "\u202eabc", "a" * 100_000, "a-" * 50_000)


@pytest.mark.parametrize("text", [*HOSTILE, "e" + "\u0301" * 5_000, "_" * 9_000, "@" * 9_000, "1." * 50_000], ids=repr)
def test_hostile_text(text: str) -> None:
    """Whatever a text holds, its lexemes are short and can be stored."""
    for lexeme in [*lexemes(text), *(lexeme for group in query_lexemes(text) for lexeme in group)]:
        assert 0 < len(lexeme) <= MAX_LENGTH
        assert "\0" not in lexeme
        lexeme.encode()


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.text(max_size=80) | st.text(alphabet="aé ß'İ-_.@#+/:,12猫ตのगि한\u0301ёم", max_size=40))
def test_every_text_is_found_by_itself(text: str) -> None:
    """Each word of a text, asked for in the same words, is there; every lexeme can be stored."""
    there = lexemes(text)
    assert all(0 < len(lexeme) <= MAX_LENGTH and not lexeme.isspace() for lexeme in there)
    for group in query_lexemes(text):
        assert any(lexeme in there for lexeme in group), group


def test_long_texts_keep_their_most_frequent_words() -> None:
    """A text has a limited number of lexemes, the most frequent ones; a question a limited number of words."""
    text = " ".join(f"word{number}" for number in range(5_000)) + " final final"
    assert len(lexemes(text)) == MAX_LEXEMES
    assert lexemes(text)["final"] == 2
    asked = query_lexemes(text)
    assert len(asked) == MAX_QUERY_WORDS
    assert ["word0"] in asked
    assert any("final" in group for group in asked)


@pytest.mark.parametrize("unit", ["some words of a text ", "w{n} ", "我住在伯尔尼的老城区", "ü{n}-é{n}.x ", "a", "a."])
def test_a_million_characters_are_quick(unit: str) -> None:
    """A huge text takes a part of a second, whatever it is made of."""
    text = "".join(unit.replace("{n}", str(number)) for number in range(1_000_000 // len(unit)))[:1_000_000]
    began = time.process_time()
    assert lexemes(text)
    query_lexemes(text)
    assert time.process_time() - began < 3  # a third of it when the machine has nothing else to do


def test_same_in_every_process_and_thread() -> None:
    """The same text has the same lexemes in the same order, in other threads and in other processes."""
    texts = ["Häuser über München, mañana l'école", "Jag bor här och løber", "2024-03-15 C++ node.js 猫がいる"] * 20
    expected = [list(lexemes(text).items()) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: list(lexemes(text).items()), texts)) == expected
    code = "import sys; from learning_machine.state.lexemes import lexemes; print(ascii(list(lexemes(sys.argv[1]).items())))"
    run = subprocess.run([sys.executable, "-c", code, texts[0]], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ascii(expected[0])


SMALL_TALK = """
    | … | 👍 | 🙏🙏🙏 | ok | OK! | Thanks! | thank you so much | thank you very much for your help | hi | Hello there | good morning
    | yes | yesss | no | nope | sure, sounds good | lol | hahaha | hmm | how are you? | see you tomorrow | no problem | bye
    | got it, thanks | you're welcome | danke | Vielen Dank! | guten Morgen | ja bitte | tschüss | merci beaucoup | bonjour
    | d'accord | de rien | gracias | muchas gracias | buenos días | hola | grazie mille | ciao | va bene | obrigado | bom dia
    | dank je wel | tack så mycket | hej | takk | mange tak | kiitos | köszönöm | dziękuję | děkuji | teşekkürler | mulțumesc
    | спасибо | большое спасибо | привет | да | ευχαριστώ | شكرا | תודה | धन्यवाद | 谢谢 | 好的 | 你好！ | ありがとうございます
    | はい | 了解です | 감사합니다 | 네 | ขอบคุณครับ | สวัสดีค่ะ
"""
NOT_SMALL_TALK = """
    C | 42 | Bern | help | what is my name? | yes, the blue one | thanks, and what about my budget? | 猫 | no, Friday
    | hi, where did I park? | good restaurants | ok google | danke für den Hinweis mit Postgres | okapi | who is Hi-Lo?
    | 谢谢，我的猫叫什么 | はい、東京です | да, в пятницу
"""


@pytest.mark.parametrize("text", [text.strip() for text in SMALL_TALK.split("|")])
def test_small_talk(text: str) -> None:
    """Greetings, thanks, a plain yes or no, laughter and mere signs ask for nothing, in many languages."""
    assert is_small_talk(text)


@pytest.mark.parametrize(
    "text", [*(text.strip() for text in NOT_SMALL_TALK.split("|")), "x" * 500, "yes " * 100 + "Bern"]
)
def test_not_small_talk(text: str) -> None:
    """Anything with a word to search for is not small talk."""
    assert not is_small_talk(text)
