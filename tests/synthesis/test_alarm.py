"""The smoke alarm keeps to the pattern and the pitch of its standard."""

import numpy as np
import pytest

from listener.synthesis import smoke_alarm
from listener.types import Samples

RATE = 16_000


def pulses(samples: Samples) -> list[tuple[float, float]]:
    """Beginning and end, in seconds, of each stretch of 10 ms blocks louder than half of the loudest."""
    level = np.sqrt(np.mean(samples.reshape(-1, RATE // 100) ** 2, axis=1))
    loud = np.concatenate(([0], level > level.max() / 2, [0]))
    edges = np.flatnonzero(np.diff(loud)) / 100
    return list(zip(edges[::2], edges[1::2], strict=True))


def dominant_hz(samples: Samples) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * RATE / len(samples))


@pytest.mark.parametrize("seed", range(20))
def test_three_pulses_then_a_pause(seed: int) -> None:
    found = pulses(smoke_alarm(np.random.default_rng(seed), RATE, 10.0, start_s=0.0))
    times = np.array(found[:6])
    lengths, gaps = times[:, 1] - times[:, 0], times[1:, 0] - times[:-1, 1]
    slack = 0.05  # how far rise and fall move the half-level points, and the blocks
    assert np.all(np.abs(lengths - 0.5) < 0.05 + slack)
    assert np.all(np.abs(gaps[[0, 1, 3, 4]] - 0.5) < 0.05 + slack)
    assert abs(gaps[2] - 1.5) < 0.15 + slack


@pytest.mark.parametrize("seed", range(20))
def test_the_piezo_is_at_its_pitch(seed: int) -> None:
    samples = smoke_alarm(np.random.default_rng(seed), RATE, frequency_hz=3_100)
    assert 2_750 < dominant_hz(samples) < 3_550


@pytest.mark.parametrize("seed", range(20))
def test_the_square_wave_has_odd_harmonics_of_its_pitch(seed: int) -> None:
    samples = smoke_alarm(np.random.default_rng(seed), RATE, frequency_hz=520)
    harmonic = dominant_hz(samples) / 520
    nearest = 2 * round((harmonic - 1) / 2) + 1
    assert harmonic / nearest == pytest.approx(1, abs=0.11)


def test_the_same_generator_state_gives_the_same_sound() -> None:
    first, second = (smoke_alarm(np.random.default_rng(7), RATE) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_phase_of_the_pattern_is_drawn() -> None:
    onsets = {pulses(smoke_alarm(np.random.default_rng(seed), RATE))[1][0] for seed in range(10)}
    assert len(onsets) > 5


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("frequency_hz", [520, 3_100])
def test_length_level_and_type(rate: int, frequency_hz: float) -> None:
    samples = smoke_alarm(np.random.default_rng(1), rate, 3.0, frequency_hz)
    assert samples.dtype == np.float32
    assert samples.shape == (3 * rate,)
    assert np.abs(samples).max() == 1.0
