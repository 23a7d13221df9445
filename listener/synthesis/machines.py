"""Machines: what repeats many times a second."""

import numpy as np

from listener.synthesis.parts import coloured_noise, convolved, full_scale, harmonics
from listener.types import Samples


def helicopter(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 8.0) -> Samples:
    """Hover nearby: the slap of the blades, the rush of air that they chop, the turbine. Peak 1."""
    n_samples = round(duration_s * sample_rate)
    time_s = np.arange(n_samples) / sample_rate
    blades_hz = rng.uniform(12, 15)
    turn = (blades_hz * time_s) % 1
    chop = np.exp(-turn / 0.25)
    slaps = np.zeros(n_samples)
    edges = np.flatnonzero(np.diff(turn, prepend=1.0) < 0)
    slaps[edges] = rng.uniform(0.7, 1.0, len(edges))
    ring_s = np.arange(round(0.08 * sample_rate)) / sample_rate
    slap = sum(
        strength * np.exp(-ring_s / decay_s) * np.sin(2 * np.pi * frequency_hz * ring_s)
        for frequency_hz, decay_s, strength in (
            (55, 0.02, 1.0),
            (110, 0.015, 0.8),
            (230, 0.01, 0.5),
            (480, 0.006, 0.3),
        )
    )
    air = coloured_noise(rng, n_samples, 1.0, sample_rate) * (0.35 + 0.65 * chop)
    turbine = harmonics(np.full(n_samples, 2_350.0), (1.0, 0.3), sample_rate)
    approach = np.minimum(1, 0.4 + time_s / 3)
    return full_scale(approach * (convolved(slaps, np.asarray(slap)) + 0.9 * air + 0.01 * turbine))
