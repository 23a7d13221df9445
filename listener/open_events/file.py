"""The file that open events are noted in, and the lock that says whose it is."""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from listener.files import whole_file

MOST_BYTES = 4_000_000
"""More is never read: no such file grows to a tenth of it."""


class JournalFile:
    """A file of lines that one process at a time appends to.

    Everything here may raise `OSError`; what was in the file before is still there then, and perhaps the
    beginning of a line behind it. `rewrite` makes the file whole again.

    Parameters
    ----------
    folder
        Made where it is missing.
    name
        Of the file, without a suffix.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.jsonl"
        self.size = 0
        """Bytes in it."""
        self._lock_path = folder / f"{name}.lock"
        self._lock: int | None = None

    def lock(self) -> None:
        """Take hold of the file, and do away with what a process that was killed left half-written.

        Raises
        ------
        BlockingIOError
            Another process has it.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while self._lock is None:
            lock = os.open(self._lock_path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever had it before may have removed it: then the next one would lock another file.
                if os.path.samestat(os.fstat(lock), self._lock_path.stat()):
                    self._lock, lock = lock, -1
            except FileNotFoundError:
                continue
            finally:
                if lock >= 0:
                    os.close(lock)
        for left in self.path.parent.glob(f".{self.path.name}.*"):
            left.unlink(missing_ok=True)

    def read(self) -> bytes:
        """Give what is in it; nothing where there is no file."""
        try:
            with open(self.path, "rb") as file:
                return file.read(MOST_BYTES)
        except FileNotFoundError:
            return b""

    def append(self, text: str) -> None:
        """Add whole lines to a file that is there."""
        # Opened each time: a file that somebody has removed is missed, and its disk can be made read-only.
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            data = text.encode()
            if os.write(file, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            self.size = os.fstat(file).st_size
        finally:
            os.close(file)

    def sync(self) -> None:
        """Make what was written outlive a loss of power."""
        file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(file)
        finally:
            os.close(file)

    def rewrite(self, text: str) -> None:
        """Write other lines in place of all that is in it."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(self.path) as path:
            path.touch(mode=0o600)
            path.write_text(text)
        self.size = len(text.encode())

    def close(self, remove: bool) -> None:
        """Let go of it, and remove it if nothing in it is wanted any more."""
        if self._lock is None:
            return
        with suppress(OSError):
            if remove:
                self.path.unlink(missing_ok=True)
                self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None
