"""What is no smoke alarm does not sound like one, and noise has the colour asked for."""

import numpy as np
import pytest

from listener.synthesis import beep, coloured_noise, hum

RATE = 16_000


@pytest.mark.parametrize("seed", range(40))
def test_no_beep_lasts_as_long_as_a_smoke_alarms_pulse(seed: int) -> None:
    samples = beep(np.random.default_rng(seed), RATE, 10.0)
    level = np.sqrt(np.mean(samples.reshape(-1, RATE // 100) ** 2, axis=1))
    edges = np.flatnonzero(np.diff(np.concatenate(([0], level > level.max() / 2, [0])))) / 100
    lengths = edges[1::2] - edges[::2]
    inside = lengths[edges[1::2] < 10.0]  # what the end of the sound cuts short is not the beep's doing
    assert len(lengths) > 0
    assert not np.any((inside > 0.4) & (inside < 0.6))


def test_a_beep_has_the_pitch_asked_for() -> None:
    samples = beep(np.random.default_rng(2), RATE, 10.0, frequency_hz=1_000)
    assert np.argmax(np.abs(np.fft.rfft(samples))) / 10 == pytest.approx(1_000, abs=5)


@pytest.mark.parametrize("mains_hz", [50, 60])
def test_hum_has_power_at_multiples_of_the_mains_only(mains_hz: int) -> None:
    samples = hum(np.random.default_rng(3), RATE, 10.0, mains_hz)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    distance_hz = np.abs((np.arange(len(power)) / 10 + mains_hz / 2) % mains_hz - mains_hz / 2)
    assert power[distance_hz < 2.5].sum() > 0.99 * power.sum()


@pytest.mark.parametrize("exponent", [-1, 0, 1, 2])
def test_noise_falls_as_steeply_as_asked(exponent: float) -> None:
    samples = coloured_noise(np.random.default_rng(4), 1 << 18, exponent, RATE)
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequency_hz = np.fft.rfftfreq(1 << 18, 1 / RATE)
    low, high = (power[(frequency_hz > f) & (frequency_hz < 1.2 * f)].mean() for f in (100, 3_200))
    assert np.log2(low / high) / 5 == pytest.approx(exponent, abs=0.1)
