"""An action, and who talks to it, for the tests of this folder."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from listener.actions.socket.action import SocketAction, SocketOptions
from listener.config_file import validate
from tests.actions.fakes import eventually
from tests.actions.sockets.peers import Client, Make, Reader, free_port


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: that of a socket may have 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="sock-") as name:
        yield Path(name)


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Make:
    def make(**options: Any) -> SocketAction:
        action = SocketAction("others", validate(SocketOptions, options))
        action.open()
        request.addfinalizer(action.close)
        return action

    return make


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Callable[[SocketAction], Client]:
    """Connects, and waits until the action knows."""

    def client(action: SocketAction) -> Client:
        assert action._server is not None
        n_before = len(action._server._clients)
        one = Client(str(action._address))
        request.addfinalizer(one.close)
        server = action._server
        eventually(lambda: len(server._clients) > n_before)
        return one

    return client


@pytest.fixture(params=["unix", "tcp"])
def address(request: pytest.FixtureRequest, folder: Path) -> str:
    return f"unix:{folder}/s" if request.param == "unix" else f"tcp:127.0.0.1:{free_port()}"


@pytest.fixture
def reader(address: str) -> Iterator[Reader]:
    one = Reader(address)
    yield one
    one.stop()
