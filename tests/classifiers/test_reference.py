"""The reference signal: the same everywhere, for ever."""

import hashlib

import numpy as np
import pytest

from listener.classifiers.reference import SIGNALS, reference_signal

CHIRP_SHA256 = "9126f6c05b24c10d24288614416a83e3be8fb0ece2a3c56798a1b0dc88ac2dd4"


def test_the_chirp_is_what_it_was() -> None:
    """Every bundle out there holds scores of this very signal."""
    signal = reference_signal("chirp", 1600, 16_000)
    assert hashlib.sha256(np.rint(signal * 32768).astype("<i2").tobytes()).hexdigest() == CHIRP_SHA256


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("n_samples", [1, 2, 1000])
def test_signals_are_samples_of_16_bits(name: str, n_samples: int) -> None:
    signal = reference_signal(name, n_samples, 16_000)
    assert signal.shape == (n_samples,)
    assert signal.dtype == np.float32
    assert np.abs(signal).max() <= 1
    np.testing.assert_array_equal(signal * 32768, np.rint(signal * 32768))


def test_an_unknown_signal_is_refused() -> None:
    with pytest.raises(ValueError, match="there are chirp"):
        reference_signal("chrip", 100, 16_000)
