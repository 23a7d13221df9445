"""The bundle that comes with the program."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from listener.assembly import build_rules
from listener.classifiers.base import Classifier
from listener.classifiers.bundle import read_card
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.config import Config
from listener.config_file import ConfigFile
from listener.features import PRESETS
from listener.offline import finished_events
from listener.synthesis import coloured_noise
from listener.testing import ScriptedSource
from listener.types import Samples

RATE = 16_000
MINUTES = 10
LARGEST_BYTES = 12_000_000


@pytest.fixture(scope="module")
def classifier(household: Path) -> Iterator[Classifier]:
    """The model, loaded and true to its reference."""
    model = TorchScriptClassifier(household, read_card(household))
    yield model
    model.close()


def test_the_card_says_what_a_user_should_know(household: Path) -> None:
    card = read_card(household)
    assert household.stat().st_size <= LARGEST_BYTES
    assert len(card.labels) == 27
    assert card.features == PRESETS["household"]
    assert card.reference is not None
    assert set(card.thresholds) == set(card.labels)
    assert card.figures["accuracy_26"] >= 0.70
    assert card.figures["esc10_accuracy"] >= 0.85
    assert "cross-validation" in card.evaluation
    assert "synthetic" in card.notes
    assert card.licence
    assert card.attribution


def test_whom_to_thank_lies_beside_it(household: Path) -> None:
    (attribution,) = household.parent.glob("household*ATTRIBUTION*")
    assert "freesound" in attribution.read_text(encoding="utf-8").lower()


def silence(n: int) -> Samples:
    return np.zeros(n, np.float32)


def white(n: int) -> Samples:
    return _noise(n, 0.0, -60)


def pink(n: int) -> Samples:
    return _noise(n, 1.0, -55)


def brown(n: int) -> Samples:
    return _noise(n, 2.0, -60)


def dither(n: int) -> Samples:
    return (np.random.default_rng(3).integers(-1, 2, n) / 32768).astype(np.float32)


@pytest.mark.parametrize("kind", [silence, white, pink, brown, dither])
def test_nothing_is_heard_where_nothing_is(classifier: Classifier, kind: object) -> None:
    assert callable(kind)
    samples = kind(MINUTES * 60 * RATE)
    source = ScriptedSource("quiet", np.split(samples, MINUTES * 60), live=False)
    rules = build_rules(ConfigFile(Config()), classifier.card)
    assert finished_events(source, classifier, rules, 0.5) == []


def test_scores_do_not_depend_on_the_batch(classifier: Classifier) -> None:
    """Held by the network's last layer and the classifier's activation; the events' equality rests on it."""
    from listener.stages import FeatureStage
    from listener.types import AudioChunk

    samples = np.random.default_rng(1).uniform(-0.1, 0.1, 12 * RATE).astype(np.float32)
    stage = FeatureStage("noise", classifier.card, 0.5)
    windows = list(stage.push(AudioChunk(samples, 0, RATE)))
    alone = np.concatenate([classifier.predict([window]) for window in windows])
    for size in range(2, 9):
        parts = [windows[first : first + size] for first in range(0, len(windows), size)]
        np.testing.assert_array_equal(np.concatenate([classifier.predict(part) for part in parts]), alone)


def _noise(n: int, exponent: float, level_db: float) -> Samples:
    noise = coloured_noise(np.random.default_rng(2), n, exponent, RATE)
    return np.asarray(noise * 10 ** (level_db / 20) / np.sqrt(np.mean(np.square(noise))), np.float32)
