"""What a stage of the pipeline is, and those that come with the program.

    load       path, clip, rate in Hz -> samples
    pad        samples, n_samples -> n_samples samples
    extract    given the front end's parameters once: samples -> (n_mels, n_frames)
    normalise  ranges of all clips -> bounds: what is brought to 0, and what to 1
    save       the number format that features are kept in

A user's own is named ``python:FILE:NAME`` and has the same form.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from listener.features import LogMel
from listener.training.data.clip import Clip
from listener.training.data.reading import read_clip
from listener.types import FeatureParameters, Samples

Stage = Literal["load", "pad", "extract", "normalise", "save"]
"""In the order of the flow."""

Load = Callable[[Path, Clip, int], Samples]
"""Reads a clip: mono, at the rate in Hz that is asked for."""

Pad = Callable[[Samples, int], Samples]
"""Brings samples to a number of them."""

Extract = Callable[[Samples], NDArray[np.float32]]
"""Samples to features, shape (n_mels, n_frames)."""

MakeExtract = Callable[[FeatureParameters], Extract]
"""What the stage ``extract`` names: called once in each process."""

Normalise = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From the lowest and highest value of each band of each clip, shape (n_clips, 2, n_mels), to what is to be 0
and 1 there, in the same shape: so it can be undone, whatever it is."""


def load_active(path: Path, clip: Clip, rate_hz: int) -> Samples:
    """Read what sounds in a clip, from ``first_s`` for ``active_s``."""
    return read_clip(path, clip, rate_hz).samples


def load_whole(path: Path, clip: Clip, rate_hz: int) -> Samples:
    """Read the whole file of a clip."""
    return read_clip(path, Clip(clip.path, clip.label), rate_hz).samples


def pad_zeros(samples: Samples, n_samples: int) -> Samples:
    """Put silence behind, or cut the end off."""
    padded = np.zeros(n_samples, np.float32)
    padded[: len(samples)] = samples[:n_samples]
    return padded


def pad_centre(samples: Samples, n_samples: int) -> Samples:
    """Put silence on both sides, or keep the middle."""
    first = max(0, (len(samples) - n_samples) // 2)
    kept = samples[first : first + n_samples]
    padded = np.zeros(n_samples, np.float32)
    begin = (n_samples - len(kept)) // 2
    padded[begin : begin + len(kept)] = kept
    return padded


def pad_repeat(samples: Samples, n_samples: int) -> Samples:
    """Repeat the sound, or cut the end off."""
    return np.resize(samples, n_samples).astype(np.float32, copy=False)


def bounds_of_clip(ranges: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring each clip to [0, 1] by itself."""
    lowest = ranges[:, :1].min(axis=2, keepdims=True)
    highest = ranges[:, 1:].max(axis=2, keepdims=True)
    return np.broadcast_to(np.concatenate((lowest, highest), axis=1), ranges.shape)


def bounds_of_band(ranges: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring each band to [0, 1], alike in all clips."""
    both = np.stack((ranges[:, 0].min(axis=0), ranges[:, 1].max(axis=0)))
    return np.broadcast_to(both, ranges.shape)


def bounds_of_all(ranges: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring everything to [0, 1] alike."""
    both = np.array([[ranges[:, 0].min()], [ranges[:, 1].max()]], np.float32)
    return np.broadcast_to(both, ranges.shape)


STAGES: Mapping[Stage, Mapping[str, Any]] = {
    "load": {"active": load_active, "whole": load_whole},
    "pad": {"zeros": pad_zeros, "centre": pad_centre, "repeat": pad_repeat},
    "extract": {"log_mel": LogMel},
    "normalise": {"none": None, "clip": bounds_of_clip, "band": bounds_of_band, "global": bounds_of_all},
    "save": {"float32": np.float32, "float16": np.float16},
}
"""Those that are known by name; the first of each is taken unless told."""
