"""The mel scale and its bank of triangular filters."""

import numpy as np
from numpy.typing import NDArray

BREAK_HZ = 1000.0
"""Below it the Slaney mel scale is linear, above it logarithmic."""
LINEAR_HZ_PER_MEL = 200.0 / 3.0
LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's mel scale (Auditory Toolbox, 1998), the one that librosa uses by default."""
    linear = hz / LINEAR_HZ_PER_MEL
    logarithmic = BREAK_HZ / LINEAR_HZ_PER_MEL + np.log(np.maximum(hz, BREAK_HZ) / BREAK_HZ) / LOG_STEP
    return np.where(hz < BREAK_HZ, linear, logarithmic)


def mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of `hz_to_mel`."""
    break_mel = BREAK_HZ / LINEAR_HZ_PER_MEL
    linear = mel * LINEAR_HZ_PER_MEL
    logarithmic = BREAK_HZ * np.exp(LOG_STEP * (np.maximum(mel, break_mel) - break_mel))
    return np.where(mel < break_mel, linear, logarithmic)


def filter_bank(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min_hz: float = 0.0,
    f_max_hz: float | None = None,
) -> NDArray[np.float32]:
    """Triangles of equal area whose corners are equally spaced in mel.

    Parameters
    ----------
    sample_rate
        Hz.
    n_fft
        Points of the transform.
    n_mels
        Number of triangles.
    f_min_hz, f_max_hz
        Lowest and highest corner; the highest is half the sample rate unless told.

    Returns
    -------
    ndarray
        Weights of the power spectrum's bins, shape (n_mels, 1 + n_fft // 2).
    """
    edges_hz = np.array([f_min_hz, sample_rate / 2 if f_max_hz is None else f_max_hz])
    lowest_mel, highest_mel = hz_to_mel(edges_hz)
    corners_hz = mel_to_hz(np.linspace(lowest_mel, highest_mel, n_mels + 2))
    bins_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)

    distance_hz = corners_hz[:, np.newaxis] - bins_hz
    width_hz = np.diff(corners_hz)[:, np.newaxis]
    rising = -distance_hz[:-2] / width_hz[:-1]
    falling = distance_hz[2:] / width_hz[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    equal_area = 2.0 / (corners_hz[2:] - corners_hz[:-2])
    return (triangles * equal_area[:, np.newaxis]).astype(np.float32)
