"""Tones that are no smoke alarm, so that a model learns not to take every beep for one."""

import numpy as np

from listener.synthesis.parts import Signal, between, full_scale, harmonics, smoothed
from listener.types import Samples

_PATTERNS: tuple[tuple[tuple[float, float], ...], ...] = (
    ((0.08, 60.0),),  # the low-battery chirp of a smoke alarm: one short pulse a minute
    (*[(0.1, 0.1)] * 3, (0.1, 5.0)),  # carbon monoxide: "temporal-four" of NFPA 72 and UL 2034
    (*[(0.07, 0.06)] * 3, (0.07, 0.5)),  # an alarm clock
    ((1.0, 1.0),),  # a microwave oven that has finished; many lorries in reverse
    ((0.2, 0.2), (0.2, 0.2), (0.2, 10.0)),  # a washing machine or an oven
    ((0.15, 60.0),),  # a key, a scanner, a lift
    ((0.25, 0.25),),  # a timer, a reversing van
    ((2.0, 4.0),),  # a telephone waiting to be answered, North America
    ((1.0, 4.0),),  # the same, Europe
    ((60.0, 1.0),),  # a test tone, feedback, a kettle
)
"""Seconds on and off, repeated. No pulse lasts 0.4 to 0.6 s: a lone one could be a smoke alarm's."""


def beep(
    rng: np.random.Generator,
    sample_rate: int = 16_000,
    duration_s: float = 10.0,
    frequency_hz: float | None = None,
) -> Samples:
    """Make one of the beeps of a household, in a pattern that no smoke alarm has.

    Parameters
    ----------
    rng
        Where all chance comes from: pattern, pitch, harmonics, edges.
    sample_rate
        Hz.
    duration_s
        Length, in seconds; the pattern begins within the first two.
    frequency_hz
        Pitch; None draws one from 300 Hz to 5 kHz, so that it is at times a smoke alarm's.

    Returns
    -------
    Samples
        Peak 1.
    """
    n_samples = round(duration_s * sample_rate)
    drawn_hz = between(rng, 300, 5_000)
    pitch_hz = drawn_hz if frequency_hz is None else frequency_hz
    gate = _gate(rng, n_samples, sample_rate)
    level = smoothed(gate, between(rng, 0.0005, 0.01) * sample_rate)
    falloff = rng.uniform(1, 4)
    even = rng.choice([0.0, 1.0])
    amplitudes = [(1.0 if k % 2 else even) * k**-falloff for k in range(1, 12)]
    return full_scale(level * harmonics(np.full(n_samples, pitch_hz), amplitudes, sample_rate))


def hum(
    rng: np.random.Generator,
    sample_rate: int = 16_000,
    duration_s: float = 10.0,
    mains_hz: float | None = None,
) -> Samples:
    """Make mains hum: a transformer, a refrigerator, a bad cable.

    Parameters
    ----------
    rng
        Where all chance comes from.
    sample_rate
        Hz.
    duration_s
        Length, in seconds.
    mains_hz
        50 or 60; None draws one of them.

    Returns
    -------
    Samples
        Peak 1.
    """
    n_samples = round(duration_s * sample_rate)
    drawn_hz = float(rng.choice([50.0, 60.0]))
    fundamental_hz = (drawn_hz if mains_hz is None else mains_hz) * rng.uniform(0.999, 1.001)
    falloff = rng.uniform(0.5, 2.0)
    # Iron is pulled twice in each period, so that even harmonics are the louder ones in most hum.
    amplitudes = [rng.uniform(0.1, 1.0) * (0.3 if k % 2 else 1.0) * k**-falloff for k in range(1, 21)]
    return full_scale(harmonics(np.full(n_samples, fundamental_hz), amplitudes, sample_rate))


def _gate(rng: np.random.Generator, n_samples: int, sample_rate: int) -> Signal:
    """A pattern drawn from the table, at a speed drawn within 15 %, begun within two seconds."""
    pattern = _PATTERNS[rng.integers(len(_PATTERNS))]
    speed = rng.uniform(0.85, 1.15)
    gate = np.zeros(n_samples)
    position_s = rng.uniform(0, 2)
    while position_s * sample_rate < n_samples:
        for on_s, off_s in pattern:
            first, last = (round(s * sample_rate) for s in (position_s, position_s + on_s * speed))
            gate[first:last] = 1.0
            position_s += (on_s + off_s) * speed
    return gate
