"""A service manager, and whatever it was told."""

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.program import PATIENCE_S


class ServiceManager:
    """Listens at a socket of its own, for as long as the ``with`` block lasts."""

    def __init__(self) -> None:
        # A socket's path may have 107 characters at most: pytest's folders are too deep for it.
        self._folder = tempfile.TemporaryDirectory(prefix="manager-")
        self.address = str(Path(self._folder.name) / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told: list[str] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._listen, name="manager")

    @property
    def told(self) -> list[str]:
        """All messages, in order."""
        with self._changed:
            return list(self._told)

    def wait_for(self, text: str, after: int = 0) -> int:
        """Wait for a message that contains ``text``; give the number of messages up to it."""
        return self.wait_until(lambda message: text in message, text, after)

    def wait_until(self, is_it: Callable[[str], bool], what: str, after: int = 0) -> int:
        """Wait for a message, not among the first ``after``; give the number of messages up to it."""
        deadline = time.monotonic() + PATIENCE_S
        with self._changed:
            while True:
                for number, message in enumerate(self._told[after:], after + 1):
                    if is_it(message):
                        return number
                left_s = deadline - time.monotonic()
                assert left_s > 0, f"'{what}' was never told, but {self._told}"
                self._changed.wait(left_s)

    def __enter__(self) -> Self:
        self._socket.bind(self.address)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self.address)
        self._thread.join()
        self._socket.close()
        self._folder.cleanup()

    def _listen(self) -> None:
        while message := self._socket.recv(65_536).decode():
            with self._changed:
                self._told.append(message)
                self._changed.notify_all()


def environment(manager: ServiceManager, watchdog_s: float | None = None) -> dict[str, str]:
    """Give the variables that a service manager sets for a service."""
    told = {"NOTIFY_SOCKET": manager.address}
    if watchdog_s is not None:
        told["WATCHDOG_USEC"] = str(round(watchdog_s * 1e6))
    return {**os.environ, **told}
