"""Each way in which data sets lie on the disk, in small made-up trees, and in the real ones."""

from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from listener.cli import dataset_scan
from listener.errors import DatasetError
from listener.training import recipe
from listener.training.data.clip import Clip
from listener.training.data.layouts import LAYOUTS, list_dataset, open_dataset
from listener.training.data.listing import Listing, Options
from listener.training.data.manifest import write_manifest
from tests.training.data import trees


def by_path(listing: Listing) -> dict[str, Clip]:
    return {clip.path: clip for clip in listing.clips}


def problems(listing: Listing) -> list[str]:
    return [str(problem) for problem in listing.problems]


def test_a_folder_for_each_label(tmp_path: Path) -> None:
    trees.folders(tmp_path, ("bell", "dog"), 2)
    trees.write(tmp_path / "dog" / "garden" / "far.flac", trees.noise(9))
    trees.write(tmp_path / "loose.wav", trees.noise(8))
    trees.write(tmp_path / ".trash" / "old.wav", trees.noise(7))
    (tmp_path / "dog" / "notes.txt").write_text("good dog")
    (tmp_path / "cat").mkdir()
    listing = list_dataset(tmp_path)
    assert (listing.layout, listing.known_by) == ("folders", "2 folders with recordings")
    assert {path: clip.label for path, clip in by_path(listing).items()} == {
        "bell/0.wav": "bell",
        "bell/1.wav": "bell",
        "dog/0.wav": "dog",
        "dog/1.wav": "dog",
        "dog/garden/far.flac": "dog",
    }
    assert listing.labels == ("bell", "cat", "dog")
    assert problems(listing) == [f"{tmp_path}/loose.wav: lies in no folder, which would be its label"]


@pytest.mark.parametrize(
    ("upper", "fold", "split"),
    [("fold3", "3", ""), ("Fold 03", "3", ""), ("train", "", "train"), ("val", "", "valid")],
)
def test_folders_of_splits_and_folds(tmp_path: Path, upper: str, fold: str, split: str) -> None:
    trees.folders(tmp_path / upper)
    trees.folders(tmp_path / "test")
    (tmp_path / "test" / "cat").mkdir()
    clip = by_path(list_dataset(tmp_path))[f"{upper}/dog/0.wav"]
    assert (clip.label, clip.fold, clip.split) == ("dog", fold, split)
    assert list_dataset(tmp_path).labels == ("bell", "cat", "dog")


def test_a_label_may_be_called_train(tmp_path: Path) -> None:
    trees.folders(tmp_path, ("train", "test"))
    assert {clip.label for clip in list_dataset(tmp_path).clips} == {"train", "test"}


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    trees.folders(tmp_path / "elsewhere", ("dog",), 2)
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    (tmp_path / "elsewhere" / "dog" / "back").symlink_to(tmp_path / "data")
    assert sorted(by_path(list_dataset(tmp_path / "data"))) == ["dog/0.wav", "dog/1.wav"]


def test_names_that_are_no_text(tmp_path: Path) -> None:
    trees.folders(tmp_path)
    (tmp_path / "dog" / "0.wav").rename(tmp_path / "dog" / "d\udcf6g.wav")
    listing = list_dataset(tmp_path)
    assert problems(listing) == [f"{tmp_path}/dog/d?g.wav: its name is not UTF-8: rename it"]


def test_urbansound8k(tmp_path: Path) -> None:
    trees.urbansound8k(tmp_path)
    listing = list_dataset(tmp_path)
    assert (listing.layout, listing.known_by) == ("urbansound8k", "metadata/UrbanSound8K.csv")
    assert listing.group_is == "source recording"
    clip = by_path(listing)["audio/fold2/1021-1-0-1.wav"]
    assert (clip.label, clip.fold, clip.group) == ("dog_bark", "2", "1021")
    assert clip.tags == {"salience": "1", "start": "0.5", "end": "1.1", "classID": "1"}
    assert (clip.first_s, clip.active_s) == (0, None)


def test_urbansound8k_with_broken_rows(tmp_path: Path) -> None:
    trees.urbansound8k(tmp_path)
    table = tmp_path / "metadata" / "UrbanSound8K.csv"
    table.write_text(
        table.read_text().replace(",3,1,dog_bark", ",three,1,dog_bark").replace(",0,air_conditioner", ",0,")
    )
    trees.write(tmp_path / "audio" / "fold1" / "extra.wav", trees.noise(1))
    listing = list_dataset(tmp_path)
    told = problems(listing)
    assert f"{table}, line 2: has no class" in told
    assert f"{table}, line 12: its fold is no number: 'three'" in told
    assert len(told) == 8
    assert "audio/fold1/1010-0-0-0.wav and" in listing.remarks[0]
    table.write_text("slice_file_name,fold\na.wav,1\n")
    with pytest.raises(DatasetError, match="there is no column 'fsID'"):
        list_dataset(tmp_path)


@pytest.mark.parametrize("with_table", [True, False])
def test_esc50(tmp_path: Path, with_table: bool) -> None:
    trees.esc50(tmp_path, with_table)
    listing = list_dataset(tmp_path)
    assert listing.layout == "esc50"
    assert listing.known_by == ("meta/esc50.csv" if with_table else "names like 1-100032-A-0")
    clip = by_path(listing)["audio/2-201-B-1.wav"]
    assert (clip.label, clip.fold, clip.group, clip.tags["esc10"]) == ("rooster", "2", "201", "1")
    assert by_path(listing)["audio/2-209-B-9.wav"].tags["esc10"] == "0"


def test_fsdd(tmp_path: Path) -> None:
    trees.fsdd(tmp_path)
    trees.write(tmp_path / "recordings" / "7_nobody.wav", trees.noise(1))
    trees.write(tmp_path / "other" / "hum.wav", trees.noise(2))
    listing = list_dataset(tmp_path, "fsdd")
    assert (listing.group_is, listing.min_s) == ("speaker", 0.1)
    splits = {
        path: (clip.label, clip.fold, clip.group, clip.split) for path, clip in by_path(listing).items()
    }
    assert splits["recordings/1_bob_4.wav"] == ("1", "bob", "bob", "test")
    assert splits["recordings/1_bob_5.wav"] == ("1", "bob", "bob", "train")
    assert problems(listing) == [
        f"{tmp_path}/recordings/7_nobody.wav: its name does not say digit, speaker and take: 0_george_0.wav"
    ]
    (tmp_path / "recordings" / "7_nobody.wav").unlink()
    assert list_dataset(tmp_path).layout == "fsdd"


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    trees.write(tmp_path / "in" / "a.wav", trees.noise(1, 3.0))
    trees.write(tmp_path / "in" / "b.wav", trees.noise(2))
    rows = [("in/a.wav", "dog", "ada", "0.5", "1.25", "wet"), (r"in\b.wav", "cat; tom", "bob", "", "", "dry")]
    trees.write_table(
        tmp_path / "sounds.csv", ("File", "Class", "speaker", "onset_s", "offset_s", "weather"), rows, ";"
    )
    listing = list_dataset(tmp_path)
    assert (listing.layout, listing.known_by, listing.group_is) == ("csv", "sounds.csv", "speaker")
    clips = by_path(listing)
    assert clips["in/a.wav"] == Clip(
        "in/a.wav", "dog", group="ada", first_s=0.5, active_s=0.75, tags={"weather": "wet"}
    )
    assert (clips["in/b.wav"].label, clips["in/b.wav"].active_s) == ("cat; tom", None)


def test_columns_are_named(tmp_path: Path) -> None:
    trees.write(tmp_path / "a.wav", trees.noise(1))
    trees.write_table(tmp_path / "t.csv", ("what", "where", "who"), [("dog", "a.wav", "ada")])
    with pytest.raises(
        DatasetError, match=r"which column is the path and which the label\? --column path=NAME"
    ):
        list_dataset(tmp_path, "csv")
    named = Options(columns={"path": "where", "label": "what", "group": "who"})
    assert list_dataset(tmp_path, options=named).clips == (Clip("a.wav", "dog", group="ada"),)
    with pytest.raises(DatasetError, match=r"--column label=kind: .* has the columns what, where, who"):
        list_dataset(tmp_path, "csv", Options(columns={"label": "kind"}))
    with pytest.raises(DatasetError, match="there is no 'lable'"):
        list_dataset(tmp_path, "csv", Options(columns={"lable": "what"}))


def test_wrong_rows_of_a_table(tmp_path: Path) -> None:
    trees.write(tmp_path / "data" / "a.wav", trees.noise(1))
    trees.write(tmp_path / "b.wav", trees.noise(2))
    rows = [
        *(("a.wav", "dog", ""), ("", "dog", ""), ("a.wav", "", ""), ("gone.wav", "dog", "")),
        *(("b.wav", "dog", ""), ("a.wav", "dog", "x"), ("a.wav", "cat", "")),
    ]
    table = trees.write_table(tmp_path / "data" / "t.csv", ("path", "label", "active_s"), rows)
    assert [line.removeprefix(f"{table}, ") for line in problems(list_dataset(tmp_path / "data"))] == [
        "line 3: has no path",
        "line 4: has no label",
        "line 5: gone.wav: is missing",
        "line 6: b.wav: lies outside of the folder: scan one that holds everything, with --table",
        "line 7: active_s is no number: 'x'",
        f"{tmp_path}/data/a.wav: is named as 'dog' and as 'cat' in t.csv",
    ]


def test_the_lists_of_the_tutorial(tmp_path: Path) -> None:
    folder = trees.lists(tmp_path / "dataset")
    listing = list_dataset(folder)
    assert (listing.layout, listing.known_by) == ("list", "test_list.txt, train_list.txt")
    assert by_path(listing)["audio/3.wav"] == Clip("audio/3.wav", "dog", split="train")
    assert by_path(listing)["audio/4.wav"].split == "test"
    (folder / "label_list.txt").write_text("bell\n")
    with (folder / "train_list.txt").open("a") as file:
        file.write("audio/0.wav 1\naudio/1.wav\t\nnowhere.wav\t0\n")
    told = problems(list_dataset(folder))
    assert f"{folder}/train_list.txt, line 2: label 1 is not in label_list.txt, which ends with 0" in told
    assert f"{folder}/train_list.txt, line 5: is not PATH, a tab, LABEL" in told
    assert f"{folder}/train_list.txt, line 6: has no label" in told
    assert f"{folder}/train_list.txt, line 7: nowhere.wav: is missing" in told


def test_labels_of_lists_may_be_words(tmp_path: Path) -> None:
    folder = trees.lists(tmp_path / "dataset")
    (folder / "label_list.txt").unlink()
    (folder / "test_list.txt").unlink()
    (folder / "train_list.txt").write_text("audio/0.wav\ta bell\naudio/1.wav\t7\n")
    assert {clip.label for clip in list_dataset(folder).clips} == {"a bell", "7"}


def test_what_may_be_two_things_is_told(tmp_path: Path) -> None:
    trees.esc50(tmp_path)
    trees.write_table(tmp_path / "mine.csv", ("path", "label"), [("audio/1-100-A-0.wav", "dog")])
    with pytest.raises(DatasetError) as error:
        list_dataset(tmp_path)
    assert str(error.value).endswith(
        "may be esc50 (meta/esc50.csv) or csv (mine.csv): say which with --layout"
    )
    assert len(list_dataset(tmp_path, "csv").clips) == 1
    trees.write_table(tmp_path / "yours.csv", ("path", "label"), [("audio/1-100-A-0.wav", "dog")])
    with pytest.raises(
        DatasetError, match=r"holds several tables: say which with --table: mine\.csv, yours\.csv"
    ):
        list_dataset(tmp_path, "csv")
    assert list_dataset(tmp_path, "csv", Options(table="yours.csv")).known_by == "yours.csv"


def test_a_manifest_is_no_table_of_ones_own(tmp_path: Path) -> None:
    trees.folders(tmp_path)
    write_manifest(tmp_path / "manifest.csv", [Clip("dog/0.wav", "dog")])
    assert list_dataset(tmp_path).layout == "folders"
    assert len(list_dataset(tmp_path, "manifest").clips) == 1
    (tmp_path / "manifest.csv").rename(tmp_path / "clips.csv")
    assert list_dataset(tmp_path).layout == "manifest"
    (tmp_path / "clips.csv").write_text("file,class\ndog/0.wav,dog\n")
    assert list_dataset(tmp_path).layout == "csv"


@pytest.mark.parametrize(
    "layout", ["auto", "folders", "urbansound8k", "esc50", "fsdd", "csv", "list", "manifest"]
)
def test_what_is_no_data_set(tmp_path: Path, layout: str) -> None:
    (tmp_path / "readme.txt").write_text("nothing here")
    with pytest.raises(DatasetError) as error:
        list_dataset(tmp_path, layout)
    assert "\n" not in str(error.value)
    with pytest.raises(DatasetError, match="there is no such folder"):
        list_dataset(tmp_path / "nowhere", layout)


def test_training_opens_a_manifest_or_looks(tmp_path: Path) -> None:
    trees.folders(tmp_path, n_clips=2)
    found = open_dataset(tmp_path)
    assert Counter(clip.label for clip in found) == {"bell": 2, "dog": 2}
    assert all(clip.sha256 and clip.duration_s == 0.6 and not clip.fold for clip in found)
    assert list(tmp_path.glob("*.csv")) == []
    write_manifest(tmp_path / "manifest.csv", [Clip("dog/0.wav", "wolf", fold="7")])
    assert open_dataset(tmp_path).labels == ("wolf",)
    assert open_dataset(tmp_path, "folders").labels == ("bell", "dog")


def test_every_layout_can_be_asked_for() -> None:
    assert set(dataset_scan.LAYOUTS) == {"auto", *LAYOUTS} == set(get_args(recipe.Layout))


def test_the_real_ones(data: Path) -> None:
    esc50 = list_dataset(data / "esc50", "esc50")
    assert len(esc50.clips) == 997
    known = {Path(clip.path).name: clip for clip in open_dataset(data) if clip.dataset == "esc50"}
    for clip in esc50.clips:
        assert (clip.label, clip.fold) == (
            known[Path(clip.path).name].label,
            known[Path(clip.path).name].fold,
        )
        assert clip.tags["esc10"] == known[Path(clip.path).name].tags["esc10"]
    fsdd = list_dataset(data / "fsdd", "fsdd")
    assert Counter(clip.fold for clip in fsdd.clips) == dict.fromkeys(
        ("george", "jackson", "lucas", "nicolas", "yweweler"), 500
    )
    assert sum(clip.split == "test" for clip in fsdd.clips) == 250
