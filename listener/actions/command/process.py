"""A program that runs: its output is read, and it is ended with all that it has started."""

import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from listener.actions.base import ActionContext
from listener.actions.command.output import OutputLog

KILL_AFTER_S = 2.0
"""Seconds between the polite end of a process group (SIGTERM) and the other (SIGKILL)."""

LOOK_EVERY_S = 0.1
"""How often a silent program is looked after: it may have left its output to a child."""

PIPE_BYTES = 65_536
"""What a pipe holds: all that a program can have written and nobody read when it ends."""

FLOOD_PAUSE_S = 0.001
"""Rest between two reads of output that is thrown away: reading it must not take the interpreter from the
threads that listen, and at 64 KiB a read the program still gets rid of 60 MB/s."""


def attend(process: "subprocess.Popen[bytes]", output: OutputLog, context: ActionContext) -> None:
    """Log what a program writes until it ends; end it when the run is given up."""
    with _Reader(process, output) as reader:
        while process.poll() is None:
            if context.cancelled.is_set():
                _end(process, reader)
            elif reader.at_end:  # it is about to go, or has closed its output
                with suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK_EVERY_S)
            else:
                reader.read(LOOK_EVERY_S)
        # Never until the end of the output: a child in the background may hold it open for ever.
        reader.read(0)


def _end(process: "subprocess.Popen[bytes]", reader: "_Reader") -> None:
    """End a program and the children that stayed in its group."""
    signal_group(process, signal.SIGTERM)
    kill_at = time.monotonic() + KILL_AFTER_S
    while time.monotonic() < kill_at and _group_lives(process):
        if reader.at_end:
            time.sleep(LOOK_EVERY_S)  # nothing tells when a group is gone
        else:
            reader.read(LOOK_EVERY_S)
    signal_group(process, signal.SIGKILL)
    process.wait()


def _group_lives(process: "subprocess.Popen[bytes]") -> bool:
    process.poll()  # takes the leader out of the group once it has ended
    return signal_group(process, 0)


def signal_group(process: "subprocess.Popen[bytes]", number: int) -> bool:
    """Send a signal to a program's group; tell whether anybody was there."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # it has become somebody else, as sudo does
        return True
    return True


class _Reader:
    """Reads what a program writes, without ever being held up by it."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: OutputLog) -> None:
        assert process.stdout is not None  # it was asked for
        self.at_end = False
        self._file = process.stdout.fileno()
        self._output = output
        os.set_blocking(self._file, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._file, selectors.EVENT_READ)

    def read(self, timeout_s: float) -> None:
        """Take what is there, or what comes first within ``timeout_s`` seconds."""
        if not self._selector.select(timeout_s):
            return
        data = os.read(self._file, PIPE_BYTES)
        self.at_end = not data
        self._output.feed(data)
        if self._output.is_full:
            time.sleep(FLOOD_PAUSE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._selector.close()
