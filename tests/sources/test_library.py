"""Microphones that share one PortAudio: none is lost because another one comes."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from listener.errors import DeviceError
from listener.sources import connection, look, portaudio
from listener.sources.blocks import Blocks
from listener.sources.device_set import DeviceSet
from listener.sources.library import MOST_RESCANS, RESCANS_WITHIN_S, Library
from listener.sources.look import LOOK_AGAIN_S, UNREST_S, Lookout
from listener.sources.microphone import Microphone, MicrophoneOptions
from listener.sources.portaudio import BackendName, DeviceInfo, OnBlock
from tests.program import PATIENCE_S

BLOCK = bytes(2 * 1024)


class FakePortAudio:
    """Devices come and go; the list is that of the moment of the first initialisation, as in the real one."""

    def __init__(self, plugged: list[str]) -> None:
        self.plugged = plugged
        self.listed: list[str] = []
        self.streams: dict[str, FakeStream] = {}
        self.users = 0
        self.opened: list[str] = []
        self.refuse: set[str] = set()
        self.thawed = threading.Event()
        self.thawed.set()

    def initialise(self) -> None:
        if self.users == 0:
            self.listed = list(self.plugged)
        self.users += 1

    def terminate(self) -> None:
        self.users -= 1
        assert self.users or not self.streams

    def devices(self) -> list[DeviceInfo]:
        assert self.users
        return infos(self.listed)

    def open(
        self, device: DeviceInfo, channels: int, rate_hz: int, block_samples: int, on_block: OnBlock
    ) -> "FakeStream":
        assert self.listed[device.index] == device.name
        if device.name not in self.plugged or device.name in self.refuse:
            raise DeviceError("Device unavailable")
        self.opened.append(device.name)
        self.streams[device.name] = FakeStream(self, device.name, on_block)
        return self.streams[device.name]

    def unplug(self, name: str) -> None:
        self.plugged.remove(name)
        if name in self.streams:
            self.streams[name].active = False


@dataclass
class FakeStream:
    library: FakePortAudio
    name: str
    on_block: OnBlock
    active: bool = True

    def is_active(self) -> bool:
        return self.active

    def close(self) -> None:
        assert self.library.thawed.wait(PATIENCE_S)
        del self.library.streams[self.name]


def infos(names: list[str]) -> list[DeviceInfo]:
    return [DeviceInfo(name, index, "pyaudio", 1, 16_000) for index, name in enumerate(names)]


class Bench:
    """Microphones on a fake PortAudio, with a clock that is moved by hand."""

    def __init__(self, *plugged: str) -> None:
        self.fake = FakePortAudio(list(plugged))
        self.around: DeviceSet = (0,)
        self.now_s = 1_000.0
        self.looks = 0
        self.library = Library(Lookout(self.look, self.now), lambda: self.around, self.now)
        self.microphones: list[Microphone] = []

    def now(self) -> float:
        return self.now_s

    def look(self, backend: BackendName) -> list[DeviceInfo]:
        self.looks += 1
        return infos(self.fake.plugged)

    def microphone(self, device: str) -> Microphone:
        microphone = Microphone(device, MicrophoneOptions(device=device), self.library)
        self.microphones.append(microphone)
        return microphone

    def opened(self, device: str) -> Microphone:
        microphone = self.microphone(device)
        microphone.open()
        return microphone

    def changed(self) -> None:
        """Let it be seen that something has changed."""
        self.around = (*self.around, 0)

    def plug_in(self, name: str, index: int = 99) -> None:
        self.fake.plugged.insert(index, name)
        self.changed()

    def unplug(self, name: str) -> None:
        self.fake.unplug(name)
        self.changed()

    def close(self) -> None:
        self.fake.thawed.set()
        for microphone in self.microphones:
            microphone.close()
        assert self.fake.users == 0
        assert not self.fake.streams


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench("first", "second")
    monkeypatch.setattr(connection, "load_backend", lambda name: bench.fake)
    yield bench
    bench.close()


def test_the_list_is_read_anew_where_nobody_else_is_open(bench: Bench) -> None:
    microphone = bench.microphone("new")
    with pytest.raises(DeviceError, match="no microphone is called 'new'"):
        microphone.open()
    bench.plug_in("new")
    microphone.open()
    assert bench.looks == 0


def test_one_that_comes_while_another_is_open_is_found(bench: Bench) -> None:
    first = bench.opened("first")
    bench.plug_in("new", index=0)
    new = bench.opened("new")
    assert bench.fake.opened == ["first", "first", "new"]
    assert bench.fake.users == 2
    for microphone in (first, new):
        bench.fake.streams[microphone.name].on_block(BLOCK, False)
        assert microphone.read(PATIENCE_S) is not None


def test_those_that_are_interrupted_for_it_say_how_long(bench: Bench) -> None:
    first = bench.opened("first")
    bench.fake.streams["first"].on_block(BLOCK, False)
    began = time.monotonic()
    bench.plug_in("new")
    bench.opened("new")
    time.sleep(0.3)  # sound that is missed
    bench.fake.streams["first"].on_block(BLOCK, False)
    missed_s = time.monotonic() - began - 0.064
    bench.fake.streams["first"].on_block(BLOCK, False)
    chunks = [first.read(PATIENCE_S) for _ in range(3)]
    before, after, last = [chunk for chunk in chunks if chunk is not None]
    assert not before.overflowed
    assert after.overflowed
    assert not last.overflowed
    assert (after.first_sample - before.end_sample) / 16_000 == pytest.approx(missed_s, abs=0.05)
    assert last.first_sample == after.end_sample


def test_blocks_after_an_interruption_lie_where_the_clock_says() -> None:
    now_s = [5.0]
    blocks = Blocks(1, 16_000, 10, lambda: now_s[0])
    blocks.put(BLOCK, False)
    blocks.interrupt()
    now_s[0] += 1.5
    blocks.put(BLOCK, False)
    blocks.put(BLOCK, False)
    assert [blocks.get(0) for _ in range(3)] == [
        (0, BLOCK, False),
        (1024 + 24_000 - 1024, BLOCK, True),
        (1024 + 24_000, BLOCK, False),
    ]


def test_one_that_is_not_there_interrupts_nobody(bench: Bench) -> None:
    bench.opened("first")
    bench.changed()
    with pytest.raises(DeviceError, match="no microphone is called 'new'"):
        bench.opened("new")
    assert bench.fake.opened == ["first"]


def test_one_that_is_in_the_same_place_as_before_interrupts_nobody(bench: Bench) -> None:
    bench.opened("first")
    bench.unplug("second")
    bench.plug_in("second")
    bench.opened("second")
    assert bench.fake.opened == ["first", "second"]


def test_a_place_that_somebody_else_has_taken_is_not_confused_with_it(bench: Bench) -> None:
    """A list that is out of date would lead to the wrong device."""
    bench.opened("first")
    bench.unplug("second")
    bench.plug_in("second (hw:2)")
    bench.opened("second")
    assert bench.fake.opened == ["first", "first", "second (hw:2)"]


def test_it_is_looked_for_seldom_while_nothing_changes(bench: Bench) -> None:
    bench.opened("first")
    new = bench.microphone("new")

    def attempt_after(pause_s: float) -> int:
        bench.now_s += pause_s
        before = bench.looks
        with pytest.raises(DeviceError):
            new.open()
        return bench.looks - before

    bench.changed()
    assert [attempt_after(UNREST_S / 4) for _ in range(4)] == [1, 1, 1, 1]  # more may follow
    assert [attempt_after(LOOK_AGAIN_S / 4) for _ in range(8)] == [0, 0, 0, 1, 0, 0, 0, 1]
    bench.changed()
    assert attempt_after(1) == 1


def test_one_that_a_sound_server_brings_without_a_trace_is_found_within_a_minute(bench: Bench) -> None:
    bench.opened("first")
    new = bench.microphone("new")
    bench.fake.plugged.append("new")
    deadline = bench.now_s + 2 * LOOK_AGAIN_S
    while True:
        try:
            new.open()
            break
        except DeviceError:
            bench.now_s += 4
            assert bench.now_s < deadline


def test_nobody_is_interrupted_while_one_of_them_is_unwell(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench.opened("first")
    bench.plug_in("new")
    monkeypatch.setattr(connection, "LATEST_BLOCK_S", -1.0)
    new = bench.microphone("new")
    with pytest.raises(DeviceError, match="'new' is there, but cannot be taken before 'first' is well"):
        new.open()
    first.close()
    new.open()


def test_a_loose_contact_does_not_interrupt_the_others_for_ever(bench: Bench) -> None:
    bench.opened("first")
    loose = bench.microphone("loose")

    def comes_back(n: int) -> None:
        bench.plug_in(f"loose {n}")
        try:
            loose.open()
        finally:
            loose.close()
            bench.unplug(f"loose {n}")
            bench.now_s += 1

    for n in range(MOST_RESCANS):
        comes_back(n)
    with pytest.raises(DeviceError, match=rf"it is taken in {RESCANS_WITHIN_S - MOST_RESCANS:.0f} s"):
        comes_back(MOST_RESCANS)
    bench.now_s += RESCANS_WITHIN_S
    comes_back(MOST_RESCANS + 1)
    assert bench.fake.opened.count("first") == 1 + MOST_RESCANS + 1


def test_what_only_others_can_see_interrupts_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.opened("first")
    bench.changed()
    monkeypatch.setattr(bench.library, "_lookout", Lookout(lambda backend: infos(["new"]), bench.now))
    new = bench.microphone("new")
    with pytest.raises(DeviceError, match="no microphone is called 'new'"):
        new.open()
    with pytest.raises(DeviceError, match="PortAudio does not list it"):
        new.open()
    assert bench.fake.opened == ["first", "first"]


def test_one_that_cannot_be_taken_again_is_lost(bench: Bench) -> None:
    first = bench.opened("first")
    second = bench.opened("second")
    bench.fake.refuse.add("first")
    bench.plug_in("new")
    new = bench.opened("new")
    with pytest.raises(DeviceError, match="'first' cannot be opened again: Device unavailable"):
        first.read(0)
    for microphone in (second, new):
        assert microphone.read(0) is None
    bench.fake.refuse.clear()
    first.open()
    assert first.read(0) is None


def test_another_number_does_not_matter_to_those_that_are_interrupted(bench: Bench) -> None:
    by_number = Microphone("second", MicrophoneOptions(device=1), bench.library)
    bench.microphones.append(by_number)
    by_number.open()
    bench.plug_in("new", index=0)
    bench.opened("new")
    assert bench.fake.opened == ["second", "second", "new"]


def test_a_number_is_that_of_the_list_and_not_of_what_others_see(bench: Bench) -> None:
    """Who looks from outside does not see the devices that are in use here, and counts otherwise."""
    bench.opened("first")
    bench.plug_in("new", index=0)
    by_number = Microphone("number", MicrophoneOptions(device=1), bench.library)
    bench.microphones.append(by_number)
    by_number.open()
    assert bench.fake.opened == ["first", "second"]
    assert bench.looks == 0


def test_a_server_that_freezes_meanwhile_holds_nobody_up_for_ever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portaudio, "ANSWER_S", 0.3)
    monkeypatch.setattr(connection, "AWAY_S", 0.3)
    monkeypatch.setattr("listener.sources.microphone.CLOSE_S", 0.1)
    first = bench.opened("first")
    bench.plug_in("new")
    new = bench.microphone("new")
    bench.fake.thawed.clear()
    with pytest.raises(DeviceError, match="does not answer"):
        new.open()
    wait_for_error(first, "does not answer")
    first.close()  # returns, and is not opened again when the server answers
    with pytest.raises(DeviceError, match="does not answer"):
        first.open()
    bench.fake.thawed.set()
    await_true(lambda: bench.fake.users == 0)
    assert bench.fake.opened == ["first", "new"]
    new.open()
    first.open()
    assert first.read(0) is None


def test_a_look_that_is_not_answered_interrupts_nobody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.opened("first")
    bench.changed()
    monkeypatch.setattr(look, "PROGRAM", "import time; time.sleep(1000)")
    monkeypatch.setattr(look, "LOOK_S", 0.2)
    monkeypatch.setattr(bench.library, "_lookout", Lookout())
    with pytest.raises(DeviceError, match="does not answer"):
        bench.opened("new")
    monkeypatch.setattr(look, "PROGRAM", "print('no JSON')")
    monkeypatch.setattr(look, "LOOK_S", PATIENCE_S)
    with pytest.raises(DeviceError, match="cannot be looked for"):
        bench.opened("new")
    assert bench.fake.opened == ["first"]


def wait_for_error(microphone: Microphone, text: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    with pytest.raises(DeviceError, match=text):  # noqa: PT012 - it has to come, sooner or later
        while time.monotonic() < deadline:
            microphone.read(0.1)


def await_true(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_dead_jack_server_ends_neither_the_process_nor_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench.opened("first")
    for module in (connection, portaudio):
        monkeypatch.setattr(module, "server_died", lambda: True)
    monkeypatch.setattr("listener.sources.library.server_died", lambda: True)
    first.close()
    assert bench.fake.users == 1  # never terminated again
    first.open()
    bench.plug_in("new")
    with pytest.raises(DeviceError, match="a JACK server has ended: restart the listener"):
        bench.opened("new")
    first.close()
    bench.fake.users = 0


def test_a_device_of_a_dead_jack_server_is_not_opened(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "server_died", lambda: True)
    jack = [replace(info, api="JACK Audio Connection Kit") for info in infos(["first"])]
    monkeypatch.setattr(bench.fake, "devices", lambda: jack)
    with pytest.raises(DeviceError, match="its JACK server has ended"):
        bench.opened("first")
