"""What ONNX models alone do: their file, their packages; the rest is in `test_back_ends.py`."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
from listener.testing import tiny_bundle, tiny_card
from listener.types import ModelCard
from tests.classifiers.small_models import Gives, windows
from tests.onnx_models import as_onnx, damages, resealed, tiny_onnx

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    tiny_onnx(path)
    return path


def refused(path: Path, card: ModelCard | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        OnnxClassifier(path, card or read_card(path))
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.isprintable()
    assert len(text) < 1_000
    return text


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
        (["evaluate", "tiny.onnx", "--streams", "evening"], {"torch", "onnx"}),
    ],
)
def test_torch_is_not_loaded(arguments: list[str], not_loaded: set[str], tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(tiny.read_bytes())
    (tmp_path / "config.yaml").write_text("model: {path: tiny.onnx}\n")
    (tmp_path / "evening").mkdir()
    soundfile.write(tmp_path / "evening" / "quiet.wav", np.full(3 * 16_000, 0.01), 16_000)
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert not set(done.stderr.splitlines()[-1].split()) & not_loaded
