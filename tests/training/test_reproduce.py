import csv
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from click.testing import CliRunner

from listener.classifiers.bundle import read_card
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.cli.predict import predict
from listener.cli.train import train
from listener.errors import ConfigError, DatasetError
from listener.features import LogMel
from listener.pipeline import Pipeline
from listener.testing import ScriptedSource
from listener.training import reproduce
from listener.training.data.clip import Clip
from listener.training.data.whole_folder import locked_folder
from listener.training.evaluate import Judged, judge_samples
from listener.training.tune import calibrate
from listener.types import Features, Prediction, Thresholds
from tests.program import PATIENCE_S
from tests.training.conftest import RATE, RECIPE
from tests.training.judged_data import write_reference, write_stream

Train = Callable[..., str]


@pytest.fixture
def command(tiny_data: Path, tmp_path: Path) -> Train:
    """``listener train`` on the tiny data; gives its output."""
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE))

    def run(*arguments: str, data: Path = tiny_data) -> str:
        fixed = [str(recipe), "--data", str(data), "--runs", str(tmp_path / "runs")]
        return CliRunner().invoke(train, [*fixed, *arguments], catch_exceptions=False).stdout

    return run


def test_one_command_measures_trains_and_writes_a_bundle(command: Train, tmp_path: Path) -> None:
    out = tmp_path / "models" / "tiny.pt"
    output = command("--out", str(out), "--set", "subsets={few: {label: [low]}}")
    report = tmp_path / "runs" / "tiny" / "report.html"
    assert f"report: {report}" in output
    assert report.read_text().startswith("<!doctype html>")
    assert f"written: {out}" in output
    card = read_card(out)
    assert card.identity == "tiny/0.1.0"
    assert card.labels == ("low", "high", "smoke_alarm")
    assert set(card.thresholds) == set(card.labels)
    assert 0 <= card.figures["accuracy_2"] <= 1
    assert card.figures["clips"] == 4
    assert set(card.figures_per_label) == {"low", "high"}
    assert {label: sum(said.values()) for label, said in card.confusion.items()} == {"low": 2, "high": 2}
    assert card.subset_confusion == {"few": {"low": {"low": 2}}}
    assert "each judged by a network trained without it" in card.evaluation
    assert len(card.manifest_sha256) == 64


def test_the_bundle_loads_and_scores(command: Train, tmp_path: Path) -> None:
    out = tmp_path / "tiny.pt"
    command("--out", str(out), "--no-cross-validate")
    classifier = TorchScriptClassifier(out, read_card(out))
    features = classifier.card.features
    assert features is not None
    log_mel = LogMel(features)(np.zeros(features.window_samples, np.float32))
    scores = classifier.predict([Features("test", log_mel, 0, features.window_samples, features.sample_rate)])
    assert scores.shape == (1, 3)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_predict_evaluation_and_the_live_engine_agree(command: Train, tmp_path: Path) -> None:
    out = tmp_path / "tiny.pt"
    command("--out", str(out), "--no-cross-validate")
    rng = np.random.default_rng(3)
    samples = (0.1 * rng.standard_normal(5 * RATE)).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", samples, RATE, subtype="FLOAT")
    classifier = TorchScriptClassifier(out, read_card(out))
    judged = judge_samples(classifier, Clip("noise.wav", "low"), samples, RATE)

    live: list[Prediction] = []
    tenths = np.split(samples, 50)
    pipeline = Pipeline(
        [ScriptedSource("mic", tenths)],
        classifier,
        [None] * 3,
        classifier.card.hop_s,
        on_step=lambda prediction, decisions: live.append(prediction),
    )
    pipeline.start()
    assert pipeline.done.wait(PATIENCE_S)
    pipeline.stop()
    told = CliRunner().invoke(predict, [str(tmp_path / "noise.wav"), "--model", str(out), "--json"])
    scores = json.loads(told.stdout)["scores"]

    np.testing.assert_allclose(np.stack([one.scores for one in live]), judged.scores, atol=1e-4)
    np.testing.assert_allclose([scores[label] for label in classifier.card.labels], judged.pooled, atol=1e-4)


def test_whom_to_thank_stands_beside_the_bundle(command: Train, tmp_path: Path) -> None:
    command("--out", str(tmp_path / "tiny.pt"), "--no-cross-validate")
    with (tmp_path / "tiny.ATTRIBUTION.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    assert rows[0] == {
        "clip": "audio/1-high.flac",
        "label": "high",
        "title": "A high sound",
        "author": "nobody",
        "source_url": "https://example.org/",
        "licence": "CC0",
    }


def test_one_network_without_some_folds(command: Train, tmp_path: Path) -> None:
    output = command("--holdout", "2", "--out", str(tmp_path / "tiny.pt"))
    assert "all, fold 2  2 " in output
    assert "fold 2, which it was not trained on" in read_card(tmp_path / "tiny.pt").evaluation


def test_a_finished_network_is_not_trained_again_unless_asked(command: Train, tmp_path: Path) -> None:
    command("--holdout", "1")
    checkpoint = tmp_path / "runs" / "tiny" / "without-1" / "checkpoint.pt"
    written = checkpoint.stat().st_mtime_ns
    command("--holdout", "1")
    assert checkpoint.stat().st_mtime_ns == written
    command("--holdout", "1", "--fresh")
    assert checkpoint.stat().st_mtime_ns > written


@pytest.mark.parametrize("folds", ["3", "one", "1,2", "-1"])
def test_folds_that_cannot_be_held_out(command: Train, folds: str) -> None:
    with pytest.raises(ConfigError, match=f"--holdout {folds}: "):
        command(f"--holdout={folds}")


def test_bad_data_leaves_nothing_behind(command: Train, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DatasetError, match="is no data set that is known"):
        command("--out", str(tmp_path / "tiny.pt"), data=empty)
    assert not (tmp_path / "tiny.pt").exists()
    assert not (tmp_path / "runs").exists()


def test_a_misspelt_key_is_told_before_torch_is_loaded(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump({**RECIPE, "sed": 7}))
    program = """
import sys
from listener.cli.train import train
from listener.errors import ConfigError
try:
    train([*sys.argv[1:], "--data", "."], standalone_mode=False)
except ConfigError as error:
    print(error, "torch" in sys.modules)
"""
    command = [sys.executable, "-c", program, str(recipe)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == f"{recipe}: sed: is no known key: did you mean 'seed'? False\n"


@pytest.mark.parametrize("option", ["--out", "--runs"])
def test_a_place_that_cannot_be_written_to_is_told_before_training(command: Train, option: str) -> None:
    with pytest.raises(ConfigError, match=rf"{option}: /proc/nowhere.*: cannot be written to"):
        command(option, "/proc/nowhere/tiny.pt")


def test_two_trainings_do_not_share_a_folder(
    command: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("--holdout", "1")
    folder = tmp_path / "runs" / "tiny"
    checkpoint = folder / "without-1" / "checkpoint.pt"
    written = checkpoint.stat().st_mtime_ns
    with locked_folder(folder):
        with pytest.raises(DatasetError) as caught:
            command("--holdout", "1", "--fresh")
        told = f"{folder}: another process is at work there: wait for it, or give --runs another folder"
        assert str(caught.value) == told
        with monkeypatch.context() as beside:
            # What torchrun has started beside the one that holds it.
            beside.setattr("listener.cli.train._is_first", lambda: False)
            command("--holdout", "1", "--fresh")
        command("--holdout", "1", "--runs", str(tmp_path / "others"))
    assert checkpoint.stat().st_mtime_ns == written
    command("--holdout", "1", "--fresh")
    assert checkpoint.stat().st_mtime_ns > written


def test_a_label_that_would_never_be_told_is_named(
    tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE))
    files = ["--data", str(tiny_data), "--runs", str(tmp_path / "runs"), "--holdout", "1"]
    result = CliRunner().invoke(train, [str(recipe), *files], catch_exceptions=False)
    # After four steps no score is high enough for anything.
    assert "warning: no clip of high, low reached the label's threshold" in result.stderr


def test_the_card_is_json_that_outsiders_can_read(command: Train, tmp_path: Path) -> None:
    import zipfile

    out = tmp_path / "tiny.pt"
    command("--out", str(out), "--no-cross-validate")
    with zipfile.ZipFile(out) as archive:
        name = next(name for name in archive.namelist() if name.endswith("extra/card.json"))
        card = json.loads(archive.read(name))
    assert card["features"]["n_mels"] == 64
    assert card["activation"] == "sigmoid"


def test_figures_of_networks_that_were_stopped_by_them_are_told_as_such(
    tiny_data: Path, tmp_path: Path
) -> None:
    recipe, out = tmp_path / "tiny.yaml", tmp_path / "tiny.pt"
    recipe.write_text(yaml.safe_dump(RECIPE))
    places = ["--data", str(tiny_data), "--runs", str(tmp_path / "runs"), "--out", str(out)]
    result = CliRunner().invoke(train, [str(recipe), *places, "--holdout", "1", "--set", "fit.early_stop=1"])
    assert "also chose its weights (fit.early_stop): the figures flatter" in result.stderr
    assert "the figures flatter" in read_card(out).evaluation
    assert "the figures flatter" in (tmp_path / "runs" / "tiny" / "report.html").read_text()


@pytest.mark.parametrize("with_streams", [("1", "2"), ("2",)])
def test_streams_of_every_fold_have_thresholds_of_their_own_folds_and_that_is_told(
    with_streams: tuple[str, ...], tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fold in with_streams:
        write_stream(tiny_data / "streams" / f"day{fold}.flac", 6, [(2, 3, 0.1)])
        write_reference(tiny_data / "streams" / f"day{fold}.csv", "2,3,low,target,,")
    (tiny_data / "streams" / "day2_background.csv").write_text("recording\n")
    streams = {"folds": {f"day{fold}": fold for fold in with_streams}, "negative": "day2"}
    recipe, out = tmp_path / "tiny.yaml", tmp_path / "tiny.pt"
    recipe.write_text(yaml.safe_dump({**RECIPE, "streams": streams}))
    asked: list[set[str]] = []

    def remember(judged: Sequence[Judged], *rest: Any) -> dict[str, Thresholds]:
        asked.append({one.clip.fold for one in judged if one.clip.label in ("low", "high")})
        return calibrate(judged, *rest)

    monkeypatch.setattr(reproduce, "calibrate", remember)
    places = ["--data", str(tiny_data), "--runs", str(tmp_path / "runs"), "--out", str(out)]
    result = CliRunner().invoke(train, [str(recipe), *places], catch_exceptions=False)
    is_split = with_streams == ("2",)
    assert asked == [{"1", "2"}, {"1"} if is_split else {"1", "2"}]
    told = "there are streams of every fold: their thresholds were chosen by clips of the very folds"
    report = (tmp_path / "runs" / "tiny" / "report.html").read_text()
    for text in (result.stderr, read_card(out).evaluation, report):
        assert (told in text) is not is_split


def test_a_report_that_cannot_be_written_costs_no_bundle(command: Train, tmp_path: Path) -> None:
    (tmp_path / "runs" / "tiny" / "report.html").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"report\.html: cannot be written"):
        command("--out", str(tmp_path / "tiny.pt"), "--holdout", "1")
    assert read_card(tmp_path / "tiny.pt").figures["clips"] == 2


@pytest.mark.parametrize("name", ["../tiny", "a/b", "", ".hidden", "a\nb"])
def test_names_that_no_file_can_have(make_recipe: Callable[..., object], name: str) -> None:
    with pytest.raises(ConfigError, match="name: must be letters, digits"):
        make_recipe(name=name)


def test_a_bundle_cannot_have_the_name_of_a_folder(command: Train, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"--out {tmp_path}: is a folder"):
        command("--out", str(tmp_path))
    assert not (tmp_path / "runs").exists()
