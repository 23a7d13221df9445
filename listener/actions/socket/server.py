"""Tells lines to everybody who is connected, and waits for nobody.

One thread looks after all connections of an address. What a client has not read yet is kept for it, up to
a bound; whoever reads too slowly for that is disconnected, as a hole in a stream would be worse than its end.
"""

import logging
import os
import selectors
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from listener.actions.socket.addresses import Address, TcpAddress, UnixAddress, watch
from listener.actions.socket.bind import listening, remove

log = logging.getLogger(__name__)

READ_BYTES = 4096
MOST_READ = 65_536
"""Clients are here to listen: whoever says more than this is disconnected."""

FLUSH_S = 1.0
"""Seconds that clients have at the end to read what was said."""

REST_S = 0.2
"""Pause after a connection that could not be taken, such as for want of file descriptors."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an address is for whom."""

    mode: int = 0o660
    """Permissions of a Unix socket."""

    clients: int = 32
    """At once."""

    buffer_bytes: int = 262_144
    """Kept for each client that reads slowly."""


@dataclass(slots=True, eq=False)
class _Client:
    connection: socket.socket
    unsent: bytearray = field(default_factory=bytearray)
    said: int = 0


class SocketServer:
    """A socket that listens, and everybody who is connected to it.

    Parameters
    ----------
    address
        Where it listens.
    bounds
        For whom.

    Raises
    ------
    ActionError
        It cannot listen there.
    """

    def __init__(self, address: Address, bounds: Bounds) -> None:
        self.address = address
        self.bounds = bounds
        self.n_dropped = 0
        """Clients that were disconnected because they read too slowly."""
        self._listener = listening(address, bounds.mode)
        self._ours = os.lstat(address.path) if isinstance(address, UnixAddress) else None
        self._listener.setblocking(False)
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._lines: deque[bytes] = deque()
        self._clients: set[_Client] = set()
        self._ends_at: float | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._work, name=f"socket:{address}", daemon=True)
        self._thread.start()

    def tell(self, line: bytes) -> None:
        """Say a line to all who are connected. Never waits."""
        self._lines.append(line)
        self._wake()

    def adopt(self, bounds: Bounds) -> None:
        """Let other bounds hold from now on."""
        self.bounds = bounds
        if isinstance(self.address, UnixAddress):
            with suppress(OSError):
                self.address.path.chmod(bounds.mode)

    def close(self) -> None:
        """Take nobody any more, let clients read what was said for a moment, and end."""
        self._ends_at = time.monotonic() + FLUSH_S
        self._wake()
        self._thread.join()
        # Not by the thread itself: it may come to its end before it is woken.
        self._waker.close()
        self._woken.close()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # it will wake up anyway
            self._waker.send(b".")

    def _work(self) -> None:
        try:
            while not self._is_over():
                ready = self._selector.select(None if self._ends_at is None else 0.05)
                with suppress(BlockingIOError):  # before the lines: of one that comes now it is woken anew
                    self._woken.recv(READ_BYTES)
                while self._lines:  # before the clients: who connects only now was not there
                    self._pass_on(self._lines.popleft())
                for key, events in ready:
                    self._attend(key, events)
        finally:
            remove(self.address, self._ours)
            for one in (self._listener, *(one.connection for one in self._clients)):
                one.close()
            self._selector.close()

    def _is_over(self) -> bool:
        if self._ends_at is None:
            return False
        has_unsent = bool(self._lines) or any(client.unsent for client in self._clients)
        return not has_unsent or time.monotonic() >= self._ends_at

    def _attend(self, key: selectors.SelectorKey, events: int) -> None:
        client: _Client | None = key.data
        if key.fileobj is self._listener:
            self._take()
        elif client is not None:
            if events & selectors.EVENT_READ and client in self._clients:
                self._hear(client)
            if events & selectors.EVENT_WRITE and client in self._clients:
                self._send(client)

    def _take(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return  # it has changed its mind
        except OSError as error:
            log.warning("%s: nobody can connect: %s", self.address, error.strerror)
            time.sleep(REST_S)  # or this would be tried without a pause
            return
        if self._ends_at is not None or len(self._clients) >= self.bounds.clients:
            connection.close()
            log.warning("%s: a client is refused: there are %d already", self.address, len(self._clients))
            return
        connection.setblocking(False)
        if isinstance(self.address, TcpAddress):
            watch(connection)
        client = _Client(connection)
        self._clients.add(client)
        self._selector.register(connection, selectors.EVENT_READ, client)

    def _hear(self, client: _Client) -> None:
        """Take no notice of what a client says, but of its leaving."""
        try:
            said = client.connection.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        client.said += len(said)
        if not said:
            self._drop(client)
        elif client.said > MOST_READ:
            self._drop(client)
            log.warning("%s: a client is disconnected: it says more than it hears", self.address)

    def _pass_on(self, line: bytes) -> None:
        for client in list(self._clients):
            client.unsent += line
            self._send(client)
            if len(client.unsent) > self.bounds.buffer_bytes and client in self._clients:
                self._drop(client)
                log.warning("%s: a client is disconnected: it reads too slowly", self.address)
                self.n_dropped += 1

    def _send(self, client: _Client) -> None:
        try:
            if client.unsent:
                del client.unsent[: client.connection.send(client.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.unsent else 0)
        self._selector.modify(client.connection, wanted, client)

    def _drop(self, client: _Client) -> None:
        self._clients.discard(client)
        self._selector.unregister(client.connection)
        client.connection.close()


_lock = threading.Lock()
_servers: dict[Address, tuple[SocketServer, int]] = {}
"""Those that listen, and how many actions speak through each."""


def join(address: Address, bounds: Bounds, is_trial: bool = False) -> SocketServer:
    """Give the server of an address, which is started unless an action has it already.

    So a new configuration takes over an address, with all who are connected, while the one before ends.

    Parameters
    ----------
    address, bounds
        As for the server.
    is_trial
        It is only looked whether that is possible: what others have there stays as it is.

    Raises
    ------
    ActionError
        It cannot listen there.
    """
    with _lock:
        if address in _servers:
            server, n_users = _servers[address]
            if not is_trial:
                server.adopt(bounds)
        else:
            server, n_users = SocketServer(address, bounds), 0
        _servers[address] = server, n_users + 1
        return server


def leave(address: Address) -> None:
    """Have no more use for the server of an address; it ends with the last."""
    with _lock:
        server, n_users = _servers.pop(address)
        if n_users > 1:
            _servers[address] = server, n_users - 1
        else:
            server.close()
