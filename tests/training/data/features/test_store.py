"""``listener dataset features``: the store, which never gives old features for new settings."""

import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from listener.errors import DatasetError
from listener.features import PRESETS
from listener.training.data.clip import Manifest
from listener.training.data.features import FeatureStore, Pipeline, build_store
from listener.training.data.features import store as store_module
from listener.training.data.features.work import results
from listener.training.data.manifest import read_manifest
from tests import program
from tests.training.data.features.small import SMALL, stamps


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


def test_nothing_to_do_is_nothing() -> None:
    assert list(results(Pipeline.of(SMALL), Path(), Path(), [], 2)) == []


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
