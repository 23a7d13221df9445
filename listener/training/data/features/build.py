"""Filling a store: by several processes, in as many goes as it takes, and never half."""

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from listener.errors import DatasetError, printable
from listener.training.data.clip import Clip, Manifest
from listener.training.data.features.pipeline import FORMAT, Pipeline, Runner
from listener.training.data.features.store import NAMES, FeatureStore, check_of
from listener.training.data.features.work import Done, Task, results
from listener.training.data.manifest import refuse, write_manifest
from listener.training.data.whole_folder import whole_folder

KEPT_EVERY_S, KEPT_EVERY = 10.0, 256
"""After so long, or so many clips, what is done is brought to the disk: a crash costs no more."""

Progress = Callable[[int, int], None]
"""Is told how many clips are done, and how many there are."""

log = logging.getLogger(__name__)


def build_store(
    manifest: Manifest,
    pipeline: Pipeline,
    out: Path,
    processes: int = 1,
    progress: Progress | None = None,
) -> FeatureStore:
    """Make the features of all clips of a manifest, or find them made.

    They lie in a folder of ``out`` whose name holds a hash of the pipeline and of the clips' content: with
    other parameters, code or recordings it is another one. What was interrupted is gone on with; what is
    broken is made anew.

    Parameters
    ----------
    manifest
        The clips; their labels and folds are noted in the store, but nothing depends on them.
    pipeline
        What to make of them.
    out
        Folder of stores.
    processes
        How many work; more than one are started anew (``spawn``), so a script that calls this guards its main
        part with ``if __name__ == "__main__"``.
    progress
        Is told how far it is.

    Raises
    ------
    DatasetError
        Clips cannot be read (all are named), the disk is full, or another process is making it.
    ConfigError
        A stage does not fit.
    """
    clips = tuple(sorted(manifest, key=lambda clip: (clip.path, clip.first_s)))
    key = pipeline.key(_contents(manifest.folder, clips))
    folder = out / f"{pipeline.parameters.preset}-{key[:16]}"
    if (found := _found(folder, clips)) is not None:
        return found
    with whole_folder(folder, keep=True) as unfinished:
        building = _Building(unfinished, clips, pipeline)
        try:
            building.extract(manifest.folder, processes, progress)
        finally:
            building.keep()
        building.finish(key)
    return FeatureStore.open(folder)


class _Building:
    """The folder of a store that is being made.

    Parameters
    ----------
    folder
        What is in it is gone on with, if it is whole.
    clips, pipeline
        What becomes of what.
    """

    def __init__(self, folder: Path, clips: Sequence[Clip], pipeline: Pipeline) -> None:
        n_mels, n_frames = Runner(pipeline).try_on_silence()
        self._folder = folder
        self._clips = clips
        self._pipeline = pipeline
        self._shape = (len(clips), n_mels, n_frames)
        # As extracted: where nothing is made of it, these are the features.
        is_final = pipeline.normalise == "none" and pipeline.save == "float32"
        self.raw_name = "features.npy" if is_final else "raw.npy"
        self._raw = _array(folder / self.raw_name, self._shape, np.float32)
        self._ranges = _array(folder / "ranges.npy", (len(clips), 2, n_mels), np.float32)
        self._checks = _array(folder / "checks.npy", (len(clips),), np.uint32)
        self._is_done = _array(folder / "done.npy", (len(clips),), np.bool_)
        self._new: list[Done] = []
        self._kept_at = time.monotonic()
        for index in np.flatnonzero(self._is_done):
            self._is_done[index] = check_of(self._raw[index]) == self._checks[index]

    def extract(self, source: Path, processes: int, progress: Progress | None) -> None:
        """Make what is missing."""
        missing = np.flatnonzero(~self._is_done)
        n_done = len(self._clips) - len(missing)
        if progress is not None:
            progress(n_done, len(self._clips))
        tasks = [
            Task(index, source / self._clips[index].path, self._clips[index]) for index in map(int, missing)
        ]
        problems = []
        for done in results(
            self._pipeline, self._folder / self.raw_name, self._ranges_path, tasks, processes
        ):
            n_done += 1
            if done.problem is not None:
                problems.append(done.problem)
            else:
                self._note(done)
            if progress is not None:
                progress(n_done, len(self._clips))
        refuse(problems)

    @property
    def _ranges_path(self) -> Path:
        return self._folder / "ranges.npy"

    def _note(self, done: Done) -> None:
        self._new.append(done)
        if len(self._new) >= KEPT_EVERY or time.monotonic() - self._kept_at > KEPT_EVERY_S:
            self.keep()

    def keep(self) -> None:
        """Bring to the disk what is done, and only then note that it is."""
        if not self._new:
            return
        for name in (self.raw_name, "ranges.npy"):
            _sync(self._folder / name)
        for done in self._new:
            self._checks[done.index] = done.check
        self._checks.flush()
        self._is_done[[done.index for done in self._new]] = True
        self._is_done.flush()
        self._new = []
        self._kept_at = time.monotonic()

    def finish(self, key: str) -> None:
        """Normalise, and write what belongs to a store and no more."""
        bounds = self._pipeline.bounds(np.asarray(self._ranges))
        if self.raw_name != "features.npy":
            self._normalise(bounds)
            (self._folder / "raw.npy").unlink()
        if bounds is not None:
            np.save(self._folder / "bounds.npy", bounds)
        (self._folder / "done.npy").unlink()
        write_manifest(self._folder / "index.csv", self._clips)
        told = {
            "format": FORMAT,
            "key": key,
            "shape": self._shape,
            "pipeline": self._pipeline.as_json(),
        }
        (self._folder / "store.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")

    def _normalise(self, bounds: NDArray[np.float32] | None) -> None:
        features = _array(self._folder / "features.npy", self._shape, self._pipeline.dtype)
        checks = np.zeros(len(self._clips), np.uint32)
        for index, row in enumerate(self._raw):
            if bounds is not None:
                lowest, highest = (each[:, np.newaxis] for each in bounds[index])
                span = highest - lowest
                row = (row - lowest) / np.where(span > 0, span, np.float32(1))
            with np.errstate(over="ignore"):
                features[index] = row
            if not np.isfinite(features[index]).all():
                raise DatasetError(
                    f"{printable(self._clips[index].path)}: its features do not fit into "
                    f"{self._pipeline.save}: --save float32"
                )
            checks[index] = check_of(features[index])
        features.flush()
        # `self._checks` goes on telling of what was extracted: this may be cut off, too.
        np.save(self._folder / "final.npy", checks)
        (self._folder / "final.npy").replace(self._folder / "checks.npy")


def _contents(folder: Path, clips: Sequence[Clip]) -> list[tuple[Clip, str]]:
    """Hash the file of each clip: what a manifest says of it may be of yesterday."""
    digests: dict[str, str] = {}
    problems = []
    for path in dict.fromkeys(clip.path for clip in clips):
        try:
            with (folder / path).open("rb") as file:
                digests[path] = file_digest(file, "sha256").hexdigest()
        except OSError as error:
            problems.append(f"{printable(folder / path)} cannot be read: {error.strerror}")
    refuse(problems)
    return [(clip, digests[clip.path]) for clip in clips]


def _found(folder: Path, clips: Sequence[Clip]) -> FeatureStore | None:
    """Give the store that is there, with the labels of today; a broken one is removed."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    try:
        store = FeatureStore.open(folder)
        store.verify()
    except DatasetError as error:
        if not all(path.name in NAMES for path in folder.iterdir()):
            raise DatasetError(
                f"{printable(folder)}: is no store of features: --out names another"
            ) from error
        log.warning("%s", error)
        shutil.rmtree(folder)
        return None
    if store.clips != tuple(clips):
        write_manifest(folder / "index.csv", clips)
        return replace(store, clips=tuple(clips))
    return store


def _array(path: Path, shape: tuple[int, ...], dtype: Any) -> Any:
    """Map an array of this shape: the one that is there, or zeros, with all their room on the disk.

    Without that room a full disk would end the process (SIGBUS) where it writes.
    """
    try:
        found = np.lib.format.open_memmap(path, mode="r+")
        if found.shape == shape and found.dtype == dtype:
            return found
    except (OSError, ValueError, EOFError):
        pass
    path.unlink(missing_ok=True)
    made = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    try:
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError:
        path.unlink()
        raise
    return made


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
