"""The front end in a card: older cards mean what they meant, and what cannot be is refused."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from listener.classifiers.card import feature_problem, parse_card
from listener.errors import ModelError
from listener.features import PRESETS, LogMel
from listener.testing import TINY_FEATURES, tiny_card
from listener.types import FeatureParameters, ModelCard

WHERE = Path("m.pt")
LATER = ("bands", "padding", "power", "scale")


def with_features(features: object) -> ModelCard:
    parameters = PRESETS["household"]
    window_s = parameters.window_samples / parameters.sample_rate
    raw = asdict(replace(tiny_card(), window_s=window_s)) | {"features": features}
    return parse_card(json.loads(json.dumps(raw)), WHERE)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_card_may_use_each_preset(preset: FeatureParameters) -> None:
    raw = asdict(tiny_card(features=preset)) | {"features": preset.preset}
    card = parse_card(json.loads(json.dumps(raw)), WHERE)
    assert card.features == preset
    assert card == parse_card(json.loads(json.dumps(asdict(card))), WHERE)


@pytest.mark.parametrize("parameters", [*PRESETS.values(), TINY_FEATURES], ids=lambda found: found.preset)
def test_a_card_from_before_means_what_it_meant(parameters: FeatureParameters) -> None:
    """One that was written when there was no padding, no magnitude, no decibel and no linear band."""
    before = {key: value for key, value in asdict(parameters).items() if key not in LATER}
    before |= {"normalisation": "none", "preset": "of its own"}
    raw = asdict(tiny_card(features=replace(parameters, padding="none"))) | {"features": before}
    found = parse_card(raw, WHERE).features
    assert found == FeatureParameters(**before)
    assert (found.bands, found.padding, found.power, found.scale) == ("mel", "none", 2, "log")
    assert found.window_samples == found.n_fft + (found.n_frames - 1) * found.hop_length


@pytest.mark.parametrize(
    ("features", "hint"),
    [
        ({"bands": "bark"}, "'features.bands'"),
        ({"padding": "center"}, "'features.padding'"),
        ({"power": 3}, "'features.power'"),
        ({"scale": "dB"}, "'features.scale'"),
        ({"normalisation": "minmax"}, "'features.normalisation'"),
        ({"pading": "none"}, "unknown field 'pading': did you mean 'padding'?"),
        ({"bands": "linear"}, "features.n_mels must be 1 + n_fft // 2 = 513 where bands are linear"),
        ({"padding": "centre", "n_frames": 1}, "1 frames make a window of 0 samples, too short"),
        ({"padding": "reflect", "n_fft": 2048, "n_frames": 3}, "3 frames make a window of 768 samples"),
        ({"n_fft": 2**16}, "n_fft may be 32768"),
        ({"n_mels": 1025}, "n_mels 1024 at most"),
    ],
)
def test_what_cannot_be_is_refused(features: dict[str, Any], hint: str) -> None:
    with pytest.raises(ModelError) as error:
        with_features({"preset": "household"} | features)
    assert hint in str(error.value)
    assert str(error.value).startswith("m.pt: card field")


def test_what_cannot_be_is_found_without_a_card() -> None:
    assert all(feature_problem(preset) is None for preset in PRESETS.values())
    problem = feature_problem(replace(PRESETS["db"], n_fft=1024))
    assert problem == "features.n_mels must be 1 + n_fft // 2 = 513 where bands are linear"
    assert "f_max_hz" in str(feature_problem(replace(PRESETS["household"], f_max_hz=8001.0)))
    assert "16777216" in str(feature_problem(replace(PRESETS["household"], n_frames=2**24)))


@pytest.mark.parametrize("padding", ["centre", "reflect"])
def test_a_padded_window_is_as_long_as_its_frames_need(padding: Any) -> None:
    parameters = replace(PRESETS["household"], padding=padding)
    assert LogMel(parameters).n_frames(parameters.window_samples) == parameters.n_frames
    assert LogMel(parameters).n_frames(parameters.window_samples - 1) == parameters.n_frames - 1


def test_a_spectrogram_that_would_fill_the_memory_is_refused() -> None:
    wide = replace(
        PRESETS["household"], preset="wide", n_fft=2**15, n_mels=2**14 + 1, bands="linear", hop_length=100
    )
    raw = asdict(tiny_card(features=replace(wide, n_frames=1200)))
    with pytest.raises(ModelError, match=r"n_mels \* n_frames may be 16777216 at most"):
        parse_card(raw, WHERE)
