"""A room lengthens a sound, and neither creates nor loses much power."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.synthesis import coloured_noise, room, smoke_alarm

RATE = 16_000


@pytest.mark.parametrize("seed", range(20))
def test_power_is_kept_and_full_scale_not_passed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dry = np.float32(0.2) * coloured_noise(rng, 2 * RATE, 0.0)
    wet = room(rng, dry, RATE)
    assert wet.dtype == np.float32
    assert wet.shape == dry.shape
    assert np.mean(wet**2) == pytest.approx(np.mean(dry**2), rel=1e-3)
    loud = room(rng, smoke_alarm(rng, RATE, 2.0), RATE)
    assert np.abs(loud).max() <= 1.0


def test_a_click_rings_on_and_dies_away() -> None:
    click = np.zeros(3 * RATE, np.float32)
    click[0] = 1.0
    for seed in range(20):
        wet = room(np.random.default_rng(seed), click, RATE)
        assert np.any(wet[200:] != 0)
        assert np.sum(wet[RATE // 2 :] ** 2) < 0.2 * np.sum(wet**2)
        assert np.sum(wet[2 * RATE :] ** 2) < 1e-3 * np.sum(wet**2)


def test_rooms_differ_and_come_again() -> None:
    dry = smoke_alarm(np.random.default_rng(0), RATE, 2.0)
    first, again, other = (room(np.random.default_rng(seed), dry, RATE) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@given(st.integers(1, 4_000), st.integers(0, 2**32 - 1))
def test_any_length_stays_finite_and_silence_silent(n_samples: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert not room(rng, np.zeros(n_samples, np.float32), RATE).any()
    assert np.isfinite(room(rng, rng.uniform(-1, 1, n_samples).astype(np.float32), RATE)).all()
