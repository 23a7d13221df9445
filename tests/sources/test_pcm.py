"""Interleaved samples to mono."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from listener.sources.pcm import mono_from_float, mono_from_int16


def test_every_16_bit_sample_comes_back_exactly() -> None:
    values = np.arange(-32_768, 32_768).astype(np.int16)
    mono = mono_from_int16(values[:, np.newaxis])
    assert mono.dtype == np.float32
    assert mono.min() == -1.0
    assert np.array_equal((mono * 32_768).astype(np.int16), values)


@pytest.mark.parametrize("mono", [mono_from_int16, mono_from_float])
def test_a_channel_is_picked_counting_from_one(mono: object) -> None:
    assert callable(mono)
    scale = 32_768 if mono is mono_from_int16 else 1
    frames = (np.array([[0.5, -0.25, 0.125]] * 4) * scale).astype(np.int16 if scale > 1 else np.float32)
    assert mono(frames, 1).tolist() == [0.5] * 4
    assert mono(frames, 3).tolist() == [0.125] * 4
    assert mono(frames, "mix") == pytest.approx([0.125] * 4)


@given(arrays(np.int16, array_shapes(min_dims=2, max_dims=2, max_side=40)), st.integers(0, 40))
def test_the_mix_is_the_mean_however_the_stream_is_cut(frames: np.ndarray, cut: int) -> None:
    whole = mono_from_int16(frames)
    assert np.allclose(whole, frames.mean(axis=1) / 32_768, atol=1e-7)
    parts = np.concatenate([mono_from_int16(frames[:cut]), mono_from_int16(frames[cut:])])
    assert np.array_equal(whole, parts)


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_whatever_floats_come_samples_are_numbers_in_range(frames: np.ndarray) -> None:
    mono = mono_from_float(frames)
    assert mono.dtype == np.float32
    assert np.isfinite(mono).all()
    assert np.abs(mono).max(initial=0) <= 1


def test_what_is_no_number_is_silence() -> None:
    frames = np.array([[np.nan], [np.inf], [-np.inf], [2.0], [-3.0], [0.5]], np.float32)
    assert mono_from_float(frames).tolist() == [0, 0, 0, 1, -1, 0.5]
