"""Records as entries of systemd's journal, in its native protocol.

The protocol: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. Why no library: ``systemd-python`` has to be
compiled against libsystemd, whose headers a user would have to install. ``logging-journald`` (typed,
pure Python, well kept) sends each record's raw arguments along, so that a secret in them would be in the
journal for ever; it waits when journald is busy, which would hold up the threads that listen; and it
prints what it could not send without a level. What would be left of it is the 40 lines here.

Nothing here ever waits or raises. When journald does not keep up, entries are dropped and counted, and
the count is the next thing that is said. When it cannot be reached at all, lines go to standard error.
"""

import errno
import fcntl
import logging
import os
import re
import socket
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from listener.logs.lines import PriorityFormatter, message_of, plain, priority

SOCKET = Path("/run/systemd/journal/socket")
IDENTIFIER = "listener"
PREFIX = "LISTENER_"

LONGEST_NAME = 64
"""journald throws fields with longer names away."""

TOO_LONG = (errno.EMSGSIZE, errno.ENOBUFS)
"""What the system says of a datagram that is too long to be sent: then a file in memory is."""


def stderr_is_journal() -> bool:
    """Tell whether standard error goes to the journal: systemd names its device and inode.

    A comparison is needed, as a program that was started from a service inherits the variable, but may
    have its standard error somewhere else.
    """
    try:
        device, inode = os.environ["JOURNAL_STREAM"].split(":")
        stderr = os.fstat(sys.stderr.fileno())
        return (int(device), int(inode)) == (stderr.st_dev, stderr.st_ino)
    except (KeyError, ValueError, OSError, AttributeError):  # AttributeError: closed by the shell (2>&-)
        return False


def entry(fields: Mapping[str, str]) -> bytes:
    """Encode an entry: ``NAME=value``, or with the value's length before it where it has line breaks."""
    parts = []
    for name, value in fields.items():
        data = value.encode(errors="replace")
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)


def field_name(name: str) -> str:
    """Give a field's name as journald takes it: ``LISTENER_`` before upper case, digits and underscores."""
    return (PREFIX + re.sub(r"[^A-Z0-9_]", "_", name.upper()))[:LONGEST_NAME]


def fields_of(record: logging.LogRecord) -> dict[str, str]:
    """Give the fields of a record's entry; none holds a secret."""
    fields = {
        "MESSAGE": message_of(record),
        "PRIORITY": str(priority(record.levelno)),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "CODE_FILE": str(record.pathname),
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
        field_name("logger"): str(record.name),
        field_name("thread"): plain(record.threadName or ""),
    }
    given = getattr(record, "fields", None)
    if isinstance(given, Mapping):
        for name, value in given.items():
            if value is not None:
                fields[field_name(str(name))] = _text(value)
    return fields


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"  # as in an event's JSON form
    return plain(str(value))


class JournalHandler(logging.Handler):
    """Sends records to the journal.

    Parameters
    ----------
    path
        journald's socket; None: where it always is.
    """

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        self.dropped = 0
        """Entries that journald had no room for, and that were not told yet."""
        self._path = str(SOCKET if path is None else path)
        self._lines = PriorityFormatter()
        self._socket: socket.socket | None = None
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        except OSError:  # the unit forbids sockets
            self._socket = None

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, or count it, or write it to standard error."""
        try:
            self._tell_dropped()
            self._send(entry(fields_of(record)))
        except BlockingIOError:
            self.dropped += 1
        except Exception:  # noqa: BLE001 - whatever it is: the line shall not be lost, nor the program
            with suppress(Exception):  # standard error may be closed
                print(self._lines.format(record), file=sys.stderr, flush=True)  # noqa: T201 - it is the log

    def close(self) -> None:
        """Say how many were dropped, if journald has room now, and close the socket."""
        self.acquire()
        try:
            with suppress(OSError):
                self._tell_dropped()
            if self._socket is not None:
                self._socket.close()
                self._socket = None  # what may still come goes to standard error
        finally:
            self.release()
        super().close()

    def _tell_dropped(self) -> None:
        if self.dropped:
            message = f"{self.dropped} lines of the log are missing here: journald was too busy"
            told = logging.LogRecord(__name__, logging.WARNING, __file__, 0, message, None, None)
            self._send(entry(fields_of(told)))
            self.dropped = 0

    def _send(self, data: bytes) -> None:
        # To its address every time: after a restart of journald another socket is there.
        if self._socket is None:
            raise ConnectionError("there is no socket")
        try:
            self._socket.sendto(data, self._path)
        except OSError as error:
            if error.errno not in TOO_LONG:
                raise
            self._send_file(self._socket, data)

    def _send_file(self, to: socket.socket, data: bytes) -> None:
        """Send what is too long for a datagram as a file in memory, sealed as journald wants it."""
        file = os.memfd_create(IDENTIFIER, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with os.fdopen(file, "wb", closefd=False) as writable:
                writable.write(data)
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", file))
            to.sendmsg([b""], [rights], 0, self._path)
        finally:
            os.close(file)
