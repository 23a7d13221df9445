"""Where decoded samples go: a buffer of the caller's, or one of our own that grows."""

import numpy as np
from numpy.typing import NDArray

from listener.errors import AudioFileError

AT_FIRST = 2**24
"""Samples of a channel for which there is room at once: a header may claim any number."""

UNKNOWN = 2**16
"""The same where nothing is known."""


class Room:
    """An array that is filled from its beginning.

    Parameters
    ----------
    out
        The caller's buffer, or None.
    channels
        Rows; None for an array of one axis.
    expected
        Samples that will probably come, or None.
    name
        Of the recording, for messages.

    Raises
    ------
    ValueError
        ``out`` is nothing that can be filled.
    """

    def __init__(
        self, out: NDArray[np.float32] | None, channels: int | None, expected: int | None, name: str
    ) -> None:
        self._shape = () if channels is None else (channels,)
        self._name = name
        self._is_own = out is None
        self._expected = expected
        if out is not None:
            self._check(out)
            self._array = out
            if expected is not None and expected > out.shape[-1]:
                raise self._too_small(expected)
        else:
            length = UNKNOWN if expected is None else min(expected, AT_FIRST)
            self._array = np.empty((*self._shape, length), np.float32)
        self._used = 0

    def space(self, n_samples: int) -> NDArray[np.float32]:
        """View what is free, at most ``n_samples``; `advance` says how much of it was written."""
        part: NDArray[np.float32] = self._array[..., self._used : self._used + n_samples]
        return part

    def advance(self, n_samples: int) -> None:
        """Count what was written to `space`."""
        self._used += n_samples

    def take(self, n_samples: int) -> NDArray[np.float32]:
        """Give the next ``n_samples`` to write to.

        Raises
        ------
        AudioFileError
            The caller's buffer is full.
        """
        end = self._used + n_samples
        if end > self._array.shape[-1]:
            self._grow(end)
        part: NDArray[np.float32] = self._array[..., self._used : end]
        self._used = end
        return part

    def add(self, samples: NDArray[np.float32]) -> None:
        """Write samples behind those that are there: see `take`."""
        self.take(samples.shape[-1])[...] = samples

    def filled(self) -> NDArray[np.float32]:
        """All that was written; of a buffer of our own, nothing else is kept."""
        part: NDArray[np.float32] = self._array[..., : self._used]
        return part.copy() if self._is_own and part.shape != self._array.shape else part

    def _grow(self, n_samples: int) -> None:
        if not self._is_own:
            raise self._too_small(n_samples)
        larger = np.empty((*self._shape, max(n_samples, 2 * self._array.shape[-1])), np.float32)
        larger[..., : self._used] = self._array[..., : self._used]
        self._array = larger

    def _check(self, out: NDArray[np.float32]) -> None:
        wanted = ", ".join([*map(str, self._shape), "n_samples"])
        if not isinstance(out, np.ndarray) or out.dtype != np.float32:
            raise ValueError("out must be a NumPy array of float32")
        if out.shape[:-1] != self._shape or out.ndim == 0:
            raise ValueError(f"out must have the shape ({wanted}), not {out.shape}")
        if not (out.flags.c_contiguous and out.flags.writeable):
            raise ValueError("out must be C-contiguous and writeable")

    def _too_small(self, n_samples: int) -> AudioFileError:
        has = (
            f"out has room for {self._array.shape[-1]:,} samples, and {self._name} has {n_samples:,} or more"
        )
        return AudioFileError(f"{has}: give a larger one, or duration_s")
