"""What actions hear: the sound around an event, out of its source's ring."""

import time
from collections.abc import Mapping

from listener.actions.base import AudioTap, Hold, Recording
from listener.errors import ActionError
from listener.ring import Bookmark, Ring

LOOK_EVERY_S = 0.2
"""How soon a wait for sound notices that its hold was released."""

HELD_BACK_S = 1.0
"""A writer that has waited for so long waits for a hold: nothing more will come before that is released."""


class RingTap(AudioTap):
    """Gives actions what the rings hold.

    Parameters
    ----------
    rings
        By name of the source.
    """

    def __init__(self, rings: Mapping[str, Ring]) -> None:
        self._rings = rings

    def hold(self, source: str, from_s: float) -> Hold:
        """Keep what was heard from ``from_s`` on: see `AudioTap.hold`."""
        ring = self._rings[source]
        return RingHold(ring, ring.bookmark(max(0, round(from_s * ring.sample_rate))))


class RingHold(Hold):
    """Sound that is kept in a ring until it is released.

    Parameters
    ----------
    ring
        The ring.
    mark
        The oldest position that is wanted.
    """

    def __init__(self, ring: Ring, mark: Bookmark) -> None:
        self._ring = ring
        self._mark = mark
        self._released = False

    def fetch(self, start_s: float, end_s: float, timeout_s: float) -> Recording:
        """Give the sound between two stream times: see `Hold.fetch`."""
        start, end = (max(0, round(time_s * self._ring.sample_rate)) for time_s in (start_s, end_s))
        deadline = time.monotonic() + timeout_s
        while self._ring.end_sample < end and not self._ring.closed and self._ring.held_back_s < HELD_BACK_S:
            if self._released:
                raise ActionError("the sound is wanted no more")
            if time.monotonic() >= deadline:
                raise ActionError(f"the sound up to {end_s:.1f} s was not heard in time")
            self._ring.fetch(end, end, LOOK_EVERY_S)
        sound, has_gap = self._ring.fetch(start, end, 0)
        if not len(sound.samples):
            raise ActionError(f"the sound from {start_s:.1f} s to {end_s:.1f} s is not held any more")
        return Recording(
            sound.samples, sound.first_sample / self._ring.sample_rate, self._ring.sample_rate, has_gap
        )

    def release(self) -> None:
        """Let go."""
        self._released = True
        self._mark.close()
