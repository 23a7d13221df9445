"""Interleaved samples of a device or file to mono in [-1, 1]."""

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray
from pydantic import Field

from listener.types import Samples

Channel = Literal["mix"] | Annotated[int, Field(ge=1)]
"""``mix``, the mean of all channels, or one of them, counted from 1."""

FULL_SCALE = 32_768.0
"""What 16-bit samples are divided by: each of them has an exact float32."""


def mono_from_int16(frames: NDArray[np.int16], channel: Channel = "mix") -> Samples:
    """One channel, or the mean of all, as float32.

    Parameters
    ----------
    frames
        Shape (n_samples, n_channels).
    channel
        ``mix`` or a channel from 1 to ``n_channels``.
    """
    if channel != "mix":
        return frames[:, channel - 1] * np.float32(1 / FULL_SCALE)
    scale = np.float32(1 / (FULL_SCALE * frames.shape[1]))
    if frames.shape[1] == 1:
        return frames[:, 0] * scale
    return _sum(frames, np.int32).astype(np.float32) * scale


def mono_from_float(frames: NDArray[np.floating], channel: Channel = "mix") -> Samples:
    """One channel, or the mean of all; what is no number becomes 0, what is too loud is clipped.

    Parameters
    ----------
    frames
        Shape (n_samples, n_channels), full scale at 1.
    channel
        ``mix`` or a channel from 1 to ``n_channels``.
    """
    frames = np.nan_to_num(frames, nan=0.0, posinf=0.0, neginf=0.0)
    mono = frames[:, channel - 1] if channel != "mix" else _sum(frames, np.float64) / frames.shape[1]
    clipped: Samples = np.clip(mono, -1.0, 1.0).astype(np.float32)
    return clipped


def _sum(frames: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Sum of the channels, one after the other: no sample depends on how the stream was cut."""
    total = frames[:, 0].astype(dtype)
    for other in range(1, frames.shape[1]):
        total += frames[:, other]
    return total
