"""Waiting for a sound device to come.

Linux tells of every device that comes or goes on a netlink socket: the kernel on
multicast group 1, and udev, once it has given the device its name and rights, on group 2.
Where that is not allowed (in some containers; under a unit whose RestrictAddressFamilies
leaves out AF_NETLINK) or does not arrive (in a network namespace of its own), and for a
sound server that is started, there is the look at the file system of
`listener.sources.device_set`, a few times a second while a microphone is missing.

The socket is read by hand. pyudev would do it too, but it is a binding of all of libudev
through ctypes, without types, and needs that library at run time; what is wanted here is
to see ``SUBSYSTEM=sound`` in a datagram.
"""

import logging
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from listener.sources.device_set import DeviceSet, device_set

NETLINK_KOBJECT_UEVENT = 15
KERNEL, UDEV = 1, 2
"""Multicast groups; as bits, they are the same."""

UDEV_RUNS = Path("/run/udev/control")
"""Is there where udev works."""

UDEV_HEADER = struct.Struct("=8s4xIII")
"""Of udev's datagrams: ``libudev``, a magic number, and where the properties are (size, offset, length)."""

LOOK_S = 0.25
"""Time between two looks at the file system, and at whether to stop, in seconds."""

SETTLE_S = 0.2
"""A card has several nodes, and udev sets rights one after the other: wait for so long after a change."""

logger = logging.getLogger(__name__)


def connect() -> socket.socket | None:
    """Open the socket on which Linux tells of devices; None where there is none or it is not allowed."""
    try:
        messages = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_KOBJECT_UEVENT)
        messages.bind((0, UDEV if UDEV_RUNS.exists() else KERNEL))
    except (OSError, AttributeError) as error:
        _say_once(str(error))
        return None
    return messages


@cache
def _say_once(why: str) -> None:
    logger.debug("the kernel does not tell of new sound devices (%s): they are looked for instead", why)


def is_about_sound(message: bytes) -> bool:
    """Whether a datagram of the kernel or of udev tells of a sound device."""
    if message.startswith(b"libudev\0") and len(message) >= UDEV_HEADER.size:
        _, _, offset, length = UDEV_HEADER.unpack_from(message)
        message = message[offset : offset + length]
    return b"SUBSYSTEM=sound" in message.split(b"\0")


class Hotplug:
    """Hears of sound devices that come, go or change.

    Parameters
    ----------
    connect
        Opens the socket.
    """

    def __init__(self, connect: Callable[[], socket.socket | None] = connect) -> None:
        self._messages = connect()
        if self._messages is not None:
            self._messages.setblocking(False)

    def wait(self, timeout_s: float, stopping: threading.Event) -> bool:
        """Wait for word of a sound device; say whether it came.

        Parameters
        ----------
        timeout_s
            In seconds. Where the system tells nothing, all of it passes, unless
            ``stopping`` is set; where it does, ``stopping`` is not looked at.
        stopping
            See above.
        """
        if self._messages is None:
            stopping.wait(timeout_s)
            return False
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            if select.select([self._messages], [], [], left_s)[0] and self._read(self._messages):
                return True
        return False

    def close(self) -> None:
        """Close the socket."""
        if self._messages is not None:
            self._messages.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, messages: socket.socket) -> bool:
        try:
            return is_about_sound(messages.recv(65_536))
        except BlockingIOError:
            return False
        except OSError:
            return True  # so much happened that some of it was dropped


def await_change(
    seen: DeviceSet,
    timeout_s: float,
    stopping: threading.Event,
    look: Callable[[], DeviceSet] = device_set,
    hotplug: Callable[[], Hotplug] = Hotplug,
) -> bool:
    """Wait until there may be another sound device than before; say whether that is so.

    Parameters
    ----------
    seen
        What there was when it was last tried to open one: what came since then counts.
    timeout_s
        Longest wait in seconds.
    stopping
        Ends the wait, within a quarter of a second.
    look, hotplug
        How to find out.
    """
    deadline = time.monotonic() + timeout_s
    with hotplug() as messages:
        while not stopping.is_set():
            left_s = deadline - time.monotonic()
            if look() != seen:
                stopping.wait(SETTLE_S)
                return True
            if left_s <= 0:
                return False
            if messages.wait(min(LOOK_S, left_s), stopping):
                stopping.wait(SETTLE_S)
                return True
    return False
