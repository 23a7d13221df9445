"""What is known of a recording."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a recording says of itself."""

    sample_rate: int
    """Hz."""

    channels: int
    """At least 1."""

    n_samples: int | None
    """Samples of each channel; None where the file does not count them."""

    duration_s: float | None
    """Seconds; estimated where samples are not counted, None where there is nothing to estimate it from."""

    container: str
    """What the file is: ``wav``, ``flac``, ``ogg``, ``mp3``, ``mp4``, ``matroska``."""

    codec: str
    """How the sound is kept in it: ``pcm_16``, ``pcm_24``, ``float``, ``vorbis``, ``aac``."""

    n_tracks: int = 1
    """Audio tracks; one of them is read."""


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    """Samples, and where they come from."""

    samples: NDArray[np.float32]
    """In [-1, 1]; mono (n_samples,), else (n_channels, n_samples)."""

    sample_rate: int
    """Hz, of ``samples``."""

    info: AudioInfo
    """The recording as it is, before anything was done to it."""

    n_not_finite: int = 0
    """Values that were no number or infinite (a file of floats may hold such); they have become 0."""

    @property
    def duration_s(self) -> float:
        """Length of ``samples`` in seconds."""
        return float(self.samples.shape[-1] / self.sample_rate)
