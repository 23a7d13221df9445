"""Where in a recording something goes on: louder than what is always there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from listener.training.data.reading import Recording

BLOCK_S = 0.01
"""Levels are taken over blocks of this length."""

FLOOR_PERCENTILE = 10.0
"""This part of a recording, its quietest, is taken for its noise floor."""

LOWEST_FLOOR_DB = -80.0
"""The floor is never below: beside digital silence even hiss would stand out."""

_BLOCKS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class ActivityOptions:
    """What counts as activity."""

    above_db: float = 12.0
    """Level above the noise floor at which it begins, in dB; it goes on down to half of that."""

    min_s: float = 0.1
    """What is shorter is none."""

    join_s: float = 0.3
    """Two that are less than this apart are one."""

    pad_s: float = 0.1
    """Kept before and behind."""


@dataclass(frozen=True, slots=True)
class Survey:
    """A recording, read once to its end."""

    rate_hz: int
    """Of the samples."""

    n_samples: int
    """In all."""

    levels_db: NDArray[np.float32]
    """Of each block of `BLOCK_S`, in dB below full scale, shape (n_blocks,)."""


def survey(recording: Recording) -> Survey:
    """Read a recording to its end."""
    n_block = block_samples(recording.rate_hz)
    parts = [np.zeros(0, np.float32)]
    n_samples = 0
    while len(samples := recording.read(n_block * _BLOCKS_AT_ONCE)):
        n_blocks = -(-len(samples) // n_block)
        padded = np.zeros(n_blocks * n_block, np.float32)
        padded[: len(samples)] = samples
        power = np.mean(np.square(padded.reshape(n_blocks, n_block)), axis=1)
        parts.append(10 * np.log10(np.maximum(power, np.float32(1e-20))))
        n_samples += len(samples)
    return Survey(recording.rate_hz, n_samples, np.concatenate(parts))


def block_samples(rate_hz: int) -> int:
    """Samples in a block."""
    return max(1, round(BLOCK_S * rate_hz))


def find_activity(levels_db: NDArray[np.float32], options: ActivityOptions) -> list[tuple[int, int]]:
    """Find what stands out of the noise floor, with hysteresis.

    Parameters
    ----------
    levels_db
        Of blocks of `BLOCK_S`, shape (n_blocks,).
    options
        What counts.

    Returns
    -------
    list of (first, last)
        Blocks, ``last`` being the first one behind; in order, not overlapping, not padded.
    """
    if len(levels_db) == 0:
        return []
    floor_db = max(float(np.percentile(levels_db, FLOOR_PERCENTILE)), LOWEST_FLOOR_DB)
    loud = levels_db >= floor_db + options.above_db
    goes_on = levels_db >= floor_db + options.above_db / 2
    found = [run for run in _runs(goes_on) if loud[run[0] : run[1]].any()]
    min_blocks = options.min_s / BLOCK_S
    return [run for run in _joined(found, options.join_s / BLOCK_S) if run[1] - run[0] >= min_blocks - 1e-6]


def _runs(goes_on: NDArray[np.bool_]) -> list[tuple[int, int]]:
    changes = np.flatnonzero(np.diff(np.concatenate(([False], goes_on, [False])).astype(np.int8)))
    return [(int(first), int(last)) for first, last in changes.reshape(-1, 2)]


def _joined(runs: Sequence[tuple[int, int]], nearer_than: float) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in runs:
        if joined and first - joined[-1][1] < nearer_than:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined
