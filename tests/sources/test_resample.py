"""Resampling of a stream."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.sources.resample import StreamResampler
from listener.types import Samples

RATES = [(44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (22_050, 16_000), (11_025, 32_000)]


def noise(n_samples: int) -> Samples:
    return np.random.default_rng(3).standard_normal(n_samples).astype(np.float32) * np.float32(0.3)


def streamed(samples: Samples, from_rate: int, to_rate: int, cuts: list[int]) -> Samples:
    resampler = StreamResampler(from_rate, to_rate)
    pieces = np.split(samples, np.cumsum(cuts))
    return np.concatenate([*map(resampler.push, pieces), resampler.push(samples[:0], last=True)])


@settings(deadline=None)
@given(
    st.sampled_from(RATES),
    st.integers(0, 30_000),
    st.lists(st.one_of(st.integers(0, 3), st.integers(0, 9_000)), max_size=40),
)
def test_samples_do_not_depend_on_how_the_stream_is_cut(
    rates: tuple[int, int], n_samples: int, cuts: list[int]
) -> None:
    samples = noise(n_samples)
    whole = streamed(samples, *rates, [])
    assert np.array_equal(whole, streamed(samples, *rates, cuts))
    assert abs(len(whole) - n_samples * rates[1] / rates[0]) <= 1


@pytest.mark.parametrize("rates", RATES)
def test_a_stream_equals_the_whole_at_once(rates: tuple[int, int]) -> None:
    samples = noise(3 * rates[0])
    assert np.array_equal(streamed(samples, *rates, [441] * 200), soxr.resample(samples, *rates, "HQ"))


@pytest.mark.parametrize("rates", RATES)
def test_time_stays_in_place(rates: tuple[int, int]) -> None:
    from_rate, to_rate = rates
    impulse = np.zeros(from_rate, np.float32)
    impulse[from_rate // 2] = 1
    out = streamed(impulse, from_rate, to_rate, [1_000])
    assert np.abs(out).argmax() == pytest.approx(to_rate / 2, abs=1)


def test_equal_rates_change_nothing() -> None:
    samples = noise(100)
    assert StreamResampler(16_000, 16_000).push(samples) is samples


def test_what_is_held_back_is_short() -> None:
    resampler = StreamResampler(44_100, 16_000)
    ready = resampler.push(noise(44_100))
    assert 16_000 - len(ready) <= 0.05 * 16_000
