"""The recipes that come with the program: each is read, and runs on a small tree laid out as its data are."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from listener.classifiers.bundle import read_card
from listener.cli.train import train
from listener.errors import ConfigError
from listener.training.recipe import read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
SHORT = ("fit.batch_size=4", "fit.checkpoint_steps=2", "network.width=4")


def run(recipe: str, data: Path, folder: Path, *changes: str) -> str:
    """Train by a recipe, with few steps and a narrow network; give what is printed."""
    settings = [word for change in (*SHORT, *changes) for word in ("--set", change)]
    files = ["--data", str(data), "--runs", str(folder / "runs"), "--out", str(folder / "model.pt")]
    result = CliRunner().invoke(train, [str(RECIPES / recipe), *files, *settings], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def noise(path: Path, pitch_hz: float, duration_s: float, rate: int = 16_000) -> None:
    """Write a tone with some noise."""
    rng = np.random.default_rng(round(1000 * pitch_hz))
    time_s = np.arange(round(duration_s * rate)) / rate
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.3 * np.sin(2 * np.pi * pitch_hz * time_s) + 0.02 * rng.standard_normal(len(time_s))
    soundfile.write(path, samples, rate, subtype="PCM_16")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_it_is_a_recipe(path: Path) -> None:
    assert read_recipe(path).name == path.stem


def test_the_tutorial_on_a_tree_like_urbansound8k(tmp_path: Path) -> None:
    rows = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    for fold in range(1, 11):
        for class_id, (label, pitch_hz) in enumerate({"dog_bark": 400.0, "siren": 1500.0}.items()):
            source = 100 * fold + class_id
            name = f"{source}-{class_id}-0-0.wav"
            noise(tmp_path / "audio" / f"fold{fold}" / name, pitch_hz + fold, 3.0, 22_050)
            rows.append(f"{name},{source},0.0,3.0,1,{fold},{class_id},{label}")
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "UrbanSound8K.csv").write_text("\n".join(rows))
    printed = run("urbansound8k-resnet34.yaml", tmp_path, tmp_path / "out", "fit.epochs=1")
    card = read_card(tmp_path / "out" / "model.pt")
    assert card.labels == ("dog_bark", "siren")
    assert card.activation == "softmax"
    assert card.features is not None
    assert card.features.preset == "tutorial"
    assert card.evaluation.startswith("fold 10, which it was not trained on")
    assert "urbansound8k-resnet34: reading 20 recordings, then 1 network of up to 5 steps" in printed
    assert "report.html" in printed
    # Only the network without fold 10 is trained, as in the tutorial.
    assert [path.name for path in (tmp_path / "out" / "runs" / "urbansound8k-resnet34").glob("*/")] == [
        "without-10"
    ]


def test_digits_hold_out_each_speaker(tmp_path: Path) -> None:
    for number, speaker in enumerate(("ann", "bob", "eve")):
        for digit in range(10):
            for take in range(2):
                pitch_hz = 300.0 + 100 * digit + 10 * number + take
                noise(tmp_path / "recordings" / f"{digit}_{speaker}_{take}.wav", pitch_hz, 0.5, 8_000)
    printed = run("fsdd.yaml", tmp_path, tmp_path / "out", "fit.steps=2")
    assert "fsdd: reading 60 recordings, then 4 networks, one after another, of 2 steps" in printed
    card = read_card(tmp_path / "out" / "model.pt")
    assert card.sample_rate == 8_000
    assert "folds ann, bob, eve" in card.evaluation
    assert card.figures["clips"] == 60
    assert sum(count for said in card.confusion.values() for count in said.values()) == 60


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("fit.steps", "a KEY=VALUE is expected"),
        ("name.first=1", "'name' holds no further keys"),
        ("fit.step=1", "did you mean 'steps'"),
        ("fit.steps=[", "is no YAML"),
        ("fit.steps=0", "fit.steps"),
        ("features={preset: db, n_fft: 1024}", "n_mels must be 1 \\+ n_fft // 2 = 513"),
        ("features={preset: household, n_ftt: 512}", "did you mean 'n_fft'"),
        ("features=houshold", "'preset' knows tutorial, household"),
    ],
)
def test_a_change_that_is_none(change: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_recipe(RECIPES / "esc10.yaml", [change])


def test_streams_need_the_folds_that_they_are_made_of() -> None:
    with pytest.raises(ConfigError, match="'streams' are made of folds of the data"):
        read_recipe(RECIPES / "household.yaml", ["folds=4"])


def test_changes_reach_the_recipe() -> None:
    recipe = read_recipe(RECIPES / "esc10.yaml", ["fit.steps=7", "network.width=8", "version=2.0.0"])
    assert (recipe.fit.steps, recipe.network.own["width"], recipe.version) == (7, 8, "2.0.0")
