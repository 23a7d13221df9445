"""Messages as a service manager receives them, over a real datagram socket."""

import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from listener.daemon import notify
from listener.daemon.notify import MOST_STATUS_CHARACTERS, Notifier
from tests.program import PATIENCE_S


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a service manager listens, as NOTIFY_SOCKET names it."""
    if request.param == "abstract":
        return f"@listener-test-{os.getpid()}"
    return os.path.relpath(tmp_path / "n") if len(str(tmp_path)) > 100 else str(tmp_path / "n")


@pytest.fixture
def manager(address: str) -> Iterator[socket.socket]:
    """A service manager's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address.replace("@", "\0") if address.startswith("@") else address)
        receiver.settimeout(PATIENCE_S)
        yield receiver


def test_messages(manager: socket.socket, address: str) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    assert notifier.active
    assert notifier.ready()
    assert manager.recv(4096) == b"READY=1"
    assert notifier.ready("listening")
    assert manager.recv(4096) == b"READY=1\nSTATUS=listening"
    assert notifier.status("99 % heard, last event Hahn/krähen")
    assert manager.recv(4096).decode() == "STATUS=99 % heard, last event Hahn/krähen"
    assert notifier.watchdog()
    assert manager.recv(4096) == b"WATCHDOG=1"
    assert notifier.stopping("stopping")
    assert manager.recv(4096) == b"STOPPING=1\nSTATUS=stopping"


def test_a_reload_says_when_it_began(manager: socket.socket, address: str) -> None:
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Notifier(address).reloading()
    first, second = manager.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    key, value = second.split("=")
    assert key == "MONOTONIC_USEC"
    assert before_us <= int(value) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_a_status_cannot_smuggle_in_another_message(manager: socket.socket, address: str) -> None:
    Notifier(address).status("one\nREADY=1\r\n two\x00\udc80 three")
    assert manager.recv(4096) == b"STATUS=one READY=1 two three"


def test_a_long_status_is_cut_not_lost(manager: socket.socket, address: str) -> None:
    Notifier(address).status("🦉" * 5_000)
    assert manager.recv(65_536).decode() == "STATUS=" + "🦉" * MOST_STATUS_CHARACTERS


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_nobody_listens(environment: dict[str, str]) -> None:
    notifier = Notifier.from_environment(environment)
    assert not notifier.active
    assert not notifier.ready()
    assert not notifier.watchdog()


def test_a_manager_that_is_gone_is_complained_about_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier(str(tmp_path / "gone"))
    with caplog.at_level(logging.WARNING):
        assert not any([notifier.ready(), notifier.status("x"), notifier.watchdog(), notifier.stopping()])
    assert len(caplog.records) == 1
    assert "NOTIFY_SOCKET=" in caplog.text


@pytest.mark.parametrize("address", ["/" + "x" * 300, "/null\0byte"])
def test_an_impossible_address_raises_nothing(address: str) -> None:
    assert not Notifier(address).ready()


def test_a_manager_that_does_not_read_holds_nobody_up(
    manager: socket.socket, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "SEND_WITHIN_S", 0.01)
    notifier = Notifier(address)
    for _ in range(100_000):
        if not notifier.watchdog():
            break
    else:
        pytest.fail("the socket never filled up")
    manager.recv(4096)
    assert notifier.watchdog()


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
    ],
)
def test_the_watchdogs_time(environment: dict[str, str], watchdog_s: float | None) -> None:
    assert Notifier.from_environment(environment).watchdog_s == watchdog_s


def test_the_real_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/nowhere")
    monkeypatch.setenv("WATCHDOG_USEC", "500000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    notifier = Notifier.from_environment()
    assert (notifier.active, notifier.watchdog_s) == (True, 0.5)
