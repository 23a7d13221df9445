"""ONNX models: as TorchScript ones, one by one or in any batch; what is broken or foreign is refused."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from listener.assembly import build_classifier
from listener.classifiers import onnx_file
from listener.classifiers.bundle import card_json, read_card
from listener.classifiers.onnx import OnnxClassifier
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.cli.models import models
from listener.config import Config, ModelSettings
from listener.config_file import ConfigFile
from listener.errors import ListenerError, ModelError
from listener.features import LogMel
from listener.testing import TINY_FEATURES, tiny_bundle, tiny_card
from listener.types import Features, ModelCard, Samples
from tests.onnx_models import as_onnx, damages, resealed, tiny_onnx

PATIENCE_S = 60.0


def sounds(n_sounds: int = 16) -> list[Samples]:
    random = np.random.default_rng(0)
    time_s = np.arange(TINY_FEATURES.window_samples) / 16_000
    return [
        (
            0.5 * np.sin(2 * np.pi * random.uniform(100, 7000) * time_s) * 10 ** random.uniform(-3, 0)
            + 0.3 * random.standard_normal(len(time_s)) * 10 ** random.uniform(-4, 0)
        ).astype(np.float32)
        for _ in range(n_sounds)
    ]


def windows(card: ModelCard) -> list[Features]:
    def form(samples: Samples) -> NDArray[np.float32]:
        return LogMel(TINY_FEATURES)(samples) if card.input == "log_mel" else samples

    return [Features("mic", form(samples), 0, len(samples), 16_000) for samples in sounds()]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    tiny_onnx(path)
    return path


def load(tmp_path: Path, module: nn.Module, card: ModelCard, example: Tensor | None = None) -> OnnxClassifier:
    """Write a plain model and load it with a card that lies beside it."""
    path = tmp_path / "model.onnx"
    path.write_bytes(as_onnx(module) if example is None else as_onnx(module, example))
    return OnnxClassifier(path, card)


def refused(path: Path, card: ModelCard | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        OnnxClassifier(path, card or read_card(path))
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.isprintable()
    assert len(text) < 1_000
    return text


def assert_same_in_any_batch(classifier: OnnxClassifier) -> None:
    batch = windows(classifier.card)
    alone = np.concatenate([classifier.predict([window]) for window in batch])
    for size in (*range(1, 9), 16):
        parts = [classifier.predict(batch[first : first + size]) for first in range(0, len(batch), size)]
        np.testing.assert_array_equal(np.concatenate(parts), alone)


def test_scores_are_those_of_torchscript(tiny: Path, tmp_path: Path) -> None:
    card = tiny_bundle(tmp_path / "tiny.pt")
    assert read_card(tiny) == card
    scores = OnnxClassifier(tiny, card).predict(windows(card))
    assert scores.shape == (16, 3)
    assert scores.dtype == np.float32
    assert np.ptp(scores, axis=0).min() > 0.3, "the scores depend on the sound"
    expected = TorchScriptClassifier(tmp_path / "tiny.pt", card).predict(windows(card))
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_scores_do_not_depend_on_the_rest_of_the_batch(tiny: Path) -> None:
    assert_same_in_any_batch(OnnxClassifier(tiny, read_card(tiny)))


class WithMatrix(nn.Module):
    """Its last layer may be rounded differently in a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(16 * 32, 64)
        self.last = nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(torch.relu(self.hidden(x.flatten(1))))
        return out


def test_nor_do_those_of_a_model_with_matrix_products(tmp_path: Path) -> None:
    torch.manual_seed(0)
    assert_same_in_any_batch(load(tmp_path, WithMatrix(), tiny_card()))


class Mixing(nn.Module):
    """What it says of a window depends on the others."""

    def forward(self, x: Tensor) -> Tensor:
        level = x.mean(dim=(1, 2))
        return (level - level.mean()).unsqueeze(1).expand(-1, 3)


def test_a_model_that_mixes_its_windows_gets_them_one_by_one(tmp_path: Path) -> None:
    assert_same_in_any_batch(load(tmp_path, Mixing(), tiny_card()))


class Channels(nn.Module):
    """An image network: it wants (n, 1, n_mels, n_frames)."""

    def __init__(self, n_labels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3)
        self.head = nn.Conv2d(4, n_labels, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(torch.relu(self.stem(x)).mean(dim=(2, 3), keepdim=True)).flatten(1)
        return out


IMAGES = torch.zeros(2, 1, TINY_FEATURES.n_mels, TINY_FEATURES.n_frames)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_the_channel_axis_is_found_out(activation: str, tmp_path: Path) -> None:
    module = Channels()
    card = replace(tiny_card(), activation="softmax" if activation == "softmax" else "sigmoid")
    classifier = load(tmp_path, module, card, IMAGES)
    batch = windows(card)
    stacked = torch.from_numpy(np.stack([np.asarray(window.data) for window in batch])[:, None])
    with torch.inference_mode():
        logits = module(stacked)
    expected = torch.softmax(logits, -1) if activation == "softmax" else torch.sigmoid(logits)
    np.testing.assert_allclose(classifier.predict(batch), expected.numpy(), atol=1e-5)
    assert_same_in_any_batch(classifier)


class Levels(nn.Module):
    """The share of samples above three levels; its input is a waveform."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([(x.abs() > level).float().mean(dim=1) for level in (0.1, 0.2, 0.3)], dim=1)


def waveform_card() -> ModelCard:
    return replace(tiny_card(), input="waveform", features=None, activation="none")


def test_a_model_of_waveforms(tmp_path: Path) -> None:
    example = torch.zeros(2, TINY_FEATURES.window_samples)
    classifier = load(tmp_path, Levels(), waveform_card(), example)
    expected = [[float((np.abs(sound) > level).mean()) for level in (0.1, 0.2, 0.3)] for sound in sounds()]
    np.testing.assert_allclose(classifier.predict(windows(classifier.card)), expected, atol=1e-3)


class Gives(nn.Module):
    """Gives what it was told, whatever it gets."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.tensor(scores))

    def forward(self, x: Tensor) -> Tensor:
        return self.scores.expand(x.shape[0], -1) + 0 * x.flatten(1)[:, :1]


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.mean(dim=2), x.sum(dim=2)


class Wide(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, 99, 3).mean(dim=2)


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        (Gives(0.1, 0.2), "gives scores of shape (1, 2) for one window, but its card names 3 labels"),
        (nn.Identity(), "gives scores of shape (1, 16, 32) for one window, but its card names 3 labels"),
        (Pair(), "the model has 1 inputs and 2 outputs"),
    ],
)
def test_a_model_that_does_not_fit_its_card(module: nn.Module, hint: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(as_onnx(module))
    assert hint in refused(path, tiny_card())


def test_a_model_that_wants_other_windows(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(as_onnx(Wide(), torch.zeros(2, 99, 3)))
    hint = "does not take what its card promises (input 'log_mel', 8448 samples at 16000 Hz)"
    assert hint in refused(path, tiny_card())


@pytest.mark.parametrize("scores", [(0.1, 0.2, 1.1), (-0.1, 0.2, 0.3), (float("nan"), 0.2, 0.3)])
def test_what_is_no_score_is_refused_at_once(scores: Sequence[float], tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(as_onnx(Gives(*scores)))
    assert "set the card's activation" in refused(path, replace(tiny_card(), activation="none"))


class Reciprocal(nn.Module):
    """What it gives for silence is no number."""

    def forward(self, x: Tensor) -> Tensor:
        peak = x.abs().amax(dim=1, keepdim=True)
        return (0.1 * peak / peak).expand(-1, 3)


def test_what_turns_out_to_be_no_score_later(tmp_path: Path) -> None:
    example = torch.ones(2, TINY_FEATURES.window_samples)
    classifier = load(tmp_path, Reciprocal(), waveform_card(), example)
    silence = Features("mic", np.zeros(TINY_FEATURES.window_samples, np.float32), 0, 1, 16_000)
    with pytest.raises(ModelError, match="gave a score that is no number from 0 to 1"):
        classifier.predict([silence])


def test_a_window_that_the_model_cannot_take(tiny: Path) -> None:
    classifier = OnnxClassifier(tiny, read_card(tiny))
    with pytest.raises(ModelError, match="the model failed") as caught:
        classifier.predict([Features("mic", np.zeros((1, 2), np.float32), 0, 1, 16_000)])
    assert "\n" not in str(caught.value)


def test_the_card_of_another_model(tiny: Path, tmp_path: Path) -> None:
    other = tiny_bundle(tmp_path / "other.pt", seed=1)
    assert "does not reproduce its own reference" in refused(tiny, other)


def test_a_closed_model_gives_no_scores(tiny: Path) -> None:
    classifier = OnnxClassifier(tiny, read_card(tiny))
    classifier.close()
    classifier.close()
    with pytest.raises(ModelError, match="it is closed"):
        classifier.predict(windows(classifier.card)[:1])


def test_there_is_no_bfloat16(tiny: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.precision: bf16 is for TorchScript"):
        OnnxClassifier(tiny, read_card(tiny), "bf16")


def test_without_the_package_the_way_out_is_told(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert refused(tiny).endswith("ONNX models need the package onnxruntime: pip install 'listener[onnx]'")


def test_any_damage_is_found(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.onnx"
    for spoilt in damages(tiny.read_bytes(), 60):
        path.write_bytes(spoilt)
        refused(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_any_changed_byte_is_found(where: float, change: int, tiny: Path, tmp_path: Path) -> None:
    content = bytearray(tiny.read_bytes())
    content[int(where * len(content))] ^= change
    path = tmp_path / "changed.onnx"
    path.write_bytes(content)
    refused(path)


def test_damage_under_a_right_check_sum_is_refused_or_harmless(
    tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a bad program made: ONNX Runtime gets to see it."""
    path = tmp_path / "damaged.onnx"
    n_refused = 0
    for spoilt in damages(tiny.read_bytes(), 80, seed=1):
        path.write_bytes(resealed(spoilt))
        try:
            card = read_card(path)
            scores = OnnxClassifier(path, card).predict(windows(card)[:2])
        except ModelError as error:
            assert str(error).isprintable()  # noqa: PT017 - to give scores is as good
            n_refused += 1
        else:
            assert ((scores >= 0) & (scores <= 1)).all()
    assert n_refused > 40
    assert capfd.readouterr() == ("", ""), "ONNX Runtime says nothing beside"


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"", "there is no network in it"),
        (b"words", "no ONNX model, or a broken one"),
        (b"PK\x03\x04 and so on", "no ONNX model, or a broken one"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "a number in it has no end"),
        (b"\x3a\x80\x80\x80\x80\x80\x80\x80\x80\x7f", "it is not all there"),
        (b"\x08\x08" * 20_000, "it has more than 10000 fields"),
        (b"\x08\x08\x3a\x02\x08\x08", "there is no card in this model file; give one as YAML"),
    ],
)
def test_files_that_are_no_bundle(content: bytes, hint: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert hint in refused(path)
    assert "no ONNX model, or a broken one" in refused(path, tiny_card())


def test_a_torchscript_bundle_under_a_wrong_name(tiny: Path, tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "tiny.pt")
    (tmp_path / "tiny.pt").rename(tmp_path / "tiny.onnx")
    assert "no ONNX model, or a broken one" in refused(tmp_path / "tiny.onnx")
    (tmp_path / "tiny.pt").write_bytes(tiny.read_bytes())
    with pytest.raises(ModelError, match="no TorchScript model, or a broken one"):
        read_card(tmp_path / "tiny.pt")


def test_a_card_that_is_too_long_is_not_read(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx_file.write_onnx_bundle(path, onnx_file.bare(tiny.read_bytes()), " " * 2**23)
    assert "its card is longer than 4 MiB" in refused(path)
    onnx_file.write_onnx_bundle(path, tiny.read_bytes(), "[" * 100_000)
    assert "no ONNX model, or a broken one" in refused(path)


def test_a_bundle_is_onnx_for_others_too(tiny: Path) -> None:
    import onnx

    model = onnx.load(tiny)
    onnx.checker.check_model(model)
    assert {entry.key for entry in model.metadata_props} == {onnx_file.CARD_KEY, onnx_file.SUM_KEY}
    card = card_json(read_card(tiny))
    assert next(entry.value for entry in model.metadata_props if entry.key == onnx_file.CARD_KEY) == card


def test_the_card_is_replaced(tiny: Path, tmp_path: Path) -> None:
    card = replace(read_card(tiny), version="2")
    onnx_file.write_onnx_bundle(tmp_path / "m.onnx", tiny.read_bytes(), card_json(card))
    assert read_card(tmp_path / "m.onnx") == card
    assert onnx_file.bare((tmp_path / "m.onnx").read_bytes()) == onnx_file.bare(tiny.read_bytes())


def test_the_ending_of_its_name_chooses_what_runs_it(tiny: Path, tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "tiny.pt")
    plain, card = tmp_path / "plain.ONNX", tmp_path / "plain.yaml"
    plain.write_bytes(onnx_file.bare(tiny.read_bytes()))
    card.write_text(card_json(read_card(tiny)))  # JSON is YAML

    def built(**settings: object) -> type:
        classifier = build_classifier(ConfigFile(Config(model=ModelSettings(**settings))))  # type: ignore[arg-type]
        classifier.close()
        return type(classifier)

    assert built(path=tiny) is OnnxClassifier
    assert built(path=plain, card=card) is OnnxClassifier
    assert built(path=tmp_path / "tiny.pt") is TorchScriptClassifier
    assert built(path=tiny, use="onnx") is OnnxClassifier
    with pytest.raises(ListenerError, match="no TorchScript model, or a broken one"):
        built(path=tiny, use="torchscript")


def test_listed_shown_and_verified(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/t.onnx").write_bytes(tiny.read_bytes())
    (tmp_path / "models/t.ATTRIBUTION.csv").write_text("clip\n")
    listed = CliRunner().invoke(models, ["list"], catch_exceptions=False).output
    assert "models/t.onnx" in listed
    assert "ATTRIBUTION" not in listed
    assert "tiny/1" in CliRunner().invoke(models, ["show", "models/t.onnx"], catch_exceptions=False).output
    verified = CliRunner().invoke(models, ["verify", "models/t.onnx"], catch_exceptions=False)
    assert "as its card says" in verified.output
    (tmp_path / "models/t.onnx").write_bytes(tiny.read_bytes()[:-1])
    with pytest.raises(ModelError, match="no ONNX model, or a broken one"):
        CliRunner().invoke(models, ["verify", "models/t.onnx"], catch_exceptions=False)


AT_EXIT = """
import atexit, sys
atexit.register(lambda: print("loaded:", *sorted(sys.modules), file=sys.stderr))
from listener.cli import main
main()
"""


@pytest.mark.parametrize(
    ("arguments", "not_loaded"),
    [
        (["models", "show", "tiny.onnx"], {"torch", "onnxruntime", "onnx"}),
        (
            ["run", "-c", "config.yaml", "--source", "demo", "--speed", "max", "--json"],
            {"torch", "onnx", "scipy"},
        ),
    ],
)
def test_torch_is_not_loaded(arguments: list[str], not_loaded: set[str], tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(tiny.read_bytes())
    (tmp_path / "config.yaml").write_text("model: {path: tiny.onnx}\n")
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert not set(done.stderr.splitlines()[-1].split()) & not_loaded
