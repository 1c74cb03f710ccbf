"""Times in words: "in March", "last week", "2026-03", in the speaker's time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from learning_machine.state.entities import Period

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar enero janvier gennaio janeiro januari",
            "february februar febrero février fevrier febbraio fevereiro februari",
            "march märz maerz marzo mars março maart",
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
# "may" and "mars" are words too, so a month counts only behind one of these.
_IN = r"(?:in|im|en|au mois de|since|during|from|nel|em|i|last|this|letzten|diesen)"
_MONTH = re.compile(
    rf"\b(?:{_IN})\s+({'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b(?:\s+(?:of\s+|de\s+)?(\d{{4}}))?",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\b(?:in|im jahr|en|during|since)\s+((?:19|20)\d{2})\b", re.IGNORECASE)
_DAY = re.compile(r"\b((?:19|20)\d{2})-(\d{2})(?:-(\d{2}))?\b")
_AGO = re.compile(
    r"\b(?:(?:the\s+)?(?:last|past)\s+(\d{1,3})\s+(day|week|month|year)s?|(\d{1,3})\s+(day|week|month|year)s?\s+ago)\b",
    re.IGNORECASE,
)
_NAMED = {
    "today": ("day", 0), "heute": ("day", 0), "hoy": ("day", 0), "aujourd'hui": ("day", 0),
    "yesterday": ("day", 1), "gestern": ("day", 1), "ayer": ("day", 1), "hier soir": ("day", 1),
    "this week": ("week", 0), "diese woche": ("week", 0), "esta semana": ("week", 0), "cette semaine": ("week", 0),
    "last week": ("week", 1), "letzte woche": ("week", 1), "la semana pasada": ("week", 1), "la semaine dernière": ("week", 1),
    "this month": ("month", 0), "diesen monat": ("month", 0), "este mes": ("month", 0), "ce mois": ("month", 0),
    "last month": ("month", 1), "letzten monat": ("month", 1), "el mes pasado": ("month", 1), "le mois dernier": ("month", 1),
    "this year": ("year", 0), "dieses jahr": ("year", 0), "este año": ("year", 0), "cette année": ("year", 0),
    "last year": ("year", 1), "letztes jahr": ("year", 1), "el año pasado": ("year", 1), "l'année dernière": ("year", 1),
}  # fmt: skip
_NAMED_PATTERN = re.compile(rf"\b({'|'.join(sorted(map(re.escape, _NAMED), key=len, reverse=True))})\b", re.IGNORECASE)
#: As much of a message as is looked at for a time.
_LOOK = 2_000


def zone_of(name: str | None) -> tzinfo:
    """A time zone by its IANA name; UTC for none or an unknown one."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def parse_when(text: str | None, timezone: str | None = None) -> datetime | None:
    """An ISO date or time, or a part of one such as `2026-03`; `None` for anything else."""
    plain = (text or "").strip()
    if re.fullmatch(r"\d{4}(-\d{2})?", plain):
        plain = f"{plain}-01" if "-" in plain else f"{plain}-01-01"
    try:
        found = datetime.fromisoformat(plain)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=zone_of(timezone))


def period_in(text: str, now: datetime | None = None, timezone: str | None = None) -> Period:
    """The stretch of time a message speaks of; open on both sides when it speaks of none."""
    zone, head = zone_of(timezone), text[:_LOOK]
    today = (now or datetime.now(UTC)).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return (
        _dated(head, zone)
        or _counted(head, today)
        or _called(head, today)
        or _month(head, today)
        or _in_year(head, zone)
        or Period()
    )


def _dated(text: str, zone: tzinfo) -> Period | None:
    match = _DAY.search(text)
    if match is None:
        return None
    try:
        start = datetime(int(match[1]), int(match[2]), int(match[3] or 1), tzinfo=zone)
    except ValueError:
        return None
    return Period(start, _step(start, "day" if match[3] else "month", 1))


def _counted(text: str, today: datetime) -> Period | None:
    match = _AGO.search(text)
    if match is None:
        return None
    if match[1]:
        return Period(_step(today, match[2].lower(), -int(match[1])), None)
    start = _step(today, match[4].lower(), -int(match[3]))
    return Period(start, _step(start, match[4].lower(), 1))


def _called(text: str, today: datetime) -> Period | None:
    match = _NAMED_PATTERN.search(text)
    if match is None:
        return None
    unit, back = _NAMED[match[1].lower()]
    start = _step(_start_of(today, unit), unit, -back)
    return Period(start, _step(start, unit, 1))


def _month(text: str, today: datetime) -> Period | None:
    match = _MONTH.search(text)
    if match is None:
        return None
    month = _MONTHS[match[1].lower()]
    year = int(match[2]) if match[2] else today.year - (month > today.month)
    start = today.replace(year=year, month=month, day=1)
    return Period(start, _step(start, "month", 1))


def _in_year(text: str, zone: tzinfo) -> Period | None:
    match = _YEAR.search(text)
    return (
        Period(datetime(int(match[1]), 1, 1, tzinfo=zone), datetime(int(match[1]) + 1, 1, 1, tzinfo=zone))
        if match
        else None
    )


def _start_of(day: datetime, unit: str) -> datetime:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "year":
        return day.replace(month=1, day=1)
    return day.replace(day=1) if unit == "month" else day


def _step(day: datetime, unit: str, count: int) -> datetime:
    """A day so many units on; the last of the month where the day does not exist."""
    if unit in ("day", "week"):
        try:
            return day + timedelta(days=count * (7 if unit == "week" else 1))
        except OverflowError:
            return day.replace(year=1)
    months = day.year * 12 + day.month - 1 + count * (12 if unit == "year" else 1)
    year, month = divmod(max(months, 12), 12)
    first = day.replace(year=min(year, 9_998), month=month + 1, day=1)
    last = (first.replace(year=first.year + (month == 11), month=(month + 1) % 12 + 1) - timedelta(days=1)).day
    return first.replace(day=min(day.day, last))
