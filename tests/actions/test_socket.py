"""Events as lines on a socket: for all who connect, or to one who listens."""

import json
import os
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from listener.actions.base import ActionContext, Recording
from listener.actions.runner import ActionRunner
from listener.actions.socket import server as socket_server
from listener.actions.socket.action import SocketAction, SocketOptions
from listener.actions.socket.addresses import TcpAddress, UnixAddress, connected, parse_address
from listener.config_file import validate
from listener.errors import ActionError, ConfigError, TransientError
from listener.event_format import event_dict
from listener.pipeline.program import RunningProgram
from listener.types import Event
from tests.actions.fakes import LIMIT_S, ONSET, FakeTap, onset, settings
from tests.bundles import loudness_bundle
from tests.program import PATIENCE_S, Program
from tests.virtual_microphone import VirtualMicrophone

Make = Callable[..., SocketAction]


def no_audio(start_s: float, end_s: float) -> Recording:
    raise NotImplementedError


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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fire(action: SocketAction, event: Event = ONSET, **context: Any) -> None:
    action.run(event, ActionContext(no_audio, **context))


def eventually(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < ends_at, "it did not come to pass"
        time.sleep(0.005)


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


@pytest.fixture(params=["unix", "tcp"])
def address(request: pytest.FixtureRequest, folder: Path) -> str:
    return f"unix:{folder}/s" if request.param == "unix" else f"tcp:127.0.0.1:{free_port()}"


@pytest.fixture
def reader(address: str) -> Iterator[Reader]:
    one = Reader(address)
    yield one
    one.stop()


# --- listen: others read ------------------------------------------------------------------------


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


# --- connect: one listens ---------------------------------------------------------------------------


def test_events_go_to_whom_it_connects_to(make: Make, address: str, reader: Reader) -> None:
    reader.start()
    action = make(connect=address)
    for number in (1, 2):
        fire(action, onset(number))
    lines = reader.wait_for(2)
    assert [json.loads(line) for line in lines] == [event_dict(onset(1)), event_dict(onset(2))]
    assert len(reader._connections) == 1


def test_who_is_away_gets_it_later(make: Make, address: str, reader: Reader) -> None:
    action = make(connect=address)
    assert action.is_remote
    with pytest.raises(TransientError, match=f"^{address}: (Connection refused|No such file or directory)$"):
        fire(action)
    reader.start()
    fire(action)
    reader.wait_for(1)
    reader.stop()
    with pytest.raises(TransientError):
        fire(action, onset(2))
    reader.start()
    fire(action, onset(2))
    assert [json.loads(line)["id"] for line in reader.wait_for(2)] == ["e1", "e2"]


def test_who_hangs_up_is_called_again(make: Make, address: str, reader: Reader) -> None:
    reader.start()
    action = make(connect=address)
    for number in (1, 2, 3):
        fire(action, onset(number))
        reader.wait_for(number)
        reader.hang_up()
    assert [json.loads(line)["id"] for line in reader.lines] == ["e1", "e2", "e3"]


def test_who_answers_rubbish_is_not_listened_to(make: Make, address: str) -> None:
    parsed = parse_address(address)
    with socket.socket(socket.AF_UNIX if isinstance(parsed, UnixAddress) else socket.AF_INET) as other:
        other.bind(str(parsed.path) if isinstance(parsed, UnixAddress) else (parsed.host, parsed.port))
        other.listen()
        action = make(connect=address)
        fire(action, onset(1))
        connection, _ = other.accept()
        with connection, connection.makefile() as lines:
            for number in range(2, 6):
                connection.sendall(b"\x00\xff rubbish" * 1000)
                assert json.loads(lines.readline())["id"] == f"e{number - 1}"
                fire(action, onset(number))


def full(folder: Path) -> tuple[socket.socket, str]:
    """Somebody who takes the connection and never reads."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "full"))
    listener.listen()
    return listener, f"unix:{folder}/full"


def test_who_does_not_read_is_not_waited_for(make: Make, folder: Path) -> None:
    listener, address = full(folder)
    with listener:
        action = make(connect=address, send_timeout_s=0.2)
        with pytest.raises(TransientError, match=r"it does not listen in time$"):  # noqa: PT012
            while True:
                fire(action, onset(1, label="x" * 10_000))


def test_a_run_that_is_given_up_ends(make: Make, folder: Path) -> None:
    listener, address = full(folder)
    cancelled = threading.Event()
    errors: list[str] = []
    with listener:
        action = make(connect=address, send_timeout_s=600)

        def run() -> None:
            try:
                while True:
                    fire(action, onset(1, label="x" * 10_000), cancelled=cancelled)
            except ActionError as error:
                errors.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()
        cancelled.set()
        action.cancel()
        thread.join(LIMIT_S)
        assert errors == ["given up"]


# --- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "needs either listen or connect"),
        ({"listen": "unix:/s", "connect": "unix:/s"}, "needs either listen or connect"),
        *(
            ({"listen": text}, 'listen: must be such as "unix:/run/listener/events.sock"')
            for text in (
                "",
                "x",
                "unix:",
                "tcp:",
                "tcp:80",
                "tcp:x:0",
                "tcp:x:65536",
                "tcp:::1:80",
                "udp:x:1",
            )
        ),
        ({"listen": "unix:/" + "x" * 107}, "listen: must have a path of 107 bytes at most"),
        (
            {"listen": "tcp:0.0.0.0:7777"},
            "listen: must be on this machine (127.0.0.1), or allow_remote: true",
        ),
        ({"listen": "tcp:[::]:7777"}, "listen: must be on this machine"),
        ({"listen": "tcp:example.com:7777"}, "listen: must be on this machine"),
        ({"listen": "unix:/s", "mode": 432}, 'mode: must be three octal digits in quotes, such as "0660"'),
        ({"listen": "unix:/s", "mode": "0999"}, "mode: must be three octal digits"),
        ({"listen": "unix:/s", "clients": 0}, "clients: must be greater than or equal to 1"),
        ({"listen": "unix:/s", "buffer_bytes": 1}, "buffer_bytes: must be greater than or equal to 4096"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(SocketOptions, options)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix:/run/x.sock", UnixAddress(Path("/run/x.sock"))),
        ("tcp:localhost:7777", TcpAddress("localhost", 7777)),
        ("tcp:[::1]:7777", TcpAddress("::1", 7777)),
    ],
)
def test_addresses(text: str, expected: UnixAddress | TcpAddress) -> None:
    assert parse_address(text) == expected
    assert str(expected) == text
    validate(SocketOptions, {"listen": text})
    validate(SocketOptions, {"listen": "tcp:0.0.0.0:7777", "allow_remote": True})


# --- from a sound to another program ------------------------------------------------------------------


def test_a_sound_arrives_at_both_kinds_of_programs(
    virtual_microphone: VirtualMicrophone, folder: Path, tmp_path: Path
) -> None:
    """One connects and reads; the other listens, is away at first, and later again."""
    listen, connect = f"unix:{folder}/events", f"tcp:127.0.0.1:{free_port()}"
    config = tmp_path / "config.yaml"
    config.write_text(
        f"""
sources: [{{use: microphone, name: mic, backend: sounddevice}}]
model: {{path: {loudness_bundle(tmp_path / "loudness.pt")}}}
windows: {{hop_s: 0.1}}
events: {{only: [loud], default: {{release_s: 0.1, cooldown_s: 0}}}}
actions:
  - {{use: socket, name: serves, when: both, listen: "{listen}"}}
  - use: socket
    name: calls
    when: both
    connect: "{connect}"
    retry: {{times: 100, pause_s: 0.1, longest_pause_s: 0.3}}
    breaker: never
""",
        encoding="utf-8",
    )
    noise = np.random.default_rng(1).uniform(-10_000, 10_000, 16_000)
    burst = np.asarray(np.pad(noise, 8_000), np.int16)
    reader = Reader(connect)
    try:
        with Program("run", "-c", config, "--json") as program:
            program.wait_for_log("listening to mic")
            client = Client(listen)
            virtual_microphone.play_array(burst)
            program.wait_for_log("Connection refused; it is tried again")
            heard = [client.event(), client.event()]
            reader.start()
            reader.wait_for(2)
            reader.stop()
            virtual_microphone.play_array(burst)
            heard += [client.event(), client.event()]
            program.wait_for_log("Connection refused; it is tried again")
            reader.start()
            reader.wait_for(4)
            program.interrupt()
            assert program.wait() == 130
            assert client.line() == ""
            client.close()
    finally:
        reader.stop()
    printed = [json.loads(line) for line in program.printed]
    assert [event["phase"] for event in printed] == ["onset", "offset"] * 2
    assert heard == printed
    assert [json.loads(line) for line in reader.lines] == printed
    assert os.listdir(folder) == []  # noqa: PTH208 - names are all that matters
