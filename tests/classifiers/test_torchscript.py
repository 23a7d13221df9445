"""TorchScript models of every kind, real ones, and what is refused."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from listener.classifiers.bundle import read_card, write_bundle
from listener.classifiers.reference import reference_signal
from listener.classifiers.torchscript import BF16_TOLERANCE, TorchScriptClassifier
from listener.errors import ModelError
from listener.features import LogMel, wav_bytes
from listener.testing import TINY_FEATURES, tiny_bundle, tiny_card
from listener.types import Features, ModelCard, Reference, Samples


def sounds(n_sounds: int = 16) -> list[Samples]:
    random = np.random.default_rng(0)
    time_s = np.arange(TINY_FEATURES.window_samples) / 16_000
    return [
        (
            0.5 * np.sin(2 * np.pi * random.uniform(100, 7000) * time_s) * 10 ** random.uniform(-3, 0)
            + 0.5 * random.standard_normal(len(time_s)) * 10 ** random.uniform(-4, 0)
        ).astype(np.float32)
        for _ in range(n_sounds)
    ]


def windows(card: ModelCard) -> list[Features]:
    def form(samples: Samples) -> NDArray[np.float32] | bytes:
        if card.input == "log_mel":
            return LogMel(TINY_FEATURES)(samples)
        return samples if card.input == "waveform" else wav_bytes(samples, 16_000)

    return [Features("mic", form(samples), 0, len(samples), 16_000) for samples in sounds()]


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


def assert_same_in_any_batch(classifier: TorchScriptClassifier) -> None:
    batch = windows(classifier.card)
    alone = np.concatenate([classifier.predict([window]) for window in batch])
    classifier.warm_up(8)
    for size in (*range(1, 9), 16):
        parts = [classifier.predict(batch[first : first + size]) for first in range(0, len(batch), size)]
        np.testing.assert_array_equal(np.concatenate(parts), alone)


def plain_scores(path: Path, card: ModelCard) -> NDArray[np.float32]:
    """What a plain `torch.jit.load` makes of the windows."""
    module = torch.jit.load(path)  # type: ignore[no-untyped-call]
    stacked = torch.from_numpy(np.stack([np.asarray(window.data) for window in windows(card)]))
    with torch.inference_mode():
        scores: NDArray[np.float32] = torch.sigmoid(module(stacked)).numpy()
    return scores


def test_scores_are_those_of_a_plain_load(tiny: Path) -> None:
    card = read_card(tiny)
    scores = TorchScriptClassifier(tiny, card).predict(windows(card))
    assert scores.shape == (16, 3)
    assert scores.dtype == np.float32
    assert np.ptp(scores, axis=0).min() > 0.3, "the scores depend on the sound"
    np.testing.assert_allclose(scores, plain_scores(tiny, card), atol=1e-4)


def test_scores_do_not_depend_on_the_rest_of_the_batch(tiny: Path) -> None:
    assert_same_in_any_batch(TorchScriptClassifier(tiny, read_card(tiny)))


def test_nor_on_what_was_run_in_before(tiny: Path) -> None:
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


class WithMatrix(nn.Module):
    """Its last layer is rounded differently in a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(16 * 32, 64)
        self.last = nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(torch.relu(self.hidden(x.flatten(1))))
        return out


def test_a_model_that_is_rounded_differently_in_a_batch_gets_windows_one_by_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    classifier = load(tmp_path, WithMatrix(), tiny_card())
    assert_same_in_any_batch(classifier)


class Channels(nn.Module):
    """An image network: it wants (n, 1, n_mels, n_frames)."""

    def __init__(self, n_labels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3)
        self.head = nn.Conv2d(4, n_labels, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(torch.relu(self.stem(x)).mean(dim=(2, 3), keepdim=True)).flatten(1)
        return out


def test_the_channel_axis_is_found_out(tmp_path: Path) -> None:
    module = Channels()
    classifier = load(tmp_path, module, tiny_card())
    batch = windows(classifier.card)
    stacked = torch.from_numpy(np.stack([np.asarray(window.data) for window in batch])[:, None])
    with torch.inference_mode():
        expected = torch.sigmoid(module(stacked)).numpy()
    np.testing.assert_allclose(classifier.predict(batch), expected, atol=1e-4)
    assert_same_in_any_batch(classifier)


def test_softmax_shares_one_among_the_labels(tmp_path: Path) -> None:
    classifier = load(tmp_path, Channels(), replace(tiny_card(), activation="softmax"))
    np.testing.assert_allclose(classifier.predict(windows(classifier.card)).sum(axis=1), 1, atol=1e-5)


class Levels(nn.Module):
    """The share of samples above three levels; its input is a waveform."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([(x.abs() > level).float().mean(dim=1) for level in (0.1, 0.2, 0.3)], dim=1)


def shares(samples: Samples) -> list[float]:
    return [float((np.abs(samples) > level).mean()) for level in (0.1, 0.2, 0.3)]


def card_of(form: str) -> ModelCard:
    assert form in ("waveform", "wav_bytes")
    return replace(
        tiny_card(), input="waveform" if form == "waveform" else "wav_bytes", features=None, activation="none"
    )


def test_a_model_of_waveforms(tmp_path: Path) -> None:
    classifier = load(tmp_path, Levels(), card_of("waveform"))
    expected = [shares(samples) for samples in sounds()]
    np.testing.assert_allclose(classifier.predict(windows(classifier.card)), expected, atol=1e-3)


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
    classifier = load(tmp_path, WavLevels(), card_of("wav_bytes"))
    expected = [shares(samples) for samples in sounds()]
    np.testing.assert_allclose(classifier.predict(windows(classifier.card)), expected, atol=1e-3)


class Gives(nn.Module):
    """Gives what it was told, whatever it gets."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.tensor(scores))

    def forward(self, x: Tensor) -> Tensor:
        return self.scores.expand(x.shape[0], -1) + 0 * x.flatten(1)[:, :1]


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


@pytest.mark.parametrize("scores", [(0.1, 0.2, 1.1), (-0.1, 0.2, 0.3), (float("nan"), 0.2, 0.3)])
def test_what_is_no_score_is_refused_at_once(scores: Sequence[float], tmp_path: Path) -> None:
    card = replace(tiny_card(), activation="none")
    assert "set the card's activation to sigmoid or softmax" in refused(tmp_path, Gives(*scores), card)


class Reciprocal(nn.Module):
    """What it gives for silence is no number."""

    def forward(self, x: Tensor) -> Tensor:
        peak = x.abs().amax(dim=1, keepdim=True)
        return (0.1 * peak / peak).expand(-1, 3)


def test_what_turns_out_to_be_no_score_later(tmp_path: Path) -> None:
    classifier = load(tmp_path, Reciprocal(), card_of("waveform"))
    silence = Features("mic", np.zeros(TINY_FEATURES.window_samples, np.float32), 0, 1, 16_000)
    with pytest.raises(ModelError, match="gave a score that is no number from 0 to 1"):
        classifier.predict([silence])


def test_a_window_that_the_model_cannot_take(tiny: Path) -> None:
    classifier = TorchScriptClassifier(tiny, read_card(tiny))
    with pytest.raises(ModelError, match="the model failed") as caught:
        classifier.predict([Features("mic", np.zeros((1, 2), np.float32), 0, 1, 16_000)])
    assert "\n" not in str(caught.value)


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


def test_the_card_of_another_model(tiny: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    card = tiny_bundle(other, seed=1)
    with pytest.raises(ModelError, match="does not reproduce its own reference"):
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
    classifier = load(tmp_path, module, replace(card_of("waveform"), activation="sigmoid"))
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


def test_a_closed_model_gives_no_scores(tiny: Path) -> None:
    classifier = TorchScriptClassifier(tiny, read_card(tiny))
    window = Features("test", np.zeros((16, 32), np.float32), 0, 8_448, 16_000)
    assert classifier.predict([window]).shape == (1, 3)
    classifier.close()
    classifier.close()
    with pytest.raises(ModelError):
        classifier.predict([window])
