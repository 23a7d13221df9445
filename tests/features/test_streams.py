"""The newest window in each form that a card may ask for."""

import io
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from listener.features import LogMel, LogMelStream, window_stream
from listener.features.streams import WaveformStream
from listener.testing import TINY_FEATURES, tiny_card
from listener.types import InputForm

RAMP = (np.arange(5000) / 32768).astype(np.float32)


@given(st.lists(st.integers(0, 400), max_size=30), st.integers(1, 300))
def test_the_newest_samples_however_they_came(sizes: list[int], window_samples: int) -> None:
    stream = WaveformStream(window_samples)
    end = 0
    for size in sizes:
        stream.push(RAMP[end : end + size])
        end = min(end + size, len(RAMP))
        if end >= window_samples:
            np.testing.assert_array_equal(stream.window(), RAMP[end - window_samples : end])


def test_a_window_stays_as_it_is_when_the_stream_goes_on() -> None:
    stream = WaveformStream(100)
    stream.push(RAMP[:100])
    window = stream.window()
    stream.push(RAMP[100:150])
    np.testing.assert_array_equal(window, RAMP[:100])


@pytest.mark.parametrize("form", ["waveform", "wav_bytes"])
def test_the_form_is_that_of_the_card(form: InputForm) -> None:
    card = replace(tiny_card(), input=form, features=None, window_s=0.1)
    stream = window_stream(card, None)
    stream.push(RAMP[:2000])
    window = stream.window()
    if isinstance(window, bytes):
        assert form == "wav_bytes"
        read, rate = soundfile.read(io.BytesIO(window), dtype="float32")
        assert rate == card.sample_rate
        window = read
    np.testing.assert_array_equal(window, RAMP[400:2000])


def test_a_log_mel_card_gets_a_spectrogram() -> None:
    stream = window_stream(tiny_card(), LogMel(TINY_FEATURES))
    assert isinstance(stream, LogMelStream)
