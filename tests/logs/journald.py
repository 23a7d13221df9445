"""The other end of the journal's socket: takes what is sent and reads it as the protocol says."""

import array
import fcntl
import os
import re
import select
import socket
import struct
from pathlib import Path
from typing import Self

from tests.program import PATIENCE_S

LONGEST = 1 << 20
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
NAME = re.compile(rb"[A-Z][A-Z0-9_]{0,63}")


class Journald:
    """A socket like journald's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = 0
        """Entries that came as a file in memory."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def entry(self, timeout_s: float = PATIENCE_S) -> dict[str, str]:
        """Give the next entry."""
        assert self.wait(timeout_s), "no entry has come"
        data, controls, _, _ = self._socket.recvmsg(LONGEST, socket.CMSG_SPACE(4))
        for level, kind, content in controls:
            assert (level, kind, data) == (socket.SOL_SOCKET, socket.SCM_RIGHTS, b"")
            (file,) = array.array("i", content)
            with os.fdopen(file, "rb") as readable_file:
                assert fcntl.fcntl(file, fcntl.F_GET_SEALS) == SEALS
                readable_file.seek(0)
                data = readable_file.read()
            self.files += 1
        return parsed(data)

    def entries(self) -> list[dict[str, str]]:
        """Give all that has come by now."""
        found = []
        while self.wait(0):
            found.append(self.entry())
        return found

    def wait(self, timeout_s: float) -> bool:
        """Wait for an entry."""
        return bool(select.select([self._socket], [], [], timeout_s)[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()
        self.path.unlink(missing_ok=True)


def parsed(data: bytes) -> dict[str, str]:
    """Read an entry; anything that journald would not take fails."""
    fields: dict[str, str] = {}
    while data:
        line, end, rest = data.partition(b"\n")
        assert end, "a field ends with its line"
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack_from("<Q", rest)
            value, rest = rest[8 : 8 + length], rest[8 + length :]
            assert len(value) == length
            assert rest[:1] == b"\n"
            rest = rest[1:]
        assert NAME.fullmatch(name), name
        assert name.decode() not in fields, "stands twice"
        fields[name.decode()] = value.decode()
        data = rest
    return fields
