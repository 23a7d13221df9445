"""One recording that is being read, whatever reads it."""

from abc import ABC, abstractmethod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from listener.audio.info import AudioInfo
from listener.audio.mixing import Frames, mean_into, planes_into
from listener.config import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from listener.errors import AudioFileError

MOST_VALUES = 2**22
"""Samples of all channels that are decoded at once: a header may claim a thousand channels at any rate."""


class Reader(ABC):
    """A recording, from its beginning to its end; a context manager that closes it."""

    name: str
    """How it is called in messages."""

    info: AudioInfo
    """What it says of itself."""

    sample_rate: int
    """Of the frames that are read, in Hz: a filter may have changed it."""

    channels: int
    """Of the frames that are read."""

    taken: int = 0
    """Samples of each channel that were read."""

    @abstractmethod
    def read(self, n_samples: int) -> Frames:
        """Give the next samples as they are decoded.

        Parameters
        ----------
        n_samples
            At most so many; fewer may come long before the end.

        Returns
        -------
        Frames
            Shape (n_channels, n); n is 0 at the end and nowhere else. The next call may write over it.

        Raises
        ------
        AudioFileError
            The rest is missing or damaged; all before it has been given.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the file; twice does nothing."""

    def read_into(self, out: NDArray[np.float32]) -> tuple[int, int]:
        """Read the next samples as float32 in [-1, 1]: see `read`.

        Parameters
        ----------
        out
            Shape (n_samples,) for the mean of all channels, or (n_channels, n_samples).

        Returns
        -------
        tuple
            How many samples there are now from the beginning of ``out`` on, 0 at the end; how many values
            were no number or infinite.
        """
        frames = self.read(out.shape[-1])
        n = frames.shape[1]
        return n, (mean_into if out.ndim == 1 else planes_into)(frames, out[..., :n])

    def skip(self, n_samples: int) -> None:
        """Pass over samples, or to the end if there are fewer."""
        end = self.taken + n_samples
        while self.taken < end and self.read(end - self.taken).shape[1]:
            pass

    def check_rate(self, rate_hz: int) -> None:
        """Refuse a rate that no sound has: a second of one sample would become 16,000.

        Raises
        ------
        AudioFileError
            It is one.
        """
        if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
            raise AudioFileError(f"{self.name} is no sound, or damaged: its rate is {rate_hz} Hz")

    def cut(self, promised_s: float | None = None) -> AudioFileError:
        """Make the error of a recording that breaks off here, and should last ``promised_s``."""
        there = f"{self.taken / self.sample_rate:.1f}"
        if promised_s is None:
            return AudioFileError(f"{self.name} is truncated: it breaks off after {there} s")
        return AudioFileError(
            f"{self.name} is truncated or damaged: {there} of {promised_s:.1f} s can be read"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
