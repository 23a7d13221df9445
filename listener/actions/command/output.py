"""What a program writes, brought into the log within bounds."""

import logging

from listener.event_format import printable
from listener.logs import redact

log = logging.getLogger(__name__)

MAX_BYTES = 65_536
"""Output of one run that is logged; the rest is counted and thrown away."""

MAX_LINES = 500
"""The same, in lines: each one costs as much as a long one."""

MAX_LINE_BYTES = 1_000
"""A longer line is cut."""


class OutputLog:
    """Logs output line by line while it comes.

    Parameters
    ----------
    name
        Stands before each line.
    """

    def __init__(self, name: str) -> None:
        self.thrown_away = 0
        """Bytes that were not logged."""
        self._name = name
        self._bytes_left = MAX_BYTES
        self._lines_left = MAX_LINES
        self._rest = b""
        self._last = b""
        self._tail = b""

    @property
    def is_full(self) -> bool:
        """Nothing more will be logged."""
        return self._bytes_left <= 0 or self._lines_left <= 0

    @property
    def last_line(self) -> str:
        """The last line that was not empty, logged or not; known once closed."""
        return _text(self._last)

    def feed(self, data: bytes) -> None:
        """Take the next piece of output."""
        while data and not self.is_full:
            line, end, data = data.partition(b"\n")
            self._bytes_left -= len(line) + len(end)
            self._rest = (self._rest + line)[: MAX_LINE_BYTES + 1]
            if end:
                self._log_line()
        if data:
            self._throw_away(data)

    def close(self) -> None:
        """Log the last line, which has no end, and how much was thrown away."""
        if self._rest:
            self._log_line()
        if self.thrown_away:
            self._last = ([self._last] + [line for line in self._tail.split(b"\n") if line.strip()])[-1]
            log.warning("%s: %d bytes more of output are not shown", self._name, self.thrown_away)

    def _log_line(self) -> None:
        line, self._rest = self._rest, b""
        if line.strip():
            self._last = line
            self._lines_left -= 1
            log.info("%s: %s", self._name, _text(line))

    def _throw_away(self, data: bytes) -> None:
        self.thrown_away += len(data)
        self._tail = (self._tail + data[-MAX_LINE_BYTES:])[-MAX_LINE_BYTES:]  # its last line may be asked for


def _text(line: bytes) -> str:
    told = printable(line[:MAX_LINE_BYTES].decode(errors="replace").rstrip().expandtabs())
    if len(line) >= MAX_LINE_BYTES:  # the log would not know a secret of which half is missing
        told = redact(told, cut=True)
    return told + " ..." if len(line) > MAX_LINE_BYTES else told
