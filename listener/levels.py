"""Samples as numbers of another kind: 16-bit integers, and levels in decibels."""

import math

import numpy as np
from numpy.typing import NDArray

from listener.types import Samples

FULL_SCALE = 32_768


def to_int16(samples: Samples) -> NDArray[np.int16]:
    """Quantise samples in [-1, 1] to 16 bits: the exact inverse of dividing 16-bit samples by 32768."""
    scaled = np.rint(samples * np.float32(FULL_SCALE))
    return np.asarray(np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1), np.int16)


def decibels(amplitude: float) -> float:
    """Give an amplitude as a level below full scale; none at all is minus infinity."""
    return 20 * math.log10(amplitude) if amplitude > 0 else float("-inf")
