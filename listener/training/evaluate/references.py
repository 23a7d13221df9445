"""What happens in a stream, as somebody wrote it down.

A stream is a recording with ``NAME.csv`` beside it: ``onset_s``, ``offset_s``, ``label`` and, where they
are known, ``kind`` (``target`` or ``distractor``) and ``snr_db``; or with ``NAME.txt``, a label track of
Audacity. Where there is neither, nothing happens that has a label: a negative stream.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from listener.errors import AudioFileError, DatasetError
from listener.sources.audiofile import find_recordings
from listener.training.data.manifest import refuse

REQUIRED = ("onset_s", "offset_s", "label")
KINDS = ("target", "distractor")


@dataclass(frozen=True, slots=True)
class Happening:
    """One sound in a stream."""

    label: str
    onset_s: float
    offset_s: float
    is_target: bool = True
    """It is to be found; else it is there to mislead."""
    snr_db: float | None = None
    """Above what else is heard; None where that is not known."""
    clip_id: str = ""
    """What it was made of, where somebody noted it."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A recording and what happens in it."""

    path: Path
    happenings: tuple[Happening, ...]
    """Sorted by onset."""

    @property
    def name(self) -> str:
        """The file's, without its ending."""
        return self.path.stem

    @property
    def targets(self) -> tuple[Happening, ...]:
        """What is to be found."""
        return tuple(one for one in self.happenings if one.is_target)

    @property
    def is_negative(self) -> bool:
        """Whether there is nothing to be found."""
        return not self.targets


def find_streams(folder: Path) -> list[Stream]:
    """Find the recordings below a folder, and read what happens in each.

    Raises
    ------
    DatasetError
        There is none, two share a name, or a reference is broken; every broken row is named.
    """
    try:
        paths = find_recordings(folder) if folder.is_dir() else []
    except AudioFileError as error:
        raise DatasetError(str(error)) from error
    if not paths:
        raise DatasetError(f"{folder}: there is no such folder: --streams names one with recordings")
    twice = [name for name, count in Counter(path.with_suffix("") for path in paths).items() if count > 1]
    problems = [f"{name}.*: two recordings of this name share one reference" for name in twice]
    streams = []
    for path in paths:
        try:
            streams.append(Stream(path, read_reference(path)))
        except DatasetError as error:
            problems += str(error).splitlines()
    refuse(problems)
    return streams


def read_reference(recording: Path) -> tuple[Happening, ...]:
    """Read what happens in a recording; nothing, where no reference lies beside it.

    Raises
    ------
    DatasetError
        The reference cannot be read; every broken row is named.
    """
    for suffix, read in ((".csv", _csv_rows), (".txt", _audacity_rows)):
        path = recording.with_suffix(suffix)
        if not path.is_file():
            continue
        found, problems = [], []
        for number, row in read(path):
            try:
                found.append(_happening(row))
            except ValueError as error:
                problems.append(f"{path}, line {number}: {error}")
        refuse(problems)
        return tuple(sorted(found, key=lambda one: (one.onset_s, one.label)))
    return ()


def _csv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    reader = csv.DictReader(StringIO(_text(path), newline=""))
    missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
    refuse([f"{path}: there is no column '{name}'" for name in missing])
    try:
        for row in reader:
            yield reader.line_num, {key: value or "" for key, value in row.items() if key is not None}
    except csv.Error as error:
        raise DatasetError(f"{path}, line {reader.line_num}: cannot be read: {error}") from error


def _audacity_rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    for number, line in enumerate(_text(path).split("\n"), start=1):  # U+2028 ends no line
        if line.strip() and not line.startswith("\\"):  # such a line says between which frequencies
            yield number, dict(zip(REQUIRED, [*line.split("\t"), "", ""], strict=False))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error


def _happening(row: Mapping[str, str]) -> Happening:
    label, kind = row["label"].strip(), row.get("kind", "").strip() or "target"
    if not label:
        raise ValueError("has no label")
    if kind not in KINDS:
        raise ValueError(f"kind must be target or distractor, not {kind!r}")
    onset_s, offset_s = _number("onset_s", row["onset_s"]), _number("offset_s", row["offset_s"])
    if not 0 <= onset_s < offset_s:
        raise ValueError(f"must be 0 <= onset_s < offset_s: {onset_s:g}, {offset_s:g}")
    snr_db = _number("snr_db", row["snr_db"]) if row.get("snr_db") else None
    return Happening(label, onset_s, offset_s, kind == "target", snr_db, row.get("clip_id", ""))


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is no number: {text!r}") from None
    if not -1e9 < value < 1e9:
        raise ValueError(f"{name} is no number that can be: {text!r}")
    return value
