"""What a data set is like, in figures: how long, how loud, how silent, how even, what is there twice."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from listener.training.data.check import lookalikes, missing_in_folds
from listener.training.data.clip import Clip, Manifest, by_value
from listener.training.data.deal import group_of
from listener.training.data.doubles import find_doubles
from listener.training.data.listing import Listing
from listener.training.data.manifest import in_order
from listener.training.data.measure import Measured
from listener.training.data.measuring import Progress, measure_all
from listener.training.data.problems import Problem

Figures = dict[str, object]
"""What can be written as JSON: texts, numbers, None, and tables and lists of them."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How one figure is spread over clips."""

    lowest: float
    """Of all."""
    p5: float
    """5 % are below."""
    median: float
    """Half are below."""
    p95: float
    """95 % are below."""
    highest: float
    """Of all."""

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Take the spread of one value or more; minus infinity counts as what it is."""
        ordered = np.sort(np.asarray(list(values), np.float64))
        at = [ordered[round(share * (len(ordered) - 1))] for share in (0, 0.05, 0.5, 0.95, 1)]
        return cls(*(float(value) for value in at))

    def figures(self, digits: int) -> Figures:
        """Give it as JSON, in which minus infinity is None."""
        return {name: _finite(getattr(self, name), digits) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the clips: all of one label, all of one fold, or all."""

    n_clips: int
    """How many."""
    n_groups: int
    """Groups that they come from; where none is known, files."""
    n_labels: int
    """Different labels."""
    seconds: float
    """Of sound, without the digital silence around it."""
    length_s: Spread
    """Of each clip, with the silence around it."""
    level_db: Spread
    """Mean level (RMS) of the file of each clip, in dBFS; minus infinity where it is digitally silent."""
    peak_db: Spread
    """Highest sample of the file of each clip, in dBFS."""
    silent_share: float
    """Of the time of the files, 0 to 1: digital silence."""
    quiet_share: float
    """Of the time of the files, 0 to 1: far below the loudest, digital silence included: see `Measured`."""
    bandwidth_hz: Spread
    """Up to which frequency the file of each clip holds sound."""

    @classmethod
    def of(cls, clips: Sequence[Clip], measured: Mapping[str, Measured]) -> "Part":
        """Sum up one clip or more."""
        files = [measured[clip.path] for clip in clips]
        weights = [file.duration_s for file in files]
        return cls(
            n_clips=len(clips),
            n_groups=len({group_of(clip) for clip in clips}),
            n_labels=len({clip.label for clip in clips}),
            seconds=sum(_sounding_s(clip, file) for clip, file in zip(clips, files, strict=True)),
            length_s=Spread.of(length_s(clip, file) for clip, file in zip(clips, files, strict=True)),
            level_db=Spread.of(file.rms_db for file in files),
            peak_db=Spread.of(file.peak_db for file in files),
            silent_share=float(np.average([file.silent_share for file in files], weights=weights)),
            quiet_share=float(np.average([file.quiet_share for file in files], weights=weights)),
            bandwidth_hz=Spread.of(file.bandwidth_hz for file in files),
        )

    def figures(self) -> Figures:
        """Give it as JSON."""
        return {
            "clips": self.n_clips,
            "groups": self.n_groups,
            "labels": self.n_labels,
            "minutes": round(self.seconds / 60, 3),
            "length_s": self.length_s.figures(3),
            "level_db": self.level_db.figures(1),
            "peak_db": self.peak_db.figures(1),
            "silent_share": round(self.silent_share, 4),
            "quiet_share": round(self.quiet_share, 4),
            "bandwidth_hz": self.bandwidth_hz.figures(0),
        }


@dataclass(frozen=True, slots=True)
class Stats:
    """What a data set is like."""

    listing: Listing
    """Where it comes from."""
    manifest: Manifest
    """Every clip that can be read."""
    measured: dict[str, Measured]
    """Path of each recording: what it is."""
    all: Part
    """Of all clips."""
    by_label: dict[str, Part]
    """Of each label."""
    by_fold: dict[str, Part]
    """Of each fold; the name is empty for clips that are in none."""
    doubles: list[tuple[Clip, ...]]
    """Clips that hold the same sound."""
    problems: tuple[Problem, ...]
    """What cannot be read, or has no label."""

    def count(self, what: str) -> dict[str, int]:
        """Count recordings by ``sample_rate``, ``channels`` or ``encoding``; the most frequent first."""
        counts = Counter(str(getattr(file, what)) for file in self.measured.values())
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def remarks(self) -> list[str]:
        """What somebody should know before training on it."""
        return [
            *self.listing.remarks,
            *lookalikes(self.by_label),
            *missing_in_folds(self.manifest.clips, self.manifest.folds),
        ]

    def figures(self) -> Figures:
        """Give all of it as JSON."""
        return {
            "folder": str(self.manifest.folder),
            "layout": self.listing.layout,
            "all": self.all.figures(),
            "labels": {label: part.figures() for label, part in self.by_label.items()},
            "folds": {fold: part.figures() for fold, part in self.by_fold.items()},
            "recordings": len(self.measured),
            "sample_rates": self.count("sample_rate"),
            "channels": self.count("channels"),
            "encodings": self.count("encoding"),
            "doubles": [[clip.path for clip in same] for same in self.doubles],
            "problems": [str(problem) for problem in self.problems],
            "remarks": self.remarks,
        }


def stats(listing: Listing, progress: Progress | None = None) -> Stats:
    """Look at every recording of a data set.

    Parameters
    ----------
    listing
        The recordings, as the layout names them.
    progress
        Is told how many recordings were looked at, and how many there are.

    Raises
    ------
    DatasetError
        No recording can be read.
    """
    from listener.training.data.problems import refuse

    measured, broken = measure_all(listing.folder, (clip.path for clip in listing.clips), progress, True)
    problems = [*listing.problems, *(Problem(path, what) for path, what in sorted(broken.items()))]
    clips = in_order(clip for clip in listing.clips if clip.path in measured)
    if not clips:
        refuse(problems)
    return Stats(
        listing,
        Manifest(listing.folder, clips),
        measured,
        Part.of(clips, measured),
        _parts(clips, measured, "label"),
        _parts(clips, measured, "fold"),
        find_doubles(clips, measured),
        tuple(problems),
    )


def _parts(clips: Sequence[Clip], measured: Mapping[str, Measured], column: str) -> dict[str, Part]:
    parts: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        parts[clip.column(column)].append(clip)
    return {name: Part.of(parts[name], measured) for name in sorted(parts, key=by_value)}


def length_s(clip: Clip, file: Measured) -> float:
    """How long a clip is, in seconds: the whole file or, of a file with several, its piece."""
    is_piece = clip.first_s > file.first_s + 0.01 or (clip.active_s or np.inf) < file.active_s - 0.01
    return clip.active_s or file.duration_s - clip.first_s if is_piece else file.duration_s


def _sounding_s(clip: Clip, file: Measured) -> float:
    return clip.active_s if clip.active_s is not None else file.active_s


def _finite(value: float, digits: int) -> float | None:
    return round(value, digits) if isfinite(value) else None
