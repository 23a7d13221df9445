"""Where a source's chunks lie in its stream: what came, what is missing, and when it was."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from listener.stages import RateStage
from listener.types import AudioChunk, StreamAnchor

ANCHOR_LASTS_S = 60.0
"""A sound card's clock is up to 100 ppm wrong: after this long, event times would be 6 ms off."""

CLOCK_SET_S = 0.5
"""Where the time of day goes so far from the monotonic clock, in seconds, somebody has set it."""


class Intake:
    """Makes one stream, at the model's rate, of all that a source gives from its first opening on.

    Parameters
    ----------
    to_rate
        The model's rate, in Hz.
    has_clock
        Whether the stream's time can be told in UTC.
    """

    def __init__(self, to_rate: int, has_clock: bool) -> None:
        self.anchor: StreamAnchor | None = None
        self.lost_s = 0.0
        """Seconds of sound that are missing."""
        self.overflows = 0
        """How often samples were missing in what a device gave."""
        self._to_rate = to_rate
        self._has_clock = has_clock
        self._stage: RateStage | None = None
        self._reopened = False
        self._behind_s = 0.0
        self._heard: Counter[int] = Counter()
        self._expected = 0
        self._unreported = 0
        self.heard_at = 0.0
        """When the last chunk was at hand: seconds of the source's clock."""
        self._anchored_at_s = 0.0
        self._ahead_s = 0.0

    @property
    def position_s(self) -> float:
        """Stream time of the next sample to come, in seconds."""
        return 0.0 if self._stage is None else self._stage.position / self._to_rate

    @property
    def heard_s(self) -> float:
        """Seconds of sound that came."""
        # Counted in samples: after weeks, a sum of seconds would be wrong by more than one.
        return sum(n_samples / rate for rate, n_samples in self._heard.copy().items())

    def stream_s(self, now: float) -> float:
        """Stream time of a moment since the last chunk, ``now`` seconds of the source's clock."""
        return self.position_s + now - self.heard_at

    def reopen(self, behind_s: float = 0.0) -> None:
        """Say that the source was opened again: its positions begin anew.

        Parameters
        ----------
        behind_s
            How late the last chunk before was; what came behind it is missing too.
        """
        self._reopened = True
        self._behind_s += behind_s

    def push(self, chunk: AudioChunk, now: float, unreported_s: float = 0.0) -> Iterator[AudioChunk]:
        """Take the next chunk.

        Parameters
        ----------
        chunk
            As the source gave it.
        now
            When it was at hand: seconds of the source's clock.
        unreported_s
            Seconds of sound that are missing before it, though the source did not say so.

        Yields
        ------
        AudioChunk
            What follows from it, at the model's rate.
        """
        if self._stage is None:
            self._stage = RateStage(chunk.sample_rate, self._to_rate)
        elif self._reopened:
            came_s = chunk.end_sample / chunk.sample_rate
            missing_s = max(0.0, now - self.heard_at + self._behind_s - came_s)
            yield from self._stage.lose(missing_s, chunk.sample_rate)
            self.lost_s += missing_s
            self._expected = self._unreported = 0
            self._behind_s = 0.0
        if unreported_s:
            self._unreported += round(unreported_s * chunk.sample_rate)
        self.heard_at = now
        first = chunk.first_sample + self._unreported
        flagged = chunk.overflowed or unreported_s > 0
        yield from self._stage.push(replace(chunk, first_sample=first, overflowed=flagged))
        self._heard[chunk.sample_rate] += len(chunk.samples)
        self.lost_s += max(0, first - self._expected) / chunk.sample_rate
        self.overflows += flagged
        self._expected = first + len(chunk.samples)
        self._look_at_clock()
        self._reopened = False

    def finish(self) -> Iterator[AudioChunk]:
        """Give what is still held back; there is no more to come."""
        if self._stage is not None:
            yield from self._stage.finish()

    def _look_at_clock(self) -> None:
        if not self._has_clock:
            return
        end_s, utc = self.position_s, datetime.now(UTC)
        ahead_s = utc.timestamp() - time.monotonic()
        # After a loss too: its length is known less well than the time of day.
        if self.anchor is None or self._reopened or end_s - self._anchored_at_s >= ANCHOR_LASTS_S:
            self.anchor = StreamAnchor(utc - timedelta(seconds=end_s))
            self._anchored_at_s, self._ahead_s = end_s, ahead_s
        elif abs(ahead_s - self._ahead_s) >= CLOCK_SET_S:
            self.anchor = StreamAnchor(self.anchor.utc + timedelta(seconds=ahead_s - self._ahead_s))
            self._ahead_s = ahead_s
