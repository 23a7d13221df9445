"""The PyTorch form against the NumPy form; in scripts, in ONNX, with a gradient."""

import io
from dataclasses import replace
from typing import Any, cast

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from listener.features import PRESETS, LogMel
from listener.features.layers import LogMelLayer, Transform, WithFrontEnd
from listener.types import FeatureParameters, Samples
from tests.features.oracle import amounts, assert_same, of_librosa, sound

ROUNDING = 3e-10
"""Of single precision, as part of the loudest band's power: 95 dB below it."""

TRANSFORMS: tuple[Transform, ...] = ("fft", "fft_single", "matrices")
EVERY_PRESET = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
EVERY_TRANSFORM = pytest.mark.parametrize("transform", TRANSFORMS)


def of_layer(layer: nn.Module, samples: Samples) -> NDArray[np.float32]:
    with torch.inference_mode():
        return cast(NDArray[np.float32], layer(torch.from_numpy(samples)).numpy())


def sounds(preset: FeatureParameters, n_sounds: int = 3) -> Samples:
    return np.stack([sound(preset.window_samples, seed) for seed in range(n_sounds)])


def full_scale_noise(n_samples: int) -> Samples:
    return np.sign(np.random.default_rng(0).standard_normal(n_samples)).astype(np.float32)


@EVERY_TRANSFORM
@EVERY_PRESET
def test_a_preset_is_what_it_is_in_numpy(preset: FeatureParameters, transform: Transform) -> None:
    n_samples = preset.window_samples
    samples = np.stack([*sounds(preset), full_scale_noise(n_samples), np.zeros(n_samples, np.float32)])
    spectrograms = of_layer(LogMelLayer(preset, transform), samples)
    assert spectrograms.dtype == np.float32
    np.testing.assert_allclose(spectrograms, LogMel(preset)(samples), atol=1e-4)


@EVERY_TRANSFORM
@EVERY_PRESET
def test_between_loud_lines(preset: FeatureParameters, transform: Transform) -> None:
    """A square wave at full scale: a transform of single precision leaves its rounding between the lines."""
    plain = replace(preset, normalisation="none")
    square = np.where(np.arange(preset.window_samples) // 37 % 2, np.float32(-1), np.float32(1))
    assert_as_numpy(square, plain, transform)


def assert_as_numpy(samples: Samples, parameters: FeatureParameters, transform: Transform) -> None:
    ours = of_layer(LogMelLayer(parameters, transform), samples[np.newaxis])[0]
    expected = LogMel(parameters)(samples)
    if transform == "fft":
        np.testing.assert_allclose(ours, expected, atol=1e-4)
    else:
        assert_same(ours, amounts(expected, parameters), parameters, ROUNDING)


@EVERY_TRANSFORM
@EVERY_PRESET
def test_a_preset_is_that_of_librosa(preset: FeatureParameters, transform: Transform) -> None:
    plain = replace(preset, normalisation="none")
    samples = sounds(preset, 1)
    ours = of_layer(LogMelLayer(plain, transform), samples)[0]
    assert_same(ours, of_librosa(samples[0], plain), plain, 1e-11 if transform == "fft" else ROUNDING)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([60, 97, 256, 400, 441, 1024]),
    st.floats(0.05, 1),
    st.integers(1, 60),
    st.fixed_dictionaries(
        {
            "padding": st.sampled_from(["none", "centre", "reflect"]),
            "power": st.sampled_from([1, 2]),
            "scale": st.sampled_from(["log", "db"]),
            "bands": st.sampled_from(["mel", "linear"]),
            "floor": st.sampled_from([1e-10, 1e-5, 1.0]),
        }
    ),
    st.sampled_from(TRANSFORMS),
    st.floats(0, 1),
    st.integers(0, 100),
)
def test_any_parameters_do_what_they_do_in_numpy(
    n_fft: int, hop: float, n_mels: int, kind: dict[str, Any], transform: Transform, gain: float, seed: int
) -> None:
    parameters = FeatureParameters(
        n_fft=n_fft,
        hop_length=max(1, round(hop * n_fft)),
        n_mels=1 + n_fft // 2 if kind["bands"] == "linear" else n_mels,
        normalisation="none",
        **kind,
    )
    samples = np.float32(gain) * sound(2500, seed)
    assert_as_numpy(samples, parameters, transform)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["frame", "min_max"]),
    st.sampled_from(["mel", "linear"]),
    st.sampled_from(TRANSFORMS),
    st.floats(-80, 0),
    st.integers(0, 100),
)
def test_any_normalisation_does_what_it_does_in_numpy(
    normalisation: Any, bands: Any, transform: Transform, level_db: float, seed: int
) -> None:
    parameters = FeatureParameters(
        n_fft=256, n_mels=129 if bands == "linear" else 20, normalisation=normalisation, bands=bands
    )
    noise = np.random.default_rng(seed).standard_normal(3000) * 10 ** (level_db / 20)
    samples = np.clip(noise, -1, 1).astype(np.float32)
    samples[1000:2000] = 0
    ours = of_layer(LogMelLayer(parameters, transform), samples[np.newaxis])[0]
    # In single precision the faintest of many bins of noise is mostly rounding, and its logarithm shows that.
    atol = 1e-4 if transform == "fft" else 1e-2
    np.testing.assert_allclose(ours, LogMel(parameters)(samples), atol=atol)


@EVERY_PRESET
def test_recordings_are_what_they_are_in_numpy(preset: FeatureParameters, recordings: Samples) -> None:
    layer, log_mel = LogMelLayer(preset), LogMel(preset)
    whole = recordings[: len(recordings) // preset.window_samples * preset.window_samples]
    windows = whole.reshape(-1, preset.window_samples)
    difference = np.abs(of_layer(layer, windows) - log_mel(windows))
    assert difference.max() <= 1e-4


@EVERY_TRANSFORM
@EVERY_PRESET
def test_a_script_gives_the_same_and_survives_the_file(
    preset: FeatureParameters, transform: Transform
) -> None:
    samples = sounds(preset)
    layer = LogMelLayer(preset, transform).eval()
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(layer), file)
    file.seek(0)
    torch.jit.enable_onednn_fusion(True)  # as the engine does
    loaded = torch.jit.freeze(torch.jit.load(file))  # type: ignore[no-untyped-call]
    for n_sounds in (1, 1, 1, 3, 3, 3, 1):  # the second run is the one that is optimised
        part = samples[:n_sounds]
        np.testing.assert_allclose(of_layer(loaded, part), of_layer(layer, part), atol=1e-4)


@EVERY_PRESET
def test_a_sound_is_the_same_to_the_bit_whatever_else_is_in_the_batch(preset: FeatureParameters) -> None:
    samples = sounds(preset, 5)
    layer = LogMelLayer(preset)
    together = of_layer(layer, samples)
    for number, alone in enumerate(samples):
        np.testing.assert_array_equal(of_layer(layer, alone[np.newaxis])[0], together[number])


@pytest.mark.filterwarnings("ignore:Constant folding:UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # scripts, and their way to ONNX, are so by choice
@EVERY_PRESET
def test_onnx_gives_the_same(preset: FeatureParameters) -> None:
    samples = sounds(preset)
    layer = LogMelLayer(preset, "matrices").eval()
    spectrograms = run_in_onnx(layer, samples)
    np.testing.assert_allclose(spectrograms, LogMel(preset)(samples), atol=1e-4)


def run_in_onnx(module: nn.Module, samples: Samples) -> NDArray[np.float32]:
    """Export with a batch of one; run with as many as there are."""
    file = io.BytesIO()
    torch.onnx.export(
        torch.jit.script(module),
        (torch.from_numpy(samples[:1]),),
        file,  # type: ignore[arg-type]  # where dynamo is off, a file in memory will do
        dynamo=False,
        input_names=["waveform"],
        output_names=["output"],
        dynamic_axes={"waveform": {0: "n"}, "output": {0: "n"}},
    )
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    return cast(NDArray[np.float32], session.run(None, {"waveform": samples})[0])


@EVERY_TRANSFORM
@EVERY_PRESET
def test_silence_and_sound_have_a_gradient(preset: FeatureParameters, transform: Transform) -> None:
    samples = np.stack([sound(preset.window_samples), np.zeros(preset.window_samples, np.float32)])
    waveform = torch.from_numpy(samples).requires_grad_()
    (LogMelLayer(preset, transform)(waveform) ** 2).sum().backward()
    gradient = cast(torch.Tensor, waveform.grad)
    assert gradient.isfinite().all()
    assert gradient[0].any()


@EVERY_TRANSFORM
def test_the_gradient_says_how_the_spectrogram_changes(transform: Transform) -> None:
    preset = replace(PRESETS["household"], n_frames=8)
    layer = LogMelLayer(preset, transform)
    generator = torch.Generator().manual_seed(0)
    waveform = (0.1 * torch.randn(1, preset.window_samples, generator=generator)).requires_grad_()
    direction = torch.randn(waveform.shape, generator=generator)
    layer(waveform).mean().backward()
    with torch.no_grad():
        step = 1e-3 * direction
        change = (layer(waveform + step).mean() - layer(waveform - step).mean()) / 2e-3
    slope = (cast(torch.Tensor, waveform.grad) * direction).sum()
    assert slope.item() == pytest.approx(change.item(), rel=0.02)


def test_half_precision_around_it_does_not_reach_it() -> None:
    preset = PRESETS["household"]
    waveform = torch.from_numpy(sounds(preset))
    layer = LogMelLayer(preset)
    with torch.autocast("cpu", torch.bfloat16):
        inside = layer(waveform)
    assert torch.equal(inside, layer(waveform))


def test_a_checkpoint_holds_none_of_it() -> None:
    network = WithFrontEnd(LogMelLayer(PRESETS["household"]), nn.Linear(2, 2))
    assert set(network.state_dict()) == {"network.weight", "network.bias"}


def test_linear_bands_are_as_many_as_the_transform_has() -> None:
    with pytest.raises(ValueError, match="n_mels has to be 513, not 64"):
        LogMelLayer(replace(PRESETS["household"], bands="linear"))
