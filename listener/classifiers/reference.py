"""Signals that every installation makes alike, to check that a model still says what it said."""

import numpy as np

from listener.types import Samples

REFERENCE_SIGNAL = "chirp"
"""The one that new cards name."""

SIGNALS = (REFERENCE_SIGNAL,)
"""Names that a card may give."""


def reference_signal(name: str, n_samples: int, sample_rate: int) -> Samples:
    """Make a reference signal.

    ``chirp``: a tone gliding from 100 Hz to 0.45 of the sample rate over noise that is 20 dB
    weaker. The noise comes from the linear congruential generator of Numerical Recipes
    (Press et al., 1992, section 7.1), since the random numbers of a library may change.

    Parameters
    ----------
    name
        One of `SIGNALS`.
    n_samples
        Length.
    sample_rate
        Hz.

    Returns
    -------
    ndarray
        Shape (n_samples,), in [-1, 1], on the grid of 16-bit samples.

    Raises
    ------
    ValueError
        There is no signal of that name.
    """
    if name not in SIGNALS:
        raise ValueError(f"unknown reference signal '{name}': there are {', '.join(SIGNALS)}")
    time_s = np.arange(n_samples) / sample_rate
    low_hz, high_hz = 100.0, 0.45 * sample_rate
    glide = np.log(high_hz / low_hz) / max(time_s[-1], 1 / sample_rate)
    tone = 0.5 * np.sin(2 * np.pi * low_hz * (np.exp(glide * time_s) - 1) / glide)
    state, noise = 1, np.empty(n_samples)
    for index in range(n_samples):
        state = (1664525 * state + 1013904223) % 2**32
        noise[index] = state / 2**31 - 1
    return np.asarray(np.rint((tone + 0.05 * noise) * 32768) / 32768, np.float32)
