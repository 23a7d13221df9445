"""Whether an action answers to an event, apart from its label, source and phase.

The rules look at it in this order, and the first that is against it decides: least score, switched off,
muted, ``schedule``, ``unless``, ``after``, ``cooldown_s``, ``limit``, ``count``. So what one of
them holds back uses up nothing of those behind it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain

from listener.actions.when.heard import Heard
from listener.actions.when.pace import Pace
from listener.actions.when.schedule import Schedule
from listener.config import ActionSettings
from listener.types import Event


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an action answers to an event, and why."""

    fires: bool
    """It answers."""

    why: str
    """In words."""

    is_meant: bool = True
    """The event is of a kind that the action answers to, though it may not this time."""


SWITCHED_OFF = "it is switched off"

Check = tuple[bool, str]
"""Whether a rule lets an event pass, and in words why; no words where there is nothing to say."""


class Rules:
    """The rules of one action, and what they remember.

    Parameters
    ----------
    settings
        The action's.

    Raises
    ------
    ConfigError
        Its schedule follows the sun, and nobody said where.
    """

    def __init__(self, settings: ActionSettings) -> None:
        self._settings = settings
        self._schedule = Schedule(settings.schedule, settings.place) if settings.schedule else None
        self._heard = Heard((*settings.unless, *settings.after))
        self._paces: defaultdict[str, Pace] = defaultdict(lambda: Pace(settings))

    def note(self, event: Event) -> None:
        """An event has begun or ended, whatever its label: others may be judged by it."""
        self._heard.note(event)

    def decide(
        self, event: Event, moment_s: float, is_seen: bool = True, muted_by: str = "", is_paused: bool = False
    ) -> Verdict:
        """Decide on an event of the right label, source and phase, and take note of the answer.

        Parameters
        ----------
        event
            What was heard.
        moment_s
            Stream time at which the rules are asked, in seconds.
        is_seen
            Its onset was told. Else only its score counts: its stream time may be of another stream.
        muted_by
            The action in whose noise it began.
        is_paused
            Somebody has switched the action off.
        """
        notes = ["label, source and score"]
        checks = self._checks(event, moment_s, muted_by) if is_seen else ()
        for passes, words in chain(self._first_checks(event, is_paused), checks):
            if not passes:
                return Verdict(False, words)
            notes.append(words)
        if is_seen:
            self._paces[event.source].answer(moment_s)
        return Verdict(True, "; ".join(filter(None, notes)))

    def _first_checks(self, event: Event, is_paused: bool) -> Iterator[Check]:
        # The score that ends an event is low by nature: its peak is what a user means.
        least = self._settings.min_score
        passes = event.peak_score >= least
        yield passes, "" if passes else f"score {event.peak_score:.2f} is less than {least:g}"
        yield not is_paused, SWITCHED_OFF if is_paused else ""

    def _checks(self, event: Event, moment_s: float, muted_by: str) -> Iterator[Check]:
        """Go through the rules one by one: those behind one that is against it are not asked."""
        yield not muted_by, f"the noise of '{muted_by}' (mute_s)" if muted_by else ""
        if self._schedule is not None:
            yield _in_schedule(self._schedule, event, moment_s)
        yield self._unless(event, moment_s)
        yield self._after(event, moment_s)
        pace = self._paces[event.source]
        too_early = pace.refuses(moment_s)
        yield not too_early, too_early
        yield pace.count(moment_s)

    def _unless(self, event: Event, moment_s: float) -> Check:
        heard = [self._heard.ago(condition, event, moment_s) for condition in self._settings.unless]
        found = min(filter(None, heard), default=None)
        return (True, "") if found is None else (False, f"unless: {_told(*found)}")

    def _after(self, event: Event, moment_s: float) -> Check:
        conditions = self._settings.after
        if not conditions:
            return True, ""
        heard = [self._heard.ago(condition, event, moment_s, event.onset_s) for condition in conditions]
        found = min(filter(None, heard), default=None)
        if found is not None:
            return True, f"after: {_told(*found)}"
        missed = " or ".join(f"{one.label} within {one.within_s:g} s" for one in conditions)
        return False, f"after: no {missed} before it"


def _told(ago_s: float, label: str) -> str:
    return f"{label} was heard {ago_s:.1f} s ago" if ago_s else f"{label} is heard now"


def _in_schedule(schedule: Schedule, event: Event, moment_s: float) -> Check:
    if event.started_at is None:
        return True, "its schedule does not count: a recording has no time of day"
    # Not `ended_at`: it is the same, and an update has none.
    utc = event.started_at + timedelta(seconds=moment_s - event.onset_s)
    if schedule.holds_at(utc):
        return True, "within its schedule"
    return False, f"outside its schedule: it is {schedule.local(utc):%a %H:%M}"
