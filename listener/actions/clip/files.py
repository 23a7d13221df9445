"""Several files that belong together: each is seen whole or not at all, and the clip itself last."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from listener.actions.clip.naming import with_suffix

UNFINISHED = ".part"
"""Suffix of a hidden file that is being written; it gets its name when it is whole."""

SUFFIXES = (".flac", ".wav", ".opus", ".png", ".json")
"""Of the files that are written."""

LEFT_S = 3600.0
"""An unfinished file that is this old was left by a program that was killed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A clip and what belongs to it."""

    label: str
    """What was heard."""

    score: float
    """The highest."""

    written_at: float
    """``time.time()``."""

    files: tuple[tuple[str, int], ...]
    """Path below the folder, and number of bytes, of each file; the clip itself comes last."""

    number: int = 0
    """Grows with each that is written."""

    @property
    def size(self) -> int:
        """Bytes of all of its files."""
        return sum(size for _, size in self.files)


class Unfinished:
    """Files that are written under hidden names, all in one folder.

    Parameters
    ----------
    folder
        Where; on the same disk as the names that they get.
    contents
        The bytes of each, by its suffix; the clip's own comes last.
    """

    def __init__(self, folder: Path, contents: Mapping[str, bytes]) -> None:
        # A thread may be left behind while its successor writes, and another machine may write here too.
        me = f".clip-{uuid4().hex}"
        self._contents = contents
        self._paths = {suffix: folder / f"{me}{suffix}{UNFINISHED}" for suffix in contents}

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each, by its suffix."""
        return {suffix: len(content) for suffix, content in self._contents.items()}

    def write(self) -> None:
        """Write them, down to the disk.

        Raises
        ------
        OSError
            They cannot be written; nothing is left of them.
        """
        try:
            for suffix, path in self._paths.items():
                _write(path, self._contents[suffix])
        except OSError:
            self.remove()
            raise

    def rename(self, stem: Path) -> Path:
        """Give them their names; give the last one's.

        Raises
        ------
        OSError
            They cannot get them; nothing is left of them.
        """
        done: list[Path] = []
        try:
            for suffix, path in self._paths.items():
                done.append(path.rename(with_suffix(stem, suffix)))
        except OSError:
            for path in done:
                path.unlink(missing_ok=True)
            self.remove()
            raise
        return done[-1]

    def remove(self) -> None:
        """Leave nothing behind of what has no name yet."""
        for path in self._paths.values():
            with suppress(OSError):
                path.unlink(missing_ok=True)


def prepare(folder: Path) -> None:
    """Make a folder, see that files can be written there, and remove what was left unfinished.

    Raises
    ------
    OSError
        They cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".clip-{uuid4().hex}{UNFINISHED}"
    probe.touch()
    until = probe.stat().st_mtime - LEFT_S  # the disk's own clock
    probe.unlink()
    for left in folder.glob(f".*{UNFINISHED}"):
        if left.suffixes[-2:-1] and left.suffixes[-2] in SUFFIXES:
            with suppress(FileNotFoundError):  # somebody else clears away too
                if left.stat().st_mtime < until:
                    left.unlink()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
