"""Time in the fault lab: simulated, or at any pace."""

import threading
import time
from typing import Protocol

from listener.clock import Clock


class LabClock(Clock, Protocol):
    """A clock by which a simulated microphone can wait for its own samples."""

    def wait_until(self, moment_s: float, timeout_s: float) -> bool:
        """Let time pass up to a moment, but ``timeout_s`` seconds at most; say whether it is reached."""


class SimulatedClock:
    """Time that passes only by being waited for. Starts at 0; owned by one capture thread."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def now(self) -> float:
        """Seconds since the clock was made."""
        return self._now_s

    def pause(self, seconds: float, stopping: threading.Event) -> None:
        """Let time pass at once."""
        self._now_s += seconds

    def wait_until(self, moment_s: float, timeout_s: float) -> bool:
        """Let time pass at once, up to a moment, but ``timeout_s`` seconds at most."""
        is_reached = moment_s <= self._now_s + timeout_s
        self._now_s = max(self._now_s, moment_s) if is_reached else self._now_s + timeout_s
        return is_reached


class PacedClock:
    """The clock of this machine, faster or slower.

    Parameters
    ----------
    speed
        Seconds that pass on it in one; 1 is real time.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._started_at = time.monotonic()

    def now(self) -> float:
        """Seconds since the clock was made."""
        return (time.monotonic() - self._started_at) * self._speed

    def pause(self, seconds: float, stopping: threading.Event) -> None:
        """Let time pass, less of it once ``stopping`` is set."""
        stopping.wait(seconds / self._speed)

    def wait_until(self, moment_s: float, timeout_s: float) -> bool:
        """Let time pass up to a moment, but ``timeout_s`` seconds at most; say whether it is reached."""
        left_s = moment_s - self.now()
        if left_s > 0:
            time.sleep(min(left_s, timeout_s) / self._speed)
        return left_s <= timeout_s
