"""Every picture that is kept gets a time at which it is shown; pure."""

from fractions import Fraction

from listener.actions.camera_process.ring import Encoded

MICROSECOND = Fraction(1, 1_000_000)

STEP_S = 0.04
"""Between two pictures that came before the camera's clock did, in seconds."""

MOST_WITHOUT = 50
"""Pictures without a time after which the camera counts as one that has no clock."""


class Stamper:
    """The pictures of one connection.

    The first ones of an RTSP stream have no time: the camera's clock is told a moment later, and waited for.

    Parameters
    ----------
    has_clock
        The camera's timestamps are its own; else a picture is shown when it came.
    """

    def __init__(self, has_clock: bool) -> None:
        self._has_clock = has_clock
        self._waiting: list[tuple[bytes, bool, float]] = []

    def add(
        self,
        data: bytes,
        is_key: bool,
        at_s: float,
        pts: int | None,
        dts: int | None,
        time_base: Fraction | None,
    ) -> list[Encoded]:
        """Take a picture; give those that have a time by now, in their order.

        Parameters
        ----------
        data, is_key, at_s
            See `Encoded`.
        pts, dts, time_base
            Likewise, where they are known.
        """
        self._waiting.append((data, is_key, at_s))
        if dts is None:
            dts = pts
        if self._has_clock and (dts is None or time_base is None):
            if len(self._waiting) <= MOST_WITHOUT:
                return []
            self._has_clock = False
        waiting, self._waiting = self._waiting, []
        if not self._has_clock or dts is None or time_base is None:
            return [_by_arrival(*each) for each in waiting]
        step = round(STEP_S / time_base)
        last = len(waiting) - 1
        told = [
            Encoded(was_data, dts - step * (last - n), dts - step * (last - n), time_base, was_key, was_at_s)
            for n, (was_data, was_key, was_at_s) in enumerate(waiting[:last])
        ]
        return [*told, Encoded(data, dts if pts is None else pts, dts, time_base, is_key, at_s)]


def _by_arrival(data: bytes, is_key: bool, at_s: float) -> Encoded:
    at = round(at_s / MICROSECOND)
    return Encoded(data, at, at, MICROSECOND, is_key, at_s)
