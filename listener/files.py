"""Writing files so that nobody ever takes a half-written one for whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def is_file(path: Path) -> bool:
    """Tell whether there is a file; a name that is too long, or that no file can have, has none."""
    return os.path.isfile(path)  # noqa: PTH113 - which raises at some names


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder: see `is_file`."""
    return os.path.isdir(path)  # noqa: PTH112


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a file to write to that becomes ``path`` when the block ends, and vanishes when it fails.

    What is no regular file (``/dev/stdout``, a pipe) is written to directly; a link is followed.

    Raises
    ------
    OSError
        The folder is not there, or cannot be written to.
    """
    target = path.resolve()
    if target.is_dir() or not target.name:
        raise IsADirectoryError(None, "is a folder", str(path))
    if target.exists() and not target.is_file():
        yield target
        return
    half_written = target.with_name(f".{target.name[:200]}.{os.getpid()}")
    try:
        yield half_written
        _sync(half_written)  # or a loss of power could leave the name, and nothing behind it
        half_written.replace(target)
    finally:
        half_written.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
