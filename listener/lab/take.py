"""What a simulated microphone takes from one opening to the next."""

import math
from itertools import count

from listener.lab.faults import OddChunks, Told
from listener.lab.truth import Break

_MUST_BE_WHOLE = 1e-6
"""Share of a sample by which sums of times may be wrong."""

_WORSE: tuple[Break, ...] = ("start", "opened", "no", "flag", "count")
"""Of several reasons for a break, the first counts."""


class Take:
    """Where a microphone stands: in the sound, in time, and in what it says of both.

    Parameters
    ----------
    why
        What was before it.
    opened_s, start_s
        When it was opened, and when its first sample is taken: later where it stalls.
    first
        Number of its first sample in the sound.
    rate_hz
        Its rate, in Hz.
    """

    def __init__(self, why: Break, opened_s: float, start_s: float, first: int, rate_hz: int) -> None:
        self.why: Break | None = why
        """Why the next samples are not those after the last ones that were given, if they are not."""
        self.n_left_out = 0
        """How many were lost since the last ones that were given."""
        self.opened_s = opened_s
        """When it was opened, in seconds of the plan."""
        self.first = first
        """Number of the next sample in the sound."""
        self.rate_hz = rate_hz
        """Hz."""
        self.due_s = start_s
        """When the next sample is taken, in seconds of the plan."""
        self.tempo = 1.0
        """Seconds of its clock in one of the plan."""
        self.position = 0
        """Of the next sample, as the microphone says it."""
        self.flagged = False
        """It will say that samples are missing."""
        self.kept_until_s = 0.0
        """What is taken is at hand at this moment at the earliest."""
        self.is_dead = False
        """Nothing will come any more."""
        self.waiting: tuple[int | None, float] | None = None
        """Length of the next chunk (None: there is none), and when it is at hand."""
        self._n_chunks = count()

    def next_size(self, odd: OddChunks | None, chunk_s: float) -> int:
        """Say how many samples the next chunk is to have."""
        if odd is None:
            return max(1, round(chunk_s * self.rate_hz))
        return odd.sizes[next(self._n_chunks) % len(odd.sizes)]

    def time_after(self, n_samples: int) -> float:
        """Give the moment at which ``n_samples`` more are taken."""
        return self.due_s + n_samples / (self.rate_hz * self.tempo)

    def taken_until(self, moment_s: float) -> int:
        """Say how many more are taken up to a moment."""
        n_samples = (moment_s - self.due_s) * self.rate_hz * self.tempo
        return max(0, math.floor(n_samples + _MUST_BE_WHOLE))

    def leave_out(self, until_s: float, told: Told) -> None:
        """Lose the samples that are taken up to a moment."""
        n_samples = max(1, math.ceil((until_s - self.due_s) * self.rate_hz * self.tempo - _MUST_BE_WHOLE))
        self._go_on(n_samples)
        self.position += n_samples if told == "count" else 0
        self.flagged |= told != "no"
        self.n_left_out += n_samples
        if self.why is None or _WORSE.index(told) < _WORSE.index(self.why):
            self.why = told

    def give(self, n_samples: int) -> None:
        """Give the next samples."""
        self._go_on(n_samples)
        self.position += n_samples
        self.flagged = False
        self.waiting = None
        if n_samples:
            self.why, self.n_left_out = None, 0

    def _go_on(self, n_samples: int) -> None:
        self.due_s = self.time_after(n_samples)
        self.first += n_samples
