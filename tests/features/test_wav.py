"""The WAV file in memory, read back by others."""

import io
import wave

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from listener.features import wav_bytes
from listener.levels import to_int16

INT16 = arrays(np.int16, st.integers(0, 300))


@given(INT16, st.sampled_from([8_000, 16_000, 44_100, 192_000]))
def test_others_read_back_every_sample(
    samples: np.ndarray[tuple[int], np.dtype[np.int16]], rate: int
) -> None:
    file = wav_bytes(np.asarray(samples / 32768, np.float32), rate)
    with wave.open(io.BytesIO(file)) as reader:
        assert reader.getparams()[:4] == (1, 2, rate, len(samples))
        assert reader.getcomptype() == "NONE"
        np.testing.assert_array_equal(np.frombuffer(reader.readframes(len(samples) + 1), "<i2"), samples)
    read, read_rate = soundfile.read(io.BytesIO(file), dtype="int16")
    assert read_rate == rate
    np.testing.assert_array_equal(read, samples)
    assert soundfile.info(io.BytesIO(file)).subtype == "PCM_16"


def test_the_header_says_how_long_the_file_is() -> None:
    file = wav_bytes(np.zeros(1000, np.float32), 16_000)
    assert len(file) == 44 + 2000
    assert int.from_bytes(file[4:8], "little") == len(file) - 8
    assert int.from_bytes(file[40:44], "little") == 2000


def test_what_is_too_loud_is_clipped_not_wrapped() -> None:
    samples = np.array([-2.0, -1.0, 0.0, 1.0, 2.0], np.float32)
    assert to_int16(samples).tolist() == [-32768, -32768, 0, 32767, 32767]


@pytest.mark.parametrize(("exact", "nearest"), [(0.4, 0), (0.6, 1), (-0.6, -1), (1000.4, 1000)])
def test_samples_are_rounded_to_the_nearest(exact: float, nearest: int) -> None:
    assert to_int16(np.array([exact / 32768], np.float32))[0] == nearest
