"""Log-mel against librosa, and the stream against the whole: to the bit, however it was cut."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.features import PRESETS, LogMel, LogMelStream, window_stream
from listener.testing import tiny_card
from listener.types import FeatureParameters, Samples
from tests.features.oracle import assert_same, of_librosa, sound

TUTORIAL = PRESETS["tutorial"]
HOUSEHOLD = PRESETS["household"]


def assert_as_librosa(samples: Samples, parameters: FeatureParameters) -> None:
    ours = LogMel(replace(parameters, normalisation="none"))(samples)
    assert_same(ours, of_librosa(samples, parameters), parameters)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_power_is_that_of_librosa(preset: FeatureParameters) -> None:
    assert_as_librosa(sound(3 * preset.window_samples), preset)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([8_000, 16_000, 44_100]),
    st.sampled_from([256, 400, 512, 2048]),
    st.floats(0.1, 1),
    st.integers(1, 80),
    st.floats(0, 500),
    st.floats(0.5, 1),
    st.fixed_dictionaries(
        {
            "padding": st.sampled_from(["none", "centre", "reflect"]),
            "power": st.sampled_from([1, 2]),
            "scale": st.sampled_from(["log", "db"]),
            "bands": st.sampled_from(["mel", "linear"]),
        }
    ),
    st.integers(0, 100),
)
@pytest.mark.filterwarnings("ignore:Empty filters detected:UserWarning")
def test_power_is_that_of_librosa_with_any_parameters(
    sample_rate: int,
    n_fft: int,
    hop: float,
    n_mels: int,
    f_min_hz: float,
    highest: float,
    kind: dict[str, Any],
    seed: int,
) -> None:
    parameters = FeatureParameters(
        sample_rate=sample_rate,
        n_fft=n_fft,
        hop_length=round(hop * n_fft),
        n_mels=1 + n_fft // 2 if kind["bands"] == "linear" else n_mels,
        f_min_hz=f_min_hz,
        f_max_hz=highest * sample_rate / 2,
        **kind,
    )
    assert_as_librosa(sound(12_000, seed), parameters)


def test_each_frame_is_normalised_by_itself() -> None:
    samples = sound(20_000)
    log_mel = LogMel(replace(TUTORIAL, normalisation="none"))(samples).astype(np.float64)
    normalised = LogMel(TUTORIAL)(samples)
    spread = log_mel.std(axis=0)
    audible = spread > 0
    expected = (log_mel - log_mel.mean(axis=0))[:, audible] / spread[audible]
    np.testing.assert_allclose(normalised[:, audible], expected, atol=1e-4)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_digital_silence_is_the_floor_or_zeros(preset: FeatureParameters) -> None:
    spectrogram = LogMel(preset)(np.zeros(preset.window_samples, np.float32))
    expected = np.log(preset.floor) if preset.normalisation == "none" else 0.0
    np.testing.assert_array_equal(spectrogram, np.float32(expected))


@pytest.mark.parametrize("n_samples", [0, 1, 2047])
def test_less_than_a_frame_has_no_frames(n_samples: int) -> None:
    assert LogMel(TUTORIAL)(np.zeros(n_samples, np.float32)).shape == (128, 0)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_window_has_as_many_frames_as_it_should(preset: FeatureParameters) -> None:
    assert LogMel(preset).n_frames(preset.window_samples) == preset.n_frames
    assert LogMel(preset).n_frames(preset.window_samples - 1) == preset.n_frames - 1
    for padding in ("none", "centre", "reflect"):
        other = replace(
            preset, padding=padding, n_fft=preset.n_fft + 1, hop_length=173, n_mels=8, bands="mel"
        )
        samples = np.zeros(other.window_samples, np.float32)
        assert LogMel(other)(samples).shape == (8, preset.n_frames)
        assert LogMel(other)(samples[1:]).shape == (8, preset.n_frames - 1)


def test_what_is_too_short_to_be_mirrored_has_no_frames() -> None:
    log_mel = LogMel(PRESETS["hifigan"])
    width = log_mel.parameters.padding_samples
    assert log_mel(np.zeros(width, np.float32)).shape == (80, 0)
    assert log_mel(np.zeros(width + 1, np.float32)).shape == (80, 1)


def test_linear_bands_are_as_many_as_the_transform_has() -> None:
    with pytest.raises(ValueError, match="n_mels has to be 513, not 64"):
        LogMel(replace(HOUSEHOLD, bands="linear"))


def test_decibels_of_a_full_scale_tone() -> None:
    """A sine at a bin's own frequency: its amplitude is half of the window's sum, which is n_fft / 2."""
    parameters = replace(PRESETS["db"], normalisation="none")
    tone = np.sin(2 * np.pi * 32 / 512 * np.arange(parameters.window_samples)).astype(np.float32)
    spectrogram = LogMel(parameters)(tone)
    assert spectrogram.argmax(axis=0).tolist() == [32] * parameters.n_frames
    np.testing.assert_allclose(spectrogram[32], 20 * np.log10(512 / 4), atol=1e-3)
    fainter = LogMel(parameters)(tone / np.float32(10))
    np.testing.assert_allclose(spectrogram[32] - fainter[32], 20, atol=1e-3)


def test_each_window_goes_from_0_to_1() -> None:
    spectrogram = LogMel(PRESETS["db"])(sound(PRESETS["db"].window_samples))
    assert (spectrogram.min(), spectrogram.max()) == (0.0, 1.0)


def test_several_sounds_at_once() -> None:
    sounds = np.stack([sound(9000, seed) for seed in range(3)])
    log_mel = LogMel(HOUSEHOLD)
    np.testing.assert_array_equal(log_mel(sounds), np.stack([log_mel(one) for one in sounds]))


WHOLE_S = 80_000
WHOLE = sound(WHOLE_S)
TRANSFORMS = {name: LogMel(preset) for name, preset in PRESETS.items()}


def newest_window(log_mel: LogMel, end: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None:
    """The newest window when ``end`` samples have come; without padding, it ends with a whole frame."""
    parameters = log_mel.parameters
    if parameters.padding == "none":
        end -= (end - parameters.n_fft) % parameters.hop_length
    begin = end - parameters.window_samples
    return log_mel(WHOLE[begin:end]) if begin >= 0 else None


@pytest.mark.parametrize("name", PRESETS)
@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=40))
def test_a_stream_is_the_whole_to_the_bit_however_it_was_cut(name: str, sizes: list[int]) -> None:
    stream = window_stream(tiny_card(features=PRESETS[name]), TRANSFORMS[name])
    position = 0
    for size in sizes:
        stream.push(WHOLE[position : position + size])
        position = min(position + size, len(WHOLE))
        expected = newest_window(TRANSFORMS[name], position)
        if expected is not None:
            np.testing.assert_array_equal(np.asarray(stream.window()), expected)


@pytest.mark.parametrize("name", [name for name in PRESETS if PRESETS[name].padding == "none"])
def test_a_window_is_a_part_of_the_whole_to_the_bit(name: str) -> None:
    log_mel = TRANSFORMS[name]
    whole = log_mel.frames(WHOLE)
    n_frames = PRESETS[name].n_frames
    np.testing.assert_array_equal(newest_window(log_mel, WHOLE_S), log_mel.finished(whole[:, -n_frames:]))


@pytest.mark.parametrize("size", [1, 7, 255, 256, 257, 511, 8000, WHOLE_S])
def test_a_stream_in_equal_pieces(size: int) -> None:
    stream = LogMelStream(TRANSFORMS["household"])
    first = WHOLE_S - 40_000 if size == 1 else 0  # sample by sample takes a while
    for position in range(first, WHOLE_S, size):
        stream.push(WHOLE[position : position + size])
    expected = TRANSFORMS["household"](WHOLE[first:])[:, -HOUSEHOLD.n_frames :]
    np.testing.assert_array_equal(stream.window(), expected)


def test_a_window_stays_as_it_is_when_the_stream_goes_on() -> None:
    stream = LogMelStream(TRANSFORMS["household"])
    stream.push(WHOLE[:40_000])
    window = stream.window()
    before = window.copy()
    stream.push(WHOLE[40_000:])
    np.testing.assert_array_equal(window, before)
