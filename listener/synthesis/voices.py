"""The voice of a baby: a pitch that moves, and the resonances of a throat."""

from collections.abc import Sequence

import numpy as np

from listener.synthesis.parts import Signal, convolved, full_scale, harmonics, resonance
from listener.types import Samples

Formants = Sequence[tuple[float, float, float]]
"""Centre in Hz, width in Hz, strength of each resonance."""

_BABY: Formants = ((1_100, 300, 1.0), (2_900, 500, 0.9), (4_200, 700, 0.5), (6_000, 900, 0.25))


def crying_baby(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 6.0) -> Samples:
    """Cry: short bursts, one on each breath, the pitch rising and falling. Peak 1."""
    n_samples = round(duration_s * sample_rate)
    n_breath = round(0.25 * sample_rate)
    pause = np.zeros(round(0.08 * sample_rate))
    cries: list[Signal] = []
    while sum(map(len, cries)) < n_samples:
        breath = 0.02 * rng.standard_normal(n_breath) * np.hanning(n_breath)
        cries += [_cry(rng, sample_rate), pause, breath, pause]
    return full_scale(np.concatenate(cries)[:n_samples])


def _cry(rng: np.random.Generator, sample_rate: int) -> Signal:
    length_s = rng.uniform(0.55, 0.85)
    place = np.linspace(0, 1, round(length_s * sample_rate))
    tremor = 0.02 * np.sin(2 * np.pi * 6 * length_s * place) + 0.01 * _wander(rng, len(place), 40)
    pitch_hz = rng.uniform(430, 490) * (0.75 + 0.5 * np.sin(np.pi * place**0.7)) * (1 + tremor)
    level = np.minimum(1, np.minimum(place / 0.08, (1 - place) / 0.25)) * (
        1 + 0.2 * _wander(rng, len(place), 60)
    )
    return level * _voice(rng, pitch_hz, _BABY, 0.3, sample_rate)


def _voice(
    rng: np.random.Generator, pitch_hz: Signal, formants: Formants, breath: float, sample_rate: int
) -> Signal:
    """Vocal folds that buzz at a pitch, breath that hisses with them, and a throat above. Peak 1."""
    buzz = harmonics(pitch_hz, [k**-0.8 for k in range(1, 24)], sample_rate)
    throat = np.zeros(round(0.02 * sample_rate))
    for centre_hz, width_hz, strength in formants:
        throat += strength * resonance(centre_hz, width_hz, len(throat), sample_rate)
    sound = convolved(buzz + breath * rng.standard_normal(len(buzz)), throat)
    return sound / float(np.max(np.abs(sound)))


def _wander(rng: np.random.Generator, n_samples: int, points: int) -> Signal:
    """A random curve of unit spread through ``points`` random values."""
    return np.interp(np.linspace(0, points - 1, n_samples), np.arange(points), rng.standard_normal(points))
