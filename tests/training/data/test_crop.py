"""``listener dataset crop``."""

import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from listener.errors import DatasetError
from listener.training.data.activity import LOWEST_FLOOR_DB, ActivityOptions, find_activity
from listener.training.data.clip import Clip, Manifest
from listener.training.data.crop import CropOptions, Cropped, activity_pieces, crop, fixed_pieces
from listener.training.data.crop_sources import find_sources, piece_names
from listener.training.data.deal import deal
from listener.training.data.manifest import read_manifest, write_manifest
from tests import program
from tests.disk import SmallDisk

RATE = 16_000
BY_ONE_SECOND = CropOptions(length_s=1.0)
AROUND = CropOptions(activity=ActivityOptions())


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> NDArray[np.float32]:
    samples = level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return np.clip(samples, -1, 1).astype(np.float32)


def write(path: Path, samples: NDArray[np.floating], rate_hz: int = RATE, subtype: str = "PCM_16") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


def cut(out: Path, options: CropOptions, *inputs: Path, label: str | None = None) -> Cropped:
    return crop(find_sources(inputs, label), out, options)


def read(folder: Path, piece: Clip) -> NDArray[np.int16]:
    samples: NDArray[np.int16] = soundfile.read(folder / piece.path, dtype="int16")[0]
    return samples


@pytest.fixture
def bells(tmp_path: Path) -> Path:
    """Two labels, a recording each of 3.7 and 2.2 s."""
    folder = tmp_path / "in"
    write(folder / "bell" / "a.wav", noise(3.7, seed=1))
    write(folder / "dog" / "a.flac", noise(2.2, seed=2))
    return folder


@pytest.fixture
def quiet_with_two_bursts(tmp_path: Path) -> Path:
    """Hiss for 10 s, and something louder from 2 to 3 s and from 6 to 6.5 s."""
    samples = noise(10, 0.001)
    samples[2 * RATE : 3 * RATE] += noise(1, 0.1, 1)
    samples[6 * RATE : 6 * RATE + RATE // 2] += noise(0.5, 0.05, 2)
    return write(tmp_path / "long.wav", samples)


def test_pieces_of_one_length_are_the_recording_to_the_bit(bells: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cropped = cut(out, BY_ONE_SECOND, bells)
    assert [piece.path for piece in read_manifest(out)] == [
        *(f"bell/bell_a-000{number}.flac" for number in (1, 2, 3, 4)),
        *(f"dog/dog_a-000{number}.flac" for number in (1, 2)),
    ]
    pieces = [read(out, piece) for piece in cropped.pieces if piece.label == "bell"]
    assert np.array_equal(np.concatenate(pieces), soundfile.read(bells / "bell" / "a.wav", dtype="int16")[0])
    assert [piece.duration_s for piece in cropped.pieces] == [1, 1, 1, 0.7, 1, 1]


def test_pieces_keep_all_that_is_known_and_are_one_group(bells: Path, tmp_path: Path) -> None:
    known = Clip(
        "bell/a.wav",
        "bell",
        fold="3",
        group="uncle",
        split="test",
        author="Ann",
        licence="CC0",
        judged=False,
        tags={"room": "hall", "peak": "0.9"},
    )
    write_manifest(bells / "manifest.csv", [known, Clip("dog/a.flac", "dog")])
    cut(tmp_path / "out", BY_ONE_SECOND, bells)
    pieces = read_manifest(tmp_path / "out").clips
    bell, dog = pieces[0], pieces[-1]
    for name in ("label", "fold", "group", "split", "author", "licence", "judged"):
        assert getattr(bell, name) == getattr(known, name)
    assert bell.tags["room"] == "hall"
    assert "peak" not in bell.tags  # that of the whole recording
    assert (bell.tags["cut_from"], pieces[1].tags["cut_first_s"]) == ("bell/a.wav", "1.0000")
    assert dog.group == "dog/a.flac"


@given(st.lists(st.integers(1, 8), min_size=4, max_size=12), st.integers(0, 5))
def test_no_split_by_groups_parts_pieces_of_one_recording(counts: list[int], seed: int) -> None:
    pieces = [
        Clip(f"x/{recording}-{number}.flac", "x", group=f"{recording}.wav")
        for recording, count in enumerate(counts)
        for number in range(count)
    ]
    folds: dict[str, set[str]] = {}
    for clip in deal(pieces, 3, seed):
        folds.setdefault(clip.group, set()).add(clip.fold)
    assert all(len(found) == 1 for found in folds.values())


def test_only_what_belongs_to_a_clip_is_cut(tmp_path: Path) -> None:
    samples = soundfile.read(write(tmp_path / "in" / "day.wav", noise(5)), dtype="int16")[0]
    clips = [
        Clip("day.wav", "bell", first_s=0.5, active_s=1.0),
        Clip("day.wav", "dog", first_s=2.0, active_s=2.0),
    ]
    write_manifest(tmp_path / "in" / "day.csv", clips)
    out = tmp_path / "out"
    cropped = cut(out, CropOptions(length_s=0.5), tmp_path / "in" / "day.csv")
    assert [piece.label for piece in cropped.pieces] == ["bell"] * 2 + ["dog"] * 4
    assert {piece.group for piece in cropped.pieces} == {"day.wav"}  # one recording, whatever is heard in it
    assert np.array_equal(read(out, cropped.pieces[1]), samples[RATE : RATE + RATE // 2])
    assert len({piece.path for piece in cropped.pieces}) == 6


def test_around_activity(quiet_with_two_bursts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cropped = cut(out, AROUND, quiet_with_two_bursts, label="knock")
    first, second = cropped.pieces
    assert first.tags["cut_first_s"] == "1.9000"
    assert (first.first_s, first.active_s, first.duration_s) == pytest.approx((0.1, 1.0, 1.2), abs=0.03)
    assert second.duration_s == pytest.approx(0.7, abs=0.03)
    whole = soundfile.read(quiet_with_two_bursts, dtype="int16")[0]
    begin = round(1.9 * RATE)
    assert np.array_equal(read(out, first), whole[begin : begin + len(read(out, first))])


def test_around_activity_with_a_greatest_length(quiet_with_two_bursts: Path, tmp_path: Path) -> None:
    options = replace(AROUND, length_s=0.5)
    pieces = cut(tmp_path / "out", options, quiet_with_two_bursts, label="knock").pieces
    assert max(piece.duration_s or 9 for piece in pieces) == 0.5
    assert 2.2 > sum(piece.duration_s or 0 for piece in pieces) > 1.8


@pytest.mark.parametrize(
    "samples", [np.zeros(2 * RATE), noise(2), np.r_[np.zeros(RATE), np.full(8, 1e-5), np.zeros(RATE)]]
)
def test_where_nothing_stands_out_nothing_is_cut(samples: NDArray[np.floating], tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", samples)
    with pytest.raises(DatasetError, match="nothing stands out of the noise by 12 dB: lower --above"):
        cut(tmp_path / "out", AROUND, path, label="x")
    assert not (tmp_path / "out").exists()


def test_recordings_of_which_nothing_is_kept_are_told(bells: Path, tmp_path: Path) -> None:
    write(bells / "dog" / "short.wav", noise(0.3))
    cropped = cut(tmp_path / "out", BY_ONE_SECOND, bells)
    assert cropped.without == (bells / "dog" / "short.wav",)


@pytest.mark.parametrize(
    ("subtype", "suffix"),
    [("PCM_U8", "wav"), ("PCM_24", "wav"), ("PCM_32", "wav"), ("FLOAT", "wav"), ("VORBIS", "ogg")],
)
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_any_recording_becomes_mono_16_bit(subtype: str, suffix: str, channels: int, tmp_path: Path) -> None:
    mono = noise(1.0)
    path = write(tmp_path / f"a.{suffix}", np.stack([mono] * channels, 1), 44_100, subtype)
    out = tmp_path / "out"
    piece = cut(out, CropOptions(length_s=1.0, min_length_s=0, rate_hz=RATE, kind="wav"), path, label="x")
    info = soundfile.info(out / piece.pieces[0].path)
    assert (info.channels, info.subtype, info.samplerate) == (1, "PCM_16", RATE)
    assert info.duration == pytest.approx(RATE / 44_100, abs=0.001)


def test_samples_that_are_no_numbers_are_silence(tmp_path: Path) -> None:
    samples = noise(1.0)
    samples[100:200] = np.nan
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    out = tmp_path / "out"
    piece = cut(out, BY_ONE_SECOND, path, label="x").pieces[0]
    assert not read(out, piece)[100:200].any()
    assert read(out, piece)[200:].any()


def test_names_never_collide(tmp_path: Path) -> None:
    folders = [tmp_path / "monday", tmp_path / "tuesday"]
    for number, folder in enumerate(folders):
        for name in ("a b.wav", "a_b.wav", "A_B.wav", "a_b.flac", "b/x.wav"):
            write(folder / "dog" / name, noise(1, seed=number))
    cropped = cut(tmp_path / "out", BY_ONE_SECOND, *folders)
    assert len(cropped.pieces) == 10
    assert len({piece.path.casefold() for piece in cropped.pieces}) == 10
    assert len({piece.group for piece in cropped.pieces}) == 10  # no two recordings are one


@pytest.mark.parametrize("label", ["../../evil", "/etc", "a/b", "..", "ein Hünd", "con\nfusing", "x" * 150])
def test_a_label_never_leads_out_of_the_folder(label: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(1))
    out = tmp_path / "out"
    piece = cut(out, BY_ONE_SECOND, path, label=label).pieces[0]
    assert piece.label == label
    assert (out / piece.path).resolve().parent.parent == out.resolve()
    assert read_manifest(out).clips[0].label == label


names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=8)


@given(st.lists(st.tuples(names, names), min_size=1, max_size=8, unique=True))
def test_any_names_become_names_of_their_own(pairs: list[tuple[str, str]]) -> None:
    from listener.training.data.crop_sources import Source

    sources = [Source(Path(name), Clip(name, label), name) for label, name in pairs]
    made = piece_names(sources)
    assert len({name.casefold() for name in made}) == len(pairs)
    for name in made:
        folder, stem = name.split("/")
        assert folder.strip(".")
        assert stem.strip(".")


def test_a_recording_that_is_named_twice_is_cut_once(bells: Path, tmp_path: Path) -> None:
    (tmp_path / "link.wav").symlink_to(bells / "bell" / "a.wav")
    once = cut(tmp_path / "once", BY_ONE_SECOND, bells)
    twice = cut(tmp_path / "twice", BY_ONE_SECOND, bells, bells / "bell" / "a.wav", tmp_path / "link.wav")
    assert once.pieces == twice.pieces


def test_what_cannot_be_read_is_listed_and_nothing_written(bells: Path, tmp_path: Path) -> None:
    whole = (bells / "bell" / "a.wav").read_bytes()
    (bells / "bell" / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (bells / "dog" / "empty.wav").touch()
    (bells / "dog" / "text.flac").write_text("woof")
    with pytest.raises(DatasetError) as error:
        cut(tmp_path / "out", BY_ONE_SECOND, bells)
    lines = str(error.value).splitlines()
    assert [name in line for name, line in zip(("cut.wav", "empty.wav", "text.flac"), lines, strict=True)]
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_inputs_that_are_wrong_are_all_listed(bells: Path, tmp_path: Path) -> None:
    write(tmp_path / "x.wav", noise(1))
    with pytest.raises(DatasetError) as error:
        find_sources([tmp_path / "no", tmp_path / "no.csv", tmp_path / "x.wav", bells])
    assert [line.split(": ", 1)[1] for line in str(error.value).splitlines()] == [
        "there is no such file or folder",
        "there is no such manifest",
        "nobody says what is heard in it: --label NAME, or a folder for each label",
    ]


@pytest.mark.parametrize("out", ["in", "in/out", "in/bell", "in/bell/new", "."])
def test_nothing_is_written_into_the_input(out: str, bells: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DatasetError, match="--out"):
        cut(tmp_path / out, BY_ONE_SECOND, bells)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_is_there_is_left_alone(bells: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dear").touch()
    with pytest.raises(DatasetError, match="is there already: choose another name"):
        cut(tmp_path / "out", BY_ONE_SECOND, bells)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dear"]


def test_an_empty_folder_will_do(bells: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert cut(tmp_path / "out", BY_ONE_SECOND, bells).pieces


def test_a_full_disk_leaves_nothing(bells: Path, small_disk: SmallDisk) -> None:
    small_disk.fill(leave=100_000)
    with pytest.raises(DatasetError, match=r"is the disk full|No space left"):
        cut(small_disk.folder / "out", BY_ONE_SECOND, bells)
    assert [path.name for path in small_disk.folder.iterdir()] == ["filler"]


def test_killed_it_leaves_no_folder_and_can_be_run_again(bells: Path, tmp_path: Path) -> None:
    script = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from listener.training.data import crop\n"
        "from listener.training.data.crop_sources import find_sources\n"
        f"crop.crop(find_sources([Path({str(bells)!r})]), Path({str(tmp_path / 'out')!r}),\n"
        "    crop.CropOptions(length_s=1.0), lambda done, total: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert len(cut(tmp_path / "out", BY_ONE_SECOND, bells).pieces) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_a_very_long_recording_takes_little_memory(tmp_path: Path) -> None:
    """Only the pieces that overlap are in memory: read in blocks, positions are exact all the same."""
    path = write(tmp_path / "long.flac", np.resize(noise(7, seed=3), 100 * RATE))
    samples = soundfile.read(path, dtype="int16")[0]
    out = tmp_path / "out"
    pieces = cut(out, CropOptions(length_s=31.0, hop_s=23.0), path, label="x").pieces
    for number, piece in enumerate(pieces):
        begin = number * 23 * RATE
        assert np.array_equal(read(out, piece), samples[begin : begin + 31 * RATE])


@given(st.integers(0, 50), st.integers(0, 60), st.integers(1, 20), st.integers(1, 20), st.integers(0, 20))
def test_fixed_pieces(first: int, n_samples: int, length: int, hop: int, shortest: int) -> None:
    last = first + n_samples
    pieces = fixed_pieces(first, last, length, hop, shortest)
    assert all(
        first <= begin < end <= last and max(1, shortest) <= end - begin <= length for begin, end in pieces
    )
    assert all(end - begin == length for begin, end in pieces[:-1])
    assert all(begin == first + number * hop for number, (begin, _) in enumerate(pieces))
    if hop <= length and shortest <= 1 and n_samples:
        assert set(range(first, last)) == {n for begin, end in pieces for n in range(begin, end)}


runs = st.lists(st.integers(0, 400), max_size=10, unique=True).map(
    lambda edges: [(a, b) for a, b in zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False)]
)


@given(runs, st.integers(0, 50))
def test_padding_never_reaches_into_the_activity_beside(found: list[tuple[int, int]], pad: int) -> None:
    for number, ((begin, end), activity) in enumerate(activity_pieces(found, 0, 400, pad)):
        assert activity == found[number]
        assert 0 <= begin <= activity[0] < activity[1] <= end <= 400
        others = [other for other in found if other != activity]
        assert all(end <= other[0] or other[1] <= begin for other in others)


levels = st.lists(st.floats(-120, 0), min_size=1, max_size=200).map(lambda each: np.array(each, np.float32))


@given(levels, st.floats(1, 40), st.floats(0, 0.1), st.floats(0, 0.1))
def test_activity_is_loud_long_and_apart(
    levels_db: NDArray[np.float32], above_db: float, min_s: float, join_s: float
) -> None:
    found = find_activity(levels_db, ActivityOptions(above_db, min_s, join_s))
    floor_db = max(float(np.percentile(levels_db, 10)), LOWEST_FLOOR_DB)
    for begin, end in found:
        assert levels_db[begin:end].max() >= floor_db + above_db - 1e-3
        assert (end - begin) * 0.01 >= min_s - 1e-6
    for one, other in pairwise(found):
        assert other[0] - one[1] >= join_s / 0.01


def test_the_command(bells: Path, tmp_path: Path) -> None:
    done = program.run("dataset", "crop", bells, "--length", "0.5", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout == f"11 pieces of 2 recordings, 5.5 s, 2 labels\nwritten: {tmp_path}/out/manifest.csv\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Say how to cut: --length S, --around-activity, or both."),
        (("--around-activity", "--hop", "1"), "--hop needs --length."),
        (("--length", "nan"), "no number of seconds"),
        (("--length", "0"), "0.0 is not in the range x>0"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], message: str, bells: Path, tmp_path: Path) -> None:
    done = program.run("dataset", "crop", bells, "--out", tmp_path / "out", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_real_day_outdoors_is_cut_where_something_is_heard(data: Path, tmp_path: Path) -> None:
    pieces = cut(tmp_path / "out", AROUND, data / "streams" / "dev_room.flac", label="x").pieces
    active_s = sum(piece.active_s or 0 for piece in pieces)
    assert 5 < active_s < 200
    assert Manifest(tmp_path / "out", pieces).labels == ("x",)
