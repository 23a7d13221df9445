"""Other programs: those that connect and read, and those that listen."""

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from listener.actions.base import ActionContext
from listener.actions.socket.action import SocketAction
from listener.actions.socket.addresses import UnixAddress, connected, parse_address
from listener.types import Event
from tests.actions.fakes import LIMIT_S, ONSET, no_audio
from tests.program import PATIENCE_S

Make = Callable[..., SocketAction]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fire(action: SocketAction, event: Event = ONSET, **context: Any) -> None:
    action.run(event, ActionContext(no_audio, **context))


class Client:
    """Another program that reads."""

    def __init__(self, address: str) -> None:
        self.connection = connected(parse_address(address), LIMIT_S)
        self.connection.settimeout(LIMIT_S)
        self._lines = self.connection.makefile("r", encoding="utf-8")

    def line(self) -> str:
        """Wait for a line; empty where the other side has hung up."""
        try:
            return self._lines.readline()
        except ConnectionResetError:
            return ""

    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.line())
        return event

    def close(self) -> None:
        self._lines.close()
        self.connection.close()


class Reader:
    """Another program that listens; it can go away and come back."""

    def __init__(self, address: str) -> None:
        self.address = parse_address(address)
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None

    def start(self) -> None:
        if isinstance(self.address, UnixAddress):
            self._listener = socket.socket(socket.AF_UNIX)
            self.address.path.unlink(missing_ok=True)
            self._listener.bind(str(self.address.path))
        else:
            self._listener = socket.socket()
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((self.address.host, self.address.port))
        self._listener.listen()
        self._begin(self._take, self._listener)

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._connections.clear()
        self._listener = None

    def wait_for(self, n_lines: int) -> list[str]:
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.lines) >= n_lines, PATIENCE_S)
            assert came, f"{len(self.lines)} of {n_lines} lines came"
            return list(self.lines)

    def hang_up(self) -> None:
        """End the connections that there are; others may come."""
        for connection in self._connections:
            with suppress(OSError):  # it has ended before
                connection.shutdown(socket.SHUT_RDWR)

    def _begin(self, target: Callable[[socket.socket], None], argument: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(argument,), name="reader")
        self._threads.append(thread)
        thread.start()

    def _take(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._begin(self._read, connection)

    def _read(self, connection: socket.socket) -> None:
        with connection, connection.makefile("r", encoding="utf-8") as file, suppress(OSError):
            for line in file:
                with self._changed:
                    self.lines.append(line)
                    self._changed.notify_all()
