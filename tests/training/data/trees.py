"""Small data sets, made up in each of the known layouts."""

import csv
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from listener.errors import DatasetError
from listener.training.data.clip import Clip
from listener.training.data.layouts import list_dataset
from listener.training.data.listing import Options
from listener.training.data.scan import Scan, ScanOptions, scan

RATE = 8_000
URBANSOUND8K = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")
ESC50 = ("filename", "fold", "target", "category", "esc10", "src_file", "take")


def noise(seed: int, seconds: float = 0.6, rate: int = RATE) -> NDArray[np.float32]:
    """Noise at -20 dBFS; another one for each seed."""
    rng = np.random.default_rng(seed)
    return np.clip(0.1 * rng.standard_normal(round(seconds * rate)), -0.9, 0.9).astype(np.float32)


def write(path: Path, samples: NDArray[Any], subtype: str = "PCM_16", rate: int = RATE) -> Path:
    """Write a recording, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if subtype == "PCM_16":  # encoders round each in its own way
        samples = np.clip(np.round(samples * 32_768), -32_768, 32_767).astype(np.int16)
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def write_table(
    path: Path, headings: Sequence[str], rows: Sequence[Sequence[object]], delimiter: str = ","
) -> Path:
    """Write a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([headings, *rows])
    return path


def folders(folder: Path, labels: Sequence[str] = ("bell", "dog"), n_clips: int = 4) -> Path:
    """A folder for each label."""
    for number, label in enumerate(labels):
        for take in range(n_clips):
            write(folder / label / f"{take}.wav", noise(100 * number + take))
    return folder


def urbansound8k(folder: Path, n_folds: int = 3) -> Path:
    """Two labels; from each source two slices, which share its fold."""
    rows = []
    for fold in range(1, n_folds + 1):
        for target, label in enumerate(("air_conditioner", "dog_bark")):
            for take in range(2):
                source = 1_000 + 10 * fold + target
                name = f"{source}-{target}-0-{take}.wav"
                write(folder / "audio" / f"fold{fold}" / name, noise(100 * source + take))
                rows.append((name, source, 0.5 * take, 0.5 * take + 0.6, 1, fold, target, label))
    write_table(folder / "metadata" / "UrbanSound8K.csv", URBANSOUND8K, rows)
    return folder


def esc50(folder: Path, with_table: bool = True) -> Path:
    """Three labels, of which the first two are in ESC-10; from each source two takes."""
    rows = []
    for fold in (1, 2):
        for target, label in ((0, "dog"), (1, "rooster"), (9, "crow")):
            for take in "AB":
                source = 100 * fold + target
                name = f"{fold}-{source}-{take}-{target}.wav"
                write(folder / "audio" / name, noise(1_000 * source + ord(take)))
                rows.append((name, fold, target, label, target < 2, source, take))
    if with_table:
        write_table(folder / "meta" / "esc50.csv", ESC50, rows)
    return folder


def fsdd(folder: Path, speakers: Sequence[str] = ("ada", "bob"), takes: Sequence[int] = (0, 4, 5)) -> Path:
    """Two digits."""
    for speaker in speakers:
        for digit in range(2):
            for take in takes:
                seed = hash_of(speaker, digit, take)
                write(folder / "recordings" / f"{digit}_{speaker}_{take}.wav", noise(seed, 0.3))
    return folder


def lists(folder: Path) -> Path:
    """The tutorial's: paths from the folder above on, labels as numbers."""
    for number in range(6):
        write(folder / "audio" / f"{number}.wav", noise(number))
    (folder / "label_list.txt").write_text("bell\ndog\n")
    for name, numbers in (("train", (0, 1, 2, 3)), ("test", (4, 5))):
        lines = [f"{folder.name}/audio/{number}.wav\t{number % 2}\n" for number in numbers]
        (folder / f"{name}_list.txt").write_text("".join(lines))
    return folder


def hash_of(*parts: object) -> int:
    """The same number for the same parts, in every process."""
    return zlib.crc32("-".join(map(str, parts)).encode())


def look(folder: Path, layout: str = "auto", options: ScanOptions | None = None, **listed: object) -> Scan:
    """Scan a folder."""
    return scan(list_dataset(folder, layout, Options(**listed)), options)  # type: ignore[arg-type]


def clip_of(found: Scan, path: str) -> Clip:
    """The clip of a file."""
    return next(clip for clip in found.manifest if clip.path == path)


def refused(folder: Path, layout: str = "auto", options: ScanOptions | None = None) -> list[str]:
    """What a scan complains of."""
    with pytest.raises(DatasetError) as error:
        look(folder, layout, options)
    return str(error.value).replace(f"{folder}/", "").splitlines()
