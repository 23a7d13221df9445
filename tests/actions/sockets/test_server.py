"""Events as lines for all who connect."""

import json
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from listener.actions.runner import ActionRunner
from listener.actions.socket import server as socket_server
from listener.actions.socket.action import SocketAction, SocketOptions
from listener.errors import ActionError
from listener.event_format import event_dict
from listener.pipeline.program import RunningProgram
from tests.actions.fakes import LIMIT_S, FakeTap, eventually, onset, settings
from tests.actions.sockets.peers import Client, Make, fire


def test_every_client_hears_every_event(make: Make, client: Callable[..., Client], address: str) -> None:
    action = make(listen=address)
    fire(action)  # to nobody
    first, second = client(action), client(action)
    fire(action, onset(1))
    third = client(action)
    fire(action, onset(2, label='a "b"\n🐕'))
    assert [one.event()["id"] for one in (first, second)] == ["e1", "e1"]
    for one in (first, second, third):
        line = one.line()
        assert line.isascii()
        assert json.loads(line) == event_dict(onset(2, label='a "b"\n🐕'))


def test_a_client_may_go_and_come(make: Make, client: Callable[..., Client], address: str) -> None:
    action = make(listen=address)
    server = action._server
    assert server is not None
    gone = client(action)
    gone.close()
    eventually(lambda: not server._clients)
    fire(action)
    back = client(action)
    fire(action, onset(2))
    assert back.event()["id"] == "e2"


def test_who_reads_too_slowly_is_disconnected_and_nobody_waits_for_him(
    make: Make, client: Callable[..., Client], address: str, caplog: pytest.LogCaptureFixture
) -> None:
    action = make(listen=address, buffer_bytes=4096)
    server = action._server
    assert server is not None
    slow, quick = client(action), client(action)
    number = 0
    while not server.n_dropped:
        number += 1
        fire(action, onset(number, label="x" * 1000))
        assert quick.event()["id"] == f"e{number}"
    assert "a client is disconnected: it reads too slowly" in caplog.text
    heard = 0
    while (line := slow.line()).endswith("\n"):
        heard += 1
        assert json.loads(line)["id"] == f"e{heard}", "what it has heard is without a hole"
    assert heard < number
    fire(action, onset(0))
    assert quick.event()["id"] == "e0"


def test_who_only_talks_is_disconnected(
    make: Make, client: Callable[..., Client], address: str, caplog: pytest.LogCaptureFixture
) -> None:
    action = make(listen=address)
    talker, quiet = client(action), client(action)
    with suppress(OSError):
        while True:
            talker.connection.sendall(b"GET / HTTP/1.1\r\n" * 1000)
    fire(action)
    assert quiet.event()["id"] == "e1"
    assert "it says more than it hears" in caplog.text


def test_more_clients_than_allowed_are_refused(
    make: Make, client: Callable[..., Client], address: str, caplog: pytest.LogCaptureFixture
) -> None:
    action = make(listen=address, clients=1)
    first = client(action)
    refused = Client(address)
    assert refused.line() == ""
    refused.close()
    fire(action)
    assert first.event()["id"] == "e1"
    assert "a client is refused: there are 1 already" in caplog.text


def test_what_was_said_is_still_heard_after_the_end(
    make: Make, client: Callable[..., Client], address: str
) -> None:
    action = make(listen=address)
    one = client(action)
    for number in range(100):
        fire(action, onset(number))
    action.close()
    assert [one.event()["id"] for _ in range(100)] == [f"e{number}" for number in range(100)]
    assert one.line() == ""


def test_permissions_hold_from_the_first_moment_on(make: Make, folder: Path) -> None:
    action = make(listen=f"unix:{folder}/s", mode="0600")
    assert stat.S_IMODE((folder / "s").stat().st_mode) == 0o600
    action.close()
    assert list(folder.iterdir()) == []


def test_a_socket_that_was_left_behind_is_replaced(
    make: Make, client: Callable[..., Client], folder: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "s"))
        left.listen()
    assert (folder / "s").is_socket()
    action = make(listen=f"unix:{folder}/s")
    one = client(action)
    fire(action)
    assert one.event()["id"] == "e1"


def test_what_somebody_else_has_is_left_alone(make: Make, folder: Path) -> None:
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(ActionError, match=r"^listen: somebody listens at '.*/s' already$"):
            make(listen=f"unix:{path}")
        assert path.is_socket()
    path.unlink()
    path.write_text("precious")
    with pytest.raises(ActionError, match="is there and is no socket: choose another path"):
        make(listen=f"unix:{path}")
    assert path.read_text() == "precious"
    with pytest.raises(ActionError, match="there is no folder"):
        make(listen=f"unix:{folder}/no/s")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"tcp:127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(
            ActionError, match=f"^listen: nobody can listen at '{taken}': Address already in use"
        ):
            make(listen=taken)
    assert socket_server._servers == {}


def test_a_successors_socket_is_not_removed(make: Make, folder: Path) -> None:
    path = folder / "s"
    action = make(listen=f"unix:{path}")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        action.close()
        assert path.is_socket()


def test_a_new_configuration_takes_the_address_over(
    client: Callable[..., Client], folder: Path, request: pytest.FixtureRequest
) -> None:
    address = f"unix:{folder}/s"
    old = SocketAction("others", SocketOptions(listen=address))
    new = SocketAction("others", SocketOptions(listen=address, mode="0600"))
    runner = ActionRunner([(old, settings())], FakeTap())
    runner.start(RunningProgram(runner, list, [], lambda: pytest.fail("nobody asks")))
    request.addfinalizer(lambda: runner.stop(LIMIT_S))
    one = client(old)
    runner.change([(new, settings())], LIMIT_S)
    runner.submit(onset(1))
    assert one.event()["id"] == "e1"
    eventually(lambda: old._server is None)
    runner.submit(onset(2))
    assert one.event()["id"] == "e2"
    assert stat.S_IMODE((folder / "s").stat().st_mode) == 0o600


def test_who_only_looks_whether_it_could_listen_changes_nothing(make: Make, folder: Path) -> None:
    address = f"unix:{folder}/s"
    make(listen=address, mode="0600", clients=1)
    look = SocketAction("others", SocketOptions(listen=address, mode="0666", clients=2))
    look.open()
    look.close()
    assert stat.S_IMODE((folder / "s").stat().st_mode) == 0o600
