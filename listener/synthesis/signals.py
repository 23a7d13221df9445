"""Signals of the street: a siren and a car's horn."""

import numpy as np

from listener.synthesis.parts import Signal, between, convolved, full_scale, harmonics, smoothed
from listener.types import Samples


def siren(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 8.0) -> Samples:
    """Wail for the first half and yelp for the second, as an ambulance does at a crossing. Peak 1.

    An electronic siren sweeps a square wave between about 650 Hz and 1.5 kHz, some 12
    times a minute (wail) or 180 times (yelp).
    """
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    yelping = time_s > duration_s / 2
    wail_hz, yelp_hz = rng.uniform(0.2, 0.25), rng.uniform(2.7, 3.3)
    sweep = np.where(yelping, yelp_hz * (time_s - duration_s / 2), wail_hz * time_s) % 1
    height = 0.5 - 0.5 * np.cos(2 * np.pi * sweep)
    frequency_hz = smoothed(650 * 2 ** (1.2 * height), 0.005 * sample_rate)
    frequency_hz[: round(0.05 * sample_rate)] = 650  # the smoothing starts from 0
    amplitudes = [(1.0 if k % 2 else 0.4) / k**0.9 for k in range(1, 12)]
    return full_scale(_horn(harmonics(frequency_hz, amplitudes, sample_rate), 1_200, 1_500, sample_rate))


def car_horn(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 2.2) -> Samples:
    """Hoot twice, briefly and long, with the two discs of a passenger car. Peak 1."""
    n_samples = round(duration_s * sample_rate)
    time_s = np.arange(n_samples) / sample_rate
    pressed = np.where((time_s < 0.35) | ((time_s > 0.6) & (time_s < duration_s - 0.35)), 1.0, 0.0)
    level = smoothed(pressed, 0.012 * sample_rate)
    sound = np.zeros(n_samples)
    for pitch_hz in (between(rng, 390, 420), between(rng, 480, 520)):
        amplitudes = [rng.uniform(0.5, 1.0) / k**0.4 for k in range(1, 19)]
        drift = 1 - 0.02 * (1 - smoothed(pressed, 0.02 * sample_rate))
        sound += harmonics(pitch_hz * drift, amplitudes, sample_rate)
    return full_scale(_horn(level * sound, 2_600, 2_000, sample_rate))


def _horn(sound: Signal, centre_hz: float, width_hz: float, sample_rate: int) -> Signal:
    """Emphasise what a horn throws forward: a wide resonance."""
    time_s = np.arange(round(0.01 * sample_rate)) / sample_rate
    ring = np.exp(-np.pi * width_hz * time_s) * np.cos(2 * np.pi * centre_hz * time_s)
    return sound / 4 + convolved(sound, ring) * width_hz / sample_rate * 4
