"""Tells systemd how the daemon is: the sd_notify protocol.

One datagram of ``KEY=value`` lines for each message, to the socket that ``NOTIFY_SOCKET`` names;
without it nothing is sent. A library for this would be more than the thirty lines that it takes,
and the usual one (`sdnotify`) is no longer maintained.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Self

log = logging.getLogger(__name__)

SEND_WITHIN_S = 1.0
"""A service manager that does not read must not stop who talks to it."""

MOST_STATUS_CHARACTERS = 500
"""`systemctl status` shows one line; a datagram beyond 4096 bytes would be thrown away whole."""


class Notifier:
    """The service manager's ear, or nobody's.

    Every method returns whether the message was handed over, and none ever raises. They may be
    called from any thread.

    Parameters
    ----------
    address
        Path of a Unix datagram socket, or an abstract name that begins with ``@``; None: nobody listens.
    watchdog_s
        Time within which `watchdog` has to be called again, in seconds; None: nobody watches.
    """

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s
        self._address = address
        self._complained = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Make the one that ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` ask for."""
        address = environment.get("NOTIFY_SOCKET", "")
        return cls(address if address.startswith(("/", "@")) else None, _watchdog_s(environment))

    @property
    def active(self) -> bool:
        """Whether somebody listens: the daemon runs under a service manager."""
        return self._address is not None

    def ready(self, status: str | None = None) -> bool:
        """The start, or a reload, is done."""
        return self._send("READY=1", status)

    def status(self, text: str) -> bool:
        """Say in plain words how it goes; one line, shown by ``systemctl status``."""
        return self._send(None, text)

    def watchdog(self) -> bool:
        """All is well. Missed for `watchdog_s`, the daemon is ended and started again."""
        return self._send("WATCHDOG=1")

    def reloading(self, status: str | None = None) -> bool:
        """A reload begins; `ready` has to follow, whether it succeeds or not."""
        # Of CLOCK_MONOTONIC, as systemd from version 253 on wants it beside RELOADING.
        return self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}", status)

    def stopping(self, status: str | None = None) -> bool:
        """The end has begun."""
        return self._send("STOPPING=1", status)

    def _send(self, state: str | None, status: str | None = None) -> bool:
        if self._address is None:
            return False
        lines = [state] if state is not None else []
        if status is not None:
            # A line break would begin another message, and one with a zero byte is thrown away whole.
            text = " ".join("".join(letter if letter.isprintable() else " " for letter in status).split())
            lines.append(f"STATUS={text[:MOST_STATUS_CHARACTERS]}")
        # An abstract name begins with a zero byte.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(SEND_WITHIN_S)
                sender.sendto("\n".join(lines).encode(errors="replace"), address)
        except (OSError, ValueError) as error:
            # Once: it would come again with every ping.
            level = logging.DEBUG if self._complained else logging.WARNING
            log.log(level, "the service manager cannot be told (NOTIFY_SOCKET=%s): %s", self._address, error)
            self._complained = True
            return False
        return True


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """Read the watchdog's time, where it is meant for this process and not for its parent."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        watchdog_s = int(environment.get("WATCHDOG_USEC", "0")) / 1e6
    except ValueError:
        return None
    return watchdog_s if watchdog_s > 0 else None
