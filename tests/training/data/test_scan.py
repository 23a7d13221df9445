"""``listener dataset scan``: what is measured, how clips are split, and what is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from listener.audio import open_reader
from listener.errors import DatasetError
from listener.training.data.clip import Clip
from listener.training.data.deal import group_of
from listener.training.data.doubles import find_doubles, join_groups
from listener.training.data.folds import FoldOptions
from listener.training.data.manifest import read_manifest
from listener.training.data.measure import Measured, measure
from listener.training.data.scan import ScanOptions
from tests.disk import SmallDisk
from tests.training.data import trees
from tests.training.data.trees import RATE, clip_of, look, noise, write

COMMAND = [sys.executable, "-c", "from listener.cli import main; main()", "dataset"]
STEP = 1 / 32_768


def dataset(*arguments: object) -> tuple[int, str, str]:
    """Run the command."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=100, check=False
    )
    return done.returncode, done.stdout, done.stderr


def refused(folder: Path, layout: str = "auto", options: ScanOptions | None = None) -> list[str]:
    """What a scan complains of."""
    with pytest.raises(DatasetError) as error:
        look(folder, layout, options)
    return str(error.value).replace(f"{folder}/", "").splitlines()


# What is measured.


@given(
    lead=st.integers(0, 3_000),
    tail=st.integers(0, 3_000),
    step=st.sampled_from([0, STEP, -STEP]),
    at_once=st.integers(500, 5_000),
)
def test_digital_silence_at_the_edges_is_found_to_the_sample(
    tmp_path_factory: pytest.TempPathFactory, lead: int, tail: int, step: float, at_once: int
) -> None:
    folder = tmp_path_factory.mktemp("edges")
    sound = noise(1, 0.2)
    sound[[0, -1]] = 0.5
    sound[700:900] = 0
    samples = np.concatenate((np.full(lead, step), sound, np.full(tail, step)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("listener.training.data.measure._READ_SAMPLES", at_once)
        padded = measure(write(folder / "padded.wav", samples))
        plain = measure(write(folder / "plain.flac", sound))
    assert (padded.first_sample, padded.end_sample) == (lead, lead + len(sound))
    assert padded.n_samples == len(samples)
    assert padded.sound_sha256 == plain.sound_sha256
    assert padded.sha256 != plain.sha256
    assert padded.rms_db == pytest.approx(plain.rms_db, abs=0.01)


@pytest.mark.parametrize(
    ("subtype", "ending", "step"),
    [("PCM_U8", "wav", 2**-7), ("PCM_16", "wav", STEP), ("PCM_24", "wav", 2**-23), ("PCM_32", "wav", 2**-31),
     ("FLOAT", "wav", 0), ("DOUBLE", "wav", 0), ("PCM_16", "flac", STEP), ("PCM_24", "aiff", 2**-23),
     ("ULAW", "wav", 2**-5), ("VORBIS", "ogg", 2**-5)],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_levels_of_every_kind_of_file(
    tmp_path: Path, subtype: str, ending: str, step: float, channels: int
) -> None:
    time_s = np.arange(RATE) / RATE
    tone = 0.5 * np.sin(2 * np.pi * 440 * time_s)
    path = write(tmp_path / f"tone.{ending}", np.tile(tone[:, None], channels), subtype)
    found = measure(path, spectrum=True)
    assert (found.sample_rate, found.channels, found.n_samples) == (RATE, channels, RATE)
    assert found.rms_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.15 + 100 * step)
    assert found.peak_db == pytest.approx(20 * np.log10(0.5), abs=0.15 + 100 * step)
    assert (found.silent_share, found.quiet_share) == (0, 0)


def test_the_mean_of_the_channels_is_what_is_heard(tmp_path: Path) -> None:
    sound = noise(1)
    apart = measure(write(tmp_path / "apart.wav", np.stack([sound, np.zeros_like(sound)], axis=1)))
    alone = measure(write(tmp_path / "alone.wav", sound))
    assert apart.rms_db == pytest.approx(alone.rms_db - 6.02, abs=0.01)
    assert apart.peak_db == alone.peak_db
    against = measure(write(tmp_path / "against.wav", np.stack([sound, -sound], axis=1)))
    assert against.is_silent


def test_digital_silence_has_no_level(tmp_path: Path) -> None:
    found = measure(write(tmp_path / "none.wav", np.zeros(RATE)), spectrum=True)
    assert found.is_silent
    assert (found.rms_db, found.peak_db) == (float("-inf"), float("-inf"))
    assert (found.silent_share, found.quiet_share, found.bandwidth_hz) == (1, 1, 0)


def test_shares_of_silence_and_of_quiet(tmp_path: Path) -> None:
    loud = 0.5 * np.ones(RATE // 2) * np.tile([1, -1], RATE // 4)
    parts = [loud, 0.003 * loud, np.zeros(RATE)]
    found = measure(write(tmp_path / "parts.wav", np.concatenate(parts)))
    assert found.silent_share == pytest.approx(0.5, abs=0.01)
    assert found.quiet_share == pytest.approx(0.75, abs=0.01)


def test_bandwidth_is_where_sound_ends(tmp_path: Path) -> None:
    rate, cutoff_hz = 32_000, 5_000
    spectrum = np.fft.rfft(noise(1, 2.0, rate))
    spectrum[round(cutoff_hz * 2.0) :] = 0
    found = measure(write(tmp_path / "dull.wav", np.fft.irfft(spectrum), "PCM_24", rate), spectrum=True)
    assert found.bandwidth_hz == pytest.approx(cutoff_hz, rel=0.05)
    full = measure(write(tmp_path / "full.wav", noise(1, 2.0, rate), "PCM_24", rate), spectrum=True)
    assert full.bandwidth_hz == pytest.approx(rate / 2, rel=0.01)


def test_edges_stand_in_the_manifest(tmp_path: Path) -> None:
    trees.folders(tmp_path, ("dog",), 2)
    padded = np.concatenate((np.zeros(1_000), noise(7), np.zeros(6_001)))
    write(tmp_path / "dog" / "padded.wav", padded)
    write(tmp_path / "dog" / "nearly.wav", np.concatenate((np.zeros(40), noise(8), np.zeros(40))))
    found = look(tmp_path)
    clip = clip_of(found, "dog/padded.wav")
    assert (clip.first_s, clip.active_s, clip.duration_s) == (0.125, 0.6, round(len(padded) / RATE, 6))
    nearly = clip_of(found, "dog/nearly.wav")
    assert (nearly.first_s, nearly.active_s) == (0, nearly.duration_s)


def test_real_clips_end_in_digital_silence(data: Path) -> None:
    """Known from where they come from: 33 of the 40 of glass breaking in all of ESC-50."""
    names = sorted((data / "esc50" / "audio").glob("fold*/*-39.flac"))
    ends = [found.n_samples - found.end_sample for found in map(measure, names)]
    assert len(ends) == 32
    assert sum(end > 8_000 for end in ends) > 20


# How clips are split.


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


# The same sound twice.


def test_doubles_with_other_headers_share_a_group(tmp_path: Path) -> None:
    trees.folders(tmp_path, ("bell", "dog"), 6)
    sound = soundfile.read(tmp_path / "dog" / "0.wav")[0]
    write(tmp_path / "dog" / "again.flac", sound)
    write(tmp_path / "dog" / "deep.wav", sound, "PCM_24")
    write(tmp_path / "dog" / "late.wav", np.concatenate((np.zeros(3_000), sound)), "FLOAT")
    found = look(tmp_path)
    doubles = [clip_of(found, f"dog/{name}") for name in ("0.wav", "again.flac", "deep.wav", "late.wav")]
    assert {clip.group for clip in doubles} == {"dog/0.wav"}
    assert len({clip.fold for clip in doubles}) == 1
    assert "dog/0.wav, dog/again.flac, dog/deep.wav and 1 more: hold the same sound; it is there 4 times" in (
        found.warnings
    )


def test_doubles_across_folds_are_refused(tmp_path: Path) -> None:
    trees.urbansound8k(tmp_path)
    audio = tmp_path / "audio"
    (audio / "fold2" / "1021-1-0-1.wav").write_bytes((audio / "fold1" / "1011-1-0-0.wav").read_bytes())
    lines = refused(tmp_path)
    assert lines[0] == (
        "audio/fold1/1011-1-0-0.wav, audio/fold2/1021-1-0-1.wav: "
        "hold the same sound, and are in fold 1 and fold 2"
    )
    assert "1 problem, nothing is written" in lines[1]
    found = look(tmp_path, options=ScanOptions(skip_broken=True))
    assert len(found.manifest.clips) == 11
    assert clip_of(found, "audio/fold1/1011-1-0-0.wav").fold == "1"
    dealt = look(tmp_path, options=ScanOptions(folds=FoldOptions(n_folds=2)))
    assert len(dealt.manifest.clips) == 12


def test_doubles_across_splits_are_refused(tmp_path: Path) -> None:
    folder = trees.lists(tmp_path / "dataset")
    (folder / "audio" / "5.wav").write_bytes((folder / "audio" / "1.wav").read_bytes())
    assert refused(folder)[0].endswith("hold the same sound, and are in split test and split train")


def test_one_sound_with_two_labels_is_refused(tmp_path: Path) -> None:
    trees.folders(tmp_path)
    (tmp_path / "dog" / "0.wav").write_bytes((tmp_path / "bell" / "1.wav").read_bytes())
    assert refused(tmp_path)[0] == (
        "bell/1.wav, dog/0.wav: hold the same sound, and are called 'bell' and 'dog'"
    )
    assert len(look(tmp_path, options=ScanOptions(skip_broken=True)).manifest.clips) == 6


@given(
    clips=st.lists(
        st.builds(
            Clip,
            path=st.sampled_from("abcdefgh"),
            label=st.just("dog"),
            group=st.sampled_from(["", "g", "h", "i"]),
        ),
        unique_by=lambda clip: clip.path,
    ),
    sounds=st.lists(st.integers(0, 4), min_size=8, max_size=8),
    data=st.data(),
)
def test_no_sound_is_in_two_groups(clips: list[Clip], sounds: list[int], data: st.DataObject) -> None:
    measured = {path: _made_of(str(sound)) for path, sound in zip("abcdefgh", sounds, strict=True)}
    joined = join_groups(clips, measured)
    assert [clip.path for clip in joined] == [clip.path for clip in clips]
    for doubles in find_doubles(joined, measured):
        assert len({group_of(clip) for clip in doubles}) == 1
    before = {group_of(clip): set[tuple[bool, str]]() for clip in clips}
    for clip, after in zip(clips, joined, strict=True):
        before[group_of(clip)].add(group_of(after))
    assert all(len(after) == 1 for after in before.values())
    shuffled = join_groups(data.draw(st.permutations(clips)), measured)
    assert {clip.path: clip.group for clip in shuffled} == {clip.path: clip.group for clip in joined}


def _made_of(sound: str) -> Measured:
    return Measured(RATE, 1, "pcm_16", RATE, 0, RATE, -3.0, -20.0, 0.0, 0.0, 4_000.0, "", sound)


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
