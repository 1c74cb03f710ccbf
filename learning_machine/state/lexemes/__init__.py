"""What a text is found by: its words made comparable, for BM25.

Case, accents and endings do not matter; a text with the accents that were asked for ranks higher. Words are stemmed in
the language the text is likely to be in, or in several where it is in doubt. Chinese, Japanese, Korean, Thai and other
scripts without spaces are taken two characters at a time. Versions, addresses, file names and names such as `C++` are
kept as they are, beside their parts. Nothing in a text is an operator, and no character has a meaning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from learning_machine.state.lexemes.folding import fold, is_latin, normalise, spell_out
from learning_machine.state.lexemes.languages import LATIN, likely_languages, possible_languages, stem
from learning_machine.state.lexemes.small_talk import is_small_talk
from learning_machine.state.lexemes.stop_words import ADDRESS_PARTS, STOP_WORDS
from learning_machine.state.lexemes.words import analyse, pairs, split_runs, split_words, stand_alone

__all__ = ["MAX_LENGTH", "MAX_LEXEMES", "MAX_QUERY_WORDS", "is_small_talk", "lexemes", "query_lexemes"]

#: A lexeme longer than this is cut.
MAX_LENGTH = 40
#: Different lexemes kept of one text, the most frequent first.
MAX_LEXEMES = 2_000
#: Words of a question that are searched for; of a longer one half are from its beginning and half from its end.
MAX_QUERY_WORDS = 64
_MAX_TEXT = 1_000_000  # characters; what follows is not read
_MAX_QUERY = 20_000


def lexemes(text: str) -> Counter[str]:
    """Every lexeme `text` is found by, and how often it occurs; the sum is its length for BM25.

    Small words are in it too: they cost little, and a question may have nothing else.
    """
    text = normalise(text[:_MAX_TEXT])
    tokens = Counter(split_words(text))
    languages = likely_languages(tokens)
    found: Counter[str] = Counter()
    for token, times in tokens.most_common(MAX_LEXEMES):
        for lexeme in _of_token(token, languages):
            found[lexeme] += times
    for run in split_runs(text):
        found.update(pairs(run))
        found.update(stand_alone(run) if len(run) > 1 else ())
    return found if len(found) <= MAX_LEXEMES else Counter(dict(found.most_common(MAX_LEXEMES)))


def query_lexemes(text: str) -> list[list[str]]:
    """For each word of a question, the lexemes that stand for it; a text should score by the best of each list.

    They are the word as it is, and its stems in every language the question may be in. Small words of these languages
    are left out, unless there is nothing else. A word that is asked for twice counts once.
    """
    text = normalise(text if len(text) <= _MAX_QUERY else f"{text[: _MAX_QUERY // 2]} {text[-_MAX_QUERY // 2 :]}")
    tokens = dict.fromkeys(split_words(text))
    languages = dict.fromkeys((*possible_languages(tokens), "english"))  # English words are asked for in all languages
    small = ADDRESS_PARTS.union(*(STOP_WORDS.get(language, ()) for language in likely_languages(tokens)))
    wanted = [group for token in tokens for group in _groups(token, tuple(languages), small)]
    wanted += [(pair,) for run in split_runs(text) for pair in pairs(run)]
    if not wanted:
        wanted = [group for token in tokens for group in _groups(token, tuple(languages), frozenset())]
    wanted = list(dict.fromkeys(wanted))
    if len(wanted) > MAX_QUERY_WORDS:
        wanted = wanted[: MAX_QUERY_WORDS // 2] + wanted[-MAX_QUERY_WORDS // 2 :]
    return [list(group) for group in wanted]


def _groups(token: str, languages: tuple[str, ...], small: frozenset[str]) -> Iterable[tuple[str, ...]]:
    """One token of a question as what to look for: the whole of a name with signs in it, and each of its parts."""
    if token in small:
        return
    word = analyse(token)
    if word.exact:
        yield tuple(lexeme[:MAX_LENGTH] for lexeme in word.exact)
    for part in word.parts:
        in_a_number = word.exact and part.isdigit() and len(part) < 3
        if part not in small and not in_a_number:
            yield tuple(dict.fromkeys((part[:MAX_LENGTH], *_forms(part, languages))))


@lru_cache(maxsize=50_000)
def _of_token(token: str, languages: tuple[str, ...]) -> tuple[str, ...]:
    """The lexemes of one token of a text that is likely to be in these languages."""
    word = analyse(token)
    found = [lexeme[:MAX_LENGTH] for lexeme in word.exact]
    for part in word.parts:
        found += _forms(part, languages)
    return tuple(dict.fromkeys(found))


def _forms(word: str, languages: tuple[str, ...]) -> list[str]:
    """A word's stems, and where it has accents, itself and its stems without them."""
    word = word[:MAX_LENGTH]
    if any(character.isdigit() for character in word):
        return [word, fold(word)]
    own = [language for language in languages if (language in LATIN) == is_latin(word)]
    if not own:
        # Nothing tells: as it is, and as English, so that at least the same form and English ones are found.
        return [word, fold(word), *([stem(fold(word), "english")] if is_latin(word) else ())]
    stems = [stem(word, language) for language in own]
    plain = fold(word)
    if plain == word:
        return stems
    return [word, *map(fold, stems), *(stem(plain, language) for language in own), spell_out(word)]
