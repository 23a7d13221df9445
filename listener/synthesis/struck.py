"""Things that are struck and ring: bells, a clock, glass.

Each is a sum of damped sines, the modes of the thing, set off by a short burst of noise.
"""

import numpy as np

from listener.synthesis.parts import Signal, between, full_scale
from listener.types import Samples

_BELL_PARTIALS = (
    (0.5, 0.35, 3.0),  # hum
    (1.0, 0.5, 1.6),  # prime
    (1.183, 0.8, 1.3),  # tierce
    (1.506, 0.3, 0.8),  # quint
    (2.0, 1.0, 1.0),  # nominal
    (2.514, 0.5, 0.6),
    (2.662, 0.4, 0.5),
    (3.011, 0.6, 0.5),
    (4.166, 0.5, 0.35),
    (5.433, 0.4, 0.25),
    (6.796, 0.3, 0.18),
    (8.215, 0.25, 0.14),
    (9.9, 0.2, 0.1),
    (11.7, 0.15, 0.08),
)
"""Pitch over the prime's (Fletcher and Rossing, "The Physics of Musical Instruments", chapter 21; the last
two go on in their way), amplitude, decay over the nominal's (as spectrograms of bells show them)."""


def church_bells(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 6.0) -> Samples:
    """Ring two or three bells in turn, heard from below the tower. Peak 1."""
    n_samples = round(duration_s * sample_rate)
    sound = np.zeros(n_samples)
    primes_hz = between(rng, 350, 500) * np.array([1.0, 1.189, 0.891])[: rng.integers(2, 4)]
    bells = [_bell(rng, prime_hz, n_samples, sample_rate) for prime_hz in primes_hz]
    position_s, turn = 0.0, 0
    while turn == 0 or position_s < duration_s - 1.0:  # the last stroke is left some time to ring
        first = round(position_s * sample_rate)
        sound[first:] += rng.uniform(0.6, 1.0) * bells[turn % len(bells)][: n_samples - first]
        position_s += rng.uniform(0.75, 0.95)
        turn += 1
    return full_scale(sound)


def _bell(rng: np.random.Generator, prime_hz: float, n_samples: int, sample_rate: int) -> Signal:
    sound = np.zeros(n_samples)
    for ratio, amplitude, decay in _BELL_PARTIALS:
        # No bell is quite round: each partial is a pair that beats slowly.
        for split in (1.0, 1.0 + rng.uniform(0.0005, 0.003)):
            strength = amplitude * rng.uniform(0.5, 1.0)
            sound += strength * mode(rng, prime_hz * ratio * split, 1.2 * decay, n_samples, sample_rate)
    clapper = burst(rng, 0.012, n_samples, sample_rate)
    return sound + 1.5 * clapper


def clock_tick(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 6.0) -> Samples:
    """Let a wall clock tick, twice a second, tick and tock a little different. Peak 1."""
    n_samples = round(duration_s * sample_rate)
    length = round(0.12 * sample_rate)
    strokes = [_stroke(rng, pitch, length, sample_rate) for pitch in (1.0, 0.85)]
    sound = np.zeros(n_samples + length)
    for turn, position_s in enumerate(np.arange(0.0, duration_s, 0.5)):
        first = round((position_s + rng.uniform(0, 0.004)) * sample_rate)
        sound[first : first + length] += rng.uniform(0.8, 1.0) * strokes[turn % 2]
    return full_scale(sound[:n_samples])


def _stroke(rng: np.random.Generator, pitch: float, length: int, sample_rate: int) -> Signal:
    """The escapement's two or three impacts, a few milliseconds apart, on a case that resonates."""
    sound = np.zeros(length)
    for delay_s, strength in ((0.0, 0.5), (0.009, 1.0), (0.021, 0.4)):
        first = round(delay_s * sample_rate)
        rest = length - first
        impact = 1.2 * burst(rng, 0.0015, rest, sample_rate)
        for frequency_hz in (1_150, 1_900, 2_750, 3_900, 5_300, 6_600):
            impact += rng.uniform(0.2, 0.6) * mode(rng, pitch * frequency_hz, 0.006, rest, sample_rate)
        sound[first:] += strength * impact
    return sound


def glass_breaking(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 1.2) -> Samples:
    """Drop a bottle: a crash, and shards that ring as they fall. Peak 1."""
    n_samples = round(duration_s * sample_rate)
    crash = 1.5 * burst(rng, 0.05, n_samples, sample_rate) + 0.4 * burst(rng, 0.25, n_samples, sample_rate)
    fall_s = np.sort(rng.exponential(0.22, 70))
    for first_s in fall_s[fall_s < 0.8 * duration_s]:
        first = round(first_s * sample_rate)
        rest = n_samples - first
        shard = 0.5 * burst(rng, 0.004, rest, sample_rate)
        for _ in range(3):
            shard += mode(rng, between(rng, 1_800, 7_600), between(rng, 0.01, 0.09), rest, sample_rate)
        crash[first:] += between(rng, 0.1, 0.7) * np.exp(-first_s / 0.5) * shard
    return full_scale(crash)


def mode(
    rng: np.random.Generator, frequency_hz: float, decay_s: float, n_samples: int, sample_rate: int
) -> Signal:
    """One damped sine, falling to 1 / e within ``decay_s``; silent where it would pass half the rate."""
    sound = np.zeros(n_samples)
    if frequency_hz < sample_rate / 2:
        time_s = np.arange(min(n_samples, round(7 * decay_s * sample_rate))) / sample_rate
        phase = rng.uniform(0, 2 * np.pi)
        sound[: len(time_s)] = np.exp(-time_s / decay_s) * np.sin(2 * np.pi * frequency_hz * time_s + phase)
    return sound


def burst(rng: np.random.Generator, decay_s: float, n_samples: int, sample_rate: int) -> Signal:
    """White noise that falls to 1 / e within ``decay_s``."""
    time_s = np.arange(n_samples) / sample_rate
    return rng.standard_normal(n_samples) * 0.4 * np.exp(-time_s / decay_s)
