"""When the sun rises and sets: NOAA's equations, by astral.

Where the sun does not set, its day lasts from solar midnight to solar midnight; where it does not
rise, its day lasts no time, at solar noon. The same holds for the day that begins with dawn and ends with
dusk. So near the poles it is day or night for months, and nothing there is an error.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from itertools import pairwise

from listener.config import PlaceSettings
from listener.errors import ConfigError

HORIZON_DEG = {"dawn": -6.0, "sunrise": -0.833, "sunset": -0.833, "dusk": -6.0}
"""How high the sun stands: civil twilight, and the upper edge of the sun seen through the air."""

KEPT_DAYS = 64
"""Days whose sun is remembered: a few are asked for at a time."""


class Sun:
    """The sun of a place.

    Parameters
    ----------
    place
        Where.

    Raises
    ------
    ConfigError
        It does not say where.
    """

    def __init__(self, place: PlaceSettings) -> None:
        import astral.sun  # noqa: F401 - now, and not when the first sound is heard

        if place.latitude is None or place.longitude is None:
            raise ConfigError(
                "schedule: follows the sun: say where: place: {latitude: 52.5, longitude: 13.4}"
            )
        self._latitude, self._longitude = place.latitude, place.longitude

    def times(self, noon: datetime) -> dict[str, datetime]:
        """Give dawn, sunrise, sunset and dusk of the day whose noon by the clock is given, in UTC."""
        # The sun knows no time zones: mean solar time tells which of its days is meant.
        mean_solar = noon.astimezone(UTC) + timedelta(hours=self._longitude / 15)
        return _times(self._latitude, self._longitude, mean_solar.date())


@lru_cache(KEPT_DAYS)
def _times(latitude: float, longitude: float, day: date) -> dict[str, datetime]:
    from astral import Observer, sun

    observer = Observer(latitude, longitude)
    noons = [sun.noon(observer, day + timedelta(days=days)) for days in (-1, 0, 1)]
    noon = noons[1]
    morning, evening = (first + (last - first) / 2 for first, last in pairwise(noons))
    # In a zone in which it is noon at noon, what the sun does on a day lies on its date.
    zone = timezone(datetime.combine(day, time(12), UTC) - noon)

    def height_deg(moment: datetime) -> float:
        return sun.elevation(observer, moment, with_refraction=False)

    times = {}
    for name, horizon_deg in HORIZON_DEG.items():
        midnight = morning if name in ("dawn", "sunrise") else evening
        # As far above the horizon at noon as below it at midnight or further: it hardly sets. Where it only
        # just comes up, or goes down, on a day, astral does not find when.
        times[name] = midnight if height_deg(noon) + height_deg(midnight) > 2 * horizon_deg else noon
        try:
            found = getattr(sun, name)(observer, day, tzinfo=zone).astimezone(UTC)
        except ValueError:  # it does not happen on that day, or at the midnight of UTC, which astral misses
            if height_deg(midnight) < horizon_deg < height_deg(noon):
                times[name] = _crossing(height_deg, horizon_deg, midnight, noon)
            continue
        if (found < noon) is (midnight < noon):
            times[name] = found
    return times


def _crossing(
    height_deg: Callable[[datetime], float], horizon_deg: float, below: datetime, above: datetime
) -> datetime:
    """Halve the time between two moments until a second is left: when the sun crosses a height."""
    while abs(above - below) > timedelta(seconds=1):
        middle = below + (above - below) / 2
        if height_deg(middle) < horizon_deg:
            below = middle
        else:
            above = middle
    return above
