"""Making folders so that nobody ever takes a half-made one for whole."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from listener.errors import DatasetError, printable


@contextmanager
def whole_folder(path: Path, keep: bool = False) -> Iterator[Path]:
    """Give an empty folder to fill that becomes ``path`` when the block ends, and vanishes when it fails.

    What a process that was killed has left is cleared away by the next one that makes the same folder.

    Parameters
    ----------
    path
        Not there yet, or empty; the folders above are made.
    keep
        Let what a block that failed, or a process that was killed, has made lie, for the next to go on from.

    Raises
    ------
    DatasetError
        ``path`` holds something, somebody else is making it, or it cannot be made.
    """
    unfinished = path.with_name(f".{path.name[:200]}.unfinished")
    try:
        _refuse_filled(path)
        with locked_folder(unfinished):
            if not keep:
                _empty(unfinished)
            try:
                yield unfinished
                _refuse_filled(path)
                # Or a loss of power could leave the name, and holes behind it; one by one, thousands of small
                # files take a minute.
                os.sync()
                unfinished.replace(path)  # onto an empty folder, too
            finally:
                if not keep:
                    shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise DatasetError(f"{printable(path)} cannot be made: {error.strerror or error}") from error


@contextmanager
def locked_folder(path: Path, way_out: str = "") -> Iterator[None]:
    """Make a folder where it is missing, and hold it as long as the block lasts, or the process.

    Parameters
    ----------
    path
        The folder.
    way_out
        What who is refused is told to do.

    Raises
    ------
    DatasetError
        Another process has it.
    OSError
        It cannot be made.
    """
    path.mkdir(parents=True, exist_ok=True)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatasetError(f"{printable(path)}: another process is at work there{way_out}") from None
        # Whoever had it before may have given it its name by now, or removed it.
        if not path.is_dir() or not os.path.samestat(os.fstat(folder), path.stat()):
            raise DatasetError(f"{printable(path)}: another process was at work there")
        yield
    finally:
        os.close(folder)


def _refuse_filled(path: Path) -> None:
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists() or path.is_symlink():
        raise DatasetError(f"{printable(path)} is there already: choose another name, or remove it")


def _empty(folder: Path) -> None:
    for left in folder.iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink()
