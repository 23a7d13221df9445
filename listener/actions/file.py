"""``use: file``: append events to a file, one line each, as JSON or as CSV.

The file is opened for each line: who moves it away (logrotate) gets a new one, and nothing
is kept open. A line is written whole, by one write at the file's end, so that several
programs may write to one file. One that was cut off by a loss of power stays alone: the
next begins on a line of its own.
"""

import csv
import errno
import fcntl
import io
import os
import re
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from listener.actions import template
from listener.actions.base import Action, ActionContext
from listener.actions.names import safe_name, safe_part
from listener.config import Options
from listener.errors import ActionError, TransientError
from listener.event_format import event_dict, event_json
from listener.types import Event, Phase

FIELDS = ("label", "source")
"""What a path may contain."""

MB = 1_000_000

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a disk says that has no room, and one on which the user may not use more."""

MAX_NAME_BYTES = 200
"""Longest name of a file before a date and a number are put into it."""

TAIL_BYTES = 65_536
"""How much of a file's end is looked at for a line that was cut off; a line of ours is far shorter."""

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What the text of a cell begins with that a spreadsheet takes for a formula."""

TRIES = 100
"""How often a file that somebody else is about to put aside is opened."""

TRY_EVERY_S = 0.01
"""Pause between them, in seconds."""

_writing: dict[Path, threading.Lock] = {}
"""For each file, held from the look at it to the line in it: several actions may write to one."""


class FileOptions(Options):
    """Settings of the ``file`` action."""

    path: str = Field(min_length=1)
    """The file; ``{label}`` and ``{source}`` are filled in. Its folder is made where it is missing."""

    format: Literal["jsonl", "csv"] = "jsonl"
    """One JSON object a line, or a table with a header."""

    rotate: Literal["never", "daily"] = "never"
    """``daily``: what was written on another day (of this machine's time zone) is put aside."""

    rotate_mb: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """A file that would become larger, in megabytes, is put aside."""

    keep: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """So many files that were put aside are kept; null: all of them."""

    sync: bool = False
    """Wait until each line is on the disk: it outlives a loss of power, and a memory card wears sooner."""

    @field_validator("path")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        template.fields_of(value, FIELDS)
        if not value.isprintable():
            raise ValueError("must be letters that can be printed")
        if not Path(value).name.strip(".") or value.endswith("/"):
            raise ValueError("must be the path of a file")
        return value


class FileAction(Action):
    """Appends events to a file."""

    Options = FileOptions
    options: FileOptions

    def open(self) -> None:
        """See that the file's folder can be written to.

        Raises
        ------
        ActionError
            It cannot, or the path is no regular file.
        """
        fixed = Path(self.options.path.split("{", 1)[0] + "x").expanduser().absolute().parent
        try:
            fixed.mkdir(parents=True, exist_ok=True)
            if not os.access(fixed, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            if error.errno not in FULL:  # which may pass
                raise ActionError(f"path: nothing can be written to '{fixed}': {error.strerror}") from error
        if "{" not in self.options.path:
            self._see_that_it_is_ours(self._path("", ""))

    def run(self, event: Event, context: ActionContext) -> None:
        """Append the event.

        Raises
        ------
        TransientError
            It cannot be written now: the disk is full, or gone.
        ActionError
            It can never be: the path is a folder, or another one's table.
        """
        path = self._path(event.label, event.source)
        try:
            with _writing.setdefault(path, threading.Lock()):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._append(path, event)
        except OSError as error:
            raise TransientError(f"'{path}' cannot be written: {error.strerror}{_way_out(error)}") from error

    def _see_that_it_is_ours(self, path: Path) -> None:
        try:
            with _opened(path, os.O_RDWR) as file:
                if self.options.format == "csv" and os.fstat(file).st_size:
                    _has_older_columns(path, file)
        except FileNotFoundError:
            pass  # it is made with the first event
        except OSError as error:
            raise ActionError(f"path: '{path}' cannot be written: {error.strerror}") from error

    def _path(self, label: str, source: str) -> Path:
        values = {
            "label": safe_part(safe_name(label), 60, "_"),
            "source": safe_part(safe_name(source), 60, "_"),
        }
        return Path(template.fill(self.options.path, values)).expanduser().absolute()

    def _append(self, path: Path, event: Event) -> None:
        line = _csv_line(event) if self.options.format == "csv" else event_json(event).encode() + b"\n"
        for _ in range(TRIES):
            with _opened(path, os.O_RDWR | os.O_CREAT | os.O_APPEND) as file:
                if not self._is_due(path, file, len(line)):
                    self._write(file, line)
                    return
                # Two programs that put one file aside at once would put it aside twice.
                if _has_locked(file) and _is_still(path, file):
                    self._put_aside(path)
        raise OSError(errno.EBUSY, "somebody else keeps it locked")

    def _is_due(self, path: Path, file: int, n_bytes: int) -> bool:
        """Tell whether the file is to be put aside before so many bytes are written."""
        found = os.fstat(file)
        if not found.st_size:
            return False
        if self.options.rotate == "daily" and _day(found.st_mtime) < datetime.now().date().isoformat():
            return True
        largest = self.options.rotate_mb
        if largest is not None and found.st_size + n_bytes > largest * MB:
            return True
        return self.options.format == "csv" and _has_older_columns(path, file)

    def _write(self, file: int, line: bytes) -> None:
        """Write a line, and what has to stand before it; nothing of it stays where there is no room."""
        size = os.fstat(file).st_size
        tail = os.pread(file, TAIL_BYTES, max(0, size - TAIL_BYTES))
        if tail and not tail.endswith(b"\n"):
            line = _end_of(tail, self.options.format) + line
        elif not size and self.options.format == "csv":
            line = HEADER + line
        written = os.write(file, line)
        if written < len(line):
            if os.fstat(file).st_size == size + written:  # nobody else has written since
                os.ftruncate(file, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.options.sync:
            os.fsync(file)

    def _put_aside(self, path: Path) -> None:
        """Give a file the name of the day on which it was last written to, and remove those too many."""
        path = Path(os.path.realpath(path))
        day = _day(path.stat().st_mtime)
        stem = path.stem.encode()[:MAX_NAME_BYTES].decode(errors="ignore")
        aside = _put_aside_before(path, stem)
        number = 1 + max((number for (other, number), _ in aside if other == day), default=0)
        put = path.with_name(f"{stem}-{day}{'' if number == 1 else f'_{number}'}{path.suffix}")
        path.rename(put)
        if self.options.keep is not None:
            aside.append(((day, number), put))
            for _, old in sorted(aside)[: -self.options.keep]:
                old.unlink(missing_ok=True)


def _has_locked(file: int) -> bool:
    """Lock a file until it is closed, and wait for that a little."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(TRY_EVERY_S)
        return False
    except OSError:
        return True  # a network file system that knows no locks: nobody has one
    return True


def _is_still(path: Path, file: int) -> bool:
    """Tell whether a path leads to an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _columns() -> tuple[str, ...]:
    return tuple(event_dict(Event("", Phase.ONSET, "", "", 0.0, None, 0.0, 0.0, "")))


def _row(values: tuple[object, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode(errors="replace")


HEADER = _row(_columns())
"""First line of a table."""


def _csv_line(event: Event) -> bytes:
    return _row(tuple(_cell(value) for value in event_dict(event).values()))


def _cell(value: object) -> object:
    """Give what stands in a cell: one line, and no formula."""
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if not isinstance(value, str):
        return value
    text = "".join(letter if letter.isprintable() else " " for letter in value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def _end_of(tail: bytes, form: str) -> bytes:
    """Give what ends a line that was cut off: in a table, it may have been inside of quotes."""
    last = tail.rsplit(b"\n", 1)[-1]
    return b'"\n' if form == "csv" and last.count(b'"') % 2 else b"\n"


def _has_older_columns(path: Path, file: int) -> bool:
    """Tell whether a table was begun by a version with other columns, or is damaged at its beginning.

    Raises
    ------
    ActionError
        It is another one's.
    """
    head = os.pread(file, len(HEADER), 0)
    if head == HEADER:
        return False
    # The other: a loss of power left the beginning of a header, or nothing but zeros.
    if head.startswith(b"id,phase,") or HEADER.startswith(head.rstrip(b"\0")):
        return True
    raise ActionError(f"path: '{path}' is there already, and no table of events: name another file")


def _put_aside_before(path: Path, stem: str) -> list[tuple[tuple[str, int], Path]]:
    pattern = re.compile(
        rf"{re.escape(stem)}-(\d{{4}}-\d\d-\d\d)(?:_(\d+))?{re.escape(path.suffix)}", re.ASCII
    )
    return [
        ((match[1], int(match[2] or 1)), other)
        for other in path.parent.iterdir()
        if (match := pattern.fullmatch(other.name))
    ]


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment).date().isoformat()


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Open a regular file.

    Raises
    ------
    ActionError
        It is something else.
    OSError
        It cannot be opened.
    """
    try:
        # A pipe that nobody reads would be waited for, without O_NONBLOCK.
        file = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except IsADirectoryError:
        raise ActionError(f"path: '{path}' is a folder: name a file in it") from None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ActionError(f"path: '{path}' is no regular file: use command or socket for what is not")
        yield file
    finally:
        with suppress(OSError):  # what a network file system says now, it has said before
            os.close(file)


def _way_out(error: OSError) -> str:
    if error.errno in FULL:
        return ": make room, or put less aside (keep)"
    return ""
