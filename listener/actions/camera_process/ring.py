"""The newest seconds of encoded video, from a picture on that can be decoded by itself."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture as the camera sent it."""

    data: bytes
    """Encoded."""

    pts: int
    """When it is shown, in units of ``time_base``."""

    dts: int
    """When it is decoded, likewise."""

    time_base: Fraction
    """Seconds."""

    is_key: bool
    """It can be decoded without those before it."""

    at_s: float
    """``time.monotonic()`` at which it was taken, as near as can be told."""


class Ring:
    """Groups of pictures, each begun by a key picture; the oldest go first, as a whole.

    Parameters
    ----------
    before_s
        Seconds that are kept at least, once they have come.
    most_bytes
        All that is kept at most; a group that is longer is not kept.
    """

    def __init__(self, before_s: float, most_bytes: int) -> None:
        self._before_s = before_s
        self._most_bytes = most_bytes
        self._groups: deque[list[Encoded]] = deque()
        self._bytes = 0

    @property
    def n_bytes(self) -> int:
        """What is kept."""
        return self._bytes

    def add(self, packet: Encoded) -> None:
        """Keep a picture, and let go of what is too old or too much."""
        if packet.is_key:
            self._groups.append([])
        if not self._groups:
            return  # nothing to decode it with
        self._groups[-1].append(packet)
        self._bytes += len(packet.data)
        while self._has_old(packet.at_s - self._before_s) or self._bytes > self._most_bytes:
            self._bytes -= sum(len(old.data) for old in self._groups.popleft())

    def clear(self) -> None:
        """Let go of all."""
        self._groups.clear()
        self._bytes = 0

    def since(self, from_s: float) -> list[Encoded]:
        """Give what came from a moment of ``time.monotonic()`` on, and what is needed to decode that."""
        return list(self._since(from_s))

    def _since(self, from_s: float) -> Iterator[Encoded]:
        groups = list(self._groups)
        for number, group in enumerate(groups):
            is_last = number + 1 == len(groups)
            if is_last or groups[number + 1][0].at_s > from_s:
                yield from group

    def _has_old(self, until_s: float) -> bool:
        return len(self._groups) > 1 and self._groups[1][0].at_s <= until_s
