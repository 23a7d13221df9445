"""Every way of losing a microphone, through both back ends and the whole engine.

Each test loses the microphone, brings it back, and looks at three things: that sound is
heard again, that the time without it lies in the stream as a gap of its true length, and
that the gap is flagged. How long it took is recorded as a property of the test
(``recovered_s``; ``pytest --junit-xml``); five seconds are what is promised.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from listener.clock import MonotonicClock
from listener.config import HealthSettings
from listener.errors import DeviceError
from listener.events import LabelRule
from listener.pipeline import Pipeline, capture
from listener.sources import connection, portaudio
from listener.sources.microphone import Microphone, MicrophoneOptions
from listener.sources.portaudio import BACKENDS, BackendName, DeviceInfo, OnBlock, RateRefusedError
from listener.testing import ScriptedClassifier
from listener.types import Decision, Event, Phase, Prediction, SourceStats
from tests.program import PATIENCE_S
from tests.virtual_microphone import VirtualMicrophone

RATE = 16_000
WINDOW_S = 0.5
HOP_S = 0.125
RULE = LabelRule(0.5, 0.5, release_s=0.25, cooldown_s=0.0)

SAME_S = 0.3
"""Stream time may stray from the clock by so much: a few blocks of sound."""

Record = Callable[[str, object], None]

both_backends = pytest.mark.parametrize("backend", BACKENDS)


class WatchedMicrophone(Microphone):
    """Remembers why the newest attempt to open it failed."""

    problem = ""

    def open(self) -> int:
        self.problem = ""
        try:
            return super().open()
        except DeviceError as error:
            self.problem = str(error)
            raise


class Ears:
    """The engine with microphones: what it predicted and told, and when."""

    def __init__(self, *microphones: Microphone) -> None:
        self.events: list[tuple[float, Event]] = []
        self.predictions: dict[str, list[Prediction]] = {each.name: [] for each in microphones}
        self._changed = threading.Condition()
        classifier = ScriptedClassifier(window_s=WINDOW_S, hop_s=HOP_S)
        self.pipeline = Pipeline(
            microphones, classifier, [RULE], HOP_S, on_event=self._on_event, on_step=self._on_step
        )

    def _on_event(self, event: Event) -> None:
        with self._changed:
            self.events.append((time.monotonic(), event))
            self._changed.notify_all()

    def _on_step(self, prediction: Prediction, decisions: list[Decision]) -> None:
        with self._changed:
            self.predictions[prediction.source].append(prediction)
            self._changed.notify_all()

    def wait_for(self, label: str, phase: Phase, since: float, source: str = "mic") -> float:
        """Wait for an event; give the time at which it was told."""

        def when() -> float | None:
            for at, event in self.events:
                if at >= since and (event.source, event.label, event.phase) == (source, label, phase):
                    return at
            return None

        with self._changed:
            assert self._changed.wait_for(lambda: when() is not None, PATIENCE_S), f"no {phase} of {label}"
            return when() or 0.0

    def delay_s(self, source: str = "mic", n_windows: int = 8) -> float:
        """Look at some windows to come: how much the stream is behind the clock, at the least."""
        with self._changed:
            heard = self.predictions[source]
            n_before = len(heard)
            assert self._changed.wait_for(lambda: len(heard) >= n_before + n_windows, PATIENCE_S)
            return min(each.captured_at - each.end_s for each in heard[n_before:])

    def stats(self, source: str = "mic") -> SourceStats:
        return next(each for each in self.pipeline.stats().sources if each.name == source)

    def assert_gaps_are_flagged(self) -> None:
        """Where a window does not adjoin the one before, sound was lost, and it says so."""
        for heard in self.predictions.values():
            for before, after in pairwise(heard):
                assert after.start_s <= before.end_s or after.after_gap

    def told(self, label: str, source: str = "mic") -> list[Phase]:
        return [event.phase for _, event in self.events if (event.source, event.label) == (source, label)]


@contextmanager
def listening(*microphones: Microphone) -> Iterator[Ears]:
    ears = Ears(*microphones)
    try:
        ears.pipeline.start(wait_for_sources=True)
        yield ears
    finally:
        ears.pipeline.stop()
    assert ears.pipeline.failure is None
    ears.assert_gaps_are_flagged()


def microphone(
    backend: BackendName, name: str = "mic", device: str = "default", **health: float
) -> WatchedMicrophone:
    made = WatchedMicrophone(name, MicrophoneOptions(backend=backend, device=device))
    made.health = HealthSettings.model_validate(health)
    return made


def burst(rate: int = RATE) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.random.default_rng(3).integers(-20_000, 20_000, rate).astype(np.int16)


def moved(server: VirtualMicrophone) -> None:
    """Back under another number: another one is listed before it now."""
    server.add_device("intruder", first=True)
    server.start()


LOSSES: dict[str, tuple[Callable[[VirtualMicrophone], object], Callable[[VirtualMicrophone], object]]] = {
    "server killed and restarted": (VirtualMicrophone.kill, VirtualMicrophone.start),
    "module unloaded and loaded": (VirtualMicrophone.unload, VirtualMicrophone.plug_in),
    "server stopped and continued": (VirtualMicrophone.freeze, VirtualMicrophone.thaw),
    "back under another number": (VirtualMicrophone.kill, moved),
    "back with a server at another rate": (VirtualMicrophone.kill, lambda server: server.restart(48_000)),
}


@both_backends
@pytest.mark.parametrize("loss", LOSSES)
def test_a_microphone_that_is_lost_is_heard_again(
    loss: str, backend: BackendName, virtual_microphone: VirtualMicrophone, record_property: Record
) -> None:
    lose, bring_back = LOSSES[loss]
    with listening(microphone(backend, device="room", lost_s=1.0)) as ears:
        before_s = ears.delay_s()
        began = time.monotonic()
        lose(virtual_microphone)
        ears.wait_for("@source.lost", Phase.ONSET, began)
        bring_back(virtual_microphone)
        back = time.monotonic()
        heard = ears.wait_for("@source.lost", Phase.OFFSET, began)
        assert_as_promised(ears, heard - back, before_s, record_property)
        assert_hears(ears, virtual_microphone)
        assert ears.stats().lost_s > 0


@both_backends
def test_a_server_that_is_stopped_for_long_holds_nothing_up(
    backend: BackendName,
    virtual_microphone: VirtualMicrophone,
    record_property: Record,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(portaudio, "ANSWER_S", 1.0)
    mic = microphone(backend, device="room", lost_s=1.0)
    with listening(mic) as ears:
        before_s = ears.delay_s()
        began = time.monotonic()
        virtual_microphone.freeze()
        await_true(lambda: "does not answer" in mic.problem)
        virtual_microphone.thaw()
        back = time.monotonic()
        heard = ears.wait_for("@source.lost", Phase.OFFSET, began)
        assert_as_promised(ears, heard - back, before_s, record_property)


@both_backends
def test_a_server_that_is_stopped_for_a_moment_is_not_given_up(
    backend: BackendName, virtual_microphone: VirtualMicrophone, record_property: Record
) -> None:
    with listening(microphone(backend, device="room", stalled_s=0.5, lost_s=60)) as ears:
        before_s = ears.delay_s()
        began = time.monotonic()
        virtual_microphone.freeze()
        ears.wait_for("@source.stalled", Phase.ONSET, began)
        virtual_microphone.thaw()
        back = time.monotonic()
        heard = ears.wait_for("@source.stalled", Phase.OFFSET, began)
        assert_as_promised(ears, heard - back, before_s, record_property)
        assert_hears(ears, virtual_microphone)
    assert not ears.told("@source.lost")


@both_backends
def test_a_muted_microphone_is_silent_until_it_is_not(
    backend: BackendName, virtual_microphone: VirtualMicrophone, record_property: Record
) -> None:
    virtual_microphone.play_array(np.tile(burst(), 60))
    with listening(microphone(backend, device="room", silent_s=1.0)) as ears:
        before_s = ears.delay_s()
        began = time.monotonic()
        virtual_microphone.mute()
        ears.wait_for("@source.silent", Phase.ONSET, began)
        virtual_microphone.mute(False)
        back = time.monotonic()
        heard = ears.wait_for("@source.silent", Phase.OFFSET, began)
        assert_as_promised(ears, heard - back, before_s, record_property)
        assert ears.stats().lost_s == 0
    assert not ears.told("@source.lost")


@both_backends
def test_a_microphone_that_is_absent_at_the_start_is_heard_when_it_comes(
    backend: BackendName, virtual_microphone: VirtualMicrophone, record_property: Record
) -> None:
    virtual_microphone.kill()
    began = time.monotonic()
    with listening(microphone(backend, device="room")) as ears:
        assert ears.wait_for("@source.absent", Phase.ONSET, began)
        virtual_microphone.start()
        back = time.monotonic()
        heard = ears.wait_for("@source.absent", Phase.OFFSET, began)
        assert_hears(ears, virtual_microphone)
        record_property("recovered_s", round(heard - back, 3))
        assert ears.stats().lost_s == 0  # stream time begins with the first sample


class MovedClock(MonotonicClock):
    """The machine's clock, with time that went by unnoticed."""

    passed_s = 0.0

    def now(self) -> float:
        return super().now() + self.passed_s


MINUTES_S = 37 * 60.0


@both_backends
def test_a_microphone_that_is_back_after_minutes_is_heard_again(
    backend: BackendName,
    virtual_microphone: VirtualMicrophone,
    record_property: Record,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Minutes are two things: a long gap, here by a clock that jumps, and long pauses between attempts.

    The pauses grow no more after a few attempts, so they begin with the longest; and nothing
    in the file system tells that the microphone is back.
    """
    monkeypatch.setattr(capture, "FIRST_RETRY_S", capture.LAST_RETRY_S)
    monkeypatch.setattr(capture, "JITTER", 0.0)
    mic = microphone(backend, device="room", lost_s=1.0)
    mic.clock = clock = MovedClock()
    with listening(mic) as ears:
        before_s = ears.delay_s()
        began = time.monotonic()
        virtual_microphone.unload()
        ears.wait_for("@source.lost", Phase.ONSET, began)
        clock.passed_s = MINUTES_S
        await_true(lambda: "cannot be opened" in mic.problem)  # a long pause begins
        virtual_microphone.plug_in()
        back = time.monotonic()
        heard = ears.wait_for("@source.lost", Phase.OFFSET, began)
        assert_as_promised(ears, heard - back, before_s - MINUTES_S, record_property)
        assert_hears(ears, virtual_microphone)
        assert ears.stats().lost_s > MINUTES_S


class Replugged:
    """A device that knows one rate at a time, and another one when it is plugged in again."""

    def __init__(self) -> None:
        self.rate_hz = 16_000
        self.plugged = True
        self._feeders: list[threading.Thread] = []

    def initialise(self) -> None:
        pass

    def terminate(self) -> None:
        pass

    def devices(self) -> list[DeviceInfo]:
        return [DeviceInfo("usb", 0, "pyaudio", 1, self.rate_hz, default=True)] if self.plugged else []

    def open(
        self, device: DeviceInfo, channels: int, rate_hz: int, block_samples: int, on_block: OnBlock
    ) -> "Replugged.Stream":
        if rate_hz != self.rate_hz:
            raise RateRefusedError("Invalid sample rate")
        return self.Stream(self, block_samples, on_block)

    class Stream(threading.Thread):
        def __init__(self, device: "Replugged", block_samples: int, on_block: OnBlock) -> None:
            super().__init__(name="device")
            self._device, self._n, self._on_block = device, block_samples, on_block
            self._rate_hz = device.rate_hz
            self._closing = threading.Event()
            self.start()

        def run(self) -> None:
            block = np.full(self._n, 8_000, np.int16)
            block[::2] *= -1
            began = time.monotonic()
            for n in range(1, 1_000_000):
                wait_s = began + n * self._n / self._rate_hz - time.monotonic()
                if self._closing.wait(max(0.0, wait_s)) or not self._device.plugged:
                    return
                self._on_block(block.tobytes(), False)

        def is_active(self) -> bool:
            return self._device.plugged

        def close(self) -> None:
            self._closing.set()
            self.join()


@both_backends
def test_a_microphone_that_is_back_at_another_rate_is_heard_again(
    backend: BackendName, record_property: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sound server brings any device to any rate: so this one is made up."""
    device = Replugged()
    monkeypatch.setattr(connection, "load_backend", lambda name: device)
    with listening(microphone(backend, lost_s=1.0)) as ears:
        before_s = ears.delay_s()
        began = time.monotonic()
        device.plugged = False
        ears.wait_for("@source.lost", Phase.ONSET, began)
        device.rate_hz, device.plugged = 44_100, True
        back = time.monotonic()
        heard = ears.wait_for("@source.lost", Phase.OFFSET, began)
        assert_as_promised(ears, heard - back, before_s, record_property)
        assert ears.stats().sample_rate == 44_100


@both_backends
def test_one_that_is_lost_and_comes_back_under_another_name_costs_the_others_a_moment(
    backend: BackendName, virtual_microphone: VirtualMicrophone, record_property: Record
) -> None:
    """Both back ends share one PortAudio: the other microphone is of the other one."""
    virtual_microphone.add_device("usb-1", "fifo")
    other = microphone(BACKENDS[1 - BACKENDS.index(backend)], "other", device="room")
    mic = microphone(backend, device="usb*", lost_s=1.0)
    began = time.monotonic()
    with listening(mic, other) as ears:
        before_s = ears.delay_s("other")
        ears.wait_for("@source.lost", Phase.ONSET, began)  # the pipe gives nothing
        virtual_microphone.remove_device("usb-1")
        await_true(lambda: "no microphone is called" in mic.problem)
        virtual_microphone.add_device("usb-2", first=True)
        back = time.monotonic()
        heard = ears.wait_for("@source.lost", Phase.OFFSET, began)
        assert_hears(ears, virtual_microphone)
        assert_as_promised(ears, heard - back, before_s, record_property, "other")
        lost_s = ears.stats("other").lost_s
        record_property("others_lost_s", round(lost_s, 3))
        assert ears.stats("other").overflows == 1
    assert 0 < lost_s < 1
    assert not ears.told("@source.lost", "other")


CYCLES = 100


@pytest.mark.timeout(600)
def test_a_hundred_plug_cycles(virtual_microphone: VirtualMicrophone, record_property: Record) -> None:
    """A microphone of each back end on one server, which is killed, or loses the device, again and again."""
    microphones = [microphone(each, each, "room", stalled_s=0.3, lost_s=0.5) for each in BACKENDS]
    losses = random.Random(3).choices([LOSSES[each] for each in list(LOSSES)[:2]], k=CYCLES)
    recovered_s: list[float] = []
    used: list[int] = []
    with listening(*microphones) as ears:
        before_s = {name: ears.delay_s(name) for name in BACKENDS}
        for lose, bring_back in losses:
            began = time.monotonic()
            lose(virtual_microphone)
            for name in BACKENDS:
                ears.wait_for("@source.lost", Phase.ONSET, began, name)
            bring_back(virtual_microphone)
            back = time.monotonic()
            for name in BACKENDS:
                await_true(lambda name=name: ears.stats(name).state.is_heard)  # type: ignore[misc]
            recovered_s.append(time.monotonic() - back)
            used.append(handles())
        assert_hears(ears, virtual_microphone, "pyaudio")
        for name in BACKENDS:
            error_s = (ears.delay_s(name) - before_s[name]) / CYCLES
            record_property(f"gap_error_{name}_s", round(error_s, 4))
            assert abs(error_s) < SAME_S / 10
    record_property("recovered_s", np.percentile(recovered_s, (50, 95, 100)).round(3).tolist())
    record_property("handles", used[:: CYCLES // 5])
    assert max(used[-10:]) <= max(used[:10]) + 5


def handles() -> int:
    """Open files of this process, and its threads, those of C libraries too."""
    return sum(len(list(Path("/proc/self", each).iterdir())) for each in ("fd", "task"))


def await_true(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_as_promised(
    ears: Ears, recovered_s: float, before_s: float, record_property: Record, source: str = "mic"
) -> None:
    """See that the stream is where the clock is, and take down how long it took."""
    error_s = ears.delay_s(source) - before_s
    record_property("recovered_s", round(recovered_s, 3))
    record_property("gap_error_s", round(error_s, 3))
    assert abs(error_s) < SAME_S


def assert_hears(ears: Ears, server: VirtualMicrophone, source: str = "mic") -> None:
    """See that what is played now becomes an event."""
    began = time.monotonic()
    server.play_array(burst(server.rate))
    ears.wait_for("sound", Phase.ONSET, began, source)
    ears.wait_for("sound", Phase.OFFSET, began, source)
