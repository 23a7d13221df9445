"""The samples of a recording as they stand in the file: every channel, nothing mended, nothing clipped."""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from listener.audio import open_reader


class Frames:
    """A recording that is read from its beginning; a context manager that closes it.

    Parameters
    ----------
    path
        Whatever `listener.audio` can read.

    Raises
    ------
    AudioFileError
        It is missing, unreadable, empty or no audio; the message names it.
    """

    def __init__(self, path: Path) -> None:
        self._reader = open_reader(path)
        self.sample_rate = self._reader.info.sample_rate
        """In Hz."""
        self.channels = self._reader.info.channels
        """At least 1."""
        self.encoding = self._reader.info.codec
        """How the sound is kept: ``pcm_16``, ``float``, ``vorbis``."""

    def read(self, n_samples: int) -> NDArray[np.float32]:
        """Give the next samples, none at the end.

        Parameters
        ----------
        n_samples
            At most so many.

        Returns
        -------
        ndarray
            Shape (n_channels, n); full scale is 1, which a file of floats may exceed.

        Raises
        ------
        AudioFileError
            The rest is missing or damaged; all before it has been given.
        """
        frames = self._reader.read(n_samples)
        if frames.dtype.kind == "f":
            return frames.astype(np.float32)
        # Unsigned samples, which are 8 bits, are silent in the middle of their range.
        middle = 2 ** (8 * frames.dtype.itemsize - 1)
        if frames.dtype.kind == "u":
            return (frames.astype(np.float32) - np.float32(middle)) / np.float32(middle)
        return frames.astype(np.float32) / np.float32(middle)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
