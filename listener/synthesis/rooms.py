"""A room around a dry sound: what makes the same alarm sound different in every house."""

import numpy as np

from listener.synthesis.parts import Signal, between, convolved
from listener.types import Samples

_BANDS_HZ = (250.0, 1_000.0, 4_000.0)
"""Where the tail is split: each band dies away at its own pace."""

_EARLY_S = 0.05
"""Within this time the ear hears reflections as one with the direct sound."""


def room(rng: np.random.Generator, samples: Samples, sample_rate: int = 16_000) -> Samples:
    """Put a sound into a room that is drawn for this call.

    The room's response is the direct sound, up to twelve early reflections within 50 ms,
    and a tail of noise that decays exponentially: 60 dB in 0.1 to 1.5 s, faster at high
    frequencies, as air and soft things swallow those (the model of Moorer, "About this
    reverberation business", 1979). The tail is 20 dB below to 10 dB above the direct sound.

    Parameters
    ----------
    rng
        Where all chance comes from.
    samples
        The dry sound.
    sample_rate
        Hz.

    Returns
    -------
    Samples
        As many samples as came in: the tail is cut off where they end. The same mean
        power, or less where a peak would have passed full scale.
    """
    wet = convolved(samples.astype(np.float64), _response(rng, sample_rate))
    power, wet_power = float(np.mean(np.square(samples, dtype=np.float64))), float(np.mean(wet**2))
    if wet_power == 0:
        return samples.copy()
    wet *= np.sqrt(power / wet_power)
    return (wet / max(1.0, float(np.max(np.abs(wet))))).astype(np.float32)


def _response(rng: np.random.Generator, sample_rate: int) -> Signal:
    rt60_s = between(rng, 0.1, 1.5)
    tail = _tail(rng, rt60_s, sample_rate)
    reverberant_power = 10 ** (rng.uniform(-20, 10) / 10)
    response: Signal = tail * np.sqrt(reverberant_power / np.sum(tail**2))
    response[0] += 1.0
    for _ in range(rng.integers(0, 13)):
        delay_s = between(rng, 0.001, _EARLY_S)
        # Sound spreads, and each wall takes some of it; a wall may turn its sign in effect.
        strength = rng.uniform(0.1, 0.8) * (1 - delay_s / (2 * _EARLY_S))
        response[min(round(delay_s * sample_rate), len(response) - 1)] += strength * rng.choice([-1, 1])
    return response


def _tail(rng: np.random.Generator, rt60_s: float, sample_rate: int) -> Signal:
    """Noise that decays by 60 dB in ``rt60_s`` at low frequencies and sooner at high ones."""
    length = 1 << round(rt60_s * sample_rate).bit_length()
    time_s = np.arange(length) / sample_rate
    spectrum = np.fft.rfft(rng.standard_normal(length))
    band = np.searchsorted(_BANDS_HZ, np.fft.rfftfreq(length, 1 / sample_rate))
    damping = rng.uniform(0.6, 1.0)
    tail = np.zeros(length)
    for index in range(len(_BANDS_HZ) + 1):
        decay_s = rt60_s * damping**index
        tail += np.fft.irfft(spectrum * (band == index), length) * 10 ** (-3 * time_s / decay_s)
    return tail
