"""Times in words: "in March", "last week", "since 2026-03", in the speaker's time zone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from learning_machine.errors import InvalidInput
from learning_machine.state.entities import ALWAYS, Period
from learning_machine.state.time_words import (
    AFTER,
    AND,
    BEFORE,
    BETWEEN,
    COUNTS,
    HAN_NUMBERS,
    INSIDE,
    MONTHS,
    NAMED,
    NAMED_UNSPACED,
    ONWARD,
    UNITS,
    UP_TO,
    WEEKDAYS,
)


def _any(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


_LEADING = _any({*INSIDE, *ONWARD, *AFTER, *BEFORE, *UP_TO, *BETWEEN, *AND})
_ISO = re.compile(r"(?<!\d)((?:19|20)\d{2})-(\d{2})(?:-(\d{2}))?(?!\d)")
_COUNT = rf"(?:(\d{{1,3}})|({_any(COUNTS)}))"
_AGO = re.compile(
    rf"\b(?:{_COUNT}\s+({_any(UNITS)})\s+ago|(?:vor|hace|il y a)\s+{_COUNT}\s+({_any(UNITS)}))\b", re.IGNORECASE
)
_PAST = re.compile(
    rf"\b(?:last|past|letzten|vergangenen|últimos|últimas|ultimos|ultimas|derniers|dernières)\s+{_COUNT}\s+({_any(UNITS)})\b"
    rf"|\b{_COUNT}\s+(?:derniers|dernières)\s+({_any(UNITS)})\b",
    re.IGNORECASE,
)
_NAMED = re.compile(rf"\b({_any(NAMED)})\b|({_any(NAMED_UNSPACED)})", re.IGNORECASE)
_MONTH_NAME = _any(MONTHS)
# "may" and "mars" are words too, so a month counts only behind one of these words, or with its day or year.
_DAY_MONTH = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?\s+(?:of\s+|de\s+)?({_MONTH_NAME})\b(?:,?\s+(?:of\s+|de\s+)?((?:19|20)\d{{2}})\b)?",
    re.IGNORECASE,
)
_MONTH_DAY = re.compile(
    rf"\b({_MONTH_NAME})\s+(\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,?\s+((?:19|20)\d{{2}})\b)?", re.IGNORECASE
)
_MONTH_YEAR = re.compile(rf"\b({_MONTH_NAME})\s+(?:of\s+|de\s+)?((?:19|20)\d{{2}})\b", re.IGNORECASE)
_MONTH = re.compile(rf"(?<!\w)({_LEADING})\s+({_MONTH_NAME})\b", re.IGNORECASE)
_WEEKDAY = re.compile(rf"\b(?:on|last|am|letzten|el|since|seit|desde)\s+({_any(WEEKDAYS)})\b", re.IGNORECASE)
_YEAR = re.compile(rf"(?<!\w)(?:{_LEADING}|im jahr)\s+((?:19|20)\d{{2}})(?![\d-])", re.IGNORECASE)
_HAN_DATE = re.compile(
    rf"(?:((?:19|20)\d{{2}})[年년]\s*)?(?:(\d{{1,2}}|{_any(HAN_NUMBERS)})[月월]\s*)(?:(\d{{1,2}})[日号일])?"
)
_HAN_YEAR = re.compile(r"((?:19|20)\d{2})[年년]")
_HAN_AGO = re.compile(r"(\d{1,3})\s*(天|日|周|週間|个月|か月|ヶ月|年)\s*前")
_HAN_UNITS = {
    "天": "day",
    "日": "day",
    "周": "week",
    "週間": "week",
    "个月": "month",
    "か月": "month",
    "ヶ月": "month",
    "年": "year",
}
_BOUND = re.compile(
    rf"(?:^|(?<=\W))(?:({_any(ONWARD)})|({_any(AFTER)})|({_any(BEFORE)})|({_any(UP_TO)}))\s+(?:the\s+|dem\s+|el\s+|le\s+)?$",
    re.IGNORECASE,
)
_BETWEEN = re.compile(rf"(?:^|(?<=\W))(?:{_any(BETWEEN)})\s+$", re.IGNORECASE)
_AND = re.compile(rf"\s+(?:{_any(AND)})\s+", re.IGNORECASE)
#: Words that are months only in capitals, or where a day or a year stands beside them.
_WORDS_TOO = frozenset(("may", "march", "mars", "mai"))
_SURE = re.compile(
    r"(?:^|\W)(?:in|im|en|on|since|seit|depuis|until|before|after|during|last|this|between|from|the|den|le)\s+$",
    re.IGNORECASE,
)
#: As much as the database's clock may be ahead of ours: what it wrote just now is known.
_CLOCKS_APART = timedelta(minutes=1)
#: As much of a message as is looked at for a time.
_LOOK = 2_000

#: A stretch of time that a text speaks of, with where it stands in the text.
_Found = tuple[int, int, Period]


def zone_of(name: str | None) -> tzinfo:
    """A time zone by its IANA name; UTC for none or an unknown one."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def parse_when(text: str | None, timezone: str | None = None) -> datetime | None:
    """An ISO date or time, a part of one such as `2026-03`, or a written date with its year; `None` for anything else."""
    plain = (text or "").strip()
    if re.fullmatch(r"\d{4}(-\d{2})?", plain):
        plain = f"{plain}-01" if "-" in plain else f"{plain}-01-01"
    try:
        found = datetime.fromisoformat(plain)
    except ValueError:
        dated = _written(plain, datetime.now(UTC), zone_of(timezone)) if re.search(r"\d{4}", plain) else []
        return dated[0][2].since if dated else None
    # At either end of the calendar a change of time zone leaves it.
    if not 1 < found.year < 9_999:
        return None
    return found if found.tzinfo else found.replace(tzinfo=zone_of(timezone))


def period_in(text: str, now: datetime | None = None, timezone: str | None = None) -> Period:
    """The stretch of time a message speaks of; open on both sides when it speaks of none."""
    zone, head = zone_of(timezone), text[:_LOOK]
    found = _stretches(head, _day_of(now or datetime.now(UTC), zone), zone)
    if not found:
        return ALWAYS
    start, end, period = found[0]
    if len(found) > 1 and _AND.fullmatch(head[end : found[1][0]]) and _BETWEEN.search(head[:start]):
        return Period(period.since, found[1][2].until)
    return _bounded(head[:start], period)


def _day_of(when: datetime, zone: tzinfo) -> datetime:
    return when.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


def without_times(text: str) -> str:
    """The text without the times it speaks of."""
    rest, at = [], 0
    head = text[:_LOOK]
    for start, end, _ in _stretches(head, _day_of(datetime.now(UTC), UTC), UTC):
        rest.append(head[at:start])
        at = end
    return " ".join([*rest, text[at:]])


def _bounded(before: str, period: Period) -> Period:
    """The period as the word before it means it."""
    match = _BOUND.search(before)
    if match is None or period.until is None:
        return period
    onward, after, earlier, _ = match.groups()
    if onward or after:
        return Period(period.since if onward else period.until, None)
    return Period(None, period.since if earlier else period.until)


@lru_cache(maxsize=64)
def _stretches(text: str, today: datetime, zone: tzinfo) -> tuple[_Found, ...]:
    """Every time in a text, in order; of those that overlap the first and longest. A question is read by several stores."""
    found = [
        *_iso(text, zone),
        *_counted(text, today),
        *_called(text, today),
        *_written(text, today, zone),
        *_weekday(text, today),
        *_unspaced(text, today, zone),
    ]
    kept: list[_Found] = []
    for one in sorted(found, key=lambda one: (one[0], -one[1])):
        if not kept or one[0] >= kept[-1][1]:
            kept.append(one)
    return tuple(kept)


def _iso(text: str, zone: tzinfo) -> Iterator[_Found]:
    for match in _ISO.finditer(text):
        yield from _dated(match, int(match[1]), int(match[2]), int(match[3]) if match[3] else None, zone)


def _dated(
    match: re.Match[str], year: int, month: int, day: int | None, zone: tzinfo, group: int = 0
) -> Iterator[_Found]:
    """The day or month that a match speaks of, if there is such a one."""
    try:
        start = datetime(year, month, day or 1, tzinfo=zone)
    except ValueError:
        return
    yield match.start(group), match.end(), Period(start, _step(start, "day" if day else "month", 1))


def _counted(text: str, today: datetime) -> Iterator[_Found]:
    for match in _AGO.finditer(text):
        count, unit = _count_and_unit(match)
        start = _step(today, unit, -count)
        yield match.start(), match.end(), Period(start, _step(start, unit, 1))
    for match in _PAST.finditer(text):
        count, unit = _count_and_unit(match)
        yield match.start(), match.end(), Period(_step(today, unit, -count), None)
    for match in _HAN_AGO.finditer(text):
        unit = _HAN_UNITS[match[2]]
        start = _step(today, unit, -int(match[1]))
        yield match.start(), match.end(), Period(start, _step(start, unit, 1))


def _count_and_unit(match: re.Match[str]) -> tuple[int, str]:
    number, word, unit = match.groups()[:3] if match[3] else match.groups()[3:]
    return int(number) if number else COUNTS[word.lower()], UNITS[unit.lower()]


def _called(text: str, today: datetime) -> Iterator[_Found]:
    for match in _NAMED.finditer(text):
        unit, back = NAMED[match[1].lower()] if match[1] else NAMED_UNSPACED[match[2]]
        start = _step(_start_of(today, unit), unit, -back)
        yield match.start(), match.end(), Period(start, _step(start, unit, 1))


def _written(text: str, today: datetime, zone: tzinfo) -> list[_Found]:
    """Dates with the name of their month."""
    found: list[_Found] = []
    for match in _DAY_MONTH.finditer(text):
        if _is_month(match[2], text[: match.start()], match[3]):
            month = MONTHS[match[2].lower()]
            found += _dated(match, _year(match[3], month, today), month, int(match[1]), zone)
    for match in _MONTH_DAY.finditer(text):
        if _is_month(match[1], text[: match.start()], match[3]):
            month = MONTHS[match[1].lower()]
            found += _dated(match, _year(match[3], month, today), month, int(match[2]), zone)
    for match in _MONTH_YEAR.finditer(text):
        found += _dated(match, int(match[2]), MONTHS[match[1].lower()], None, zone)
    for match in _MONTH.finditer(text):
        if not _is_month(match[2], text[: match.start(2)], None):
            continue
        last = match[1].lower() in ("last", "letzten", "past")
        month = MONTHS[match[2].lower()]
        found += _dated(match, _year(None, month, today, last=last), month, None, zone, group=2)
    for match in _YEAR.finditer(text):
        start = datetime(int(match[1]), 1, 1, tzinfo=zone)
        found.append((match.start(1), match.end(), Period(start, _step(start, "year", 1))))
    return found


def _is_month(name: str, before: str, year: str | None) -> bool:
    """Whether a word that may be a month is one here."""
    if name.lower() not in _WORDS_TOO or name[0].isupper() or year:
        return True
    return _SURE.search(before) is not None


def _year(said: str | None, month: int, today: datetime, *, last: bool = False) -> int:
    """The year that is meant: the one said, else of the newest such month."""
    return int(said) if said else today.year - (month > today.month or (last and month == today.month))


def _weekday(text: str, today: datetime) -> Iterator[_Found]:
    for match in _WEEKDAY.finditer(text):
        back = (today.weekday() - WEEKDAYS[match[1].lower()]) % 7 or 7
        start = _step(today, "day", -back)
        yield match.start(1), match.end(), Period(start, _step(start, "day", 1))


def _unspaced(text: str, today: datetime, zone: tzinfo) -> Iterator[_Found]:
    for match in _HAN_DATE.finditer(text):
        month = HAN_NUMBERS.get(match[2]) or int(match[2])
        if 1 <= month <= 12:
            yield from _dated(match, _year(match[1], month, today), month, int(match[3]) if match[3] else None, zone)
    for match in _HAN_YEAR.finditer(text):
        start = datetime(int(match[1]), 1, 1, tzinfo=zone)
        yield match.start(), match.end(), Period(start, _step(start, "year", 1))


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
            return day.replace(year=2)
    months = day.year * 12 + day.month - 1 + count * (12 if unit == "year" else 1)
    year, month = divmod(min(max(months, 24), 9_998 * 12 + 11), 12)
    first = day.replace(year=year, month=month + 1, day=1)
    last = (first.replace(year=year + (month == 11), month=(month + 1) % 12 + 1) - timedelta(days=1)).day
    return first.replace(day=min(day.day, last))


# --- looking back -----------------------------------------------------------------------------------------------------

#: A time as callers give it.
When = datetime | str | None


def looking_back(as_of: When, known_at: When, timezone: str | None = None) -> dict[str, datetime]:
    """Both times of a look back, or none: what was known then is asked of that time, what was true then as it is known now."""
    if as_of is None and known_at is None:
        return {}
    known = moment(known_at, timezone) if known_at is not None else datetime.now(UTC) + _CLOCKS_APART
    return {"as_of": moment(as_of, timezone) if as_of is not None else known, "known_at": known}


def said_when(text: str | None, timezone: str | None = None) -> datetime | None:
    """A day as a model writes it: an ISO date, or the beginning of the stretch that words such as "last year" mean."""
    found = parse_when(text, timezone)
    if found is not None or not text:
        return found
    period = period_in(text, None, timezone)
    return period.since or period.until


def moment(when: datetime | str, timezone: str | None = None) -> datetime:
    """A time with its zone: one without is in the scope's. Raises `InvalidInput` for what is none."""
    found = parse_when(when, timezone) if isinstance(when, str) else when
    if found is None:
        raise InvalidInput(f"{when!r} is not a time. Write an ISO date or time, such as 2026-03-01.")
    return found if found.tzinfo else found.replace(tzinfo=zone_of(timezone))
