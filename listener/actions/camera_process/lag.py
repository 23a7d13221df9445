"""How old a picture is that has just come.

A network that was blocked delivers all at once what it has held back: pictures of the past that arrive now.
The camera's own timestamps tell them apart.
"""

from collections import deque

WINDOW_S = 60.0
"""How long a quick delivery is remembered, in seconds. Clocks that differ by 100 ppm come 6 ms apart in that
time; what is held back for longer ends as a stalled stream."""


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
