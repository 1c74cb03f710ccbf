"""The words times are said in: months, days, counts and stretches, in the languages people ask in most."""

from __future__ import annotations

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar enero janvier gennaio janeiro januari",
            "february februar febrero février fevrier febbraio fevereiro februari",
            "march märz maerz marz marzo mars março marco maart",
            "april abril avril aprile",
            "may mai mayo maggio maio mei maj",
            "june juni junio juin giugno junho",
            "july juli julio juillet luglio julho",
            "august agosto août aout augustus augusti",
            "september septiembre septembre settembre setembro",
            "october oktober octubre octobre ottobre outubro",
            "november noviembre novembre novembro",
            "december dezember diciembre décembre decembre dicembre dezembro",
        ),
        start=1,
    )
    for name in names.split()
}
WEEKDAYS = {
    name: number
    for number, names in enumerate(
        (
            "monday montag lunes lundi",
            "tuesday dienstag martes mardi",
            "wednesday mittwoch miércoles mercredi",
            "thursday donnerstag jueves jeudi",
            "friday freitag viernes vendredi",
            "saturday samstag sonnabend sábado samedi",
            "sunday sonntag domingo dimanche",
        )
    )
    for name in names.split()
}
COUNTS = {
    name: number
    for number, names in enumerate(
        (
            "a an one ein eine einem einer einen un una une",
            "two zwei dos deux couple",
            "three drei tres trois few ein paar",
            "four vier cuatro quatre",
            "five fünf cinco cinq",
            "six sechs seis six",
            "seven sieben siete sept",
            "eight acht ocho huit",
            "nine neun nueve neuf",
            "ten zehn diez dix",
        ),
        start=1,
    )
    for name in names.split()
}
UNITS = {
    name: unit
    for unit, names in {
        "day": "day days tag tage tagen día días dia dias jour jours",
        "week": "week weeks woche wochen semana semanas semaine semaines",
        "month": "month months monat monate monaten mes meses mois",
        "year": "year years jahr jahre jahren año años ano anos an ans année années",
    }.items()
    for name in names.split()
}
#: Stretches with a name: how long, and how many of them back.
NAMED = {
    "today": ("day", 0), "heute": ("day", 0), "hoy": ("day", 0), "aujourd'hui": ("day", 0),
    "yesterday": ("day", 1), "gestern": ("day", 1), "ayer": ("day", 1), "hier soir": ("day", 1),
    "day before yesterday": ("day", 2), "vorgestern": ("day", 2), "anteayer": ("day", 2), "avant-hier": ("day", 2),
    "this week": ("week", 0), "diese woche": ("week", 0), "esta semana": ("week", 0), "cette semaine": ("week", 0),
    "last week": ("week", 1), "letzte woche": ("week", 1), "vorige woche": ("week", 1), "la semana pasada": ("week", 1),
    "la semaine dernière": ("week", 1),
    "this month": ("month", 0), "diesen monat": ("month", 0), "este mes": ("month", 0), "ce mois": ("month", 0),
    "last month": ("month", 1), "letzten monat": ("month", 1), "el mes pasado": ("month", 1), "le mois dernier": ("month", 1),
    "this year": ("year", 0), "dieses jahr": ("year", 0), "este año": ("year", 0), "cette année": ("year", 0),
    "last year": ("year", 1), "letztes jahr": ("year", 1), "el año pasado": ("year", 1), "l'année dernière": ("year", 1),
}  # fmt: skip
#: The same in scripts without spaces, the longest first.
NAMED_UNSPACED = {
    **dict.fromkeys(("今天", "今日", "오늘"), ("day", 0)),
    **dict.fromkeys(("昨天", "昨日", "어제"), ("day", 1)),
    **dict.fromkeys(("前天", "一昨日", "그저께"), ("day", 2)),
    **dict.fromkeys(("这个星期", "这周", "本周", "這週", "今週", "이번 주", "이번주"), ("week", 0)),
    **dict.fromkeys(("上个星期", "上周", "上週", "先週", "지난 주", "지난주"), ("week", 1)),
    **dict.fromkeys(("这个月", "這個月", "本月", "今月", "이번 달", "이번달"), ("month", 0)),
    **dict.fromkeys(("上个月", "上個月", "先月", "지난 달", "지난달"), ("month", 1)),
    **dict.fromkeys(("今年", "올해"), ("year", 0)),
    **dict.fromkeys(("去年", "昨年", "작년"), ("year", 1)),
}
HAN_NUMBERS = {
    name: number
    for number, name in enumerate(["一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"], start=1)
}

#: What stands before a time and says what is meant: in it, from it on, after it, before it, up to its end.
INSIDE = ("in", "im", "en", "au mois de", "during", "nel", "em", "i", "on", "am", "el", "le", "of", "de", "vom", "der", "this",
          "last", "letzten", "diesen", "past")  # fmt: skip
ONWARD = ("since", "seit", "desde", "depuis", "from", "ab", "starting", "starting in", "à partir de", "a partir de")
AFTER = ("after", "nach", "después de", "despues de", "après", "dopo")
BEFORE = ("before", "vor", "antes de", "avant", "prima di")
UP_TO = ("until", "till", "bis", "bis zum", "hasta", "jusqu'à", "jusqu'en", "up to", "through", "by")
BETWEEN = ("between", "from", "zwischen", "von", "vom", "entre", "de", "desde", "du")
AND = ("and", "to", "until", "till", "through", "und", "bis", "y", "a", "al", "hasta", "et", "à", "au", "–", "-")
