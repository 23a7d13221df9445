"""``use: socket``: every event as a line of JSON, for other programs.

With ``listen``, others connect to this program and read; with ``connect``, it connects to another one.
"""

import logging
import re
import socket
import threading
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from listener.actions.base import Action, ActionContext, Program
from listener.actions.socket.addresses import Address, TcpAddress, connected, parse_address
from listener.actions.socket.server import Bounds, SocketServer, join, leave
from listener.actions.wires import Wire, Wires
from listener.config import Options
from listener.errors import ActionError, TransientError
from listener.event_format import event_json
from listener.types import Event

log = logging.getLogger(__name__)

READ_BYTES = 65_536

TimeOut = Annotated[float, Field(gt=0, le=600)]


class SocketOptions(Options):
    """Settings of the ``socket`` action."""

    listen: str | None = None
    """Where others connect to: ``unix:/run/listener/events.sock`` or ``tcp:127.0.0.1:7777``."""

    connect: str | None = None
    """Where to connect to instead, written likewise."""

    mode: str = "0660"
    """Permissions of the Unix socket that listens."""

    allow_remote: bool = False
    """It may listen where other machines can connect. There is no password and no encryption."""

    clients: Annotated[int, Field(ge=1, le=1000)] = 32
    """Connections at once; more are refused."""

    buffer_bytes: Annotated[int, Field(ge=4096, le=2**26)] = 262_144
    """Kept for each client that reads slowly; one that needs more is disconnected."""

    connect_timeout_s: TimeOut = 3.0
    """Longest wait for a connection, in seconds."""

    send_timeout_s: TimeOut = 10.0
    """Longest wait until the other side takes a line, in seconds."""

    @field_validator("listen", "connect")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None:
            parse_address(value)
        return value

    @field_validator("mode", mode="before")
    @classmethod
    def _is_octal(cls, value: Any) -> Any:
        if not isinstance(value, str) or not re.fullmatch(r"0?[0-7]{3}", value):
            raise ValueError('must be three octal digits in quotes, such as "0660"')
        return value

    @model_validator(mode="after")
    def _has_one_end(self) -> Self:
        if (self.listen is None) is (self.connect is None):
            raise ValueError("needs either listen or connect")
        if self.listen is not None and not self.allow_remote:
            address = parse_address(self.listen)
            if isinstance(address, TcpAddress) and not address.is_loopback:
                raise ValueError(
                    "listen: must be on this machine (127.0.0.1), "
                    "or allow_remote: true lets anybody in who gets there"
                )
        return self


class SocketAction(Action):
    """Writes events to a socket."""

    Options = SocketOptions
    options: SocketOptions

    def __init__(self, name: str, options: SocketOptions) -> None:
        super().__init__(name, options)
        self.is_remote = options.connect is not None
        self._address: Address = parse_address(options.listen or options.connect or "")
        self._server: SocketServer | None = None
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()
        self._wires = Wires()
        self._is_at_work = False

    def join(self, program: Program) -> None:
        """Get to know that the program runs, and does not only look at its configuration."""
        self._is_at_work = True

    def open(self) -> None:
        """Listen, where others are to connect; else nobody has to be there yet.

        Raises
        ------
        ActionError
            Nobody can listen there, or somebody else does.
        """
        if self.options.connect is None:
            options = self.options
            bounds = Bounds(int(options.mode, 8), options.clients, options.buffer_bytes)
            self._server = join(self._address, bounds, is_trial=not self._is_at_work)
            log.info("action '%s': events are told at %s", self.name, self._address)

    def run(self, event: Event, context: ActionContext) -> None:
        """Say the event: to all who are connected now, or to whom it connects to.

        Raises
        ------
        TransientError
            Whom it connects to is away, or does not listen.
        ActionError
            The run was given up.
        """
        line = event_json(event).encode() + b"\n"
        if self._server is not None:
            self._server.tell(line)
            return
        with self._wires.wire(context.cancelled) as wire:
            try:
                self._send(line, wire)
            except OSError as error:
                if context.cancelled.is_set():
                    raise ActionError("given up") from None
                raise TransientError(f"{self._address}: {_reason(error)}") from None

    def cancel(self) -> None:
        """Cut the connections of what was given up."""
        self._wires.cut()

    def close(self) -> None:
        """Hang up."""
        if self._server is not None:
            self._server = None
            leave(self._address)
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _send(self, line: bytes, wire: Wire) -> None:
        connection = self._connection()
        try:
            wire.add(connection)
            connection.settimeout(self.options.send_timeout_s)
            connection.sendall(line)
        except BaseException:
            # The other side has a part of the line at most, without an end; the next try says it anew.
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)

    def _connection(self) -> socket.socket:
        """Give a connection that was in use before and still stands, or a new one."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return connected(self._address, self.options.connect_timeout_s)
            if _stands(connection):
                return connection
            connection.close()


def _stands(connection: socket.socket) -> bool:
    """Say whether the other side has not hung up; what it said is thrown away."""
    connection.setblocking(False)
    try:
        return bool(connection.recv(READ_BYTES))
    except BlockingIOError:
        return True
    except OSError:
        return False


def _reason(error: OSError) -> str:
    return "it does not listen in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
