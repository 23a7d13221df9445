"""When a picture was taken that has just come; pure.

Two things deliver pictures of the past as if they were of now. libav looks at a stream for a second or two
when it opens it, and hands over what came meanwhile in one go. And a network that was blocked delivers all at
once what it has held back. The camera's own timestamps tell both from what flows.
"""

from collections import deque
from math import inf

WINDOW_S = 60.0
"""How long a quick delivery is remembered, in seconds. Clocks that differ by 100 ppm come 6 ms apart in that
time; what is held back for longer ends as a stalled stream."""

WAITED_S = 0.005
"""A picture that had to be waited for this long is the newest that there is."""

SETTLED_S = 0.5
"""What has piled up has been read when pictures have come no quicker for this long, in seconds: on a machine
that is never done with its work, none is ever waited for."""

QUICKER_S = 0.02
"""A gain on the camera's clock that counts, in seconds."""


class Lag:
    """By how much pictures come later than the quickest of late.

    The age of the quickest itself, the way through camera and network, cannot be told.
    """

    def __init__(self) -> None:
        self._quickest: deque[tuple[float, float]] = deque()  # delays that rise, each with when it was seen

    def of(self, arrived_s: float, stamp_s: float) -> float:
        """Give how late a picture is, in seconds.

        Parameters
        ----------
        arrived_s
            When it came; never less than before.
        stamp_s
            What the camera's clock says.
        """
        delay_s = arrived_s - stamp_s
        while self._quickest and self._quickest[-1][1] >= delay_s:
            self._quickest.pop()
        self._quickest.append((arrived_s, delay_s))
        while arrived_s - self._quickest[0][0] > WINDOW_S:
            self._quickest.popleft()
        return delay_s - self._quickest[0][1]


class Arrivals:
    """The pictures of one connection. All times but the camera's are of one clock, in seconds.

    Parameters
    ----------
    opened_s
        When it was begun to be opened: all that comes is taken later.
    ready_s
        When it was open.
    piles_up
        Pictures may have come meanwhile.
    """

    def __init__(self, opened_s: float, ready_s: float, piles_up: bool = True) -> None:
        self._opened_s = opened_s
        self._is_piled_up = piles_up
        self._lag = Lag()
        self._first_stamp_s: float | None = None
        self._least_delay_s = inf
        self._quicker_at_s = ready_s

    def taken_s(self, asked_s: float, now_s: float, stamp_s: float | None) -> float:
        """Say when a picture was taken; earlier rather than later.

        Parameters
        ----------
        asked_s
            When it began to be waited for.
        now_s
            When it came.
        stamp_s
            What the camera's clock says; None: it says nothing.
        """
        lag_s = 0.0
        if stamp_s is not None:
            lag_s = self._lag.of(now_s, stamp_s)
            if now_s - stamp_s < self._least_delay_s - QUICKER_S:
                self._least_delay_s, self._quicker_at_s = now_s - stamp_s, now_s
        if now_s - asked_s >= WAITED_S or now_s - self._quicker_at_s > SETTLED_S:
            self._is_piled_up = False
        if not self._is_piled_up:
            return now_s - lag_s
        if stamp_s is None:
            return self._opened_s
        if self._first_stamp_s is None:
            self._first_stamp_s = stamp_s
        return min(now_s - lag_s, self._opened_s + stamp_s - self._first_stamp_s)
