"""A folder of features that is mapped into memory: what is looked at is read, and no more.

features.npy  (n_clips, n_mels, n_frames)
ranges.npy    (n_clips, 2, n_mels): lowest and highest value of each band before it was normalised
bounds.npy    (n_clips, 2, n_mels): what became 0 and 1; missing where nothing was normalised
checks.npy    (n_clips,): CRC-32 of each clip's features
index.csv     the clips, a manifest
store.json    how it was made
"""

import json
import mmap
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from listener.errors import DatasetError, printable
from listener.training.data.clip import Clip
from listener.training.data.features.pipeline import FORMAT, Pipeline
from listener.training.data.manifest import read_manifest

if TYPE_CHECKING:
    import torch

NAMES = ("features.npy", "ranges.npy", "bounds.npy", "checks.npy", "index.csv", "store.json")
"""What may lie in the folder of a store."""

_NO_RESERVE = 0x4000 if sys.platform == "linux" else 0
"""``MAP_NORESERVE``, for which Python 3.11 has no name."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureStore:
    """Features of clips, opened with `open`; it can be handed to other processes, which map the same file."""

    folder: Path
    """Where it lies."""

    key: str
    """Hash of everything that the features depend on."""

    pipeline: Pipeline
    """How they were made."""

    clips: tuple[Clip, ...]
    """In the order of the features."""

    features: NDArray[Any]
    """Shape (n_clips, n_mels, n_frames), mapped: what is written to it is seen by nobody else."""

    ranges: NDArray[np.float32]
    """Lowest and highest value of each band of each clip before it was normalised: (n_clips, 2, n_mels)."""

    bounds: NDArray[np.float32] | None
    """What became 0 and 1, in the same shape; None where nothing was normalised."""

    @classmethod
    def open(cls, folder: Path) -> "FeatureStore":
        """Open a store.

        Parameters
        ----------
        folder
            Its own, or the one above if there is but one in it.

        Raises
        ------
        DatasetError
            There is none, several, or it is broken; the message names it.
        """
        folder = _own_folder(folder)
        try:
            told = json.loads((folder / "store.json").read_text(encoding="utf-8"))
            if told["format"] != FORMAT:
                raise _broken(folder, f"is of format {told['format']}, not {FORMAT}")
            bounds_path = folder / "bounds.npy"
            store = cls(
                folder,
                told["key"],
                Pipeline.from_json(told["pipeline"]),
                read_manifest(folder, "index.csv").clips,
                _mapped(folder / "features.npy"),
                np.load(folder / "ranges.npy", mmap_mode="c"),
                np.load(bounds_path, mmap_mode="c") if told["pipeline"]["normalise"] != "none" else None,
            )
            shape = tuple(told["shape"])
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise _broken(folder, f"cannot be read: {error}") from error
        if store.features.shape != shape or len(store.clips) != len(store):
            raise _broken(folder, "its files do not belong together")
        return store

    def __len__(self) -> int:
        """How many clips."""
        return len(self.features)

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Features of a clip as they are kept, (n_mels, n_frames): a view, read when it is looked at."""
        row: NDArray[Any] = self.features[index]
        return row

    def undo(self, index: int) -> NDArray[np.float32]:
        """Features of a clip before they were normalised, to within the rounding of the format."""
        row = np.asarray(self[index], np.float32)
        if self.bounds is None:
            return row
        lowest, highest = (each[:, np.newaxis] for each in self.bounds[index])
        return np.asarray(row * (highest - lowest) + lowest, np.float32)

    @property
    def lowest(self) -> NDArray[np.float32]:
        """Lowest value of each band before it was normalised, (n_mels,)."""
        return np.asarray(self.ranges[:, 0].min(axis=0))

    @property
    def highest(self) -> NDArray[np.float32]:
        """Highest value of each band before it was normalised, (n_mels,)."""
        return np.asarray(self.ranges[:, 1].max(axis=0))

    def to_torch(self, index: int | None = None) -> "torch.Tensor":
        """Features of a clip, or of all, as a tensor that shares the mapped memory."""
        import torch

        return torch.from_numpy(np.asarray(self.features if index is None else self[index]))

    def verify(self) -> None:
        """Read everything and compare it with its check sums.

        Raises
        ------
        DatasetError
            Something has changed since it was written.
        """
        try:
            checks = np.load(self.folder / "checks.npy")
        except (OSError, ValueError, EOFError) as error:
            raise _broken(self.folder, f"cannot be read: {error}") from error
        if len(checks) != len(self):
            raise _broken(self.folder, "its files do not belong together")
        for index in range(len(self)):
            if check_of(self.features[index]) != checks[index]:
                raise _broken(self.folder, f"features of {self.clips[index].path} are not what was written")

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens it anew."""
        return FeatureStore.open, (self.folder,)


def _mapped(path: Path) -> NDArray[Any]:
    """Map an array so that it may be written to, for torch wants that, and the file never changes.

    No memory is set aside for what might be written: numpy's own way to do this is refused where the
    file is larger than the memory.
    """
    found = np.load(path, mmap_mode="r")
    with path.open("rb") as file:
        mapped = mmap.mmap(
            file.fileno(),
            0,
            flags=mmap.MAP_PRIVATE | _NO_RESERVE,
            prot=mmap.PROT_READ | mmap.PROT_WRITE,
        )
    return np.ndarray(found.shape, found.dtype, mapped, found.offset)


def check_of(row: NDArray[Any]) -> int:
    """CRC-32 of a clip's features."""
    return zlib.crc32(np.ascontiguousarray(row).data)


def _own_folder(folder: Path) -> Path:
    if (folder / "store.json").is_file():
        return folder
    below = sorted(
        path.parent for path in folder.glob("*/store.json") if not path.parent.name.startswith(".")
    )
    if len(below) > 1:
        names = ", ".join(path.name for path in below)
        raise DatasetError(f"{printable(folder)}: holds several stores, name one of them: {printable(names)}")
    if not below:
        raise DatasetError(
            f"{printable(folder)}: holds no features: 'listener dataset features DATA --out' makes them"
        )
    return below[0]


def _broken(folder: Path, problem: str) -> DatasetError:
    return DatasetError(f"{printable(folder)}: {problem}: 'listener dataset features' makes it anew")
