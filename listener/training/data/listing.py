"""What a folder says of its recordings, before anybody has listened to one."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path, PurePosixPath

from listener.audio import RECORDING_SUFFIXES
from listener.errors import DatasetError, printable
from listener.training.data.clip import Clip
from listener.training.data.problems import Problem

MIN_S = 0.5
"""Shorter recordings are hardly ever a whole sound."""


MOST = 0.9
"""Share of the recordings whose names must be of one form to be taken for a sign."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The recordings of a data set, as its layout names them."""

    folder: Path
    """What the clips' paths are relative to."""

    layout: str
    """How it lies on the disk."""

    known_by: str
    """What told the layout: ``meta/esc50.csv``."""

    clips: tuple[Clip, ...]
    """Whatever has a label; there may be no such file, or no sound in it."""

    group_is: str = ""
    """What the clips of a group share: ``source recording``, ``speaker``; empty where no group is known."""

    problems: tuple[Problem, ...] = ()
    """What was left out already, since it has no label, or none that is known."""

    labels: tuple[str, ...] = ()
    """Labels that should have clips, for the folder, or a list in it, names them."""

    remarks: tuple[str, ...] = ()
    """What the user may want to know."""

    min_s: float = MIN_S
    """Shorter recordings are left out unless somebody says otherwise, in seconds."""


@dataclass(frozen=True, slots=True)
class Options:
    """What somebody says of a layout that cannot be seen."""

    table: str | None = None
    """The CSV file that names the recordings, relative to the folder; None: the only one there is."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Column of a manifest: what that CSV file calls it; an empty text: it does not have it."""


class Strength(IntEnum):
    """How surely a sign tells a layout; the surer one counts."""

    A_RESULT = 0
    """A manifest that a scan may have written: what it was made from says more."""

    FOLDERS = 1
    """Recordings lie in folders, as they may for any reason."""

    NAMES = 2
    """Recordings are called as they are in one data set."""

    TABLE = 3
    """A table names the recordings."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What in a folder shows its layout."""

    what: str
    """For whoever wonders why: ``meta/esc50.csv``."""

    strength: Strength
    """How surely."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which data sets lie on the disk."""

    name: str
    """As it is chosen."""

    recognise: Callable[[Path, Options], Sign | None]
    """What in a folder shows it; None: nothing does."""

    read: Callable[[Path, Options], Listing]
    """List the clips of a folder; raises `DatasetError` where it is not laid out so."""


@dataclass(frozen=True, slots=True)
class Files:
    """What lies below a folder."""

    recordings: tuple[str, ...]
    """Paths relative to the folder, sorted; hidden ones are left out."""

    folders: tuple[str, ...]
    """Names of the folders directly below, sorted; hidden ones are left out."""

    problems: tuple[Problem, ...]
    """Folders that cannot be looked into, and names that no manifest can hold."""


def find_files(folder: Path) -> Files:
    """Look for recordings below a folder; links to folders are followed, each folder is entered once.

    Raises
    ------
    DatasetError
        There is no such folder, or it cannot be read.
    """
    if not folder.is_dir():
        raise DatasetError(f"{printable(folder)}: there is no such folder")
    recordings: list[str] = []
    problems: list[Problem] = []
    folders: list[str] = []
    entered: set[tuple[int, int]] = set()
    _is_new(folder, entered)

    def note(error: OSError) -> None:
        problems.append(Problem(printable(error.filename), f"cannot be read: {error.strerror}"))

    for parent, names, files in os.walk(folder, onerror=note, followlinks=True):
        # In the order of names, so that of two ways into a folder the same is taken each time.
        names[:] = sorted(
            name for name in names if _is_visible(name) and _is_new(Path(parent, name), entered)
        )
        if parent == str(folder):
            folders = list(names)
        found = (name for name in files if _is_visible(name) and _is_recording(name))
        recordings += [Path(parent, name).relative_to(folder).as_posix() for name in found]
    if problems and problems[0].where == printable(folder):
        raise DatasetError(str(problems[0]))
    bad = {path for path in recordings if not _is_text(path)}
    problems += [
        Problem(printable(folder / path), "its name is not UTF-8: rename it") for path in sorted(bad)
    ]
    return Files(tuple(sorted(set(recordings) - bad)), tuple(folders), tuple(problems))


def most_are_called(name: re.Pattern[str], like: str, recordings: Sequence[str]) -> Sign | None:
    """Take names of one form for the sign of a data set, where nearly all recordings have one."""
    n_fitting = sum(name.fullmatch(stem(path)) is not None for path in recordings)
    if n_fitting == 0 or n_fitting < MOST * len(recordings):
        return None
    return Sign(f"{n_fitting} names like {like}", Strength.NAMES)


def stem(path: str) -> str:
    """Name of a file without its folder and its ending."""
    return PurePosixPath(path).stem


def _is_visible(name: str) -> bool:
    return not name.startswith(".")


def _is_recording(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in RECORDING_SUFFIXES


def _is_new(folder: Path, entered: set[tuple[int, int]]) -> bool:
    """Say whether a folder was not entered yet; a link may lead back to one that was."""
    try:
        state = folder.stat()
    except OSError:
        return True  # walking into it will tell
    is_new = (state.st_dev, state.st_ino) not in entered
    entered.add((state.st_dev, state.st_ino))
    return is_new


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
