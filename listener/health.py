"""When a microphone counts as unwell: pure rules over its chunks and the clock.

===========  ===========================================================================
stalled      nothing has come for ``stalled_s``; after ``lost_s`` it is given up for lost
silent       every sample has been the same for ``silent_s``: a room is never that quiet
clipping     ``clipping_share`` of the samples of three seconds was at full scale
lagging      ``lag_s`` of sound has gone missing, and nobody reported it
===========  ===========================================================================

Of several, the first in this table is told.

Lag is seen by comparing the samples that came with the clock. Chunks come late now and
then, but never early: so the least delay of ten seconds says how far the stream is
behind, however busy the machine is. Where a device tells of a loss, but not how long it is,
that delay tells it. A sound card's clock is a little wrong, which makes
that delay creep; sound that went missing makes it jump.
"""

import numpy as np

from listener.config import HealthSettings
from listener.types import AudioChunk, Samples, SourceState

CLIPPING_OVER_S = 3.0
"""Clipping is judged by so many seconds at once."""

FULL_SCALE = 0.999
"""A sample from here on is at full scale: the last steps of 16 bits lie within."""

LAG_OVER_S = 10.0
"""The least delay is taken of so many seconds."""

LEAST_LAG_S = 0.03
"""From here on a lag is corrected, where a device says that it lost something, but not how much."""

MAX_DRIFT = 500e-6
"""The most that a sound card's clock is taken to be slow: five times what the worst of them are."""


class Health:
    """The well-being of one source, from its opening on.

    Parameters
    ----------
    settings
        The limits.
    now
        Seconds of the source's clock.
    """

    def __init__(self, settings: HealthSettings, now: float) -> None:
        self._settings = settings
        self._heard_at = now
        self._stalled_s = 0.0
        self._sameness = _Sameness()
        self._clipping = _Clipping(settings.clipping_share)
        self._lag = _Lag(settings.lag_s)

    def hear(self, chunk: AudioChunk, now: float) -> float:
        """Look at the next chunk.

        Parameters
        ----------
        chunk
            As the source gave it.
        now
            Seconds of the source's clock.

        Returns
        -------
        float
            Seconds of sound that went missing before this chunk and that nobody counted; mostly 0.
        """
        self._heard_at, self._stalled_s = now, 0.0
        if self._settings.silent_s:
            self._sameness.hear(chunk)
        if self._settings.clipping_share:
            self._clipping.hear(chunk)
        return self._lag.hear(chunk, now) if self._settings.lag_s else 0.0

    def miss(self, now: float) -> None:
        """Nothing has come."""
        self._stalled_s = now - self._heard_at

    @property
    def behind_s(self) -> float:
        """How much more than usual the newest chunk was behind the clock, in seconds."""
        return self._lag.behind_s

    @property
    def is_gone(self) -> bool:
        """Nothing has come for so long that it is to be opened again."""
        return self._stalled_s >= self._settings.lost_s

    def judge(self) -> tuple[SourceState, str]:
        """Say how the source is, and what is wrong with it."""
        if self._stalled_s >= self._settings.stalled_s:
            return SourceState.STALLED, f"nothing has come for {self._settings.stalled_s:g} s"
        if self._settings.silent_s and self._sameness.lasts_s >= self._settings.silent_s:
            return SourceState.SILENT, (
                f"every sample has been {self._sameness.value:.6g} for {self._settings.silent_s:g} s: "
                "is it muted or switched off?"
            )
        if self._clipping.is_clipping:
            return SourceState.CLIPPING, "it is too loud: turn the recording level down"
        if self._lag.missing_s:
            return SourceState.LAGGING, (
                f"{self._lag.missing_s:.2f} s of sound went missing on the way: is the machine overloaded?"
            )
        return SourceState.LIVE, ""


class _Sameness:
    """For how long every sample has been the same."""

    def __init__(self) -> None:
        self.value = float("nan")
        self.lasts_s = 0.0

    def hear(self, chunk: AudioChunk) -> None:
        samples = chunk.samples
        if not len(samples):
            return
        last = float(samples[-1])
        if float(samples.min()) != float(samples.max()):
            self.value, self.lasts_s = last, 0.0
            return
        if last != self.value:
            self.value, self.lasts_s = last, 0.0
        self.lasts_s += len(samples) / chunk.sample_rate


class _Clipping:
    """Whether the last seconds clipped."""

    def __init__(self, share: float) -> None:
        self.is_clipping = False
        self._share = share
        self._n_full = self._n_heard = 0

    def hear(self, chunk: AudioChunk) -> None:
        self._n_full += _n_at_full_scale(chunk.samples)
        self._n_heard += len(chunk.samples)
        if self._n_heard >= CLIPPING_OVER_S * chunk.sample_rate:
            self.is_clipping = self._n_full >= self._share * self._n_heard
            self._n_full = self._n_heard = 0


def _n_at_full_scale(samples: Samples) -> int:
    if not len(samples) or max(float(samples.max()), -float(samples.min())) < FULL_SCALE:
        return 0
    return int(np.count_nonzero(np.abs(samples) >= FULL_SCALE))


class _Lag:
    """How much less came than time went by."""

    def __init__(self, limit_s: float) -> None:
        self.missing_s = 0.0
        """What was found missing in the last full look, though nobody told of a loss; 0 where all came."""
        self._limit_s = limit_s
        self._usual_s: float | None = None
        self._least_s = self._newest_s = float("inf")
        self._looked_at: float | None = None
        self._heard_s = 0.0
        self._found_s = 0.0
        self._looks_after_loss = 0

    @property
    def behind_s(self) -> float:
        usual_s = self._least_s if self._usual_s is None else self._usual_s
        return max(0.0, self._newest_s - usual_s) if self._looked_at is not None else 0.0

    def hear(self, chunk: AudioChunk, now: float) -> float:
        if self._looked_at is None:
            self._looked_at = now
        self._newest_s = now - chunk.end_sample / chunk.sample_rate - self._found_s
        self._least_s = min(self._least_s, self._newest_s)
        self._heard_s += len(chunk.samples) / chunk.sample_rate
        if chunk.overflowed:
            # The look that falls into this time may still see the delay from before the loss.
            self._looks_after_loss = 2
        # After a pause there may be nothing but late chunks yet: they catch up.
        if now - self._looked_at < LAG_OVER_S or self._heard_s < LAG_OVER_S / 2:
            return 0.0
        least_s = self._least_s
        self._looked_at, self._least_s, self._heard_s = now, float("inf"), 0.0
        return self._look(least_s)

    def _look(self, least_s: float) -> float:
        if self._usual_s is None:
            self._usual_s = least_s
            return 0.0
        is_told, self._looks_after_loss = self._looks_after_loss > 0, max(0, self._looks_after_loss - 1)
        was_lagging, self.missing_s = self.missing_s > 0, 0.0
        excess_s = least_s - self._usual_s
        if excess_s < (LEAST_LAG_S if is_told or was_lagging else self._limit_s):
            self._usual_s += min(excess_s, MAX_DRIFT * LAG_OVER_S)
            return 0.0
        self._found_s += excess_s
        self._newest_s -= excess_s
        if excess_s >= self._limit_s:
            self.missing_s = excess_s
        return excess_s
