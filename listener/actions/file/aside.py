"""Files that have had their time: when that is, what they are called from then on, which of them are kept."""

import fcntl
import os
import re
import time
from datetime import datetime
from pathlib import Path

from listener.actions.file.lines import HEADER
from listener.actions.file.options import FileOptions
from listener.actions.names import cut
from listener.errors import ActionError

MB = 1_000_000

MAX_NAME_BYTES = 200
"""Longest name of a file before a date and a number are put into it."""

TRY_EVERY_S = 0.01
"""How long a lock that somebody else has is waited for, in seconds."""


def is_due(options: FileOptions, path: Path, file: int, n_bytes: int) -> bool:
    """Tell whether an open file is to be put aside before so many bytes are written.

    Raises
    ------
    ActionError
        It is somebody else's table.
    """
    found = os.fstat(file)
    if not found.st_size:
        return False
    # By a clock that was set back, what is there was written tomorrow: it stays.
    if options.rotate == "daily" and _day(found.st_mtime) < datetime.now().date().isoformat():
        return True
    largest = options.rotate_mb
    if largest is not None and found.st_size + n_bytes > largest * MB:
        return True
    return options.format == "csv" and has_older_columns(path, file)


def has_older_columns(path: Path, file: int) -> bool:
    """Tell whether a table was begun by a version with other columns, or is damaged at its beginning.

    Raises
    ------
    ActionError
        It is somebody else's.
    """
    head = os.pread(file, len(HEADER), 0)
    if head == HEADER:
        return False
    # The other: a loss of power left the beginning of a header, or nothing but zeros.
    if head.startswith(b"id,phase,") or HEADER.startswith(head.rstrip(b"\0")):
        return True
    raise ActionError(f"path: '{path}' is there already, and no table of events: name another file")


def put_aside(path: Path, keep: int | None) -> None:
    """Give a file the name of the day on which it was last written to, and remove those too many.

    Raises
    ------
    OSError
        It cannot be.
    """
    path = Path(os.path.realpath(path))
    day = _day(path.stat().st_mtime)
    before = aside_of(path)
    number = 1 + max((number for other, number, _ in before if other == day), default=0)
    put = path.with_name(f"{_stem(path)}-{day}{'' if number == 1 else f'_{number}'}{path.suffix}")
    path.rename(put)
    if keep is not None:
        for _, _, old in sorted([*before, (day, number, put)])[:-keep]:
            old.unlink(missing_ok=True)


def aside_of(path: Path) -> list[tuple[str, int, Path]]:
    """Give the day, the number and the path of each file that was put aside."""
    suffix = re.escape(path.suffix)
    pattern = re.compile(rf"{re.escape(_stem(path))}-(\d{{4}}-\d\d-\d\d)(?:_(\d+))?{suffix}", re.ASCII)
    return [
        (match[1], int(match[2] or 1), other)
        for other in path.parent.iterdir()
        if (match := pattern.fullmatch(other.name))
    ]


def has_locked(file: int) -> bool:
    """Lock an open file until it is closed; tell whether nobody else has it locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(TRY_EVERY_S)
        return False
    except OSError:
        return True  # a network file system that knows no locks: nobody has one
    return True


def is_still(path: Path, file: int) -> bool:
    """Tell whether a path leads to an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _stem(path: Path) -> str:
    return cut(path.stem, MAX_NAME_BYTES)


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment).date().isoformat()
