"""``listener dataset scan``: what is wrong, and the command."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from listener.audio import open_reader
from listener.training.data.manifest import read_manifest
from listener.training.data.scan import ScanOptions
from tests.disk import SmallDisk
from tests.training.data import trees
from tests.training.data.trees import RATE, clip_of, look, noise, refused, write

COMMAND = [sys.executable, "-c", "from listener.cli import main; main()", "dataset"]


def dataset(*arguments: object) -> tuple[int, str, str]:
    """Run the command."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=100, check=False
    )
    return done.returncode, done.stdout, done.stderr


# What is wrong.


def test_everything_that_is_wrong_is_listed(tmp_path: Path) -> None:
    trees.folders(tmp_path)
    dog = tmp_path / "dog"
    (dog / "text.wav").write_text("not a sound")
    (dog / "empty.flac").touch()
    (dog / "header.wav").write_bytes((dog / "0.wav").read_bytes()[:44])
    (dog / "cut.wav").write_bytes((dog / "1.wav").read_bytes()[:5_000])
    write(dog / "silent.wav", np.zeros(RATE))
    holed = noise(50)
    holed[100] = np.nan
    write(dog / "nan.wav", holed, "FLOAT")
    holed[100] = np.inf
    write(dog / "inf.wav", holed, "DOUBLE")
    (dog / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    os.mkfifo(dog / "pipe.wav")
    (tmp_path / "cat").mkdir()
    lines = refused(tmp_path)
    for name, what in {
        "text.wav": "",
        "empty.flac": "is empty",
        "header.wav": "",
        "cut.wav": "is truncated or damaged: 0.3 of 0.6 s can be read",
        "silent.wav": "holds nothing but digital silence",
        "nan.wav": "sample 100 is no number (NaN or infinite)",
        "inf.wav": "sample 100 is no number (NaN or infinite)",
        "gone.wav": "cannot be read: No such file or directory",
        "pipe.wav": "is no file",
    }.items():
        assert any(line.startswith(f"dog/{name}: {what}") for line in lines), (name, lines)
    assert "label 'cat': has no clip" in lines
    assert lines[-1].startswith("10 problems, nothing is written; `listener dataset scan ")
    found = look(tmp_path, options=ScanOptions(skip_broken=True))
    assert len(found.left_out) == 10
    assert len(found.manifest.clips) == 8


def test_kinds_of_files_that_are_no_problem(tmp_path: Path) -> None:
    for number, subtype in enumerate(("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW")):
        write(tmp_path / "dog" / f"{subtype}.wav", noise(number), subtype)
    for channels in range(1, 9):
        samples = np.stack([noise(10 * channels + channel) for channel in range(channels)], axis=1)
        write(tmp_path / "dog" / f"{channels}.wav", samples)
    found = look(tmp_path)
    assert len(found.manifest.clips) == 14
    assert found.left_out == ()


def test_short_clips_are_left_out_and_named(tmp_path: Path) -> None:
    trees.folders(tmp_path)
    write(tmp_path / "dog" / "short.wav", noise(70, 0.1))
    click = np.zeros(RATE)
    click[4_000:4_010] = 0.5
    write(tmp_path / "dog" / "click.wav", click)
    bark = np.zeros(RATE)
    bark[4_000:5_000] = noise(71)[:1_000]
    write(tmp_path / "dog" / "bark.wav", bark)
    found = look(tmp_path)
    assert [str(problem).removeprefix(f"{tmp_path}/") for problem in found.short] == [
        "dog/click.wav: sounds for 0.001 s only",
        "dog/short.wav: lasts 0.10 s",
    ]
    assert clip_of(found, "dog/bark.wav").active_s == 0.125
    assert len(look(tmp_path, options=ScanOptions(min_s=0.0)).manifest.clips) == 11
    write(tmp_path / "tick" / "tock.wav", noise(72, 0.1))
    assert refused(tmp_path)[0] == "label 'tick': has no clip of 0.5 s or more"


def test_what_may_be_wrong_is_said(tmp_path: Path) -> None:
    trees.folders(tmp_path, ("Dog bark", "dog_bark"))
    write(tmp_path / "Dog bark" / "loud.wav", 30 * noise(90), "FLOAT")
    warnings = look(tmp_path).warnings
    assert "the labels 'Dog bark' and 'dog_bark' may be one: they differ in spelling alone" in warnings
    assert any(
        line.startswith("Dog bark/loud.wav: goes 2") and "above full scale" in line for line in warnings
    )


def test_pieces_beyond_the_end(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", noise(1, 2.0))
    rows = [("a.wav", "dog", 0.0, 1.0), ("a.wav", "dog", 1.0, 2.5), ("a.wav", "dog", 3.0, 4.0)]
    trees.write_table(tmp_path / "t.csv", ("path", "label", "onset_s", "offset_s"), rows)
    assert refused(tmp_path)[0] == "a.wav: lasts 2 s, and its piece begins at 3 s"
    found = look(tmp_path, options=ScanOptions(skip_broken=True))
    assert [clip.active_s for clip in found.manifest] == [1.0, 1.0]
    assert "a.wav: ends 0.50 s before its piece does, which is cut" in found.warnings


def test_a_decoder_that_fails_half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk no longer gives is named, and the rest is looked at."""
    trees.folders(tmp_path)

    def fails(path: Path) -> object:
        if path.name == "2.wav":
            raise OSError(5, "Input/output error")
        return open_reader(path)

    monkeypatch.setattr("listener.training.data.frames.open_reader", fails)
    assert refused(tmp_path)[:2] == [
        "bell/2.wav: cannot be read: Input/output error",
        "dog/2.wav: cannot be read: Input/output error",
    ]


def test_a_table_whose_paths_begin_elsewhere_is_one_line(tmp_path: Path) -> None:
    trees.folders(tmp_path / "data", ("dog",))
    rows = [(f"data/dog/{number}.wav", "dog") for number in range(4)]
    trees.write_table(tmp_path / "data" / "clips.csv", ("path", "label"), rows)
    (line,) = refused(tmp_path / "data")
    assert f"its paths seem to be relative to {tmp_path}; --layout looks in another way" in line


# The command.


def test_the_command_writes_one_manifest(tmp_path: Path) -> None:
    trees.esc50(tmp_path)
    code, out, err = dataset("scan", tmp_path)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "layout: esc50 (meta/esc50.csv)"
    assert lines[1].split() == ["LABEL", "CLIPS", "GROUPS", "MINUTES", "FOLD", "1", "FOLD", "2"]
    assert lines[5].split() == ["all", "12", "6", "0.1", "6", "6"]
    assert lines[-1] == f"written: {tmp_path}/manifest.csv"
    manifest = read_manifest(tmp_path)
    assert manifest.labels == ("crow", "dog", "rooster")
    assert all(clip.sha256 and clip.group and clip.duration_s == 0.6 for clip in manifest)
    before = (tmp_path / "manifest.csv").read_bytes()
    code, out, err = dataset("scan", tmp_path)
    assert code == 1
    assert err.count("\n") == 1
    assert "is there already: --force replaces it" in err
    code, out, err = dataset("scan", tmp_path, "--force")
    assert (code, out.splitlines()[-1]) == (0, f"unchanged: {tmp_path}/manifest.csv")
    assert (tmp_path / "manifest.csv").read_bytes() == before


def test_a_manifest_elsewhere_finds_its_recordings(tmp_path: Path) -> None:
    trees.folders(tmp_path / "data")
    code, _, _ = dataset("scan", tmp_path / "data", "--out", tmp_path / "lists" / "all.csv", "--folds", "3")
    assert code == 0
    manifest = read_manifest(tmp_path / "lists", "all.csv")
    assert manifest.folds == ("1", "2", "3")
    assert all((manifest.folder / clip.path).is_file() for clip in manifest)
    assert not (tmp_path / "data" / "manifest.csv").exists()


def test_what_is_wrong_leaves_nothing_written(tmp_path: Path) -> None:
    trees.folders(tmp_path)
    (tmp_path / "dog" / "text.wav").write_text("not a sound")
    code, out, err = dataset("scan", tmp_path)
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert lines[0].startswith(f"listener: {tmp_path}/dog/text.wav: ")
    assert lines[-1].endswith("--skip-broken` leaves such out")
    assert "Traceback" not in err
    assert not (tmp_path / "manifest.csv").exists()
    code, out, err = dataset("scan", tmp_path, "--skip-broken")
    assert code == 0
    assert f"listener: left out: {tmp_path}/dog/text.wav: " in err
    assert len(read_manifest(tmp_path).clips) == 8


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    trees.folders(tmp_path)
    code, out, _ = dataset("scan", tmp_path, "--dry-run")
    assert code == 0
    assert "written" not in out
    assert not (tmp_path / "manifest.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (("--folds", "2", "--fold-by", "group"), 2, "give one of them"),
        (("--group", "("), 2, "is no regular expression"),
        (("--column", "label"), 2, "is not OURS=THEIRS"),
        (("--layout", "tree"), 2, "'tree' is not one of"),
        (("--min-s", "inf"), 2, "no number of seconds"),
        (("--table", "gone.csv", "--layout", "csv"), 1, "gone.csv: cannot be read: No such file"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], code: int, what: str) -> None:
    trees.folders(tmp_path, n_clips=1)
    found, _, err = dataset("scan", tmp_path, *arguments)
    assert (found, what in err, "Traceback" in err) == (code, True, False), err


def test_a_full_disk_leaves_no_half_manifest(small_disk: SmallDisk) -> None:
    trees.folders(small_disk.folder / "data", n_clips=40)
    small_disk.fill()
    code, _, err = dataset("scan", small_disk.folder / "data")
    assert code == 1
    assert err.splitlines()[-1].endswith(
        "manifest.csv: the manifest cannot be written: No space left on device"
    )
    assert {path.name for path in (small_disk.folder / "data").iterdir()} == {"bell", "dog"}


def test_a_folder_that_cannot_be_written(small_disk: SmallDisk) -> None:
    trees.folders(small_disk.folder / "data")
    small_disk.make_read_only()
    code, _, err = dataset("scan", small_disk.folder / "data")
    small_disk.make_writable()
    assert code == 1
    assert err.splitlines()[-1].endswith(
        "manifest.csv: the manifest cannot be written: Read-only file system"
    )


def test_strange_names_are_no_problem(tmp_path: Path) -> None:
    label = 'a "dog", 🐕\nand $x$'
    trees.folders(tmp_path, (label, "bell"))
    code, out, _ = dataset("scan", tmp_path)
    assert code == 0
    assert 'a "dog", 🐕?and $x$' in out
    assert read_manifest(tmp_path).labels == (label, "bell")
