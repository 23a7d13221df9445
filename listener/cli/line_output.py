"""Lines on standard output that may be a pipe, or a file on a disk that is full for a while."""

import errno
import io
import logging
import os
import sys
import threading

log = logging.getLogger(__name__)

RETRY_S = 0.5
"""How often it is tried again, in seconds."""

_PASSES = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EAGAIN}
"""What a disk may say, or a pipe that is full, and take back later. A terminal that is gone says EIO."""


class LineOutput:
    """Writes lines whole, one after the other; for one thread, but `stop` is for any.

    Standard output is its own from now on: what a plug-in, a library or a program that one of them has
    started prints there goes to standard error, and tears no line apart.
    """

    def __init__(self) -> None:
        self._file = _taken_stdout()
        self._stopping = threading.Event()
        self._is_in_trouble = False

    def stop(self) -> None:
        """Wait for no room any more."""
        self._stopping.set()

    def write(self, line: str) -> bool:
        """Write a line; wait for room, if need be.

        Returns
        -------
        bool
            Whether somebody may want the next one: False when the reader is gone, and after `stop` when
            there was no room.
        """
        if self._file is None:
            return True
        # Past Python's buffer, which would keep half of a line that failed, and lose the other half.
        rest = (line + "\n").encode()
        while rest:
            try:
                rest = rest[os.write(self._file, rest) :]
                self._tell(None)
            except OSError as error:
                if error.errno not in _PASSES:
                    return False
                self._tell(error)
                if self._stopping.wait(RETRY_S):
                    return False
        return True

    def _tell(self, error: OSError | None) -> None:
        if self._is_in_trouble is (error is not None):
            return
        self._is_in_trouble = error is not None
        if error is not None:
            log.warning("events wait to be printed on standard output: %s", error.strerror)
        else:
            log.warning("events are printed again")


def _taken_stdout() -> int | None:
    """Give a descriptor of standard output that nobody else knows; None where the shell closed it (>&-)."""
    if sys.stdout is None:
        return None
    sys.stdout.flush()
    taken = os.dup(sys.stdout.fileno())
    elsewhere = os.open(os.devnull, os.O_WRONLY) if sys.stderr is None else os.dup(sys.stderr.fileno())
    os.dup2(elsewhere, sys.stdout.fileno())
    os.close(elsewhere)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # as standard error has it
    return taken
