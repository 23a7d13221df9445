"""What became of the events that an action was to answer: counted, and said."""

import logging
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isnan, nan

import numpy as np

from listener.errors import ListenerError, TransientError
from listener.types import Event, Phase

log = logging.getLogger(__name__)

LATENCIES_KEPT = 1000
"""Runs whose delay is remembered."""

LONGEST_REACTION_S = 3600.0
"""A run that started later than this after its sound speaks of a clock that was set."""

COMPLAIN_EVERY_S = 60.0
"""Least time between two log lines on the same trouble of an action, in seconds."""


@dataclass(frozen=True, slots=True)
class ActionStats:
    """What became of the events that an action was to answer."""

    fired: int = 0
    """Runs that did what they should."""

    failed: int = 0
    """Runs that ended with an error, for good."""

    timed_out: int = 0
    """Runs that were given up, because of their time-out or the stop."""

    dropped: int = 0
    """Events that never ran: inbox full, action paused, or stop."""

    late: int = 0
    """Events that waited longer than the deadline and were not acted on."""

    hung: int = 0
    """Runs among the timed-out ones that did not return when cancelled."""

    held: int = 0
    """Events that the action's own rules kept it from answering: cooldown, schedule, ..."""

    skipped: int = 0
    """Events, or runs, that made way for another one: ``concurrency``."""

    retried: int = 0
    """Attempts after a failed one."""

    lost: int = 0
    """Events that the action had taken and could not deliver afterwards."""

    queued: int = 0
    """Events in the inbox now."""

    paused: bool = False
    """Somebody has switched it off."""

    rests_s: float = 0.0
    """How long it is still left alone because it fails all the time, in seconds."""

    decided_s: tuple[float, float] = field(default=(nan, nan), compare=False)
    """From the decision to the start of the run: p50 and p99 of the newest thousand, in seconds."""

    heard_s: tuple[float, float] = field(default=(nan, nan), compare=False)
    """From the sound's beginning to the start of the run, likewise; of sounds that have a time of day."""

    def in_words(self) -> str:
        """Give what is not zero; empty where nothing was to be answered."""
        counts = (
            (self.fired, "fired"),
            (self.failed, "failed"),
            (self.timed_out, "timed out"),
            (self.dropped, "dropped"),
            (self.late, "late"),
            (self.lost, "lost on the way"),
            (self.held, "held by its rules"),
            (self.skipped, "passed over"),
            (self.retried, "tried again"),
        )
        told = [f"{count} {what}" for count, what in counts if count]
        if not isnan(self.heard_s[0]):
            p50, p99 = self.heard_s
            told.append(f"begun {p50:.2f} s after the sound (one in a hundred {p99:.2f} s)")
        return ", ".join(told)


class GivenUpError(TransientError):
    """A run was cancelled.

    Parameters
    ----------
    why
        In words.
    is_final
        It is not tried again.
    hangs
        It did not return.
    """

    def __init__(self, why: str, is_final: bool, hangs: bool) -> None:
        super().__init__(why)
        self.is_final = is_final
        self.hangs = hangs


class Account:
    """The books of one action. Whoever writes or reads them holds the board, but for `complain` and `tell`.

    Parameters
    ----------
    name
        Of the action.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._counts: Counter[str] = Counter()
        self._decided_s: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._heard_s: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._complained_at: dict[str, float] = {}

    def count(self, what: str, times: int = 1) -> None:
        """Add to one of the counts of `ActionStats`."""
        self._counts[what] += times

    def note_start(self, event: Event, submitted_at: float) -> None:
        """A run begins now, for an event that was decided at a moment of ``time.monotonic()``."""
        self._decided_s.append(time.monotonic() - submitted_at)
        if event.phase is Phase.ONSET and event.started_at is not None:
            heard_s = (datetime.now(UTC) - event.started_at).total_seconds()
            if 0 <= heard_s < LONGEST_REACTION_S:
                self._heard_s.append(heard_s)

    def stats(self, queued: int, paused: bool, lost: int, rests_s: float) -> ActionStats:
        """Give the counts."""
        return ActionStats(
            **self._counts,
            lost=lost,
            queued=queued,
            paused=paused,
            rests_s=rests_s,
            decided_s=_percentiles(self._decided_s),
            heard_s=_percentiles(self._heard_s),
        )

    def tell(self, event: Event, error: BaseException) -> None:
        """Say what went wrong for good, unless the action has said so (``is_told``)."""
        if getattr(error, "is_told", False):
            return
        if isinstance(error, GivenUpError):
            log.error("action '%s' on %s is given up: %s", self._name, event.label, error)
            if error.hangs:
                log.error("action '%s' on %s hangs and is left behind", self._name, event.label)
            return
        expected = isinstance(error, ListenerError)
        told = error if expected else described(error)
        trace = None if expected else error
        log.error("action '%s' failed on %s: %s", self._name, event.label, told, exc_info=trace)

    def complain(self, about: str, message: str, *values: object) -> None:
        """Say what goes wrong again and again, but not again and again."""
        now = time.monotonic()
        if now - self._complained_at.get(about, -COMPLAIN_EVERY_S) >= COMPLAIN_EVERY_S:
            self._complained_at[about] = now
            log.error(f"action '%s': {message}", self._name, *values)


def described(error: BaseException) -> str:
    """Give an error that nobody foresaw in one line."""
    return f"{type(error).__name__}: {error}"


def _percentiles(values: deque[float]) -> tuple[float, float]:
    if not values:
        return nan, nan
    p50, p99 = np.percentile(values, (50, 99))
    return float(p50), float(p99)
