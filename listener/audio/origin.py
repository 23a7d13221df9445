"""What a recording may be given as: a path, bytes in memory, or an open file."""

import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from listener.errors import AudioFileError, one_line, printable

AudioSource = str | Path | bytes | bytearray | memoryview | IO[bytes]
"""A path, a whole file in memory, or an open binary file, which is read from its beginning and left open."""

IN_MEMORY = "the recording in memory"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a recording is read from."""

    name: str
    """How it is called in messages."""

    path: Path | None
    """None if it is read from ``file``."""

    file: IO[bytes] | None = None
    """Seekable; it belongs to whoever gave it."""

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Give the file at its beginning; one that is opened here is closed.

        Raises
        ------
        AudioFileError
            The disk, or its rights, do not give it.
        """
        try:
            if self.file is not None:
                self.file.seek(0)
                yield self.file
                return
            assert self.path is not None
            with open(self.path, "rb") as file:
                file.read(1)
                file.seek(0)
                yield file
        except OSError as error:
            raise AudioFileError(
                f"{self.name} cannot be read: {error.strerror or one_line(error)}"
            ) from error

    @property
    def suffix(self) -> str:
        """Ending of its name, in small letters: ``.wav``."""
        return Path(self.name).suffix.lower()


def origin_of(source: AudioSource) -> Origin:
    """Look at what was given, and refuse at once what cannot be a recording.

    Raises
    ------
    AudioFileError
        It is missing, unreadable, empty or no file.
    TypeError
        It is nothing of the kind.
    """
    match source:
        case str() | Path():
            path = Path(source)
            name = printable(path)
            _check_file(path, name)
            return Origin(name, path)
        case bytes() | bytearray() | memoryview():
            return _in_memory(IN_MEMORY, bytes(source))
    if not hasattr(source, "read") or isinstance(source, io.TextIOBase):
        raise TypeError(
            f"audio is read from a path, from bytes or from a binary file, not {type(source).__name__}"
        )
    told = getattr(source, "name", None)
    name = printable(told) if isinstance(told, str | Path) else IN_MEMORY
    try:
        if not source.seekable():
            return _in_memory(name, source.read())
        if source.seek(0, io.SEEK_END) == 0:
            raise AudioFileError(f"{name} is empty")
        source.seek(0)
    except OSError as error:
        raise AudioFileError(f"{name} cannot be read: {error.strerror or one_line(error)}") from error
    return Origin(name, None, source)


def _in_memory(name: str, data: bytes) -> Origin:
    if not data:
        raise AudioFileError(f"{name} is empty")
    return Origin(name, None, io.BytesIO(data))


def _check_file(path: Path, name: str) -> None:
    try:
        found = path.stat()
    except OSError as error:
        raise AudioFileError(f"{name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise AudioFileError(f"{name} cannot be read: {one_line(error)}") from error
    if not stat.S_ISREG(found.st_mode):  # a pipe may never begin, and a device never end
        raise AudioFileError(f"{name} is no file; sound from a pipe is read as raw PCM: --source -")
    if not found.st_size:
        raise AudioFileError(f"{name} is empty")
