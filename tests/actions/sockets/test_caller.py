"""Events as lines for one who listens."""

import json
import socket
import threading
from pathlib import Path

import pytest

from listener.actions.socket.addresses import UnixAddress, parse_address
from listener.errors import ActionError, TransientError
from listener.event_format import event_dict
from tests.actions.fakes import LIMIT_S, onset
from tests.actions.sockets.peers import Make, Reader, fire


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
