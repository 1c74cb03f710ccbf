"""Whether a message is only small talk, for which nothing need be searched."""

from __future__ import annotations

import re
from collections import defaultdict

from learning_machine.state.lexemes.folding import fold, normalise

_WORDS = """
    a-ha absolutely agreed aha ahh alright amazing awesome aye bravo bye cheers congrats congratulations cool correct done
    exactly excellent fantastic fine gm gn good goodbye gotcha great haha hello hey heya hi hiya hmm howdy indeed k kk kthx
    lgtm lol lovely mhm morning nah neat nice no nope np ok okay okey oki okidoki omg oops oh perfect please pls right
    roger sorry splendid super sure sweet ta thank thanks thankyou thnx thx true ty understood ugh uh um welcome wonderful
    wow xd yay yea yeah yep yes yo yup
    ach ade alles bitte ciao danke dankeschön doch einverstanden freilich genau gern gerne gruezi grüezi grüß grüße gut hallo hoi
    ja jawohl jein jup klar klasse merci moin nee nein nö passt prima richtig schade schön servus sorry super tja toll
    tschau tschüss tschüß verstanden vielen wunderbar
    accord allo bien bienvenue bof bonjour bonne bonsoir bravo coucou désolé désolée entendu exact formidable génial mdr
    merci nickel non ouais oui parfait pardon salut super voilà volontiers
    adiós bien bueno buenas buenos claro entendido excelente genial gracias hola listo muy no perdón perfecto sí si vale
    venga
    benissimo buonasera buongiorno buonanotte certo ciao esatto grazie ottimo perfetto prego salve sì scusa scusi va bene
    beleza boa bom certo claro desculpa desculpe legal não obrigada obrigado oi olá ótimo perfeito sim tchau tudo valeu
    bedankt dag dank doei goed goedemorgen graag groetjes hallo hoi ja nee oké precies prima sorry top tot uitstekend
    bra hej hejdå hallå ja javisst jo nej okej perfekt precis snälla tack tackar toppen varsågod visst
    fint godt ha hei hej hey ja javel nei nej nemlig perfekt selvfølgelig selvsagt supert tak takk tusen
    ei hei heippa hienoa hyvä hyvin joo juu kiitos kiitti kyllä mahtavaa moi moikka niin selvä terve
    igen jó jól kösz köszi köszönöm nem oké persze rendben szia sziasztok szuper viszlát
    bine bună da desigur mersi mulțumesc nu perfect pa salut scuze sigur
    cześć dobra dobrze dzięki dziękuję fajnie jasne nie pewnie przepraszam siema super świetnie tak
    ahoj ano čau dík díky děkuji děkuju dobře jasně jo ne prosím super výborně
    evet eyvallah hayır harika merhaba olur peki sağol selam tamam teşekkür teşekkürler ederim tabii
    ага ага благодарю да здравствуйте добрый конечно круто ладно хорошо нет ок окей отлично пока понятно понял поняла
    пожалуйста привет спасибо спс супер так точно угу ясно дякую привіт добре ні гаразд
    γεια ευχαριστώ ναι όχι οκ εντάξει καλημέρα παρακαλώ τέλεια
    أهلا اهلا أجل تمام حسنا شكرا عفوا لا مرحبا ممتاز نعم السلام عليكم מעולה תודה שלום כן לא בסדר
    धन्यवाद शुक्रिया नमस्ते नमस्कार हाँ हां नहीं ठीक अच्छा
"""
_PHRASES = """
    all good | all right | anything else | as well | bis bald | bis dann | bis später | bonne journée | bonne nuit | ça marche
    | ça va | c'est bon | can you help me | come va | cómo estás | d'accord | de nada | de rien | do it | fair enough
    | från mig | go ahead | go on | good afternoon | good day | good evening | good job | good morning | good night
    | good point | got it | guten abend | guten morgen | guten tag | gute nacht | gut gemacht | happy to hear
    | have a good day | have a good one | have a great day | have a nice day | have a nice weekend | how are things
    | how are you | how are you doing | how are you today | how is it going | how's it going | i agree | i appreciate it | i see
    | i understand | in ordnung | kein problem | keine ursache | know what | let's do it | let's go | long time no see
    | makes sense | me too | mach weiter | mille grazie | muchas gracias | muito obrigado | much appreciated | nevermind
    | never mind | nice to meet you | nichts zu danken | no problem | no worries | not bad | of course | one moment
    | pas de problème | por favor | qué tal | schönen tag | see you | see you later | see you soon | see you tomorrow
    | sehr gut | sounds good | sounds great | sounds like a plan | s'il te plaît | s'il vous plaît | that's all
    | that's fine | that's great | that's it | that's right | that works | très bien | tudo bem | tot ziens | très bien
    | very good | very helpful | very much | very well | well done | what's up | whats up | wie geht es dir | wie geht's
    | works for me | you're right | you're welcome | you too | у меня все хорошо | как дела | до свидания | до встречи
    | добрый день | доброе утро
"""
# May stand beside small talk, and are nothing without it.
_BESIDE = """
    a again all also am and are as at but do does for from have i i'll i'm in is it it's just let me much my of oh on so
    that that's the then this to too was we will with you your day help info there very now everyone guys team
    auch das der die du es für ich im ihr ist mir mit sehr so und vom von zu hilfe viel dann aber
    beaucoup pour et je tu vous le la les de c'est très toi aide mucho muchas por para y a tu la el ayuda tanto mille
    per molto e muito pelo pela ajuda dia tarde noite días tardes noches veel je wel voor de het så mycket för det du
    большое вам тебе за все помощь çok veľmi mange mnogo nagyon szépen bardzo za moc hodně multe
"""
# Of scripts without spaces, the longest first.
_UNSPACED = re.compile(
    "ありがとうございました|ありがとうございます|よろしくお願いします|かしこまりました|おはようございます|お疲れ様です|"
    "わかりました|分かりました|こんにちは|こんばんは|ありがとう|さようなら|すみません|ごめんなさい|おはよう|なるほど|"
    "了解しました|了解です|承知しました|大丈夫です|どういたしまして|そうですね|そうです|はい|いいえ|うん|ううん|了解|"
    "非常感谢|非常感謝|没问题|沒問題|不客气|不客氣|不用谢|不用了|对不起|對不起|早上好|晚上好|知道了|明白了|谢谢你|谢谢您|"
    "謝謝你|谢谢|謝謝|多谢|您好|你好|好的|好吧|可以|再见|再見|晚安|早安|是的|对的|明白|收到|不是|没事|哈+|嗯+|好|是|对|對|不|"
    "감사합니다|고맙습니다|안녕하세요|안녕히계세요|죄송합니다|알겠습니다|괜찮아요|고마워요|고마워|아니요|아니오|알겠어요|"
    "좋아요|안녕|좋아|그래|네|예|응|ㅋ+|ㅎ+|ㅇㅇ|"
    "ขอบคุณมาก|ขอบคุณ|สวัสดี|ตกลง|โอเค|ใช่|ไม่เป็นไร|ได้|ครับ|ค่ะ|คะ"
)
_LAUGHTER = re.compile(r"(?:[abjh]?(?:ha|he|hi|ah|ja|je|xa|ха|ах)+[hj]?|lo+l+|rofl|lmao|h+m+|x+d+)")
_DRAWN_OUT = re.compile(r"([^\W\d_])\1{2,}")
_LETTERS = re.compile(r"[^\W_](?:[\w'\u0900-\u097f]*[\w\u0900-\u097f])?")
_LONGEST = 120  # characters; small talk is short


def _read(words: str) -> frozenset[str]:
    return frozenset(fold(word) for word in normalise(words).split())


_SMALL, _FILLING = _read(_WORDS), _read(_BESIDE)


def _by_first_word(sayings: str) -> dict[str, list[tuple[str, ...]]]:
    found: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    for saying in sorted((tuple(fold(normalise(one)).split()) for one in sayings.split("|")), key=len, reverse=True):
        found[saying[0]].append(saying)
    return dict(found)


#: By their first word, the longest first.
_SAYINGS = _by_first_word(_PHRASES)


def is_small_talk(text: str) -> bool:
    """Whether `text` holds nothing to search for: a greeting, thanks, a plain yes or no, laughter, or only signs."""
    if len(text) > _LONGEST:
        return not any(character.isalnum() for character in text)
    text = normalise(text)
    rest = _UNSPACED.sub(" ", text)
    words = [_calm(fold(word)) for word in _LETTERS.findall(rest)]
    remaining = _without_sayings(words)
    said = len(remaining) < len(words) or rest != text or any(map(_is_small, remaining))
    return not words or (said and all(_is_small(word) or word in _FILLING for word in remaining))


def _is_small(word: str) -> bool:
    return word in _SMALL or _LAUGHTER.fullmatch(word) is not None


def _calm(word: str) -> str:
    """`yesss` as `yes`."""
    return _DRAWN_OUT.sub(r"\1", word)


def _without_sayings(words: list[str]) -> list[str]:
    rest, at = [], 0
    while at < len(words):
        saying = next((s for s in _SAYINGS.get(words[at], ()) if tuple(words[at : at + len(s)]) == s), None)
        if saying is None:
            rest.append(words[at])
        at += len(saying or "1")
    return rest
