"""Sounds to try front ends on, and what librosa makes of them."""

from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray

from listener.types import FeatureParameters, Samples

ROUNDING = 1e-11
"""Of the loudest band's power: where next to nothing is, every transform gives its own rounding of it."""


def sound(n_samples: int, seed: int = 0) -> Samples:
    """A bit of everything: noise, a gliding tone, clicks and digital silence."""
    random = np.random.default_rng(seed)
    time_s = np.arange(n_samples) / 16_000
    samples = 0.05 * random.standard_normal(n_samples) + 0.5 * np.sin(2000 * time_s**2)
    samples[random.integers(0, n_samples, 5)] = 1.0
    samples[n_samples // 3 : n_samples // 2] = 0.0
    return np.clip(samples, -1, 1).astype(np.float32)


def amounts(logarithms: NDArray[np.float32], parameters: FeatureParameters) -> NDArray[np.float64]:
    """Undo the logarithm of a spectrogram that is not normalised."""
    exact = logarithms.astype(np.float64)
    if parameters.scale == "db":
        return np.asarray(10 ** (exact * parameters.power / 20))
    return np.exp(exact)


def of_librosa(samples: Samples, parameters: FeatureParameters) -> NDArray[np.float64]:
    """The bands' power or magnitude, not less than the floor, (n_mels, n_frames)."""
    centred: dict[str, Any] = {"center": parameters.padding == "centre", "pad_mode": "constant"}
    if parameters.padding == "reflect":
        width = (parameters.n_fft - parameters.hop_length) // 2
        samples = np.pad(samples, width, mode="reflect")
    spectrum = librosa.stft(samples, n_fft=parameters.n_fft, hop_length=parameters.hop_length, **centred)
    power = np.abs(spectrum).astype(np.float64) ** 2
    amount = np.sqrt(power + 1e-9) if parameters.power == 1 else power
    if parameters.bands == "mel":
        bank = librosa.filters.mel(
            sr=parameters.sample_rate,
            n_fft=parameters.n_fft,
            n_mels=parameters.n_mels,
            fmin=parameters.f_min_hz,
            fmax=parameters.f_max_hz,
        )
        amount = bank @ amount
    return np.asarray(np.maximum(amount, parameters.floor))


def assert_same(
    ours: NDArray[np.float32],
    expected: NDArray[np.float64],
    parameters: FeatureParameters,
    rounding: float = ROUNDING,
) -> None:
    """Compare logarithms with what they should be the logarithms of: 1e-4, and a transform's rounding."""
    assert ours.shape == expected.shape
    assert ours.dtype == np.float32
    loudest = expected.max(axis=0) if expected.size else 0.0
    nothing = loudest * (rounding if parameters.power == 2 else np.sqrt(rounding))
    difference = np.abs(amounts(ours, parameters) - expected)
    assert np.all(difference <= 1e-4 * expected + nothing)
