"""Decoded frames to floats."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from listener.audio.mixing import mean_into, mend, planes_into

DTYPES: dict[Any, tuple[int, int]] = {
    np.uint8: (0, 255),
    np.int16: (-(2**15), 2**15 - 1),
    np.int32: (-(2**31), 2**31 - 1),
}


@given(
    dtype=st.sampled_from(list(DTYPES)),
    channels=st.integers(1, 9),
    length=st.integers(0, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_integers(dtype: type, channels: int, length: int, seed: int) -> None:
    low, high = DTYPES[dtype]
    frames = np.random.default_rng(seed).integers(low, high, (channels, length), dtype, endpoint=True)
    exact = (frames - (128.0 if dtype is np.uint8 else 0.0)) / 2.0 ** (8 * frames.itemsize - 1)
    mono, every = np.empty(length, np.float32), np.empty((channels, length), np.float32)
    assert mean_into(frames, mono) == planes_into(frames, every) == 0
    np.testing.assert_allclose(every, exact, atol=1e-7)
    np.testing.assert_allclose(mono, exact.mean(axis=0), atol=1e-6)
    assert np.abs(every).max(initial=0) <= 1


values = st.floats(width=32) | st.floats(-1, 1, width=32)


@given(st.lists(st.tuples(values, values), max_size=20))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats(dtype: type, rows: list[tuple[float, float]]) -> None:
    frames: NDArray[np.floating] = np.array(rows, dtype).reshape(-1, 2).T
    mono = np.empty(frames.shape[1], np.float32)
    assert mean_into(frames, mono) == np.count_nonzero(~np.isfinite(frames))
    assert np.isfinite(mono).all()
    assert (np.abs(mono) <= 1).all()
    one_by_one = np.array([_mean(frames[:, i : i + 1]) for i in range(frames.shape[1])], np.float32)
    np.testing.assert_array_equal(mono, one_by_one)  # whatever stands beside it


def _mean(frame: NDArray[np.floating]) -> float:
    out = np.empty(1, np.float32)
    mean_into(frame, out)
    return float(out[0])


@given(st.lists(values, max_size=20))
def test_mending_in_place_is_the_same(row: list[float]) -> None:
    frames = np.array([row], np.float32)
    mended, mixed = frames[0].copy(), np.empty(len(row), np.float32)
    assert mend(mended) == mean_into(frames, mixed)
    np.testing.assert_array_equal(mended, mixed)


def test_numbers_whose_sum_is_none_are_silence() -> None:
    largest = np.finfo(np.float64).max
    frames = np.array([[largest, 0.5], [-largest, 0.5]])
    out = np.empty(2, np.float32)
    mean_into(frames, out)
    np.testing.assert_array_equal(out, np.array([0.0, 0.5], np.float32))
