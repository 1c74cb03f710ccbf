"""The words a question is asked in, which say nothing of what it is about."""

from __future__ import annotations

_WORDS = """
    say says said saying tell tells told telling talk talks talked talking speak spoke spoken mention mentions mentioned
    discuss discussed remember remembered remind recall know knows known knew chat chatted conversation conversations
    ask asked asking question questions answer explain explained describe help need want like think thing things anything
    something everything stuff please give show list find look use using used get got make made does doing done happen
    happened happens going work works working way ways best good better new many much often usually time times today
    people person someone anyone
    sag sage sagen sagte gesagt erzähl erzähle erzählen erzählt erwähnt besprochen gesprochen reden geredet erinnerst
    erinnern weißt weiß wissen frage fragen gefragt antwort erkläre erklären hilf hilfe bitte gib zeig zeige
    decir dice dije dijo dicho hablar hablamos hablado mencioné mencionado recuerdas recordar sabes saber pregunta
    preguntar explica explicar ayuda dime dame cuéntame
    dire dit parler parlé parlons mentionné rappelle souviens sais savoir question demander expliquer explique aide dis
    dire detto parlare parlato ricordi sai sapere domanda spiega
    dizer disse falar falamos lembra sabe saber pergunta explica ajuda
"""
_ASKING = frozenset(_WORDS.split())
# Scripts without spaces are taken in pairs of characters: a pair with one of these is grammar, or joins two words.
_GRAMMAR = frozenset(
    "的了吗呢吧啊是在和与有我你您他她它们这那哪谁什么怎如何为要做会能可以不没就都也还很被把给对从到让请问吗"
)


def is_asking(word: str) -> bool:
    """Whether a word of a question neither helps to find nor to tell what does not fit, in any of the languages."""
    return word in _ASKING or (
        len(word) <= 2 and any(sign in _GRAMMAR or "\u3041" <= sign <= "\u309f" for sign in word)
    )
