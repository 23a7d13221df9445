"""A camera's process as the system sees it: how it is started, and why it ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import listener
from listener.errors import one_line

TOLD_BYTES = 65_536
"""What of its last words is looked at: all that a pipe holds."""

LONGEST_TOLD = 200
"""Characters of them that are told."""


class Child:
    """A process that serves a camera.

    Parameters
    ----------
    process
        It runs.
    errors
        The pipe that holds what it says on standard error.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", errors: int) -> None:
        self.process = process
        self._errors = errors

    def send(self, text: bytes) -> None:
        """Tell it something; nothing comes of that where it has ended."""
        assert self.process.stdin is not None  # it was asked for
        with suppress(OSError):
            self.process.stdin.write(text)

    def reports(self) -> Iterator[bytes]:
        """Give its lines, to its end."""
        assert self.process.stdout is not None  # it was asked for
        yield from self.process.stdout

    def kill(self) -> None:
        """End it whatever it is doing."""
        self.process.kill()

    def ending(self) -> str:
        """Say why it ended; it has."""
        code = self.process.wait()
        if code < 0:
            return f"ended by signal {-code} ({signal.strsignal(-code)})"
        told = b""
        with suppress(BlockingIOError):
            told = os.read(self._errors, TOLD_BYTES)
        lines = told.decode(errors="replace").split("\n")
        last = next((one_line(line) for line in reversed(lines) if line.strip()), "")
        return last[:LONGEST_TOLD] or f"exit code {code}"


@contextmanager
def started() -> Iterator[Child]:
    """Start a process, and see to its end.

    Raises
    ------
    OSError
        There can be none.
    """
    package = str(Path(listener.__file__).parents[1])
    # Nobody reads what it says while it runs; what does not fit is lost instead of holding it up.
    errors, writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        try:
            process = subprocess.Popen(
                # -P: nothing is imported from the folder that the program happens to run in
                [sys.executable, "-P", "-m", "listener.actions.camera_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=writable,
                bufsize=0,
                env=os.environ | {"PYTHONPATH": package},
                start_new_session=True,  # Ctrl-C ends the program, and the program this
            )
        finally:
            os.close(writable)
        with process:
            try:
                yield Child(process, errors)
            finally:
                process.kill()  # or `with` would wait for it
    finally:
        os.close(errors)
