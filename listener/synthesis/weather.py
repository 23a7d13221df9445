"""Weather: rain, waves, wind; all of it shaped noise."""

import numpy as np

from listener.synthesis.parts import Signal, coloured_noise, convolved, full_scale
from listener.types import Samples


def rain(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 6.0) -> Samples:
    """Steady rain on leaves and stone: a hiss, and single drops close by. Peak 1."""
    n_samples = round(duration_s * sample_rate)
    hiss = coloured_noise(rng, n_samples, 0.4, sample_rate).astype(np.float64)
    drops = np.zeros(n_samples)
    count = rng.poisson(120 * duration_s)
    # Sizes of drops, and with them levels, spread widely: a few are far louder than the rest.
    drops[rng.integers(0, n_samples, count)] = rng.lognormal(-1.5, 0.8, count) * rng.choice([-1, 1], count)
    time_s = np.arange(round(0.01 * sample_rate)) / sample_rate
    splash = np.exp(-time_s / 0.0008) * rng.standard_normal(len(time_s))
    return full_scale(hiss + 0.25 * convolved(drops, splash))


def sea_waves(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 8.0) -> Samples:
    """Waves that break on a beach every four seconds or so, brighter as they break. Peak 1."""
    n_samples = round(duration_s * sample_rate)
    swell = _swell(rng, n_samples, sample_rate, period_s=4.0)
    deep = coloured_noise(rng, n_samples, 1.3, sample_rate)
    surf = coloured_noise(rng, n_samples, 0.5, sample_rate)
    return full_scale(deep * (0.3 + 0.7 * swell) + surf * (0.03 + 0.97 * swell**2.5))


def wind(rng: np.random.Generator, sample_rate: int = 16_000, duration_s: float = 8.0) -> Samples:
    """Gusts around a house corner: low noise, whose pitch rises with its level. Peak 1."""
    n_samples = round(duration_s * sample_rate)
    gusts = _swell(rng, n_samples, sample_rate, period_s=2.5)
    low = coloured_noise(rng, n_samples, 2.5, sample_rate)
    high = coloured_noise(rng, n_samples, 1.8, sample_rate)
    return full_scale(low * (0.4 + 0.6 * gusts) + high * gusts**2)


def _swell(rng: np.random.Generator, n_samples: int, sample_rate: int, period_s: float) -> Signal:
    """Rise fast and fall slowly, at uneven times; in [0, 1]."""
    time_s = np.arange(n_samples) / sample_rate
    level = np.zeros(n_samples)
    crest_s = rng.uniform(0.5, 1.0)
    while crest_s < time_s[-1] + period_s:
        since_s = time_s - crest_s
        width_s = np.where(since_s < 0, 0.15, 0.35) * period_s
        level = np.maximum(level, rng.uniform(0.7, 1.0) * np.exp(-((since_s / width_s) ** 2)))
        crest_s += period_s * rng.uniform(0.8, 1.2)
    return level
