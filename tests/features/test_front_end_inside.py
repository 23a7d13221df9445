"""A bundle that hears: the front end inside of the model, against the same network with it outside."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from listener.classifiers.bundle import read_card, write_bundle
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.features import PRESETS, LogMel
from listener.features.layers import LogMelLayer, WithFrontEnd
from listener.stages import FeatureStage
from listener.testing import tiny_bundle, tiny_card
from listener.types import AudioChunk, FeatureParameters, Features, ModelCard, Samples

EVERY_PRESET = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)


def outside(path: Path, preset: FeatureParameters) -> TorchScriptClassifier:
    """Write a bundle that eats spectrograms, and load it."""
    card = tiny_bundle(path, tiny_card(features=preset))
    return TorchScriptClassifier(path, card)


def inside(path: Path, bundle: Path, card: ModelCard, preset: FeatureParameters) -> TorchScriptClassifier:
    """Write the same network with its front end, and load it: it has to reproduce the other's reference."""
    network = torch.jit.load(bundle)  # type: ignore[no-untyped-call]
    card = replace(card, input="waveform", features=None)
    write_bundle(path, torch.jit.script(WithFrontEnd(LogMelLayer(preset), network).eval()), card)
    return TorchScriptClassifier(path, read_card(path))


def live(samples: Samples, card: ModelCard) -> list[Features]:
    """The windows of a stream that comes in pieces of odd sizes."""
    stage, position = FeatureStage("mic", card, 0.5), 0
    found: list[Features] = []
    sizes = np.random.default_rng(0).integers(1, 9000, len(samples))
    while position < len(samples):
        piece = samples[position : position + sizes[position]]
        found += stage.push(AudioChunk(piece, position, card.sample_rate))
        position += len(piece)
    return found


@EVERY_PRESET
def test_its_scores_are_those_of_the_network_with_the_front_end_outside(
    preset: FeatureParameters, tmp_path: Path, recordings: Samples
) -> None:
    without = outside(tmp_path / "outside.pt", preset)
    within = inside(tmp_path / "inside.pt", tmp_path / "outside.pt", without.card, preset)
    assert within.card.window_samples == preset.window_samples
    windows = live(recordings[: 40 * preset.sample_rate], within.card)
    log_mel = LogMel(preset)
    spectrograms = [replace(window, data=log_mel(np.asarray(window.data))) for window in windows]
    expected = without.predict(spectrograms)
    assert np.ptp(expected) > 0.2, "scores that are all the same prove nothing"
    np.testing.assert_allclose(within.predict(windows), expected, atol=1e-4)


def test_a_window_is_scored_the_same_to_the_bit_in_any_batch(tmp_path: Path, recordings: Samples) -> None:
    preset = PRESETS["household"]
    without = outside(tmp_path / "outside.pt", preset)
    within = inside(tmp_path / "inside.pt", tmp_path / "outside.pt", without.card, preset)
    windows = live(recordings, within.card)[:16]
    alone = np.concatenate([within.predict([window]) for window in windows])
    within.warm_up(8)
    assert within._run_in == {1, 2, 4, 8}, "a batch size that rounds differently is not used"
    np.testing.assert_array_equal(within.predict(windows), alone)


def test_a_network_for_images_gets_its_channel_axis() -> None:
    preset = PRESETS["household"]
    network = torch.nn.Conv2d(1, 2, 3)
    model = WithFrontEnd(LogMelLayer(preset), network, channel_axis=True)
    waveform = torch.zeros(3, preset.window_samples)
    assert torch.jit.script(model)(waveform).shape == (3, 2, 62, 126)


@EVERY_PRESET
def test_a_preset_runs_live(preset: FeatureParameters, tmp_path: Path, recordings: Samples) -> None:
    """What the engine gives the model is what the transform makes of the same window, to the bit."""
    model = outside(tmp_path / "model.pt", preset)
    samples = recordings[: 10 * preset.sample_rate]
    windows, log_mel = live(samples, model.card), LogMel(preset)
    assert len(windows) > 10
    for window in windows:
        expected = log_mel(samples[window.start_sample : window.end_sample])
        np.testing.assert_array_equal(np.asarray(window.data), expected)
    assert is_scores(model.predict(windows), len(windows), model.card.labels)


def is_scores(scores: NDArray[np.float32], n_windows: int, labels: Sequence[str]) -> bool:
    return scores.shape == (n_windows, len(labels)) and bool(((scores >= 0) & (scores <= 1)).all())
