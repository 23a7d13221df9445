"""How patient an action is, unless its settings say so; when it is tried again, and when left alone."""

import random
from dataclasses import dataclass
from math import inf

from listener.actions.base import Action
from listener.config import ActionSettings, BreakerSettings, ParallelSettings, RetrySettings

LOCAL_DEADLINE_S = 60.0
"""What a machine does for itself it does now or not at all."""

REMOTE_DEADLINE_S = 3600.0
"""A message is worth something an hour later: servers and routers start anew."""

JITTER = 0.25
"""Pauses differ by up to this share, or all clients of a server would come back at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for one action."""

    deadline_s: float
    """An event that waited longer is dropped."""

    retry: RetrySettings | None
    """None: a failure is final."""

    breaker: BreakerSettings | None
    """None: it is never left alone."""

    workers: int
    """Runs at once."""


def limits_of(action: Action, settings: ActionSettings) -> Limits:
    """Give what holds for an action: what its settings say, or what suits its kind."""
    remote = action.is_remote
    deadline_s, retry, breaker = settings.deadline_s, settings.retry, settings.breaker
    if deadline_s == "auto":
        deadline_s = action.patience_s or (REMOTE_DEADLINE_S if remote else LOCAL_DEADLINE_S)
    if retry == "auto":
        retry = RetrySettings() if remote else "never"
    if breaker == "auto":
        breaker = BreakerSettings() if remote else "never"
    return Limits(
        deadline_s=deadline_s,
        retry=retry if isinstance(retry, RetrySettings) else None,
        breaker=breaker if isinstance(breaker, BreakerSettings) else None,
        workers=settings.concurrency.parallel if isinstance(settings.concurrency, ParallelSettings) else 1,
    )


def pause_before(attempt: int, retry: RetrySettings, dice: random.Random) -> float:
    """Give the seconds to wait before an attempt, counted from 1.

    Exponential back-off with jitter: https://en.wikipedia.org/wiki/Exponential_backoff.
    """
    pause_s = min(retry.longest_pause_s, retry.pause_s * 2.0 ** min(attempt - 2, 60))
    return pause_s * dice.uniform(1 - JITTER, 1 + JITTER)


class Breaker:
    """Leaves an action alone that fails again and again (Nygard's circuit breaker).

    After so many failures in a row it is open for a while; then one event is let through, and
    if that fails as well it is open for twice as long.

    Parameters
    ----------
    settings
        None: never open.
    """

    def __init__(self, settings: BreakerSettings | None) -> None:
        self._settings = settings
        self._failures = 0
        self.open_until = -inf
        """``time.monotonic()`` at which the next event is let through."""

    @property
    def is_tripped(self) -> bool:
        """It has opened since the last success."""
        return self._settings is not None and self._failures >= self._settings.failures

    def worked(self) -> bool:
        """Note a success; tell whether it ends a trip."""
        was_tripped = self.is_tripped
        self._failures = 0
        self.open_until = -inf
        return was_tripped

    def failed(self, now: float) -> float | None:
        """Note a failure at a moment of ``time.monotonic()``; give the pause that follows, in seconds."""
        self._failures += 1
        if self._settings is None or self._failures < self._settings.failures:
            return None
        times = min(self._failures - self._settings.failures, 60)
        pause_s = min(self._settings.longest_pause_s, self._settings.pause_s * 2.0**times)
        self.open_until = now + pause_s
        return pause_s
