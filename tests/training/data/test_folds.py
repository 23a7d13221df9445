"""``listener dataset scan``: how clips are split."""

import re
from pathlib import Path

import pytest

from listener.training.data.folds import FoldOptions
from listener.training.data.scan import ScanOptions
from tests.training.data import trees
from tests.training.data.trees import look, noise, refused, write


def test_folds_of_the_data_are_kept(tmp_path: Path) -> None:
    found = look(trees.urbansound8k(tmp_path))
    assert found.folds_are == "as the data say, by source recording"
    assert {clip.fold for clip in found.manifest} == {"1", "2", "3"}
    assert found.warnings == ()


def test_sources_are_dealt_whole(tmp_path: Path) -> None:
    found = look(trees.urbansound8k(tmp_path), options=ScanOptions(folds=FoldOptions(n_folds=2)))
    assert found.folds_are == "dealt by source recording"
    folds: dict[str, set[str]] = {}
    for clip in found.manifest:
        folds.setdefault(clip.group, set()).add(clip.fold)
    assert set(map(len, folds.values())) == {1}


def test_each_speaker_is_a_fold(tmp_path: Path) -> None:
    found = look(trees.fsdd(tmp_path))
    assert found.manifest.folds == ("ada", "bob")
    assert len(found.manifest.clips) == 12


def test_groups_are_found_in_the_names(tmp_path: Path) -> None:
    for label in ("bell", "dog"):
        for room in "xyz":
            for take in range(2):
                write(tmp_path / label / f"{room}_{take}.wav", noise(trees.hash_of(label, room, take)))
    options = ScanOptions(group=re.compile(r"/(.)_"), folds=FoldOptions(by="group"))
    found = look(tmp_path, options=options)
    assert found.folds_are == "each group is one"
    assert found.manifest.folds == ("x", "y", "z")
    assert look(tmp_path, options=ScanOptions(group=re.compile("/(.)_"))).folds_are == "dealt by group"


def test_what_cross_validation_cannot_judge_is_minded(tmp_path: Path) -> None:
    for label, rooms in {"bell": "x", "cat": "xy", "dog": "xyz"}.items():
        for room in rooms:
            for take in range(2):
                write(tmp_path / label / f"{room}_{take}.wav", noise(trees.hash_of(label, room, take)))
    options = ScanOptions(group=re.compile(r"/(.)_"), folds=FoldOptions(by="group"))
    single, some = look(tmp_path, options=options).warnings
    assert single.startswith("labels whose clips are all in one fold, so that no cross-validation can judge")
    assert ": 'bell' (x); " in single
    assert some == "labels without a clip in some folds, where they cannot be judged: 'cat' (z)"


def test_a_label_by_itself_is_minded(tmp_path: Path) -> None:
    trees.folders(tmp_path, ("bell",))
    told = "there is one label only, 'bell': a model learns what it is by what it is not: "
    assert any(line.startswith(told) for line in look(tmp_path).warnings)
    write(tmp_path / "dog" / "0.wav", noise(90))
    assert not any("one label only" in line for line in look(tmp_path).warnings)


def test_without_groups_it_is_said(tmp_path: Path) -> None:
    found = look(trees.folders(tmp_path))
    assert found.folds_are == "dealt by clip"
    assert found.manifest.folds == ("1", "2", "3", "4")
    assert any("no group is known" in warning for warning in found.warnings)


def test_pieces_of_one_file_share_a_fold(tmp_path: Path) -> None:
    rows = []
    for name in "abc":
        write(tmp_path / f"{name}.wav", noise(ord(name), 4.0))
        rows += [(f"{name}.wav", "dog", start, start + 1) for start in range(3)]
    trees.write_table(tmp_path / "pieces.csv", ("path", "label", "onset_s", "offset_s"), rows)
    found = look(tmp_path)
    assert len(found.manifest.clips) == 9
    assert all(clip.active_s == 1 for clip in found.manifest)
    folds = {clip.path: clip.fold for clip in found.manifest}
    assert all(folds[clip.path] == clip.fold for clip in found.manifest)
    assert len(set(folds.values())) == 3


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (FoldOptions(by="fold"), "--fold-by fold: the data have no folds"),
        (FoldOptions(by="group"), "--fold-by group: no group is known"),
        (FoldOptions(n_folds=20), "--folds 20: there are only 8 to deal: each clip stays whole"),
    ],
)
def test_folds_that_cannot_be_made(tmp_path: Path, options: FoldOptions, what: str) -> None:
    (line,) = refused(trees.folders(tmp_path), options=ScanOptions(folds=options))
    assert line.startswith(what)


def test_a_group_in_two_folds_is_refused(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / f"{number}.wav", noise(number))
    rows = [(f"{number}.wav", "dog", number // 2, number % 2) for number in range(4)]
    trees.write_table(tmp_path / "t.csv", ("path", "label", "speaker", "fold"), rows)
    lines = refused(tmp_path)
    assert lines[0] == "speaker '0' has clips in the folds 0, 1"
    assert lines[-1].endswith("--folds 5 deals the groups anew")
    assert look(tmp_path, options=ScanOptions(folds=FoldOptions(n_folds=2))).manifest.folds == ("1", "2")
    assert look(tmp_path, columns={"group": ""}).manifest.folds == ("0", "1")
