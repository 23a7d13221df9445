"""``listener dataset stats``: figures and pictures of a data set."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from listener.errors import DatasetError
from listener.training.data.layouts import list_dataset
from listener.training.data.plots import plot
from listener.training.data.stats import Stats, stats
from tests.disk import SmallDisk
from tests.training.data import trees
from tests.training.data.trees import RATE, noise, write

COMMAND = [sys.executable, "-c", "from listener.cli import main; main()", "dataset", "stats"]
PLOTS = {"balance", "folds", "lengths", "levels", "silence", "bandwidth"}


def run(*arguments: object) -> tuple[int, str, str]:
    """Run the command."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=100, check=False
    )
    return done.returncode, done.stdout, done.stderr


def of(folder: Path) -> Stats:
    """Look at a folder."""
    return stats(list_dataset(folder))


def made(folder: Path) -> Path:
    """A tone, the same one padded, something loud, and silence."""
    tone = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(RATE) / RATE)
    write(folder / "tone" / "a.wav", tone)
    write(folder / "tone" / "b.flac", np.concatenate((np.zeros(RATE), tone, np.zeros(2 * RATE))))
    write(folder / "hiss" / "c.wav", noise(1, 2.0, 2 * RATE), "PCM_24", 2 * RATE)
    write(folder / "none" / "d.wav", np.zeros((RATE, 2)))
    return folder


def test_figures_are_those_of_the_samples(tmp_path: Path) -> None:
    found = of(made(tmp_path))
    tone, hiss, none = (found.by_label[label] for label in ("tone", "hiss", "none"))
    assert tone.n_clips == 2
    assert tone.seconds == pytest.approx(2.0, abs=0.001)
    assert (tone.length_s.lowest, tone.length_s.highest) == (1, 4)
    assert tone.level_db.median == pytest.approx(-9.03, abs=0.01)
    assert tone.peak_db.highest == pytest.approx(-6.02, abs=0.01)
    assert tone.silent_share == pytest.approx(3 / 5, abs=0.01)
    assert hiss.level_db.median == pytest.approx(-20, abs=0.2)
    assert hiss.bandwidth_hz.median == pytest.approx(RATE, rel=0.01)
    assert none.level_db.highest == float("-inf")
    assert (none.silent_share, none.seconds) == (1, 0)
    assert found.all.n_clips == 4
    assert found.count("sample_rate") == {"8000": 3, "16000": 1}
    assert found.count("channels") == {"1": 3, "2": 1}
    assert found.count("encoding") == {"pcm_16": 3, "pcm_24": 1}
    assert [[clip.path for clip in same] for same in found.doubles] == [["tone/a.wav", "tone/b.flac"]]


def test_the_table(tmp_path: Path) -> None:
    code, out, err = run(made(tmp_path))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "layout: folders (3 folders with recordings)"
    assert [line.split()[0] for line in lines[1:6]] == ["LABEL", "hiss", "none", "tone", "all"]
    assert "-inf (-inf to -inf)" in lines[3]
    assert "sounds that are there more than once: 1" in lines
    assert "  tone/a.wav, tone/b.flac" in lines


def test_as_json(tmp_path: Path) -> None:
    trees.urbansound8k(tmp_path)
    code, out, err = run(tmp_path, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["layout"] == "urbansound8k"
    assert found["all"]["clips"] == 12
    assert found["labels"]["dog_bark"]["groups"] == 3
    assert found["folds"]["2"]["labels"] == 2
    assert found["labels"]["dog_bark"]["level_db"]["median"] == pytest.approx(-20, abs=0.3)
    assert (found["doubles"], found["problems"]) == ([], [])


def test_silence_is_null_in_json(tmp_path: Path) -> None:
    found = of(made(tmp_path)).figures()
    assert json.loads(json.dumps(found, allow_nan=False))["labels"]["none"]["level_db"]["median"] is None


def test_of_a_manifest(tmp_path: Path) -> None:
    rows = [("a.wav", "dog", 0.5, 0.25), ("a.wav", "cat", 2.0, 1.5)]
    write(tmp_path / "a.wav", noise(1, 4.0))
    trees.write_table(tmp_path / "some.csv", ("path", "label", "first_s", "active_s"), rows)
    code, out, _ = run(tmp_path / "some.csv", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["recordings"] == 1
    assert found["labels"]["dog"]["length_s"]["median"] == 0.25
    assert found["labels"]["cat"]["minutes"] == 0.025


def test_what_is_wrong_is_listed_and_the_rest_is_shown(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "tone" / "text.wav").write_text("no sound")
    holed = noise(3)
    holed[7] = np.nan
    write(tmp_path / "tone" / "holed.wav", holed, "FLOAT")
    code, out, err = run(tmp_path)
    assert code == 1
    assert "tone" in out
    lines = err.splitlines()
    assert lines[0] == "listener: tone/holed.wav: sample 7 is no number (NaN or infinite)"
    assert lines[1].startswith("listener: tone/text.wav: ")
    assert len(lines) == 2


def test_pictures(tmp_path: Path) -> None:
    found = of(made(tmp_path / "data"))
    paths = plot(found, tmp_path / "new" / "plots")
    assert {path.stem for path in paths} == PLOTS
    for path in paths:
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            # Something is drawn on the white.
            assert len(np.unique(np.asarray(picture.convert("L")))) > 8
    assert len(list((tmp_path / "new" / "plots").iterdir())) == len(PLOTS)


def test_pictures_of_many_labels_and_folds_with_strange_names(tmp_path: Path) -> None:
    for number in range(12):
        write(tmp_path / f"label $x$ {number} 🐕" / f"{number}.wav", noise(number, 0.1))
    listing = list_dataset(tmp_path)
    assert {path.stem for path in plot(stats(listing), tmp_path / "plots")} == PLOTS


def test_pictures_on_a_full_disk(tmp_path: Path, small_disk: SmallDisk) -> None:
    found = of(made(tmp_path))
    small_disk.fill()
    with pytest.raises(DatasetError, match=r"balance\.png: cannot be written: No space left on device"):
        plot(found, small_disk.folder)
    assert [path.name for path in small_disk.folder.iterdir()] == ["filler"]


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("listener.training.data.plots.find_spec", lambda name: None)
    with pytest.raises(DatasetError, match=r"pip install 'listener\[train\]'"):
        plot(of(made(tmp_path)), tmp_path / "plots")


@pytest.mark.parametrize("label", ["glass_breaking", "dog"])
def test_real_silence(data: Path, label: str) -> None:
    listing = list_dataset(data / "esc50", "esc50")
    some = tuple(clip for clip in listing.clips if clip.label == label)
    found = stats(type(listing)(listing.folder, "esc50", "", some))
    assert found.by_label[label].n_clips == 32
    assert (found.by_label[label].silent_share > 0.4) == (label == "glass_breaking")
