"""Times in words become stretches of time in the speaker's time zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from learning_machine.state.entities import ALWAYS, Period
from learning_machine.state.times import parse_when, period_in, zone_of

#: A Friday.
NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


def spoken_of(text: str, now: datetime = NOW, timezone: str | None = None) -> tuple[str | None, str | None]:
    """The days a text speaks of, as ISO dates."""
    period = period_in(text, now, timezone)
    return period.since and f"{period.since:%Y-%m-%d}", period.until and f"{period.until:%Y-%m-%d}"


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("What happened with Acme in March?", "2026-03-01", "2026-04-01"),
        ("What happened in march 2024?", "2024-03-01", "2024-04-01"),
        ("March 2025: anything?", "2025-03-01", "2025-04-01"),
        ("what was decided in December?", "2025-12-01", "2026-01-01"),
        ("and last November?", "2025-11-01", "2025-12-01"),
        ("what did we ship on March 15?", "2026-03-15", "2026-03-16"),
        ("the meeting of 3rd of May 2026", "2026-05-03", "2026-05-04"),
        ("the launch on 2026-03-15", "2026-03-15", "2026-03-16"),
        ("numbers of 2026-02", "2026-02-01", "2026-03-01"),
        ("what happened in 2024?", "2024-01-01", "2025-01-01"),
        ("what did I say yesterday?", "2026-11-19", "2026-11-20"),
        ("what did I say today?", "2026-11-20", "2026-11-21"),
        ("last week's topics", "2026-11-09", "2026-11-16"),
        ("this month", "2026-11-01", "2026-12-01"),
        ("last year", "2025-01-01", "2026-01-01"),
        ("3 days ago", "2026-11-17", "2026-11-18"),
        ("two weeks ago", "2026-11-06", "2026-11-13"),
        ("a month ago", "2026-10-20", "2026-11-20"),
        ("in the last 10 days", "2026-11-10", None),
        ("on Monday", "2026-11-16", "2026-11-17"),
        ("last friday", "2026-11-13", "2026-11-14"),
        ("Was geschah im März?", "2026-03-01", "2026-04-01"),
        ("Was war am 15. März?", "2026-03-15", "2026-03-16"),
        ("letzte Woche", "2026-11-09", "2026-11-16"),
        ("vor 3 Tagen", "2026-11-17", "2026-11-18"),
        ("¿Qué pasó en marzo?", "2026-03-01", "2026-04-01"),
        ("el 15 de marzo de 2025", "2025-03-15", "2025-03-16"),
        ("hace dos semanas", "2026-11-06", "2026-11-13"),
        ("la semana pasada", "2026-11-09", "2026-11-16"),
        ("en février 2025", "2025-02-01", "2025-03-01"),
        ("il y a trois jours", "2026-11-17", "2026-11-18"),
        ("hier soir", "2026-11-19", "2026-11-20"),
        ("三月发生了什么?", "2026-03-01", "2026-04-01"),
        ("2025年3月15日", "2025-03-15", "2025-03-16"),
        ("我昨天说了什么?", "2026-11-19", "2026-11-20"),
        ("上周我们谈了什么", "2026-11-09", "2026-11-16"),
        ("先月の打ち合わせ", "2026-10-01", "2026-11-01"),
        ("3天前", "2026-11-17", "2026-11-18"),
        ("지난주에 뭐라고 했지?", "2026-11-09", "2026-11-16"),
    ],
)
def test_a_stretch(text: str, since: str, until: str | None) -> None:
    """A time said in words is a stretch from its beginning to before its end; of months the newest is meant."""
    assert spoken_of(text) == (since, until)


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("what happened since March?", "2026-03-01", None),
        ("everything since 2024", "2024-01-01", None),
        ("since 2026-03-15", "2026-03-15", None),
        ("since yesterday", "2026-11-19", None),
        ("after March 2026", "2026-04-01", None),
        ("what was known before March?", None, "2026-03-01"),
        ("before 2026-03-15", None, "2026-03-15"),
        ("until March", None, "2026-04-01"),
        ("between March and May", "2026-03-01", "2026-06-01"),
        ("from 2026-03-01 to 2026-03-15", "2026-03-01", "2026-03-16"),
        ("seit März", "2026-03-01", None),
        ("vor März", None, "2026-03-01"),
        ("zwischen März und Mai", "2026-03-01", "2026-06-01"),
        ("desde marzo", "2026-03-01", None),
        ("depuis mars", "2026-03-01", None),
    ],
)
def test_open_and_joined_stretches(text: str, since: str | None, until: str | None) -> None:
    """`since`, `before`, `until` and `between` open a stretch at one end, or join two."""
    assert spoken_of(text) == (since, until)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "What does Acme use?",
        "You may ask me anything.",
        "I may ask you and may go; to march is fun",
        "we march on and may 2 of us win",
        "Is Mars a planet?",
        "It costs 2024 euros",
        "call me at 555-2026-99",
        "2026-13-45",
        "I moved on",
        "in the evening of life",
        "version 2026",
        "the an of",
    ],
)
def test_no_time(text: str) -> None:
    """A message that speaks of no time narrows nothing, not even where a word could be a month."""
    assert period_in(text, NOW) == ALWAYS


def test_the_speakers_time_zone() -> None:
    """Days begin where the speaker lives: late in the evening in UTC it is tomorrow in Auckland."""
    late = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
    assert spoken_of("today", late) == ("2026-11-20", "2026-11-21")
    assert spoken_of("today", late, "Pacific/Auckland") == ("2026-11-21", "2026-11-22")
    period = period_in("in March", late, "America/New_York")
    assert period.since == datetime(2026, 3, 1, 5, tzinfo=UTC)
    assert period.until == datetime(2026, 4, 1, 4, tzinfo=UTC)  # summer time has begun


def test_unknown_time_zones() -> None:
    """A time zone nobody knows is UTC, and no error."""
    assert [zone_of(name) for name in (None, "", "Mars/Olympus", "../etc", "\x00")] == [UTC] * 5


def test_a_day_that_does_not_exist() -> None:
    """A month before the 31st of March ends where February does."""
    assert spoken_of("a month ago", datetime(2026, 3, 31, tzinfo=UTC)) == ("2026-02-28", "2026-03-28")


@given(some.text(max_size=60), some.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=some.just(UTC)))
def test_any_text_at_any_time(text: str, now: datetime) -> None:
    """No text and no time is an error, and a stretch never ends before it begins."""
    words = ["9 years ago", "last 999 years", "in March", "yesterday", "since", "before May", text]
    for one in (text, f"{text} {words[len(text) % len(words)]}"):
        period = period_in(one, now.replace(year=min(max(now.year, 3), 9_997)))
        assert isinstance(period, Period)
        assert period.since is None or period.until is None or period.since <= period.until


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-15", "2026-03-15T00:00:00+00:00"),
        ("2026-03-15T10:00:00Z", "2026-03-15T10:00:00+00:00"),
        ("2026-03-15 10:00", "2026-03-15T10:00:00+00:00"),
        ("2026-03", "2026-03-01T00:00:00+00:00"),
        (" 2026 ", "2026-01-01T00:00:00+00:00"),
        ("March 15, 2026", "2026-03-15T00:00:00+00:00"),
        ("15. März 2026", "2026-03-15T00:00:00+00:00"),
        ("yesterday", None),
        ("March", None),
        ("2026-02-30", None),
        ("0001-01-01", None),
        ("9999-12-31", None),
        ("not known", None),
        ("", None),
        (None, None),
    ],
)
def test_when_a_model_says(text: str | None, expected: str | None) -> None:
    """Of what a model writes as a date, what is one is read, and the rest is no date rather than an error."""
    found = parse_when(text)
    assert (found and found.isoformat()) == expected


def test_when_is_in_the_speakers_zone() -> None:
    """A date without a zone is meant where the speaker lives; one with a zone stays."""
    assert parse_when("2026-03-15", "Europe/Berlin") == datetime(2026, 3, 14, 23, tzinfo=UTC)
    assert parse_when("2026-03-15T00:00:00Z", "Europe/Berlin") == datetime(2026, 3, 15, tzinfo=UTC)
