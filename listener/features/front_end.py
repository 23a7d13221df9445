"""What every form of the front end is made of: its window, its bands, its constants.

The NumPy form (`listener.features.logmel`) and the PyTorch form (`listener.features.layers`)
both take them from here, so that neither can drift away from the other.
"""

import math

import numpy as np
from numpy.typing import NDArray

from listener.features.mel import filter_bank
from listener.types import FeatureParameters

MAGNITUDE_OFFSET = 1e-9
"""Added to a power before its root is taken, as HiFi-GAN does: at 0 the root's slope would be infinite."""

LEAST_SPREAD = 1e-6
"""What a frame's deviations are divided by at least, where frames are normalised."""


def hann(n_fft: int) -> NDArray[np.float64]:
    """Periodic Hann window, shape (n_fft,), in [0, 1]."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)


def mel_weights(parameters: FeatureParameters) -> NDArray[np.float32] | None:
    """Weights of the bins in each mel band, shape (n_mels, 1 + n_fft // 2); None where bands are linear.

    Raises
    ------
    ValueError
        Bands are linear, and ``n_mels`` is not the number of bins.
    """
    n_bins = 1 + parameters.n_fft // 2
    if parameters.bands == "linear":
        if parameters.n_mels != n_bins:
            raise ValueError(f"linear bands: n_mels has to be {n_bins}, not {parameters.n_mels}")
        return None
    return filter_bank(
        parameters.sample_rate,
        parameters.n_fft,
        parameters.n_mels,
        parameters.f_min_hz,
        parameters.f_max_hz,
    )


def log_factor(parameters: FeatureParameters) -> float:
    """What the natural logarithm is multiplied with: 1; for decibels 10 or 20 over log(10)."""
    return 20 / parameters.power / math.log(10) if parameters.scale == "db" else 1.0


def count_frames(parameters: FeatureParameters, n_samples: int) -> int:
    """Whole frames in ``n_samples`` samples and their padding; too few to be mirrored have none."""
    shortest = parameters.padding_samples + 1 if parameters.padding == "reflect" else 1
    if n_samples < shortest:
        return 0
    n_padded = n_samples + 2 * parameters.padding_samples
    return max(0, 1 + (n_padded - parameters.n_fft) // parameters.hop_length)
