"""Sound of a recording as training tools want it: mono, at one rate, piece by piece."""

from pathlib import Path
from typing import Self

import numpy as np

from listener.audio import DecodedAudio, decode, open_reader
from listener.audio.mixing import mean_into
from listener.sources.resample import StreamResampler
from listener.training.data.clip import Clip
from listener.types import Samples

READ_S = 10.0
"""Decoded at once."""


class Recording:
    """A recording that is read from its beginning, however long it is; a context manager that closes it.

    Parameters
    ----------
    path
        Whatever `listener.audio` can read.
    rate_hz
        To resample to, in Hz; None: the recording's own.

    Raises
    ------
    AudioFileError
        It is missing, unreadable, empty or no audio; the message names it.
    """

    def __init__(self, path: Path, rate_hz: int | None = None) -> None:
        self._reader = open_reader(path)
        self.rate_hz = rate_hz or self._reader.sample_rate
        """Of what `read` gives, in Hz."""
        self._resampler = StreamResampler(self._reader.sample_rate, self.rate_hz)
        self._at_once = max(1, round(READ_S * self._reader.sample_rate))
        self._parts: list[Samples] = []
        self._is_at_end = False

    def read(self, n_samples: int) -> Samples:
        """Give the next samples: as many as are asked for, fewer only at the end.

        Raises
        ------
        AudioFileError
            The rest is missing or damaged.
        """
        n_ready = sum(map(len, self._parts))
        while n_ready < n_samples and not self._is_at_end:
            block = self._decoded()
            self._is_at_end = len(block) == 0
            self._parts.append(self._resampler.push(block, last=self._is_at_end))
            n_ready += len(self._parts[-1])
        ready = np.concatenate([np.zeros(0, np.float32), *self._parts])
        self._parts = [ready[n_samples:]]
        return ready[:n_samples]

    def skip(self, n_samples: int) -> None:
        """Leave out the next samples, however many; none are kept in memory."""
        at_once = round(READ_S * self.rate_hz)
        while n_samples > 0 and len(self.read(min(n_samples, at_once))):
            n_samples -= at_once

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _decoded(self) -> Samples:
        frames = self._reader.read(self._at_once)
        mono = np.empty(frames.shape[1], np.float32)
        mean_into(frames, mono)
        return mono


def interval(clip: Clip, rate_hz: int) -> tuple[int, int | None]:
    """First sample of a clip in its recording, and the first behind it; None: it ends with the recording."""
    first = round(clip.first_s * rate_hz)
    return first, None if clip.active_s is None else first + max(1, round(clip.active_s * rate_hz))


def read_clip(path: Path, clip: Clip, rate_hz: int | None = None) -> DecodedAudio:
    """Read what is heard in a clip, from ``first_s`` for ``active_s``, mono.

    Parameters
    ----------
    path
        Of its file.
    clip
        Says what of it is heard.
    rate_hz
        To resample to, in Hz; None: the recording's own.

    Raises
    ------
    AudioFileError
        It cannot be read, or ends before the clip begins.
    """
    return decode(path, sample_rate=rate_hz, first_s=clip.first_s, duration_s=clip.active_s or None)
