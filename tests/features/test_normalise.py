"""What was brought to [0, 1] comes back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from listener.features import MinMax

SHAPES = st.one_of(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)),
)


@given(hnp.arrays(np.float32, SHAPES, elements=st.floats(-200, 200, width=32)))
def test_it_can_be_undone(spectrograms: NDArray[np.float32]) -> None:
    kept = MinMax.of(spectrograms)
    normalised = kept.normalise(spectrograms)
    assert normalised.dtype == np.float32
    assert normalised.min() >= 0
    assert normalised.max() <= 1
    span = kept.highest - kept.lowest
    error = np.abs(kept.undo(normalised) - spectrograms).max(axis=(-2, -1))
    assert np.all(error <= 1e-6 * span + 1e-4 * (span > 0))


def test_each_of_several_sounds_has_its_own() -> None:
    spectrograms = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    normalised = MinMax.of(spectrograms).normalise(spectrograms)
    np.testing.assert_array_equal(normalised[0], normalised[1])
    np.testing.assert_array_equal(MinMax.of(spectrograms[1]).normalise(spectrograms[1]), normalised[1])


@pytest.mark.parametrize("value", [0.0, -100.0])
def test_where_all_are_the_same(value: float) -> None:
    silence = np.full((3, 4), value, np.float32)
    kept = MinMax.of(silence)
    np.testing.assert_array_equal(kept.normalise(silence), 0)
    np.testing.assert_array_equal(kept.undo(kept.normalise(silence)), silence)


def test_what_was_kept_brings_other_values_back_as_well() -> None:
    """Such as those that a network made."""
    kept = MinMax(np.array(-100, np.float32), np.array(20, np.float32))
    made = np.array([[0.0, 0.5, 1.0]], np.float32)
    np.testing.assert_allclose(kept.undo(made), [[-100, -40, 20]])
