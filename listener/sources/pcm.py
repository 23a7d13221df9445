"""Interleaved integers to mono in [-1, 1]."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from listener.types import Samples

Channel = Literal["mix"] | int
"""``mix``, the mean of all, or one channel, counted from 1."""

FULL_SCALE = 32_768.0
"""What 16-bit samples are divided by: every one of them has an exact float32."""


def mono_from_int16(frames: NDArray[np.int16], channel: Channel = "mix") -> Samples:
    """One channel, or the mean of all, as float32.

    The channels are added as integers, so that no sample depends on how the stream was cut.

    Parameters
    ----------
    frames
        Shape (n_samples, n_channels).
    channel
        ``mix`` or a channel from 1 to ``n_channels``.
    """
    if channel != "mix":
        return frames[:, channel - 1] * np.float32(1 / FULL_SCALE)
    if frames.shape[1] == 1:
        return frames[:, 0] * np.float32(1 / FULL_SCALE)
    total = frames[:, 0].astype(np.int32)
    for other in range(1, frames.shape[1]):
        total += frames[:, other]
    mean: Samples = total.astype(np.float32) * np.float32(1 / (FULL_SCALE * frames.shape[1]))
    return mean
