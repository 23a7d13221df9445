"""The horn of a car, as it comes in through the window."""

import numpy as np

from listener.synthesis.parts import between, convolved, full_scale, harmonics, resonance, smoothed
from listener.types import Samples


def car_horn(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 2.2) -> Samples:
    """Hoot twice, briefly and long, with the two discs of a passenger car. Peak 1."""
    n_samples = round(duration_s * sample_rate)
    time_s = np.arange(n_samples) / sample_rate
    pressed = np.where((time_s < 0.35) | ((time_s > 0.6) & (time_s < duration_s - 0.1)), 1.0, 0.0)
    level = smoothed(pressed, 0.012 * sample_rate)
    rise = 1 - 0.02 * (1 - smoothed(pressed, 0.02 * sample_rate))
    sound = np.zeros(n_samples)
    for pitch_hz in (between(rng, 390, 420), between(rng, 480, 520)):
        amplitudes = [rng.uniform(0.5, 1.0) * k**-0.4 for k in range(1, 19)]
        sound += level * harmonics(pitch_hz * rise, amplitudes, sample_rate)
    # The trumpet in front of the discs throws a wide band around 2.6 kHz forward.
    trumpet = resonance(2_600, 2_000, round(0.01 * sample_rate), sample_rate)
    return full_scale(sound + 2.5 * convolved(sound, trumpet))
