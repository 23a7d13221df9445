"""Parts of the week, against a look at the clock and at the sun in every minute."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from astral import Observer
from astral.sun import elevation
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from listener.actions.when.schedule import Schedule
from listener.config import PlaceSettings, ScheduleSettings
from listener.config.actions import DAYS, Day
from listener.errors import ConfigError

MINUTE = timedelta(minutes=1)
BERLIN = PlaceSettings(latitude=52.5, longitude=13.4, timezone="Europe/Berlin")
SOME = settings(max_examples=40, deadline=None)


def schedule(
    begin: str = "00:00", end: str = "24:00", days: str = "", place: PlaceSettings = BERLIN
) -> Schedule:
    chosen = tuple(day for day in DAYS if day in days) or DAYS
    return Schedule([ScheduleSettings(days=chosen, begin=begin, end=end)], place)


def spans(one: Schedule, first: datetime, last: datetime, step: timedelta = 10 * MINUTE) -> list[str]:
    """When it begins and ends to hold, by its own clock."""
    minutes = [first + n * step for n in range(int((last - first) / step))]
    changes = [later for earlier, later in pairwise(minutes) if one.holds_at(earlier) != one.holds_at(later)]
    return [f"{one.local(change):%a %H:%M}" for change in changes]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- by the clock ----------------------------------------------------------------------------


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    weekend = schedule("22:00", "06:00", "fri sat")
    week = utc("2026-03-02 00:00"), utc("2026-03-09 00:00")
    assert spans(weekend, *week) == ["Fri 22:00", "Sat 06:00", "Sat 22:00", "Sun 06:00"]
    sunday = schedule("22:00", "06:00", "sun")
    assert spans(sunday, *week) == ["Mon 06:00", "Sun 22:00"], "the week has no end"


@pytest.mark.parametrize("end", ["24:00", "00:00"])
def test_midnight_is_the_end_of_a_day(end: str) -> None:
    week = utc("2026-03-02 00:00"), utc("2026-03-09 00:00")
    assert spans(schedule("20:00", end, "wed"), *week) == ["Wed 20:00", "Thu 00:00"]
    assert spans(schedule("00:00", end, "wed"), *week) == ["Wed 00:00", "Thu 00:00"]
    assert spans(schedule("00:00", end), *week) == []
    assert spans(schedule("07:00", "07:00", "wed"), *week) == ["Wed 07:00", "Thu 07:00"], "a whole day"


def test_one_of_several_parts_is_enough() -> None:
    parts = [
        ScheduleSettings(days=("mon",), begin="08:00", end="10:00"),
        ScheduleSettings(days=("mon", "tue"), begin="09:00", end="11:00"),
    ]
    found = spans(Schedule(parts, BERLIN), utc("2026-03-02 00:00"), utc("2026-03-05 00:00"))
    assert found == ["Mon 08:00", "Mon 11:00", "Tue 09:00", "Tue 11:00"]


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("new_york")
@pytest.mark.parametrize("place", [None, PlaceSettings()])
def test_without_a_zone_it_is_the_machines(place: PlaceSettings | None) -> None:
    one = Schedule([ScheduleSettings(begin="22:00", end="06:00")], place)
    assert one.holds_at(utc("2026-07-02 02:00")), "22:00 there, in summer"
    assert not one.holds_at(utc("2026-07-02 01:59"))
    assert not one.holds_at(utc("2026-01-02 02:59")), "21:59 there, in winter"
    assert one.holds_at(utc("2026-01-02 10:59"))
    assert not one.holds_at(utc("2026-01-02 11:00"))


Shown = tuple[tuple[datetime, datetime], ...]
"""Minutes, and what the clock shows then."""


@lru_cache
def shown(name: str, around: date) -> Shown:
    first = datetime(around.year, around.month, around.day, tzinfo=UTC) - timedelta(days=3)
    minutes = [first + n * MINUTE for n in range(7 * 24 * 60)]
    return tuple((minute, minute.astimezone(ZoneInfo(name)).replace(tzinfo=None)) for minute in minutes)


def shown_at(minutes: Shown, wall: datetime) -> datetime:
    """Look for the first minute that shows a time, or would if the clock were not changed."""
    for (_, before), (minute, now) in pairwise(minutes):
        if now >= wall:
            return minute if now == wall else minute + (wall - before - MINUTE)
    raise AssertionError(wall)


times_of_day = st.sampled_from([0, 30, 60, 90, 120, 150, 179, 180, 210, 360, 720, 1320, 1439])
changes = st.sampled_from(
    [
        ("Europe/Berlin", date(2026, 3, 29)),
        ("Europe/Berlin", date(2026, 10, 25)),
        ("America/New_York", date(2026, 3, 8)),
        ("America/New_York", date(2026, 11, 1)),
        ("Africa/Cairo", date(2026, 4, 24)),  # there is no midnight
        ("America/Havana", date(2026, 11, 1)),  # there are two
        ("Australia/Lord_Howe", date(2026, 4, 5)),  # by half an hour
        ("Australia/Lord_Howe", date(2026, 10, 4)),
        ("Asia/Kolkata", date(2026, 6, 1)),
    ]
)


@SOME
@given(changes, times_of_day, times_of_day, st.sets(st.sampled_from(DAYS), min_size=1))
def test_it_holds_in_the_minutes_that_the_clock_shows(
    change: tuple[str, date], begin: int, end: int, days: set[Day]
) -> None:
    minutes = shown(*change)
    midnight = datetime.combine(change[1], datetime.min.time())
    expected: set[datetime] = set()
    for day in (midnight + timedelta(days=n) for n in (-2, -1, 0, 1)):
        if DAYS[day.weekday()] in days:
            from_ = shown_at(minutes, day + begin * MINUTE)
            to = shown_at(minutes, day + end * MINUTE + timedelta(days=end <= begin))
            expected |= {minute for minute, _ in minutes if from_ <= minute < to}
    begins, ends = (f"{minute // 60:02}:{minute % 60:02}" for minute in (begin, end))
    one = schedule(begins, ends, " ".join(days), PlaceSettings(timezone=change[0]))
    for minute, now in minutes[::10]:
        if midnight <= now < midnight + timedelta(days=1):
            assert one.holds_at(minute) is (minute in expected), now


# --- by the sun ------------------------------------------------------------------------------

SURE_DEG = 0.4
"""How far from the horizon the sun has to stand for two sets of equations to agree about it."""

places = st.builds(
    lambda latitude, longitude, zone: PlaceSettings(latitude=latitude, longitude=longitude, timezone=zone),
    st.floats(-90, 90) | st.sampled_from([90.0, -90.0, 66.5, 65.9, -67.0, 0.0]),
    st.floats(-180, 180) | st.sampled_from([180.0, -180.0, 0.0]),
    st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago"]),
)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


@settings(max_examples=200, deadline=None)
@given(places, moments)
@example(PlaceSettings(latitude=66.2, longitude=25.0, timezone="UTC"), utc("2025-06-08 21:30"))
@example(PlaceSettings(latitude=78.2, longitude=15.6, timezone="UTC"), utc("2025-06-21 23:00"))
@example(PlaceSettings(latitude=78.2, longitude=15.6, timezone="UTC"), utc("2025-12-21 11:00"))
@example(PlaceSettings(latitude=71.25, longitude=0.0, timezone="UTC"), utc("2020-01-23 01:00"))
@example(PlaceSettings(latitude=66.0, longitude=101.25, timezone="UTC"), utc("2023-03-10 00:00"))
def test_day_is_while_the_sun_is_up(place: PlaceSettings, moment: datetime) -> None:
    assert place.latitude is not None
    assert place.longitude is not None
    # Nearer to a pole the sun takes days to rise, circling: astral's one height a day is too few.
    assume(abs(place.latitude) <= 85)
    height_deg = elevation(Observer(place.latitude, place.longitude), moment, with_refraction=False)
    for begin, end, horizon_deg in (("sunrise", "sunset", -0.833), ("dawn", "dusk", -6.0)):
        day, night = schedule(begin, end, place=place), schedule(end, begin, place=place)
        held = day.holds_at(moment), night.holds_at(moment)
        if height_deg > horizon_deg + SURE_DEG:
            assert held == (True, False), height_deg
        elif height_deg < horizon_deg - SURE_DEG:
            assert held == (False, True), height_deg


def test_sunset_and_sunrise_may_be_moved() -> None:
    # The sun's noon is at 12:14 there on that day, which lasts 12:10 h.
    one = schedule("sunset-00:30", "sunrise+01:00")
    begin, end = sorted(spans(one, utc("2026-03-20 00:00"), utc("2026-03-21 00:00"), MINUTE), reverse=True)
    assert "Fri 17:46" <= begin <= "Fri 17:52"
    assert "Fri 07:06" <= end <= "Fri 07:12"


WINTER, SUMMER = "2026-12-21", "2026-06-21"
"""In Berlin the sun rises at 08:15 and sets at 15:54; at 04:43 and 21:33."""


@pytest.mark.parametrize(
    ("begin", "end", "day", "hours"),
    [
        ("sunrise", "07:00", WINTER, 0.0),
        ("sunrise", "07:00", SUMMER, 2.3),
        ("06:00", "sunrise", WINTER, 2.3),
        ("06:00", "sunrise", SUMMER, 0.0),
        ("18:00", "sunset", WINTER, 0.0),
        ("18:00", "sunset", SUMMER, 3.5),
        ("sunset", "20:00", WINTER, 4.1),
        ("sunset", "20:00", SUMMER, 0.0),
        ("sunset", "01:00", WINTER, 9.1),
        ("sunset", "01:00", SUMMER, 3.5),
        ("sunset", "24:00", SUMMER, 2.4),
        ("sunset", "06:30", WINTER, 14.6),
        ("22:00", "sunrise", SUMMER, 6.7),
        ("sunrise", "02:00", SUMMER, 21.3),
        ("sunrise", "sunset", SUMMER, 16.8),
        ("sunset", "sunrise", WINTER, 16.4),
        ("sunrise", "dawn", WINTER, 23.3),
        ("dawn", "sunrise", WINTER, 0.7),
        ("08:00", "sunset", SUMMER, 13.6),
        ("sunrise", "13:00", SUMMER, 8.3),
    ],
)
def test_a_part_by_the_sun_and_the_clock(begin: str, end: str, day: str, hours: float) -> None:
    noon = utc(f"{day} 12:00")
    one = schedule(begin, end, DAYS[noon.weekday()])
    held = [one.holds_at(noon + n * MINUTE) for n in range(-24 * 60, 48 * 60, 2)]
    assert sum(held) / 30 == pytest.approx(hours, abs=0.1)
    assert sum(earlier is not later for earlier, later in pairwise(held)) == (2 if hours else 0)


def test_who_does_not_say_where_has_no_sun() -> None:
    with pytest.raises(ConfigError, match="say where: place:"):
        schedule("sunset", place=PlaceSettings(timezone="Europe/Berlin"))
    with pytest.raises(ConfigError, match="say where: place:"):
        Schedule([ScheduleSettings(end="dusk")], None)
