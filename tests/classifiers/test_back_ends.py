"""What every back end does, TorchScript or ONNX Runtime: scores in any batch, and what is refused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from listener.classifiers.base import Classifier
from listener.classifiers.bundle import read_card
from listener.classifiers.onnx import OnnxClassifier
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.errors import ModelError
from listener.testing import TINY_FEATURES, tiny_bundle, tiny_card
from listener.types import Features, ModelCard
from tests.classifiers.small_models import (
    Channels,
    Gives,
    Levels,
    Mixing,
    Reciprocal,
    WithMatrix,
    assert_same_in_any_batch,
    shares,
    sounds,
    waveform_card,
    windows,
)
from tests.onnx_models import LOG_MEL, as_onnx, tiny_onnx

IMAGES = torch.zeros(2, 1, TINY_FEATURES.n_mels, TINY_FEATURES.n_frames)
WAVEFORMS = torch.ones(2, TINY_FEATURES.window_samples)


@dataclass(frozen=True)
class BackEnd:
    """One of them, and how models for it are written."""

    run: Callable[[Path, ModelCard], Classifier]
    ending: str
    write: Callable[[Path, nn.Module, Tensor], object]
    """A plain model, without a card; the tensor is what it takes."""
    write_tiny: Callable[[Path], ModelCard]
    """The bundle of `tiny_bundle`."""

    def load(self, folder: Path, module: nn.Module, card: ModelCard, example: Tensor = LOG_MEL) -> Classifier:
        """Write a plain model and load it with a card that lies beside it."""
        path = folder / f"model{self.ending}"
        self.write(path, module.eval(), example)
        return self.run(path, card)

    def refuses(self, folder: Path, module: nn.Module, card: ModelCard) -> str:
        """Give the one line with which a model is refused."""
        with pytest.raises(ModelError) as caught:
            self.load(folder, module, card)
        text = str(caught.value)
        assert text.startswith(f"{folder / 'model'}{self.ending}: ")
        assert text.isprintable()
        assert len(text) < 1_000
        return text


def script(path: Path, module: nn.Module, _: Tensor) -> None:
    torch.jit.save(torch.jit.script(module), path)


BACK_ENDS = {
    "torchscript": BackEnd(TorchScriptClassifier, ".pt", script, tiny_bundle),
    "onnx": BackEnd(
        OnnxClassifier,
        ".onnx",
        lambda path, module, example: path.write_bytes(as_onnx(module, example)),
        tiny_onnx,
    ),
}


@pytest.fixture(scope="module", params=list(BACK_ENDS))
def back_end(request: pytest.FixtureRequest) -> BackEnd:
    return BACK_ENDS[request.param]


@pytest.fixture(scope="module")
def tiny(back_end: BackEnd, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("back-end") / f"tiny{back_end.ending}"
    back_end.write_tiny(path)
    return path


def test_scores_are_those_of_plain_torch(back_end: BackEnd, tiny: Path, tmp_path: Path) -> None:
    card = tiny_bundle(tmp_path / "plain.pt")
    assert read_card(tiny) == card
    scores = back_end.run(tiny, card).predict(windows(card))
    assert scores.shape == (16, 3)
    assert scores.dtype == np.float32
    assert np.ptp(scores, axis=0).min() > 0.3, "the scores depend on the sound"
    module = torch.jit.load(tmp_path / "plain.pt")  # type: ignore[no-untyped-call]
    stacked = torch.from_numpy(np.stack([np.asarray(window.data) for window in windows(card)]))
    with torch.inference_mode():
        expected = torch.sigmoid(module(stacked)).numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_scores_do_not_depend_on_the_rest_of_the_batch(back_end: BackEnd, tiny: Path) -> None:
    assert_same_in_any_batch(back_end.run(tiny, read_card(tiny)))


def test_nor_do_those_of_a_model_with_matrix_products(back_end: BackEnd, tmp_path: Path) -> None:
    torch.manual_seed(0)
    assert_same_in_any_batch(back_end.load(tmp_path, WithMatrix(), tiny_card()))


def test_a_model_that_mixes_its_windows_gets_them_one_by_one(back_end: BackEnd, tmp_path: Path) -> None:
    assert_same_in_any_batch(back_end.load(tmp_path, Mixing(), tiny_card()))


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_the_channel_axis_is_found_out(activation: str, back_end: BackEnd, tmp_path: Path) -> None:
    module = Channels()
    card = replace(tiny_card(), activation="softmax" if activation == "softmax" else "sigmoid")
    classifier = back_end.load(tmp_path, module, card, IMAGES)
    batch = windows(card)
    stacked = torch.from_numpy(np.stack([np.asarray(window.data) for window in batch])[:, None])
    with torch.inference_mode():
        logits = module(stacked)
    expected = torch.softmax(logits, -1) if activation == "softmax" else torch.sigmoid(logits)
    np.testing.assert_allclose(classifier.predict(batch), expected.numpy(), atol=1e-5)
    assert_same_in_any_batch(classifier)


def test_a_model_of_waveforms(back_end: BackEnd, tmp_path: Path) -> None:
    classifier = back_end.load(tmp_path, Levels(), waveform_card(), WAVEFORMS)
    expected = [shares(samples) for samples in sounds()]
    np.testing.assert_allclose(classifier.predict(windows(classifier.card)), expected, atol=1e-3)


@pytest.mark.parametrize("scores", [(0.1, 0.2, 1.1), (-0.1, 0.2, 0.3), (float("nan"), 0.2, 0.3)])
def test_what_is_no_score_is_refused_at_once(
    scores: Sequence[float], back_end: BackEnd, tmp_path: Path
) -> None:
    text = back_end.refuses(tmp_path, Gives(*scores), replace(tiny_card(), activation="none"))
    assert "set the card's activation to sigmoid or softmax" in text


def test_what_turns_out_to_be_no_score_later(back_end: BackEnd, tmp_path: Path) -> None:
    classifier = back_end.load(tmp_path, Reciprocal(), waveform_card(), WAVEFORMS)
    silence = Features("mic", np.zeros(TINY_FEATURES.window_samples, np.float32), 0, 1, 16_000)
    with pytest.raises(ModelError, match="gave a score that is no number from 0 to 1"):
        classifier.predict([silence])


def test_a_window_that_the_model_cannot_take(back_end: BackEnd, tiny: Path) -> None:
    classifier = back_end.run(tiny, read_card(tiny))
    with pytest.raises(ModelError, match="the model failed") as caught:
        classifier.predict([Features("mic", np.zeros((1, 2), np.float32), 0, 1, 16_000)])
    assert "\n" not in str(caught.value)


def test_the_card_of_another_model(back_end: BackEnd, tiny: Path, tmp_path: Path) -> None:
    other = tiny_bundle(tmp_path / "other.pt", seed=1)
    with pytest.raises(ModelError, match="does not reproduce its own reference"):
        back_end.run(tiny, other)


def test_a_closed_model_gives_no_scores(back_end: BackEnd, tiny: Path) -> None:
    classifier = back_end.run(tiny, read_card(tiny))
    batch = windows(classifier.card)[:1]
    assert classifier.predict(batch).shape == (1, 3)
    classifier.close()
    classifier.close()
    with pytest.raises(ModelError, match="it is closed"):
        classifier.predict(batch)
