"""What TorchScript models alone do: precision, fusion, WAV files; the rest is in `test_back_ends.py`."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from listener.classifiers.bundle import read_card, write_bundle
from listener.classifiers.reference import reference_signal
from listener.classifiers.torchscript import BF16_TOLERANCE, TorchScriptClassifier
from listener.errors import ModelError
from listener.features import LogMel
from listener.testing import TINY_FEATURES, tiny_bundle, tiny_card
from listener.types import Features, ModelCard, Reference
from tests.classifiers.small_models import (
    Channels,
    Levels,
    assert_same_in_any_batch,
    shares,
    sounds,
    waveform_card,
    windows,
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("torchscript") / "tiny.pt"
    tiny_bundle(path)
    return path


def load(tmp_path: Path, module: nn.Module, card: ModelCard) -> TorchScriptClassifier:
    """Write a model and load it with a card that lies beside it."""
    path = tmp_path / "model.pth"
    torch.jit.save(torch.jit.script(module.eval()), path)
    return TorchScriptClassifier(path, card)


def refused(tmp_path: Path, module: nn.Module, card: ModelCard) -> str:
    with pytest.raises(ModelError) as caught:
        load(tmp_path, module, card)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(tmp_path / "model.pth"))
    return text


def test_scores_do_not_depend_on_what_was_run_in_before(tiny: Path) -> None:
    card = read_card(tiny)
    warm, cold = (TorchScriptClassifier(tiny, card) for _ in range(2))
    warm.warm_up(100)
    np.testing.assert_array_equal(warm.predict(windows(card)[:5]), cold.predict(windows(card)[:5]))


def test_bfloat16_comes_close(tiny: Path) -> None:
    card = read_card(tiny)
    exact = TorchScriptClassifier(tiny, card).predict(windows(card))
    close = TorchScriptClassifier(tiny, card, "bf16").predict(windows(card))
    assert close.dtype == np.float32
    assert 0 < np.abs(close - exact).max() <= BF16_TOLERANCE


class WavLevels(nn.Module):
    """As `Levels`, but it reads a WAV file."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = Levels()

    def forward(self, files: Tensor) -> Tensor:
        rate = files[0, 24].int() + 256 * files[0, 25].int()
        if files.dtype != torch.uint8 or int(rate) != 16000:
            raise ValueError("no WAV file at 16 kHz")
        data = files[:, 44:].reshape(files.shape[0], -1, 2).int()
        samples = data[:, :, 0] + 256 * data[:, :, 1]
        samples = torch.where(samples >= 32768, samples - 65536, samples)
        out: Tensor = self.levels(samples.float() / 32768)
        return out


def test_a_model_that_reads_wav_files(tmp_path: Path) -> None:
    classifier = load(tmp_path, WavLevels(), replace(waveform_card(), input="wav_bytes"))
    expected = [shares(samples) for samples in sounds()]
    np.testing.assert_allclose(classifier.predict(windows(classifier.card)), expected, atol=1e-3)


class Raises(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > 0:
            raise ValueError("I do not like this")
        return x


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class Scalar(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sum()


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        (Channels(4), "gives scores of shape (2, 4) for two windows, but its card names 3 labels"),
        (nn.Identity(), "gives scores of shape (2, 16, 32) for two windows, but its card names 3 labels"),
        (
            nn.Linear(99, 3),
            "does not take what its card promises (input 'log_mel', 8448 samples at 16000 Hz)",
        ),
        (Raises(), "I do not like this"),
        (Pair(), "not a row of scores"),
        (Scalar(), "not a row of scores"),
    ],
)
def test_a_model_that_does_not_fit_its_card(module: nn.Module, hint: str, tmp_path: Path) -> None:
    assert hint in refused(tmp_path, module, tiny_card())


def test_weights_that_were_changed_are_found_out(tiny: Path, tmp_path: Path) -> None:
    card = read_card(tiny)
    assert card.reference is not None
    module = torch.jit.load(tiny)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        next(iter(module.parameters())).add_(0.05)
    path = tmp_path / "changed.pt"
    write_bundle(path, module, card)
    with pytest.raises(ModelError, match=r"does not reproduce its own reference.*install it again"):
        TorchScriptClassifier(path, read_card(path))


def test_a_reference_of_another_program_version(tiny: Path) -> None:
    card = replace(read_card(tiny), reference=Reference("whistle", (0.1, 0.2, 0.3)))
    with pytest.raises(ModelError, match="unknown reference signal 'whistle'"):
        TorchScriptClassifier(tiny, card)


def test_the_reference_is_that_of_the_whole_front_end(tiny: Path) -> None:
    """Parameters of the features that are not those of the training are found out too."""
    card = read_card(tiny)
    assert card.features is not None
    wrong = replace(card, features=replace(card.features, f_max_hz=4000.0))
    with pytest.raises(ModelError, match="does not reproduce its own reference"):
        TorchScriptClassifier(tiny, wrong)
    signal = reference_signal("chirp", card.window_samples, card.sample_rate)
    scores = TorchScriptClassifier(tiny, card).predict(
        [Features("mic", LogMel(card.features)(signal), 0, len(signal), 16_000)]
    )
    assert card.reference is not None
    np.testing.assert_allclose(scores[0], card.reference.scores, atol=1e-4)


class Branching(nn.Module):
    """Many sounds are taken one by one: a loop that is in order, and at which oneDNN's fusion fails."""

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.register_buffer("window", torch.rand(TINY_FEATURES.window_samples))
        self.last = nn.Parameter(torch.randn(TINY_FEATURES.window_samples, 3) / 100)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > 100:
            return torch.cat([torch.matmul(sound * self.window, self.last) for sound in torch.split(x, 1)])
        return torch.matmul(x * self.window, self.last)


def test_a_network_that_cannot_be_fused_runs_unfused(tmp_path: Path) -> None:
    module = Branching()
    classifier = load(tmp_path, module, replace(waveform_card(), activation="sigmoid"))
    with torch.inference_mode():
        expected = torch.sigmoid(module(torch.from_numpy(np.stack(sounds())))).numpy()
    np.testing.assert_allclose(classifier.predict(windows(classifier.card)), expected, atol=1e-4)
    assert_same_in_any_batch(classifier)


@pytest.mark.parametrize("what", ["empty", "words", "half", "weights only"])
def test_a_file_that_is_no_torchscript(what: str, tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    path.write_bytes({"empty": b"", "words": b"words", "half": tiny.read_bytes()[:9000]}.get(what, b""))
    if what == "weights only":
        torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(
        ModelError, match=f"{re.escape(str(path))}: no TorchScript model, or a broken one"
    ) as caught:
        TorchScriptClassifier(path, tiny_card())
    assert "\n" not in str(caught.value)
