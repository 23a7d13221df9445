"""Building blocks that the sounds share."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from listener.types import Samples

Signal = NDArray[np.float64]
"""Work in progress: double precision, any level, shape (n_samples,)."""

LOWEST_HZ = 20.0
"""Below this nobody hears anything and no small loudspeaker gives anything."""


def full_scale(signal: Signal) -> Samples:
    """Scale to a peak of 1; silence stays silence."""
    peak = float(np.max(np.abs(signal), initial=0.0))
    return (signal / peak if peak > 0 else signal).astype(np.float32)


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw from [low, high), evenly on a logarithmic scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def harmonics(
    frequency_hz: Signal, amplitudes: Sequence[float], sample_rate: int, phase: float = 0.0
) -> Signal:
    """Sum the multiples of a frequency that varies in time.

    Parameters
    ----------
    frequency_hz
        Fundamental at every sample.
    amplitudes
        Of the fundamental, its double, its triple...; a partial is left out where it
        would pass half of the sample rate, as it would come back at a wrong frequency.
    sample_rate
        Hz.
    phase
        Of the fundamental at the first sample, in radians.
    """
    angle = phase + 2 * np.pi * np.cumsum(frequency_hz) / sample_rate
    sound = np.zeros(len(angle))
    for multiple, amplitude in enumerate(amplitudes, start=1):
        audible = multiple * frequency_hz < sample_rate / 2
        if amplitude != 0 and audible.any():
            sound += amplitude * audible * np.sin(multiple * angle)
    return sound


def smoothed(signal: Signal, time_constant_samples: float) -> Signal:
    """Follow a signal as a charging capacitor does, backwards in time never.

    An exponential moving average, computed as a convolution with a kernel of eight
    time constants (what is cut off is 0.03 %).
    """
    length = max(1, round(8 * time_constant_samples))
    kernel = np.exp(-np.arange(length) / max(time_constant_samples, 1e-3))
    return convolved(signal, kernel / kernel.sum())


def convolved(signal: Signal, response: Signal) -> Signal:
    """Pass a signal through a response, by FFT; what rings on past the end is cut off."""
    length = 1 << (len(signal) + len(response) - 2).bit_length()
    spectrum = np.fft.rfft(signal, length) * np.fft.rfft(response, length)
    return np.fft.irfft(spectrum, length)[: len(signal)]


def resonance(centre_hz: float, width_hz: float, n_samples: int, sample_rate: int) -> Signal:
    """Response of a resonator: its gain is about 1 at ``centre_hz``, and 3 dB less half the width aside."""
    time_s = np.arange(n_samples) / sample_rate
    decay = np.exp(-np.pi * width_hz * time_s)
    return 2 * np.pi * width_hz / sample_rate * decay * np.sin(2 * np.pi * centre_hz * time_s)


def coloured_noise(
    rng: np.random.Generator, n_samples: int, exponent: float, sample_rate: int = 16_000
) -> Samples:
    """Make Gaussian noise whose power falls as 1 / f ** exponent.

    Parameters
    ----------
    rng
        Where all chance comes from.
    n_samples
        Length.
    exponent
        0 is white, 1 pink, 2 brown; below 0 the power rises with frequency.
    sample_rate
        Hz; the power does not rise any more below 20 Hz.

    Returns
    -------
    Samples
        Peak 1.
    """
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    frequency_hz = np.maximum(np.fft.rfftfreq(n_samples, 1 / sample_rate), LOWEST_HZ)
    return full_scale(np.fft.irfft(spectrum * frequency_hz ** (-exponent / 2), n_samples))
