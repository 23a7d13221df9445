"""What a simulated microphone hears: sound whose every sample is known, at any rate."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from listener.sources.base import EndOfSource, Source
from listener.sources.resample import StreamResampler
from listener.types import Samples

LONGEST_S = 600.0
"""Of another source, so much is taken and repeated."""

_QUIET = 0.001
_TABLE_SAMPLES = 1 << 16


class Sound(Protocol):
    """Sound that goes on for ever."""

    def take(self, first: int, n_samples: int, rate_hz: int) -> Samples:
        """Give some of its samples, counted at a rate from its beginning; they belong to the sound."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Noise that is to be heard."""

    label: str
    """What a model that knows the levels would call it."""

    start_s: float
    """When it begins, in seconds since the beginning of the sound."""

    end_s: float
    """When it ends."""


class Bursts:
    """Next to nothing, and out of it bursts of noise at known times, in turn of one level and another.

    Parameters
    ----------
    seed
        Of the noise and of the times.
    every_s
        One burst begins in the first half of each so many seconds.
    length_s
        Of a burst, in seconds.
    levels
        Of the bursts, in (0, 1], by their labels.
    """

    def __init__(
        self,
        seed: int,
        every_s: float = 20.0,
        length_s: float = 3.0,
        levels: Mapping[str, float] | None = None,
    ) -> None:
        rng = np.random.default_rng(seed)
        noise = rng.uniform(-1, 1, _TABLE_SAMPLES).astype(np.float32)
        self._noise = np.concatenate((noise, noise))
        self._quiet = np.float32(_QUIET) * self._noise
        self._every_s = every_s
        self._length_s = length_s
        self._offsets_s = rng.uniform(0, every_s / 2, 997)
        self._levels = [*(levels or {"soft": 0.08, "loud": 0.35}).items()]

    @property
    def labels(self) -> list[str]:
        """Those of the bursts."""
        return [label for label, _ in self._levels]

    def burst(self, number: int) -> Burst:
        """Give one of the bursts, counted from 0."""
        label, _ = self._levels[number % len(self._levels)]
        start_s = number * self._every_s + float(self._offsets_s[number % len(self._offsets_s)])
        return Burst(label, start_s, start_s + self._length_s)

    def between(self, start_s: float, end_s: float) -> Iterator[Burst]:
        """Give those that begin and end between two moments."""
        number = max(0, int(start_s / self._every_s))
        while (burst := self.burst(number)).end_s <= end_s:
            if burst.start_s >= start_s:
                yield burst
            number += 1

    def take(self, first: int, n_samples: int, rate_hz: int) -> Samples:
        """Give some of its samples: see `Sound.take`."""
        place = first % _TABLE_SAMPLES
        if n_samples > _TABLE_SAMPLES:
            step = _TABLE_SAMPLES
            parts = [
                self.take(first + at, min(step, n_samples - at), rate_hz) for at in range(0, n_samples, step)
            ]
            return np.concatenate(parts)
        samples = self._quiet[place : place + n_samples]
        number = int(first / rate_hz / self._every_s)
        while (burst := self.burst(number)).start_s * rate_hz < first + n_samples:
            begin = max(0, round(burst.start_s * rate_hz) - first)
            end = min(n_samples, round(burst.end_s * rate_hz) - first)
            if begin < end:
                _, level = self._levels[number % len(self._levels)]
                samples = samples.copy()
                samples[begin:end] = level * self._noise[place + begin : place + end]
            number += 1
        return samples


class Loop:
    """A recording, over and over.

    Parameters
    ----------
    recording
        Mono.
    rate_hz
        Its rate.
    """

    def __init__(self, recording: Samples, rate_hz: int) -> None:
        self._recording = recording
        self._rate_hz = rate_hz
        self._at_rate = lru_cache(maxsize=4)(self._resampled)

    def take(self, first: int, n_samples: int, rate_hz: int) -> Samples:
        """Give some of its samples: see `Sound.take`."""
        recording = self._at_rate(rate_hz)
        place = first % len(recording)
        if place + n_samples <= len(recording):
            return recording[place : place + n_samples]
        return np.take(recording, range(place, place + n_samples), mode="wrap")

    def _resampled(self, rate_hz: int) -> Samples:
        return StreamResampler(self._rate_hz, rate_hz).push(self._recording, last=True)


def loop_of(source: Source) -> Loop:
    """Take what another source has to give, `LONGEST_S` at most, to be heard over and over.

    Raises
    ------
    SourceError
        It cannot be had.
    """
    rate_hz = source.open()
    parts: list[Samples] = []
    n_samples = 0
    try:
        while n_samples < LONGEST_S * rate_hz:
            chunk = source.read(1.0)
            if chunk is not None:
                parts.append(chunk.samples)
                n_samples += len(chunk.samples)
    except EndOfSource:
        pass
    finally:
        source.close()
    return Loop(np.concatenate(parts), rate_hz)
