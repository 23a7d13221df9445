"""Voices of animals and of a baby: a pitch that moves, and the resonances of a throat."""

from collections.abc import Sequence

import numpy as np

from listener.synthesis.parts import Signal, between, convolved, full_scale, harmonics
from listener.types import Samples

Formants = Sequence[tuple[float, float, float]]
"""Centre in Hz, width in Hz, strength of each resonance."""


def chirping_birds(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 6.0) -> Samples:
    """Let three small birds sing, each with its own phrase. Peak 1."""
    n_samples = round(duration_s * sample_rate)
    sound = np.zeros(n_samples)
    for bird in range(3):
        loudness = 1.0 if bird == 0 else between(rng, 0.1, 0.4)
        phrase = _phrase(rng, sample_rate)
        position_s = 0.0 if bird == 0 else rng.uniform(0.3, 1.5)
        while position_s < duration_s:
            first = round(position_s * sample_rate)
            heard = phrase[: n_samples - first]
            sound[first : first + len(heard)] += loudness * rng.uniform(0.7, 1.0) * heard
            position_s += len(phrase) / sample_rate + rng.uniform(0.2, 0.6)
    return full_scale(sound)


def _phrase(rng: np.random.Generator, sample_rate: int) -> Signal:
    """Two kinds of syllable, each sung a few times: whistles that sweep within 30 to 120 ms."""
    syllables: list[Signal] = []
    for _ in range(2):
        length_s, start_hz = rng.uniform(0.05, 0.13), between(rng, 3_000, 6_000)
        sweep, bend = rng.uniform(-0.6, 0.6), rng.uniform(-0.3, 0.3)
        place = np.linspace(0, 1, round(length_s * sample_rate))
        frequency_hz = np.clip(start_hz * 2 ** (sweep * place + bend * np.sin(np.pi * place)), 2_000, 7_500)
        whistle = np.sin(np.pi * place) ** 0.7 * harmonics(frequency_hz, (1.0, 0.08), sample_rate)
        pause = np.zeros(round(rng.uniform(0.02, 0.07) * sample_rate))
        syllables += [whistle, pause] * int(rng.integers(2, 6))
    return np.concatenate(syllables)


def crying_baby(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 6.0) -> Samples:
    """Cry: bursts of about a second on one breath each, the pitch rising and falling. Peak 1."""
    cries: list[Signal] = []
    while sum(map(len, cries)) < duration_s * sample_rate:
        length_s = rng.uniform(0.8, 1.3)
        place = np.linspace(0, 1, round(length_s * sample_rate))
        wobble = 0.02 * np.sin(2 * np.pi * 6 * length_s * place) + 0.01 * _wander(rng, len(place), 40)
        frequency_hz = rng.uniform(420, 480) * (0.85 + 0.3 * np.sin(np.pi * place**0.7)) * (1 + wobble)
        level = np.minimum(1, np.minimum(place / 0.08, (1 - place) / 0.25)) * (
            1 + 0.2 * _wander(rng, len(place), 60)
        )
        formants = ((1_100, 300, 1.0), (2_900, 500, 0.9), (4_200, 700, 0.5), (6_000, 900, 0.25))
        cries.append(level * _voice(rng, frequency_hz, formants, 0.04, sample_rate))
        breath = rng.standard_normal(round(0.25 * sample_rate)) * np.hanning(round(0.25 * sample_rate))
        cries += [np.zeros(round(0.08 * sample_rate)), 0.02 * breath, np.zeros(round(0.05 * sample_rate))]
    return full_scale(np.concatenate(cries)[: round(duration_s * sample_rate)])


def dog(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 3.0) -> Samples:
    """Bark in pairs: short, hoarse, falling in pitch. Peak 1."""
    n_samples = round(duration_s * sample_rate)
    sound = np.zeros(n_samples)
    position_s, turn = 0.0, 0
    while position_s < duration_s:
        place = np.linspace(0, 1, round(rng.uniform(0.16, 0.2) * sample_rate))
        frequency_hz = rng.uniform(380, 430) * (0.7 + 0.6 * np.sin(np.pi * place**0.6))
        frequency_hz *= 1 + 0.03 * _wander(rng, len(place), 90)
        level = np.sin(np.pi * place**0.7) ** 1.3
        formants = ((750, 300, 1.0), (1_500, 400, 0.8), (2_700, 600, 0.25), (4_200, 900, 0.1))
        bark = level * _voice(rng, frequency_hz, formants, 0.35, sample_rate)
        first = round(position_s * sample_rate)
        heard = bark[: n_samples - first]
        sound[first : first + len(heard)] += heard
        position_s += 0.38 if turn % 2 == 0 else rng.uniform(0.7, 0.9)
        turn += 1
    return full_scale(sound)


def rooster(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 2.4) -> Samples:
    """Crow once: three short calls and a long one that falls. Peak 1."""
    length = round(duration_s * sample_rate)
    sound = np.zeros(length)
    calls = ((0.0, 0.17, 560, 720), (0.25, 0.14, 800, 860), (0.41, 0.36, 850, 900), (0.79, 1.45, 930, 620))
    formants = ((900, 400, 1.0), (1_900, 500, 0.8), (3_200, 700, 0.5), (5_200, 900, 0.2))
    for first_s, length_s, start_hz, end_hz in calls:
        place = np.linspace(0, 1, round(length_s * sample_rate))
        frequency_hz = (
            start_hz * (end_hz / start_hz) ** (place**1.5) * (1 + 0.015 * _wander(rng, len(place), 50))
        )
        level = np.minimum(1, np.minimum(place * length_s / 0.03, (1 - place) * length_s / 0.12))
        call = level * _voice(rng, frequency_hz, formants, 0.12, sample_rate)
        first = round(first_s * sample_rate)
        heard = call[: length - first]
        sound[first : first + len(heard)] += heard
    return full_scale(sound)


def _voice(
    rng: np.random.Generator, frequency_hz: Signal, formants: Formants, breath: float, sample_rate: int
) -> Signal:
    """Vocal folds that buzz at a pitch, breath that hisses with them, and a throat above. Peak 1."""
    buzz = harmonics(frequency_hz, [1 / k**0.8 for k in range(1, 24)], sample_rate)
    source = buzz + breath * rng.standard_normal(len(buzz)) * 3
    time_s = np.arange(round(0.02 * sample_rate)) / sample_rate
    throat = np.zeros(len(time_s))
    for centre_hz, width_hz, strength in formants:
        ring = np.exp(-np.pi * width_hz * time_s) * np.sin(2 * np.pi * centre_hz * time_s)
        throat += strength * width_hz / formants[0][1] * ring
    return full_scale(convolved(source, throat)).astype(np.float64)


def _wander(rng: np.random.Generator, n_samples: int, points: int) -> Signal:
    """A smooth random curve of unit spread through ``points`` random values."""
    return np.interp(np.linspace(0, points - 1, n_samples), np.arange(points), rng.standard_normal(points))
