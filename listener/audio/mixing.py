"""What decoders give, in whatever sample format, to float32 in [-1, 1].

Each output sample depends on the input samples of its own time alone, so nothing changes
with how a recording is cut into blocks.

Channels are mixed here and nowhere else. FFmpeg's own down-mix to mono is 3 dB too loud
where its output is float: it keeps the power of the channels, not their mean.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.generic]
"""Samples as decoded: uint8, int16, int32, float32 or float64, shape (n_channels, n_samples)."""

_MIDDLE_OF_UINT8 = 128


def mean_into(frames: Frames, out: NDArray[np.float32]) -> int:
    """Write the mean of all channels.

    Parameters
    ----------
    frames
        As decoded, shape (n_channels, n_samples).
    out
        Shape (n_samples,).

    Returns
    -------
    int
        How many values of ``frames`` were no number or infinite: they count as 0.
    """
    if frames.dtype.kind in "iu":
        _sum_into(frames, out)
        return 0
    with np.errstate(over="ignore", invalid="ignore"):
        _sum_into(frames, out)
    if is_clean(out):
        return 0
    broken = _count_broken(frames)
    if broken:
        with np.errstate(over="ignore", invalid="ignore"):
            _sum_into(np.nan_to_num(frames, nan=0.0, posinf=0.0, neginf=0.0), out)
    # Numbers may be so large that their sum is none.
    np.nan_to_num(out, copy=False, nan=0.0)
    np.clip(out, -1.0, 1.0, out=out)
    return broken


def planes_into(frames: Frames, out: NDArray[np.float32]) -> int:
    """Write every channel; ``out`` has the shape of ``frames``: see `mean_into`."""
    return sum(mean_into(frames[c : c + 1], out[c]) for c in range(len(frames)))


def mend(samples: NDArray[np.float32]) -> int:
    """Make 0 of what is no number or infinite, whose count is returned, and cut off what is too loud."""
    if is_clean(samples):
        return 0
    broken = _count_broken(samples)
    if broken:
        np.nan_to_num(samples, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    np.clip(samples, -1.0, 1.0, out=samples)
    return broken


def is_clean(samples: NDArray[np.float32]) -> bool:
    """Whether there is nothing to mend: nearly always so."""
    return not samples.size or bool(samples.min() >= -1 and samples.max() <= 1)  # with NaN, neither is true


def _count_broken(values: NDArray[Any]) -> int:
    return int(np.count_nonzero(~np.isfinite(values)))


def _sum_into(frames: Frames, out: NDArray[np.float32]) -> None:
    """Write the sum of the channels over their number, one channel after the other."""
    scale = np.float32(1 / (len(frames) * _full_scale(frames.dtype)))
    if len(frames) == 1 and frames.dtype != np.uint8:
        np.multiply(frames[0], scale, out=out, dtype=np.float32, casting="unsafe")
        return
    if len(frames) == 1:
        np.copyto(out, frames[0], casting="unsafe")
    else:
        np.add(frames[0], frames[1], out=out, dtype=np.float32, casting="unsafe")
    for channel in frames[2:]:
        np.add(out, channel, out=out, dtype=np.float32, casting="unsafe")
    if frames.dtype == np.uint8:
        out -= np.float32(_MIDDLE_OF_UINT8 * len(frames))
    out *= scale


def _full_scale(dtype: np.dtype[np.generic]) -> float:
    return float(2 ** (8 * dtype.itemsize - 1)) if dtype.kind in "iu" else 1.0
