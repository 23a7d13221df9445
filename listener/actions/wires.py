"""Connections that another thread can cut: whoever waits for the other side comes back at once."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event as Flag


class Wire:
    """The connections of one run.

    Parameters
    ----------
    cancelled
        Set when the run was given up: only then is anything cut.
    """

    def __init__(self, cancelled: Flag) -> None:
        self._cancelled = cancelled
        self._twins: list[socket.socket] = []
        self._lock = threading.Lock()

    def add(self, connected: socket.socket) -> None:
        """Take note of a connection. It stays with who made it."""
        # A descriptor of its own: that of the connection changes hands when TLS begins.
        with self._lock:
            self._twins.append(connected.dup())
        self.cut()

    def cut(self) -> None:
        """End the connections, if the run was given up. Never waits."""
        if not self._cancelled.is_set():
            return
        with self._lock:
            for twin in self._twins:
                with suppress(OSError):
                    twin.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Forget them."""
        with self._lock:
            for twin in self._twins:
                twin.close()
            self._twins.clear()


class Wires:
    """The connections of all runs of an action."""

    def __init__(self) -> None:
        self._wires: set[Wire] = set()
        self._lock = threading.Lock()

    @contextmanager
    def wire(self, cancelled: Flag) -> Iterator[Wire]:
        """Give the wire of a run, for as long as it runs."""
        wire = Wire(cancelled)
        with self._lock:
            self._wires.add(wire)
        try:
            yield wire
        finally:
            with self._lock:
                self._wires.discard(wire)
            wire.close()

    def cut(self) -> None:
        """End the connections of the runs that were given up. Never waits."""
        with self._lock:
            wires = list(self._wires)
        for wire in wires:
            wire.cut()
