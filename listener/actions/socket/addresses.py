"""Where a socket is: ``unix:/run/listener/events.sock``, ``tcp:127.0.0.1:7777``, ``tcp:[::1]:7777``."""

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

LONGEST_PATH = 107
"""Bytes of the path of a Unix socket: see unix(7)."""

_TCP = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]\s/]+)):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket in the file system."""

    path: Path
    """Absolute."""

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A port of a machine."""

    host: str
    """Name or address."""

    port: int
    """1 to 65535."""

    @property
    def is_loopback(self) -> bool:
        """Nobody but this machine can get there."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"tcp:[{self.host}]:{self.port}" if ":" in self.host else f"tcp:{self.host}:{self.port}"


Address = UnixAddress | TcpAddress
"""Any of them."""


def parse_address(text: str) -> Address:
    """Read an address.

    Raises
    ------
    ValueError
        It is none; the message says how one is written.
    """
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest and "\0" not in rest:
        path = Path(rest).expanduser().absolute()
        if len(bytes(path)) > LONGEST_PATH:
            raise ValueError(f"must have a path of {LONGEST_PATH} bytes at most")
        return UnixAddress(path)
    match = _TCP.fullmatch(rest)
    if kind == "tcp" and match and 0 < int(match["port"]) < 65536:
        return TcpAddress(match["ipv6"] or match["host"], int(match["port"]))
    raise ValueError('must be such as "unix:/run/listener/events.sock" or "tcp:127.0.0.1:7777"')


def connected(address: Address, timeout_s: float) -> socket.socket:
    """Connect to an address, within ``timeout_s`` seconds.

    Raises
    ------
    OSError
        Nobody is there.
    """
    if isinstance(address, TcpAddress):
        connection = socket.create_connection((address.host, address.port), timeout_s)
        watch(connection)
        return connection
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout_s)
        connection.connect(str(address.path))
    except BaseException:
        connection.close()
        raise
    return connection


def watch(connection: socket.socket) -> None:
    """Have the system notice when the other side of a TCP connection is gone without a word."""
    with suppress(OSError):  # it has gone already, and will be found out
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, option):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
