"""Sockets that others connect to: who may do so is settled before anybody can."""

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from listener.actions.socket.addresses import Address, TcpAddress, UnixAddress, connected
from listener.errors import ActionError

BACKLOG = 64
"""Connections that may wait to be taken."""

LOOK_S = 1.0
"""How long to look whether somebody listens at a path, in seconds."""


def listening(address: Address, mode: int) -> socket.socket:
    """Give a socket that listens at an address.

    Parameters
    ----------
    address
        Where.
    mode
        Permissions of a Unix socket.

    Raises
    ------
    ActionError
        Somebody else listens there, or nobody may.
    """
    try:
        return _unix(address.path, mode) if isinstance(address, UnixAddress) else _tcp(address)
    except OSError as error:
        raise ActionError(f"listen: nobody can listen at '{address}': {error.strerror or error}") from None


def remove(address: Address, ours: os.stat_result | None) -> None:
    """Remove a Unix socket, unless it is somebody else's by now."""
    if isinstance(address, UnixAddress) and ours is not None:
        with suppress(OSError):
            now = address.path.lstat()
            if (now.st_dev, now.st_ino) == (ours.st_dev, ours.st_ino):
                address.path.unlink()


def _tcp(address: TcpAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _unix(path: Path, mode: int) -> socket.socket:
    _refuse_taken(path)
    # It gets its name when it has its permissions, and takes the place of what nobody listens at.
    unfinished = path.with_name(f".{os.getpid()}")
    listener = socket.socket(socket.AF_UNIX)
    try:
        unfinished.unlink(missing_ok=True)
        listener.bind(str(unfinished))
        unfinished.chmod(mode)
        listener.listen(BACKLOG)
        unfinished.rename(path)
    except BaseException:
        listener.close()
        unfinished.unlink(missing_ok=True)
        raise
    return listener


def _refuse_taken(path: Path) -> None:
    """Make sure that nobody listens at a path.

    Raises
    ------
    ActionError
        Somebody does, or it is no socket.
    """
    if not path.parent.is_dir():
        raise ActionError(f"listen: there is no folder '{path.parent}'")
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise ActionError(f"listen: '{path}' is there and is no socket: choose another path")
    try:
        connected(UnixAddress(path), LOOK_S).close()
    except ConnectionRefusedError:
        return  # who made it is gone
    except TimeoutError:
        pass
    raise ActionError(f"listen: somebody listens at '{path}' already")
