"""Hands out stored sound as time goes by, or faster."""

import time
from typing import Annotated, Literal

from pydantic import Field

Speed = Annotated[float, Field(gt=0)] | Literal["max"]
"""How many seconds of sound pass in a second; ``max``: as many as are taken."""


class Pacer:
    """Says when a sample is due, by the monotonic clock.

    Waiting is for a moment, not for a while: a reader that was held up finds all that
    has come due in the meantime, so that it never falls behind for good.

    Parameters
    ----------
    sample_rate
        Hz.
    speed
        1 is real time.
    """

    def __init__(self, sample_rate: int, speed: float | Literal["max"] = 1.0) -> None:
        self._samples_per_s = None if speed == "max" else sample_rate * speed
        self._started = time.monotonic()

    def wait(self, n_samples: int, timeout_s: float) -> bool:
        """Wait until ``n_samples`` have passed since the pacer was made.

        Returns
        -------
        bool
            False if they have not yet passed after ``timeout_s`` seconds.
        """
        if self._samples_per_s is None:
            return True
        remaining_s = self._started + n_samples / self._samples_per_s - time.monotonic()
        if remaining_s > timeout_s:
            time.sleep(timeout_s)
            return False
        if remaining_s > 0:
            time.sleep(remaining_s)
        return True
