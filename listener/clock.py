"""The clock that a source lives by.

A real source lives by the monotonic clock, a source of the fault lab by one that it moves
itself: so days of trouble pass in minutes, and what went missing is known to the sample.
"""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Time as a source and its capture thread see it."""

    def now(self) -> float:
        """Seconds since some moment; never goes back."""

    def pause(self, seconds: float, stopping: threading.Event) -> None:
        """Let time pass, less of it once ``stopping`` is set."""


class MonotonicClock:
    """The clock of this machine, which nobody can set."""

    def now(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def pause(self, seconds: float, stopping: threading.Event) -> None:
        """Let time pass, less of it once ``stopping`` is set."""
        stopping.wait(seconds)


MONOTONIC = MonotonicClock()
"""For everything that is real."""
