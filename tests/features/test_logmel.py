"""Log-mel against librosa, and the stream against the whole: to the bit, however it was cut."""

from dataclasses import replace

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.features import PRESETS, LogMel, LogMelStream
from listener.types import FeatureParameters, Samples

TUTORIAL = PRESETS["tutorial"]
HOUSEHOLD = PRESETS["household"]


def sound(n_samples: int, seed: int = 0) -> Samples:
    """A bit of everything: noise, a gliding tone, clicks and digital silence."""
    random = np.random.default_rng(seed)
    time_s = np.arange(n_samples) / 16_000
    samples = 0.05 * random.standard_normal(n_samples) + 0.5 * np.sin(2000 * time_s**2)
    samples[random.integers(0, n_samples, 5)] = 1.0
    samples[n_samples // 3 : n_samples // 2] = 0.0
    return np.clip(samples, -1, 1).astype(np.float32)


def of_librosa(
    samples: Samples, parameters: FeatureParameters
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return librosa.feature.melspectrogram(
        y=samples,
        sr=parameters.sample_rate,
        n_fft=parameters.n_fft,
        hop_length=parameters.hop_length,
        n_mels=parameters.n_mels,
        fmin=parameters.f_min_hz,
        fmax=parameters.f_max_hz,
        center=False,
    )


def assert_as_librosa(samples: Samples, parameters: FeatureParameters) -> None:
    ours = LogMel(replace(parameters, normalisation="none"))(samples)
    theirs = of_librosa(samples, parameters)
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    expected = np.maximum(theirs.astype(np.float64), parameters.floor)
    # Where next to nothing is, both transforms give their own rounding of the loudest band.
    rounding = 1e-11 * theirs.max(axis=0)
    difference = np.abs(np.exp(ours.astype(np.float64)) - expected)
    assert np.all(difference <= 1e-4 * expected + rounding)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_power_is_that_of_librosa(preset: FeatureParameters) -> None:
    assert_as_librosa(sound(3 * preset.window_samples), preset)


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([8_000, 16_000, 44_100]),
    st.sampled_from([256, 400, 512, 2048]),
    st.floats(0.1, 1),
    st.integers(1, 80),
    st.floats(0, 500),
    st.floats(0.5, 1),
    st.integers(0, 100),
)
@pytest.mark.filterwarnings("ignore:Empty filters detected:UserWarning")
def test_power_is_that_of_librosa_with_any_parameters(
    sample_rate: int, n_fft: int, hop: float, n_mels: int, f_min_hz: float, highest: float, seed: int
) -> None:
    parameters = FeatureParameters(
        sample_rate=sample_rate,
        n_fft=n_fft,
        hop_length=round(hop * n_fft),
        n_mels=n_mels,
        f_min_hz=f_min_hz,
        f_max_hz=highest * sample_rate / 2,
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
    expected = 0.0 if preset.normalisation == "frame" else np.log(preset.floor)
    np.testing.assert_array_equal(spectrogram, np.float32(expected))


@pytest.mark.parametrize("n_samples", [0, 1, 2047])
def test_less_than_a_frame_has_no_frames(n_samples: int) -> None:
    assert LogMel(TUTORIAL)(np.zeros(n_samples, np.float32)).shape == (128, 0)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_window_has_as_many_frames_as_it_should(preset: FeatureParameters) -> None:
    assert LogMel(preset).n_frames(preset.window_samples) == preset.n_frames
    assert LogMel(preset).n_frames(preset.window_samples - 1) == preset.n_frames - 1


def test_several_sounds_at_once() -> None:
    sounds = np.stack([sound(9000, seed) for seed in range(3)])
    log_mel = LogMel(HOUSEHOLD)
    np.testing.assert_array_equal(log_mel(sounds), np.stack([log_mel(one) for one in sounds]))


WHOLE_S = 80_000
WHOLE = sound(WHOLE_S)
TRANSFORMS = {name: LogMel(preset) for name, preset in PRESETS.items()}
SPECTROGRAMS = {name: transform(WHOLE) for name, transform in TRANSFORMS.items()}


@pytest.mark.parametrize("name", PRESETS)
@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=60))
def test_a_stream_is_the_whole_to_the_bit_however_it_was_cut(name: str, sizes: list[int]) -> None:
    preset = PRESETS[name]
    stream = LogMelStream(TRANSFORMS[name])
    position = 0
    for size in sizes:
        stream.push(WHOLE[position : position + size])
        position = min(position + size, len(WHOLE))
        n_frames = TRANSFORMS[name].n_frames(position)
        if n_frames >= preset.n_frames:
            expected = SPECTROGRAMS[name][:, n_frames - preset.n_frames : n_frames]
            np.testing.assert_array_equal(stream.window(), expected)


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
