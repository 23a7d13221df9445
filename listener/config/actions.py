"""Settings that every action has: when it answers an event, and how it is run."""

import re
from typing import Annotated, Any, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from listener.config.options import Options, PluginSettings, PositiveSeconds, Score, Seconds
from listener.types import Phase

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

DAYS: tuple[Day, ...] = get_args(Day)

CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d|24:00"
SUN = r"(?:dawn|sunrise|sunset|dusk)(?:[+-](?:0\d|1[01]):[0-5]\d)?"
MOMENT = re.compile(f"{CLOCK}|{SUN}")
"""``22:00``, ``sunset``, ``sunrise+00:30``; the sun's are moved by less than half a day."""

BARE_TIMES = range(10 * 60, 24 * 60 + 1)
"""What YAML makes of ``22:00`` without quotation marks: a number to base 60, and so its minutes."""

WHEN: dict[str, tuple[Phase, ...]] = {
    "onset": (Phase.ONSET,),
    "offset": (Phase.OFFSET,),
    "both": (Phase.ONSET, Phase.OFFSET),
    "update": (Phase.UPDATE,),
    "all": (Phase.ONSET, Phase.UPDATE, Phase.OFFSET),
}
"""Words for phases."""


def _as_tuple(value: Any) -> Any:
    """One stands for a list of one."""
    if isinstance(value, list):
        return tuple(value)
    return (value,) if isinstance(value, dict) else value


def _as_text(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value in BARE_TIMES:
        return f"{value // 60:02}:{value % 60:02}"
    return value


def _is_a_moment(value: str) -> str:
    if not MOMENT.fullmatch(value):
        raise ValueError('must be a time such as "22:00", or sunrise, sunset, dawn, dusk, "sunset-00:30"')
    return value


Moment = Annotated[str, BeforeValidator(_as_text), AfterValidator(_is_a_moment)]


class LabelCondition(Options):
    """Another sound, and how near it is."""

    label: str
    """Its label; ``*`` and ``?`` are wild."""

    within_s: PositiveSeconds
    """How long ago it was last heard at most, in seconds; what goes on is heard now."""


class RateLimit(Options):
    """How often at most."""

    count: Annotated[int, Field(ge=1, le=100_000)]
    """So many times."""

    within_s: PositiveSeconds
    """In any so many seconds."""


class ScheduleSettings(Options):
    """A part of the week."""

    days: Annotated[tuple[Day, ...], BeforeValidator(_as_tuple), Field(min_length=1)] = DAYS
    """Days on which it begins."""

    begin: Moment = "00:00"
    """``22:00``, or ``sunrise``, ``sunset``, ``dawn``, ``dusk``, which may be moved: ``sunset-00:30``."""

    end: Moment = "24:00"
    """As ``begin``; ``06:00`` after a begin in the evening lies on the next day: see docs/actions.md."""

    @field_validator("begin")
    @classmethod
    def _is_on_its_day(cls, value: str) -> str:
        if value == "24:00":
            raise ValueError('must be before 24:00: "00:00" is where the next day begins')
        return value

    @property
    def needs_place(self) -> bool:
        """It follows the sun."""
        return any(moment[0] in "sd" for moment in (self.begin, self.end))


class ParallelSettings(Options):
    """Several runs at once."""

    parallel: Annotated[int, Field(ge=1, le=64)]
    """So many at most; further events wait."""


class RetrySettings(Options):
    """How a run that failed for now is tried again."""

    times: Annotated[int, Field(ge=0, le=1000)] = 20
    """Tries after the first one."""

    pause_s: PositiveSeconds = 1.0
    """Before the second one; each further pause is twice as long, give or take a quarter."""

    longest_pause_s: PositiveSeconds = 60.0
    """No pause is longer."""


class BreakerSettings(Options):
    """How an action that fails again and again is left alone for a while."""

    failures: Annotated[int, Field(ge=1, le=1000)] = 5
    """In a row, after which it pauses; events wait meanwhile."""

    pause_s: PositiveSeconds = 30.0
    """How long, in seconds; twice as long after each further failure."""

    longest_pause_s: PositiveSeconds = 600.0
    """No pause is longer."""


class PlaceSettings(Options):
    """Where the machine stands."""

    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Degrees north."""

    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    """Degrees east."""

    timezone: str | None = None
    """``Europe/Berlin``; the machine's own unless told."""

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (OSError, ValueError, LookupError):
                raise ValueError("must be a time zone such as Europe/Berlin") from None
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.latitude is None) is not (self.longitude is None):
            raise ValueError("latitude and longitude go together")
        return self

    @property
    def is_known(self) -> bool:
        """The sun can be followed."""
        return self.latitude is not None and self.longitude is not None


class ActionSettings(PluginSettings):
    """One action: when it answers, and how it is run.

    What is ``auto`` depends on the action: one that talks to other machines keeps events for longer and
    tries again, one that works on the machine itself does not: see docs/actions.md.
    """

    labels: tuple[str, ...] = ("*",)
    """Labels that it answers to; ``*`` and ``?`` are wild."""

    when: Literal["onset", "offset", "both", "update", "all"] = "onset"
    """Which part of an event it answers to; ``all`` is its onset, its updates and its offset."""

    update_s: PositiveSeconds = 10.0
    """Time between updates on an event that lasts, in seconds."""

    sources: tuple[str, ...] = ("*",)
    """Sources that it answers to; ``*`` and ``?`` are wild."""

    min_score: Score = 0.0
    """Least score of an event that it answers to."""

    schedule: Annotated[tuple[ScheduleSettings, ...], BeforeValidator(_as_tuple)] = ()
    """Parts of the week in which it answers; none: always."""

    place: PlaceSettings | None = None
    """Where the sun of its schedule rises; the configuration's ``place`` unless told."""

    unless: Annotated[tuple[LabelCondition, ...], BeforeValidator(_as_tuple)] = ()
    """It does not answer if one of these was heard, from the same source."""

    after: Annotated[tuple[LabelCondition, ...], BeforeValidator(_as_tuple)] = ()
    """It answers only if one of these had begun before, at the same source."""

    count: Annotated[int, Field(ge=1, le=1000)] = 1
    """It answers to every so-maniest event, if those came within ``within_s`` seconds."""

    within_s: PositiveSeconds | None = None
    """See ``count``."""

    cooldown_s: Seconds = 0.0
    """It does not answer for this long after the onset of an event of that source that it answered."""

    limit: RateLimit | None = None
    """How many events of a source it answers at most."""

    mute_s: Seconds = 0.0
    """It makes noise: no action answers to what begins within this time after it has started."""

    timeout_s: PositiveSeconds = 30.0
    """It is given up after this long."""

    deadline_s: PositiveSeconds | Literal["auto"] = "auto"
    """An event that had to wait longer than this is dropped, not acted on late."""

    inbox: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Events that may wait for it; more are dropped and counted."""

    concurrency: Literal["queue", "skip", "restart"] | ParallelSettings = "queue"
    """What happens to an event that comes while it runs: it waits, is skipped, or takes its place."""

    retry: RetrySettings | Literal["auto", "never"] = "auto"
    """How often it is tried again when it failed for a reason that may pass."""

    breaker: BreakerSettings | Literal["auto", "never"] = "auto"
    """When it is left alone because it fails all the time."""

    @property
    def phases(self) -> tuple[Phase, ...]:
        """What ``when`` stands for."""
        return WHEN[self.when]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.count > 1 and self.within_s is None:
            raise ValueError("count needs within_s: how many seconds the events may be apart")
        if self.count == 1 and self.within_s is not None:
            raise ValueError("within_s needs count: how many events")
        if "update_s" in self.model_fields_set and Phase.UPDATE not in self.phases:
            raise ValueError("update_s needs when: update, or when: all")
        return self
