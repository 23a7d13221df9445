"""Spectrograms brought to [0, 1], and back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class MinMax:
    """Least and greatest value of spectrograms: what has to be kept so that `normalise` can be undone."""

    lowest: NDArray[np.float32]
    """Of each spectrogram: shape (), or (n_sounds,)."""

    highest: NDArray[np.float32]
    """The same shape."""

    @classmethod
    def of(cls, spectrograms: NDArray[np.float32]) -> "MinMax":
        """Find them.

        Parameters
        ----------
        spectrograms
            Shape (n_bands, n_frames) or (n_sounds, n_bands, n_frames), with one value each at least.
        """
        return cls(np.asarray(spectrograms.min(axis=(-2, -1))), np.asarray(spectrograms.max(axis=(-2, -1))))

    def normalise(self, spectrograms: NDArray[np.float32]) -> NDArray[np.float32]:
        """Put the least value at 0 and the greatest at 1; where all are the same, all at 0."""
        lowest = self.lowest[..., np.newaxis, np.newaxis]
        span = self.highest[..., np.newaxis, np.newaxis] - lowest
        return np.asarray((spectrograms - lowest) / np.where(span > 0, span, np.float32(1)), np.float32)

    def undo(self, normalised: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring [0, 1] back to what it was, to within rounding (1e-6 of the span)."""
        lowest = self.lowest[..., np.newaxis, np.newaxis]
        span = self.highest[..., np.newaxis, np.newaxis] - lowest
        return np.asarray(normalised * span + lowest, np.float32)
