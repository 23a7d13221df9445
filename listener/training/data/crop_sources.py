"""What is to be cut: recordings of manifests, of folders, and single ones; and what pieces are called."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from listener.errors import AudioFileError, DatasetError, printable
from listener.files import is_file
from listener.sources.audiofile import find_recordings
from listener.training.data.clip import Clip
from listener.training.data.manifest import MANIFEST_NAMES, read_manifest, refuse

LONGEST_NAME = 100
"""Characters of a piece's name that come from its recording's."""


@dataclass(frozen=True, slots=True)
class Source:
    """A clip to be cut."""

    path: Path
    """Of its recording."""

    clip: Clip
    """What is known of it."""

    name: str
    """Of the recording, and of no other; pieces of one recording have it as their group."""

    folder: Path | None = None
    """The folder that was asked for; None where it was the recording itself."""


def find_sources(inputs: Sequence[Path], label: str | None = None) -> list[Source]:
    """Find what is to be cut.

    Parameters
    ----------
    inputs
        Manifests (``.csv``), folders and recordings. Of a folder its manifest is taken; without one, the
        recordings in its sub-folders, which give them their labels.
    label
        Of recordings that have none.

    Returns
    -------
    list of Source
        No piece of a recording twice.

    Raises
    ------
    DatasetError
        Inputs that are missing, or recordings without a label; all are named.
    """
    problems: list[str] = []
    found: dict[tuple[Path, float], Source] = {}
    names: dict[str, Path] = {}
    for path in inputs:
        try:
            for source in _sources_of(path, label):
                real = source.path.resolve()
                name = _own_name(source.name, real, names)
                known = replace(source, name=name)
                found.setdefault((real, source.clip.first_s), known)
        except (DatasetError, AudioFileError) as error:
            problems.append(str(error))
    problems += [f"{printable(s.path)}: is missing" for s in found.values() if not is_file(s.path)]
    refuse(problems + _without_label(list(found.values())))
    return list(found.values())


def piece_names(sources: Sequence[Source]) -> list[str]:
    """Give each source the beginning of its pieces' paths, ``label/recording``; no two are alike."""
    names = []
    taken: set[str] = set()
    for source in sources:
        stem = _plain(re.sub(r"\.[^./]*$", "", source.name))[-LONGEST_NAME:]
        wanted = f"{_plain(source.clip.label)}/{stem}"
        name = wanted
        number = 1
        while name.casefold() in taken:  # on some disks, case makes no difference
            number += 1
            name = f"{wanted}~{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _sources_of(path: Path, label: str | None) -> Iterator[Source]:
    if path.is_dir():
        if any((path / name).is_file() for name in MANIFEST_NAMES):
            yield from _of_manifest(path, None)
        else:
            yield from _of_folder(path, label)
    elif path.suffix.lower() == ".csv":
        if not path.is_file():
            raise DatasetError(f"{printable(path)}: there is no such manifest")
        yield from _of_manifest(path.parent, path.name)
    elif is_file(path):
        yield Source(path, Clip(path.name, label or ""), path.name)
    else:
        raise DatasetError(f"{printable(path)}: there is no such file or folder")


def _of_manifest(folder: Path, name: str | None) -> Iterator[Source]:
    for clip in read_manifest(folder, name):
        yield Source(folder / clip.path, clip, clip.path, folder)


def _of_folder(folder: Path, label: str | None) -> Iterator[Source]:
    for path in find_recordings(folder):
        relative = path.relative_to(folder)
        known = relative.parts[0] if len(relative.parts) > 1 else label or ""
        yield Source(path, Clip(relative.as_posix(), known), relative.as_posix(), folder)


def _own_name(name: str, path: Path, names: dict[str, Path]) -> str:
    """Tell recordings of the same name apart: they may come from several folders."""
    own, number = name, 1
    while names.setdefault(own, path) != path:
        number += 1
        own = f"{number}/{name}"
    return own


def _without_label(sources: Sequence[Source]) -> list[str]:
    return [
        f"{printable(source.path)}: nobody says what is heard in it: --label NAME, or a folder for each label"
        for source in sources
        if not source.clip.label
    ]


def _plain(name: str) -> str:
    """What may be part of a path anywhere: letters and digits of any language, and ``._-``."""
    plain = re.sub(r"[^\w.-]+", "_", name).strip("._")
    return plain or "_"
