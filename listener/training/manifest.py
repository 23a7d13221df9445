"""What there is to train on: the rows of ``clips.csv`` that a recipe asks for.

Clips of one fold share their sources with no other fold, so a split by folds is a
split by sources. A recording outside of any fold (a background) is given one here,
in turn, so that each is heard by some model of a cross-validation for the first time.
"""

import csv
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from listener.errors import DatasetError
from listener.training.recipe import Recipe

MANIFEST = "clips.csv"
PROBLEMS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording."""

    path: str
    """Relative to the folder of the data."""
    dataset: str
    """Where it was collected."""
    label: str
    """What is heard in it."""
    fold: int
    """From 1; clips of two folds never share a source."""
    event: bool
    """It came with a fold: a clip of one sound, fit to be judged by; False for a background."""
    esc10: bool
    """Its label is among the ten of ESC-10."""
    lead_silence_s: float
    """Digital silence before the sound, in seconds."""
    active_s: float
    """Length of the sound after it, in seconds; the rest is digital silence."""
    title: str
    author: str
    licence: str
    source_url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The clips that a recipe uses, in the order of their paths."""

    folder: Path
    clips: tuple[Clip, ...]

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    @property
    def sha256(self) -> str:
        """Hash of what decides the training: each clip's content, label, cut and fold."""
        rows = (f"{c.path},{c.label},{c.fold},{c.lead_silence_s},{c.active_s},{c.sha256}" for c in self.clips)
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    def without(self, folds: Collection[int]) -> "Manifest":
        """Leave some folds out."""
        return Manifest(self.folder, tuple(clip for clip in self.clips if clip.fold not in folds))

    def only(self, folds: Collection[int]) -> "Manifest":
        """Keep nothing but some folds."""
        return Manifest(self.folder, tuple(clip for clip in self.clips if clip.fold in folds))


def read_manifest(folder: Path, recipe: Recipe) -> Manifest:
    """Choose the clips of a recipe.

    Only rows with ``clean`` = 1 are used: their licences allow to publish what was learnt.

    Raises
    ------
    DatasetError
        The folder, the manifest or a clip is missing, a row is broken, or a label has no clip.
    """
    clips, problems = [], []
    for number, row in enumerate(_rows(folder), start=2):
        try:
            wanted = row["dataset"] in recipe.data.datasets and row["label"] not in recipe.data.leave_out
            if wanted and row["clean"] == "1":
                clips.append(_clip(row))
        except (KeyError, ValueError) as error:
            problems.append(f"{folder / MANIFEST}, line {number}: {_reason(error)}")
    clips = _with_folds(clips, recipe, folder)
    problems += [f"{folder / clip.path}: is missing" for clip in clips if not (folder / clip.path).is_file()]
    problems += _empty_labels(folder, clips, recipe)
    refuse(problems)
    return Manifest(folder, tuple(clips))


def refuse(problems: list[str]) -> None:
    """Raise a `DatasetError` that lists the problems, if there are any."""
    if not problems:
        return
    shown = problems[:PROBLEMS_SHOWN]
    if len(problems) > len(shown):
        shown.append(f"... and {len(problems) - len(shown)} more")
    raise DatasetError("\n".join(shown))


def _rows(folder: Path) -> list[dict[str, str]]:
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder: --data names the one that holds {MANIFEST}")
    try:
        with (folder / MANIFEST).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise DatasetError(f"{folder / MANIFEST}: is missing: it lists the clips, one a row") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{folder / MANIFEST}: cannot be read: {error}") from error


def _clip(row: dict[str, str]) -> Clip:
    if not row["label"]:
        raise ValueError("has no label")
    return Clip(
        path=row["path"],
        dataset=row["dataset"],
        label=row["label"],
        fold=int(row["fold"] or 0),
        event=row["fold"] != "",
        esc10=row["esc10"] == "1",
        lead_silence_s=float(row["lead_silence_s"]),
        active_s=float(row["active_s"]),
        title=row["title"],
        author=row["author"],
        licence=row["licence_clip"],
        source_url=row["source_url"],
        sha256=row["sha256"],
    )


def _reason(error: Exception) -> str:
    return f"there is no column {error}" if isinstance(error, KeyError) else str(error)


def _with_folds(clips: list[Clip], recipe: Recipe, folder: Path) -> list[Clip]:
    """Give those without a fold one: that of the stream which they lie under, else each in turn."""
    streams, folds = recipe.streams, recipe.folds
    streamed = _backgrounds(folder / streams.folder / streams.negative) if streams else set()
    loose = sorted((clip for clip in clips if clip.fold == 0), key=lambda clip: (clip.label, clip.path))
    dealt = [replace(clip, fold=folds[i % len(folds)]) for i, clip in enumerate(loose)]
    if streams:
        fold = streams.folds[streams.negative]
        dealt = [replace(clip, fold=fold) if clip.path in streamed else clip for clip in dealt]
    fixed = [clip for clip in clips if clip.fold in folds]
    return sorted(fixed + dealt, key=lambda clip: clip.path)


def _backgrounds(stream: Path) -> set[str]:
    """Paths of the recordings that a stream lies on, as its ``NAME_background.csv`` names them."""
    path = stream.with_name(f"{stream.name}_background.csv")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["recording"] for row in csv.DictReader(file)}
    except (OSError, KeyError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error


def _empty_labels(folder: Path, clips: list[Clip], recipe: Recipe) -> list[str]:
    wanted = [label for label in recipe.labels if label not in recipe.synthetic]
    found = {(clip.label, clip.fold) for clip in clips}
    return [
        f"{folder / MANIFEST}: label '{label}' has no usable clip in fold {fold}"
        for label in wanted
        for fold in recipe.folds
        if (label, fold) not in found
    ]
