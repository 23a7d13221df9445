"""``listener dataset features``: the pipeline and its store."""

import hashlib
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from listener.errors import ConfigError, DatasetError
from listener.features import PRESETS, LogMel
from listener.training.data.clip import Clip, Manifest
from listener.training.data.features import FeatureStore, Pipeline, build, build_store, stages
from listener.training.data.features import store as store_module
from listener.training.data.features.work import results
from listener.training.data.manifest import read_manifest, write_manifest
from listener.training.data.whole_folder import whole_folder
from tests import program
from tests.disk import SmallDisk

RATE = 16_000
SMALL = replace(PRESETS["household"], n_fft=256, n_mels=8, n_frames=20)
N_CLIPS = 6


def make_data(folder: Path, n_clips: int = N_CLIPS, first: int = 0) -> Manifest:
    rng = np.random.default_rng(first)
    clips = []
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    for number in range(first, first + n_clips):
        path = f"audio/{number:03d}.wav"
        samples = 0.1 * (1 + number % 5) * rng.standard_normal(4_000 + 500 * (number % 4))
        soundfile.write(folder / path, np.clip(samples, -1, 1), RATE, subtype="PCM_16")
        clips.append(Clip(path, "odd" if number % 2 else "even", fold=str(number % 3)))
    write_manifest(folder / "manifest.csv", clips)
    return read_manifest(folder)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return make_data(tmp_path / "data")


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def write_stage(folder: Path, text: str, name: str = "own.py") -> str:
    path = folder / name
    path.write_text(text)
    return f"python:{path}:stage"


@pytest.mark.parametrize("preset", PRESETS)
def test_features_are_those_of_the_front_end(preset: str, manifest: Manifest, tmp_path: Path) -> None:
    parameters = replace(PRESETS[preset], n_frames=20)
    store = build_store(manifest, Pipeline.of(parameters), tmp_path / "stores")
    assert len(store) == N_CLIPS
    if parameters.sample_rate == RATE:
        samples, _ = soundfile.read(manifest.folder / store.clips[3].path, dtype="float32")
        padded = stages.pad_zeros(samples, parameters.window_samples)
        assert np.array_equal(store[3], LogMel(parameters)(padded))
    assert store[3].shape == (parameters.n_mels, 20)


def test_rows_are_views_and_tensors_share_their_memory(manifest: Manifest, tmp_path: Path) -> None:
    store = build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    assert np.shares_memory(store[2], store.features)
    whole, row = store.to_torch(), store.to_torch(2)
    assert whole.data_ptr() == store.features.ctypes.data
    assert row.data_ptr() == store[2].ctypes.data
    assert torch.equal(whole[2], row)
    row[0, 0] = 99.0  # stays within this process
    assert store[2][0, 0] == 99.0
    FeatureStore.open(store.folder).verify()


@pytest.mark.parametrize("save", ["float32", "float16"])
@pytest.mark.parametrize("normalise", ["none", "clip", "band", "global"])
def test_normalising_can_be_undone(normalise: str, save: str, manifest: Manifest, tmp_path: Path) -> None:
    plain = build_store(manifest, Pipeline.of(SMALL), tmp_path / "plain")
    store = build_store(manifest, Pipeline.of(SMALL, normalise=normalise, save=save), tmp_path / "stores")
    span = plain.features.max() - plain.features.min()
    # float16 has 11 significant bits
    tolerance = (1e-6 if save == "float32" else 2**-11) * max(span, np.abs(plain.features).max())
    for index in range(len(store)):
        assert np.abs(store.undo(index) - plain[index]).max() <= tolerance
    assert store.features.dtype == save
    assert np.array_equal(store.lowest, plain.features.min(axis=(0, 2)))
    assert np.array_equal(store.highest, plain.features.max(axis=(0, 2)))


@pytest.mark.parametrize(("normalise", "axes"), [("clip", (1, 2)), ("band", (0, 2)), ("global", (0, 1, 2))])
def test_each_group_fills_0_to_1(
    normalise: str, axes: tuple[int, ...], manifest: Manifest, tmp_path: Path
) -> None:
    features = build_store(manifest, Pipeline.of(SMALL, normalise=normalise), tmp_path / "stores").features
    assert np.all(features.min(axis=axes) == 0)
    assert np.all(features.max(axis=axes) == 1)


def test_silence_is_normalised_without_a_fuss(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    soundfile.write(tmp_path / "data" / "a.wav", np.zeros(4_000), RATE)
    manifest = Manifest(tmp_path / "data", (Clip("a.wav", "silence"),))
    for normalise in ("clip", "band", "global"):
        store = build_store(manifest, Pipeline.of(SMALL, normalise=normalise), tmp_path / "stores")
        assert not store.features.any()
        assert np.all(store.undo(0) == np.log(np.float32(SMALL.floor)))


def test_what_is_there_is_not_made_again(manifest: Manifest, tmp_path: Path) -> None:
    first = build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    before = stamps(first.folder)
    again = build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    assert again.folder == first.folder
    assert stamps(again.folder) == before


CHANGES: dict[str, dict[str, Any]] = {
    "n_fft": {"parameters": replace(SMALL, n_fft=512)},
    "floor": {"parameters": replace(SMALL, floor=1e-9)},
    "scale": {"parameters": replace(SMALL, scale="db")},
    "length": {"n_samples": SMALL.window_samples + 256},
    "pad": {"pad": "repeat"},
    "load": {"load": "whole"},
    "normalise": {"normalise": "band"},
    "save": {"save": "float16"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_parameter_never_meets_old_features(
    change: str, manifest: Manifest, tmp_path: Path
) -> None:
    pipeline = Pipeline.of(SMALL)
    first = build_store(manifest, pipeline, tmp_path / "stores")
    second = build_store(manifest, replace(pipeline, **CHANGES[change]), tmp_path / "stores")
    assert second.folder != first.folder
    assert second.key != first.key


def test_a_changed_recording_never_meets_old_features(manifest: Manifest, tmp_path: Path) -> None:
    first = build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    shutil.copy(manifest.folder / "audio/004.wav", manifest.folder / "audio/002.wav")
    second = build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    assert second.folder != first.folder
    assert np.array_equal(second[2], first[4])


def test_a_changed_cut_never_meets_old_features(manifest: Manifest, tmp_path: Path) -> None:
    first = build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    cut = Manifest(manifest.folder, tuple(replace(clip, first_s=0.05) for clip in manifest))
    second = build_store(cut, Pipeline.of(SMALL), tmp_path / "stores")
    assert second.folder != first.folder
    assert not np.array_equal(first.features, second.features)


def test_another_label_keeps_the_features_and_is_told(manifest: Manifest, tmp_path: Path) -> None:
    first = build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    renamed = Manifest(manifest.folder, tuple(replace(clip, label="x") for clip in manifest))
    second = build_store(renamed, Pipeline.of(SMALL), tmp_path / "stores")
    assert second.folder == first.folder
    assert {clip.label for clip in second.clips} == {"x"}
    assert {clip.label for clip in FeatureStore.open(first.folder).clips} == {"x"}


def test_several_processes_make_the_same(tmp_path: Path) -> None:
    manifest = make_data(tmp_path / "data", 40)
    one = build_store(manifest, Pipeline.of(SMALL), tmp_path / "one")
    two = build_store(manifest, Pipeline.of(SMALL), tmp_path / "two", processes=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert one.key == two.key


def test_a_process_that_is_killed_is_one_line(tmp_path: Path) -> None:
    manifest = make_data(tmp_path / "data", 40)
    text = (
        "import multiprocessing, os, signal\n"
        "def stage(samples, n_samples):\n"
        "    if multiprocessing.parent_process() is not None and samples.any():\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return samples[:n_samples]\n"
    )
    pipeline = Pipeline.of(SMALL, length_s=0.2, pad=write_stage(tmp_path, text))
    with pytest.raises(DatasetError, match="was ended from outside"):
        build_store(manifest, pipeline, tmp_path / "stores", processes=2)
    assert not multiprocessing.active_children()


KILLS_ITSELF = """
import os, pathlib, signal
seen = pathlib.Path(__file__).with_name("seen")
def stage(samples, n_samples):
    with seen.open("a") as file:
        file.write("x")
    if seen.stat().st_size == 30:
        os.kill(os.getpid(), signal.SIGKILL)
    return samples[:n_samples]
"""


def test_killed_in_the_middle_it_goes_on_to_the_same_result(tmp_path: Path) -> None:
    manifest = make_data(tmp_path / "data", 40)
    pad = write_stage(tmp_path, KILLS_ITSELF)
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from listener.features import PRESETS\n"
        "from listener.training.data.features import Pipeline, build, build_store\n"
        "from listener.training.data.manifest import read_manifest\n"
        "build.KEPT_EVERY = 8\n"
        f"pipeline = Pipeline.of(PRESETS['household'], length_s=0.2, pad={pad!r})\n"
        f"manifest = read_manifest(Path({str(manifest.folder)!r}))\n"
        f"build_store(manifest, pipeline, Path({str(tmp_path)!r}, 'stores'))\n"
    )
    killed = subprocess.run([sys.executable, script], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    stores = tmp_path / "stores"
    assert [path.name[0] for path in stores.iterdir()] == ["."]  # nobody takes it for whole
    with pytest.raises(DatasetError, match="holds no features"):
        FeatureStore.open(stores)
    pipeline = Pipeline.of(PRESETS["household"], length_s=0.2, pad=pad)
    (tmp_path / "seen").write_text("x" * 100)
    store = build_store(manifest, pipeline, stores)
    n_made = (tmp_path / "seen").stat().st_size - 100
    assert n_made <= 40 - 24 + 3  # what was kept is not made again; stages are tried on silence
    store.verify()
    fresh = build_store(manifest, pipeline, tmp_path / "fresh")
    assert content(stores) == content(tmp_path / "fresh")
    assert np.array_equal(fresh.features, store.features)


def test_what_a_crash_left_torn_is_made_again(manifest: Manifest, tmp_path: Path) -> None:
    pipeline = Pipeline.of(SMALL)
    whole = build_store(manifest, pipeline, tmp_path / "whole")
    torn = tmp_path / "torn" / f".{whole.folder.name}.unfinished"
    torn.mkdir(parents=True)
    building = build._Building(torn, whole.clips, pipeline)
    building.extract(manifest.folder, 1, None)
    building.keep()
    building._raw[3, 2] = 0.0  # a page that did not get to the disk
    building._raw.flush()
    del building
    store = build_store(manifest, pipeline, tmp_path / "torn")
    assert np.array_equal(store.features, whole.features)


def damage(store: FeatureStore, how: str) -> None:
    features = store.folder / "features.npy"
    if how == "bit":
        data = bytearray(features.read_bytes())
        data[-100] ^= 1
        features.write_bytes(data)
    elif how == "short":
        with features.open("r+b") as file:
            file.truncate(1_000)
    elif how == "empty":
        features.write_bytes(b"")
    elif how == "gone":
        features.unlink()
    elif how == "index":
        (store.folder / "index.csv").write_text("path,label\na.wav,x\n")
    else:
        (store.folder / "store.json").write_text(how)


@pytest.mark.parametrize("how", ["bit", "short", "empty", "gone", "index", "{}", "[1]", "not json"])
def test_a_broken_store_is_recognised_and_made_anew(how: str, manifest: Manifest, tmp_path: Path) -> None:
    store = build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    before = content(store.folder)
    damage(store, how)
    with pytest.raises(DatasetError, match="makes it anew") as error:
        FeatureStore.open(store.folder).verify()
    assert "\n" not in str(error.value)
    build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    assert content(store.folder) == before


def test_a_folder_with_other_things_in_it_is_left_alone(manifest: Manifest, tmp_path: Path) -> None:
    store = build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    damage(store, "gone")
    (store.folder / "dear").touch()
    with pytest.raises(DatasetError, match="is no store of features"):
        build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    assert (store.folder / "dear").exists()


def test_clips_that_cannot_be_read_are_all_named(manifest: Manifest, tmp_path: Path) -> None:
    (manifest.folder / "audio/001.wav").write_bytes(b"RIFF, or so it says")
    (manifest.folder / "audio/003.wav").write_bytes(b"")
    with pytest.raises(DatasetError) as error:
        build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    lines = str(error.value).splitlines()
    assert [any(name in line for line in lines) for name in ("001.wav", "003.wav")] == [True, True]
    assert len(lines) == 2
    make_data(manifest.folder)  # mended: what was made of the others is not lost
    assert len(build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")) == N_CLIPS


def test_clips_that_are_missing_are_all_named(manifest: Manifest, tmp_path: Path) -> None:
    shutil.rmtree(manifest.folder / "audio")
    with pytest.raises(DatasetError, match=r"000\.wav cannot be read: No such file(.|\n)*005\.wav"):
        build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    assert not (tmp_path / "stores").exists()


def test_a_full_disk_is_one_line(manifest: Manifest, small_disk: SmallDisk) -> None:
    pipeline = Pipeline.of(SMALL, length_s=300.0)
    with pytest.raises(DatasetError, match="No space left on device"):
        build_store(manifest, pipeline, small_disk.folder)
    assert len(build_store(manifest, Pipeline.of(SMALL), small_disk.folder)) == N_CLIPS


def test_two_at_once_are_one_too_many(manifest: Manifest, tmp_path: Path) -> None:
    pipeline = Pipeline.of(SMALL)
    name = build_store(manifest, pipeline, tmp_path / "first").folder.name
    with (
        whole_folder(tmp_path / "stores" / name, keep=True),
        pytest.raises(DatasetError, match="another process is at work there"),
    ):
        build_store(manifest, pipeline, tmp_path / "stores")


def test_stages_of_ones_own(manifest: Manifest, tmp_path: Path) -> None:
    text = (
        "import numpy as np\n"
        "def stage(parameters):\n"
        "    def energy(samples):\n"
        "        return np.square(samples.reshape(4, -1)).mean(axis=1, keepdims=True)\n"
        "    return energy\n"
    )
    extract = write_stage(tmp_path, text)
    first = build_store(manifest, Pipeline.of(SMALL, length_s=0.2, extract=extract), tmp_path / "stores")
    assert first.features.shape == (N_CLIPS, 4, 1)
    write_stage(tmp_path, text.replace("mean", "max"))  # the same name, another meaning
    second = build_store(manifest, Pipeline.of(SMALL, length_s=0.2, extract=extract), tmp_path / "stores")
    assert np.all(second.features > first.features)
    halves = write_stage(tmp_path, "def stage(ranges):\n    return ranges * 0 + [[[0], [2]]]\n", "half.py")
    third = build_store(
        manifest, Pipeline.of(SMALL, length_s=0.2, extract=extract, normalise=halves), tmp_path / "stores"
    )
    assert np.allclose(third.features, second.features / 2)
    assert np.allclose(third.undo(1), second[1])


@pytest.mark.parametrize(
    ("stage", "text", "message"),
    [
        ("pad", "def stage(samples, n):\n    return samples[: n - 1]\n", "gave \\(3199,\\) for 3200 samples"),
        ("pad", "def stage(samples, n):\n    return 1 / 0\n", "ZeroDivisionError: division by zero"),
        ("extract", "def stage(parameters):\n    return lambda s: s\n", "gave features of shape \\(3200,\\)"),
        ("extract", "def stage(parameters):\n    return lambda s: s[None] / 0\n", "gave what is no number"),
        ("extract", "stage = 3\n", "is no function"),
        ("extract", "def stage(:\n", "SyntaxError"),
        ("load", "x = 1\n", "has no 'stage'"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
def test_a_stage_that_does_not_fit_is_seen_before(
    stage: str, text: str, message: str, tmp_path: Path
) -> None:
    from listener.errors import ListenerError

    with pytest.raises(ListenerError, match=message) as error:
        Pipeline.of(SMALL, length_s=0.2, **{stage: write_stage(tmp_path, text)})
    assert "\n" not in str(error.value)


def test_a_stage_that_fails_on_a_clip_names_it(manifest: Manifest, tmp_path: Path) -> None:
    text = (
        "def stage(samples, n):\n"
        "    if samples.any() and len(samples) > 5000:\n"
        "        raise ValueError('too long for me')\n"
        "    return samples[:n]\n"
    )
    pipeline = Pipeline.of(SMALL, length_s=0.2, pad=write_stage(tmp_path, text))
    with pytest.raises(DatasetError, match=r"003\.wav: --pad .*: ValueError: too long for me"):
        build_store(manifest, pipeline, tmp_path / "stores")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pad": "mirror"}, "--pad mirror: is unknown: there are zeros, centre, repeat, or python:FILE:NAME"),
        ({"save": "int8"}, "--save int8: is unknown: there are float32, float16$"),
        ({"normalise": "hard"}, "--normalise hard: is unknown"),
        ({"length_s": 0.001}, "is --length too short"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Pipeline.of(SMALL, **changes)


def test_features_that_do_not_fit_float16(manifest: Manifest, tmp_path: Path) -> None:
    text = "def stage(parameters):\n    return lambda samples: samples[None] * 1e9 + 1e6\n"
    pipeline = Pipeline.of(SMALL, extract=write_stage(tmp_path, text), save="float16")
    with pytest.raises(DatasetError, match="do not fit into float16: --save float32"):
        build_store(manifest, pipeline, tmp_path / "stores")


def test_a_store_travels_to_another_process(manifest: Manifest, tmp_path: Path) -> None:
    store = build_store(manifest, Pipeline.of(SMALL, normalise="clip"), tmp_path / "stores")
    pickled = pickle.dumps(store)
    assert len(pickled) < 1_000
    assert np.array_equal(pickle.loads(pickled).features, store.features)


def test_the_folder_of_stores_will_do_where_there_is_one(manifest: Manifest, tmp_path: Path) -> None:
    first = build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    assert FeatureStore.open(tmp_path / "stores").key == first.key
    build_store(manifest, Pipeline.of(SMALL, pad="repeat"), tmp_path / "stores")
    with pytest.raises(DatasetError, match="holds several stores, name one of them: household-"):
        FeatureStore.open(tmp_path / "stores")


def test_an_interrupt_keeps_what_is_done(manifest: Manifest, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores", progress=interrupt)
    told: list[int] = []
    build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores", progress=lambda done, _: told.append(done))
    assert told == [4, 5, 6]


def test_nothing_to_do_is_nothing() -> None:
    assert list(results(Pipeline.of(SMALL), Path(), Path(), [], 2)) == []


samples = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=50).map(
    lambda numbers: np.array(numbers, np.float32)
)


@given(samples, st.integers(1, 80))
@pytest.mark.parametrize("name", stages.STAGES["pad"])
def test_padding_keeps_what_there_is_room_for(name: str, sound: Any, n_samples: int) -> None:
    padded = stages.STAGES["pad"][name](sound, n_samples)
    assert padded.shape == (n_samples,)
    assert padded.dtype == np.float32
    kept = min(n_samples, len(sound))
    pieces = [padded[first : first + kept] for first in range(n_samples - kept + 1)]
    originals = [sound[first : first + kept] for first in range(len(sound) - kept + 1)]
    assert any(np.array_equal(a, b) for a in pieces for b in originals)


def test_the_command(manifest: Manifest, tmp_path: Path) -> None:
    arguments = ("dataset", "features", manifest.folder, "--out", tmp_path / "st", "--processes", "2")
    done = program.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    store = FeatureStore.open(tmp_path / "st")
    assert done.stdout.splitlines()[0] == "6 clips, 64 bands, 128 frames, float32, 0.2 MB"
    assert done.stdout.splitlines()[2] == f"written: {store.folder}"
    assert program.run(*arguments).stdout == done.stdout
    wrong = program.run(*arguments, "--preset", "houshold")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("listener: --preset houshold: is unknown: there are tutorial, household")


@pytest.fixture(scope="module")
def digits(data: Path) -> Manifest:
    clips = [clip for clip in read_manifest(data) if clip.dataset == "fsdd"][:200]
    return Manifest(data, tuple(clips))


def test_real_recordings_in_two_processes(digits: Manifest, tmp_path: Path) -> None:
    pipeline = Pipeline.of(PRESETS["db"], length_s=1.0, save="float16")
    store = build_store(digits, pipeline, tmp_path / "stores", processes=2)
    assert store.features.shape[:2] == (200, 257)
    assert 0 <= store.features.min() < store.features.max() <= 1
    store.verify()


def test_a_store_may_be_larger_than_the_memory(tmp_path: Path) -> None:
    n_bytes = 4 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    path = tmp_path / "features.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n_bytes // 4_000_000, 1_000, 1_000))
    mapped = store_module._mapped(path)  # takes no room on the disk either: nothing was written
    mapped[-1, -1, -1] = 1.0
    assert torch.from_numpy(mapped[-1])[-1, -1] == 1.0
