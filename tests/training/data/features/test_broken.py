"""``listener dataset features``: several processes, and what breaks, is killed or runs out of disk."""

import multiprocessing
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from listener.errors import DatasetError
from listener.features import PRESETS
from listener.training.data.clip import Manifest
from listener.training.data.features import FeatureStore, Pipeline, build, build_store
from listener.training.data.whole_folder import whole_folder
from tests.disk import SmallDisk
from tests.training.data.features.small import N_CLIPS, SMALL, content, make_data, write_stage


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


def test_an_interrupt_keeps_what_is_done(manifest: Manifest, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores", progress=interrupt)
    told: list[int] = []
    build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores", progress=lambda done, _: told.append(done))
    assert told == [4, 5, 6]
