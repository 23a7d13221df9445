"""The filter bank against librosa's."""

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.features.mel import filter_bank, hz_to_mel, mel_to_hz


@pytest.mark.filterwarnings("ignore:Empty filters detected:UserWarning")
@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([8_000, 16_000, 22_050, 48_000]),
    st.sampled_from([128, 400, 1024, 2048]),
    st.integers(1, 160),
    st.floats(0, 1500),
    st.floats(0.3, 1),
)
def test_the_filter_bank_is_that_of_librosa(
    sample_rate: int, n_fft: int, n_mels: int, f_min_hz: float, part: float
) -> None:
    f_max_hz = part * sample_rate / 2 + f_min_hz * (1 - part)
    ours = filter_bank(sample_rate, n_fft, n_mels, f_min_hz, f_max_hz)
    theirs = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min_hz, fmax=f_max_hz)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7 * theirs.max())


def test_the_highest_band_ends_at_half_the_sample_rate_unless_told() -> None:
    np.testing.assert_array_equal(filter_bank(16_000, 512, 20), filter_bank(16_000, 512, 20, 0.0, 8_000.0))


@given(st.floats(0, 100_000))
def test_the_mel_scale_has_an_inverse(hz: float) -> None:
    there = hz_to_mel(np.array([hz]))
    assert mel_to_hz(there)[0] == pytest.approx(hz, rel=1e-9, abs=1e-9)
    assert there[0] == pytest.approx(librosa.hz_to_mel(hz), rel=1e-9, abs=1e-9)
