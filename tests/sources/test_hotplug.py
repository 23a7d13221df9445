"""Waiting for a sound device to come."""

import logging
import pwd
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from listener.sources import device_set as device_set_module
from listener.sources import hotplug
from listener.sources.device_set import DeviceSet, device_set
from listener.sources.hotplug import Hotplug, await_change, is_about_sound
from tests.program import PATIENCE_S

KERNEL_ADDS = b"add@/devices/x/card1\0ACTION=add\0DEVPATH=/devices/x/card1\0SUBSYSTEM=sound\0SEQNUM=7\0"
KERNEL_OTHER = (
    b"add@/devices/x/1-1\0ACTION=add\0DEVPATH=/devices/x/1-1\0SUBSYSTEM=usb\0NAME=SUBSYSTEM=sound\0"
)


def from_udev(properties: bytes) -> bytes:
    """Wrap properties as udev does, with an odd gap behind the header."""
    header = struct.pack(
        "=8s4sIIIIIII", b"libudev\0", b"\xfe\xed\xca\xfe", 40, 44, len(properties), 0, 0, 0, 0
    )
    return header + b"\xff" * 4 + properties


UDEV_ADDS = from_udev(b"SUBSYSTEM=sound\0ACTION=add\0DEVNAME=/dev/snd/controlC1\0")
UDEV_OTHER = from_udev(b"ACTION=add\0SUBSYSTEM=usb\0")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (KERNEL_ADDS, True),
        (KERNEL_OTHER, False),
        (UDEV_ADDS, True),
        (UDEV_OTHER, False),
        (b"libudev\0" + b"\xff" * 40, False),
        (b"", False),
        (b"\0\xff\0", False),
    ],
)
def test_messages_about_sound_are_told_from_others(message: bytes, expected: bool) -> None:
    assert is_about_sound(message) is expected


class Messages:
    """A pair of sockets in place of the kernel's."""

    def __init__(self) -> None:
        self.theirs, self._ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def hotplug(self) -> Hotplug:
        return Hotplug(lambda: self._ours)

    def close(self) -> None:
        self.theirs.close()
        self._ours.close()


@pytest.fixture
def messages() -> Iterator[Messages]:
    pair = Messages()
    yield pair
    pair.close()


@contextmanager
def waiting(
    timeout_s: float, look: Callable[[], DeviceSet], hotplug: Callable[[], Hotplug]
) -> Iterator[tuple[Callable[[], bool], threading.Event]]:
    """Wait on another thread; gives what waits for its answer, and the flag that ends it."""
    stopping = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(await_change, (), timeout_s, stopping, look, hotplug)
        try:
            yield (lambda: answer.result(PATIENCE_S)), stopping
        finally:
            stopping.set()


def unchanged() -> DeviceSet:
    return ()


def test_a_new_sound_device_ends_the_wait(messages: Messages) -> None:
    messages.theirs.send(UDEV_OTHER)
    with waiting(1_000, unchanged, messages.hotplug) as (result, _):
        messages.theirs.send(KERNEL_OTHER)
        messages.theirs.send(UDEV_ADDS)
        assert result() is True


def test_other_devices_do_not_end_it(messages: Messages) -> None:
    for message in (KERNEL_OTHER, UDEV_OTHER) * 3:
        messages.theirs.send(message)
    started = time.monotonic()
    assert await_change((), 0.6, threading.Event(), unchanged, messages.hotplug) is False
    assert time.monotonic() - started >= 0.6


def test_stopping_ends_it_at_once(messages: Messages) -> None:
    for hotplug_ in (messages.hotplug, silent):
        with waiting(1_000, unchanged, hotplug_) as (result, stopping):
            stopping.set()
            assert result() is False


def silent() -> Hotplug:
    """Nothing is ever told."""
    return Hotplug(lambda: None)


def test_where_nothing_is_told_the_file_system_is_looked_at() -> None:
    now: list[DeviceSet] = [()]
    with waiting(1_000, lambda: now[0], silent) as (result, _):
        now[0] = ("a card",)
        assert result() is True


def test_what_came_since_the_last_attempt_ends_the_wait_too() -> None:
    assert await_change((), 1_000, threading.Event(), lambda: ("a card",), silent) is True


def test_where_it_is_not_allowed_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*arguments: object) -> socket.socket:
        raise PermissionError(97, "Address family not supported by protocol")

    hotplug._say_once.cache_clear()
    monkeypatch.setattr(socket, "socket", refuse)
    with caplog.at_level(logging.DEBUG, "listener"):
        for _ in range(2):
            with Hotplug() as quiet:
                assert quiet.wait(0.01, threading.Event()) is False
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]
    assert "Address family not supported" in caplog.text


def test_the_kernels_socket_hears_what_is_sent_to_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A real netlink socket; a message comes from here instead of the kernel."""
    monkeypatch.setattr(hotplug, "UDEV_RUNS", tmp_path / "no udev")
    with Hotplug() as hears:
        try:
            send_as_kernel(KERNEL_OTHER)
        except PermissionError:
            pytest.skip("only root may send to a netlink multicast group")
        send_as_kernel(KERNEL_ADDS)
        assert hears.wait(PATIENCE_S, threading.Event()) is True
        assert hears.wait(0.05, threading.Event()) is False


def send_as_kernel(message: bytes) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, hotplug.NETLINK_KOBJECT_UEVENT) as sender:
        sender.sendto(message, (0, hotplug.KERNEL))


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A system of which only this folder counts."""
    monkeypatch.setattr(device_set_module, "CARDS", tmp_path / "cards")
    monkeypatch.setattr(device_set_module, "NODES", tmp_path / "snd")
    for name in ("ALSA_CONFIG_PATH", "PULSE_SERVER", "JACK_DEFAULT_SERVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALSA_CONFIG_PATH", f"{tmp_path}/asound.conf")
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/native")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        lambda system: (system / "cards").write_text(" 0 [Device ]: USB-Audio"),
        lambda system: (system / "snd" / "pcmC1D0c").touch(),
        lambda system: (system / "snd" / "pcmC0D0c").chmod(0o666),
        lambda system: (system / "snd" / "pcmC0D0c").unlink(),
        lambda system: (system / "asound.conf").write_text("pcm.new {}"),
        lambda system: (system / "native").touch(),
        lambda system: (system / "pipewire-0").touch(),
    ],
    ids=["card", "new node", "rights", "node gone", "ALSA's configuration", "PulseAudio", "PipeWire"],
)
def test_what_can_make_a_microphone_come_is_seen(change: Callable[[Path], object], system: Path) -> None:
    (system / "snd").mkdir()
    (system / "snd" / "pcmC0D0c").touch(0o600)
    before = device_set()
    assert device_set() == before
    change(system)
    assert device_set() != before


def test_a_system_without_any_sound_and_home_can_be_looked_at(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(number: int) -> pwd.struct_passwd:
        raise KeyError(number)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert device_set() == device_set()
