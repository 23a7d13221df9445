"""What a simulated microphone really gave, and when: to be held against what the engine says."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from listener.lab.faults import Told

Break = Literal["start", "opened"] | Told
"""Why a stretch begins: the first one; opened again; after a loss, and how that was told (see `Loss`)."""


@dataclass(slots=True)
class Stretch:
    """Sound that came without a break. The newest one grows."""

    why: Break
    """What was before it."""

    world_s: float
    """When its first sample was taken, in seconds of the plan."""

    stream_s: float
    """Where its first sample lies in the stream if all that is missing is counted, in seconds."""

    first: int
    """Number of its first sample in the sound that the microphone hears, at ``rate_hz``."""

    rate_hz: int
    """Hz."""

    n_samples: int = 0
    """How long it is."""

    @property
    def end_s(self) -> float:
        """Where it ends in the stream, in seconds."""
        return self.stream_s + self.n_samples / self.rate_hz


class Truth:
    """Everything that one microphone gave."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        """In order."""

    @property
    def n_fed(self) -> int:
        """Samples that it gave."""
        return sum(stretch.n_samples for stretch in self.stretches)

    @property
    def fed_s(self) -> float:
        """Seconds of sound that it gave."""
        fed: Counter[int] = Counter()
        for stretch in self.stretches:
            fed[stretch.rate_hz] += stretch.n_samples
        return sum(n_samples / rate_hz for rate_hz, n_samples in fed.items())

    def missing_s(self, whys: Iterable[Break] = ("opened", "count", "flag", "no")) -> float:
        """Seconds that are missing before stretches that begin for one of these reasons."""
        chosen = set(whys)
        return sum(
            later.stream_s - earlier.end_s
            for earlier, later in zip(self.stretches, self.stretches[1:], strict=False)
            if later.why in chosen
        )

    def stream_s(self, world_s: float) -> float:
        """Give the stream time of a moment of the plan, in seconds; drift within a stretch is left out."""
        index = bisect_right(self.stretches, world_s, key=lambda stretch: stretch.world_s) - 1
        if index < 0:
            return 0.0
        return self.stretches[index].stream_s + world_s - self.stretches[index].world_s
