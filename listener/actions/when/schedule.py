"""The parts of the week in which an action answers: by the clock, and by the sun.

A part belongs to the day on which it begins. Its end lies on the next day

- if both are times of the clock, or both of the sun, and the end does not come after the begin: 22:00 to
  06:00, sunset to sunrise;
- if one is of the clock and the other of the sun, and the end belongs to an earlier half of the day:
  dawn and sunrise to the one before noon, sunset and dusk to the other; or if the end is a time of the
  clock up to 03:00, which belongs to the night that follows.

On a day on which an end comes before its begin all the same there is no such part: from sunrise to
07:00 is nothing in winter, and not nearly a whole day.

Times that the clock skips or shows twice are read as RFC 5545 (3.3.5) reads them: with the offset
before the change. `listener.actions.when.sun` has what holds near the poles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from listener.actions.when.sun import Sun
from listener.config import PlaceSettings, ScheduleSettings
from listener.config.actions import DAYS

DAYS_AROUND = range(-3, 2)
"""Days on which a part may have begun that holds now: it lasts less than three, however it is moved."""

NOON, SMALL_HOURS = 12 * 60, 3 * 60
"""Minutes of the day."""

SUN_MINUTES = {"dawn": 330, "sunrise": 360, "sunset": 1080, "dusk": 1110}
"""Their order, and where they lie on a day in spring."""


@dataclass(frozen=True, slots=True)
class _Moment:
    """A time of the clock in minutes of the day, or minutes after something that the sun does."""

    minutes: int
    sun: str = ""

    @classmethod
    def of(cls, text: str) -> "_Moment":
        """Read what `listener.config.actions.MOMENT` lets through."""
        name = text.split("+")[0].split("-")[0]
        if name not in SUN_MINUTES:
            return cls(_minutes(text))
        offset = text[len(name) :]
        sign = -1 if offset.startswith("-") else 1
        return cls(sign * _minutes(offset[1:]) if offset else 0, name)


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _is_overnight(begin: _Moment, end: _Moment) -> bool:
    if bool(begin.sun) is bool(end.sun):
        first, last = (SUN_MINUTES.get(moment.sun, 0) + moment.minutes for moment in (begin, end))
        return last <= first
    if not end.sun and end.minutes <= SMALL_HOURS:
        return True
    return _is_late(end) < _is_late(begin)


def _is_late(moment: _Moment) -> bool:
    return SUN_MINUTES.get(moment.sun, moment.minutes) >= NOON


class _Part:
    def __init__(self, settings: ScheduleSettings) -> None:
        self.begin = _Moment.of(settings.begin)
        self.end = _Moment.of(settings.end)
        self.nights = timedelta(days=_is_overnight(self.begin, self.end))
        self.weekdays = {DAYS.index(day) for day in settings.days}


class Schedule:
    """When an action answers.

    Parameters
    ----------
    parts
        Of the week; outside of all of them it does not.
    place
        Where the sun rises, and the time zone; the machine's own where it has none.

    Raises
    ------
    ConfigError
        A part follows the sun, and nobody said where.
    """

    def __init__(self, parts: Sequence[ScheduleSettings], place: PlaceSettings | None) -> None:
        place = place or PlaceSettings()
        self._zone = None if place.timezone is None else ZoneInfo(place.timezone)
        self._sun = Sun(place) if any(part.needs_place for part in parts) else None
        self._parts = [_Part(part) for part in parts]

    def holds_at(self, utc: datetime) -> bool:
        """Say whether a moment (timezone-aware) lies in one of the parts: their begin does, their end not."""
        today = self.local(utc).date()
        days = [today + timedelta(days=days) for days in DAYS_AROUND]
        return any(self._holds(part, day, utc) for part in self._parts for day in days)

    def local(self, utc: datetime) -> datetime:
        """Give a moment as the clock on the wall shows it."""
        return utc.astimezone(self._zone)

    def _holds(self, part: _Part, day: date, utc: datetime) -> bool:
        if day.weekday() not in part.weekdays:
            return False
        return self._at(part.begin, day) <= utc < self._at(part.end, day + part.nights)

    def _at(self, moment: _Moment, day: date) -> datetime:
        offset = timedelta(minutes=moment.minutes)
        if self._sun is None or not moment.sun:
            return self._clock(datetime.combine(day, time()) + offset)
        noon = self._clock(datetime.combine(day, time(12)))
        return self._sun.times(noon)[moment.sun] + offset

    def _clock(self, wall: datetime) -> datetime:
        # Without a zone, `astimezone` takes the machine's.
        return (wall if self._zone is None else wall.replace(tzinfo=self._zone)).astimezone(UTC)
