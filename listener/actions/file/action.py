"""Which file an event goes to, and how its line gets there."""

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from listener.actions import template
from listener.actions.base import Action, ActionContext
from listener.actions.file.aside import has_locked, has_older_columns, is_due, is_still, put_aside
from listener.actions.file.lines import HEADER, end_of, line_of
from listener.actions.file.options import FileOptions
from listener.actions.names import MAX_VALUE_BYTES, safe_name, safe_part
from listener.errors import ActionError, TransientError
from listener.types import Event

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a disk says that has no room, and one on which the user may not use more."""

TAIL_BYTES = 65_536
"""How much of a file's end is looked at for a line that was cut off; a line of ours is far shorter."""

TRIES = 200
"""How often a file is opened that somebody else is writing to, or is about to put aside."""

_writing: dict[Path, threading.Lock] = {}
"""For each file, held from the look at it to the line in it: several actions may write to one."""


class FileAction(Action):
    """Appends events to a file."""

    Options = FileOptions
    options: FileOptions

    def open(self) -> None:
        """See that the file's folder can be written to, and that the file is one of events.

        Raises
        ------
        ActionError
            It cannot, or is not.
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
            It can never be: the path is a folder, or somebody else's table.
        """
        path = self._path(event.label, event.source)
        try:
            with _writing.setdefault(path, threading.Lock()):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._append(path, line_of(self.options.format, event))
        except OSError as error:
            way_out = ": make room, or put less aside (keep)" if error.errno in FULL else ""
            raise TransientError(f"'{path}' cannot be written: {error.strerror}{way_out}") from error

    def _see_that_it_is_ours(self, path: Path) -> None:
        try:
            with _opened(path, os.O_RDWR) as file:
                if self.options.format == "csv" and os.fstat(file).st_size:
                    has_older_columns(path, file)
        except FileNotFoundError:
            pass  # it is made with the first event
        except OSError as error:
            raise ActionError(f"path: '{path}' cannot be written: {error.strerror}") from error

    def _path(self, label: str, source: str) -> Path:
        given = {"label": label, "source": source}
        values = {name: safe_part(safe_name(text), MAX_VALUE_BYTES, "_") for name, text in given.items()}
        return Path(template.fill(self.options.path, values)).expanduser().absolute()

    def _append(self, path: Path, line: bytes) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        for _ in range(TRIES):
            with _opened(path, flags) as file:
                # Another program's line grows before our eyes where it lies across two pages, and a
                # file that two put aside at once would be put aside twice.
                if not (has_locked(file) and is_still(path, file)):
                    continue
                if not is_due(self.options, path, file, len(line)):
                    self._write(file, line)
                    return
                put_aside(path, self.options.keep)
        with _opened(path, flags) as file:  # whoever keeps it locked does not write lines
            self._write(file, line)

    def _write(self, file: int, line: bytes) -> None:
        """Write a line, and what has to stand before it; nothing of it stays where there is no room."""
        form, size = self.options.format, os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            line = end_of(form, os.pread(file, TAIL_BYTES, max(0, size - TAIL_BYTES))) + line
        elif not size and form == "csv":
            line = HEADER + line
        written = os.write(file, line)
        if written < len(line):
            if os.fstat(file).st_size == size + written:  # nobody else has written since
                os.ftruncate(file, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.options.sync:
            os.fsync(file)


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
