"""The microphone, through real PortAudio from a real sound server."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from listener.errors import DeviceError
from listener.sources import portaudio
from listener.sources.connection import QUEUE_S
from listener.sources.devices import list_devices
from listener.sources.microphone import Microphone, MicrophoneOptions
from listener.sources.portaudio import BACKENDS, NO_ANSWER, BackendName, DeviceInfo, RateRefusedError
from listener.types import AudioChunk
from tests.program import command, run
from tests.virtual_microphone import PATIENCE_S, VirtualMicrophone

RATE = 16_000

both_backends = pytest.mark.parametrize("backend", BACKENDS)


@contextmanager
def opened(backend: BackendName, **options: object) -> Iterator[Microphone]:
    microphone = Microphone("mic", MicrophoneOptions.model_validate({"backend": backend, **options}))
    try:
        assert microphone.open() == options.get("sample_rate", RATE)
        yield microphone
    finally:
        microphone.close()


def read_until(microphone: Microphone, enough: Callable[[list[AudioChunk]], bool]) -> list[AudioChunk]:
    """Chunks up to the one that makes it enough."""
    deadline = time.monotonic() + PATIENCE_S
    chunks: list[AudioChunk] = []
    while not enough(chunks):
        assert time.monotonic() < deadline, f"not enough after {len(chunks)} chunks"
        if (chunk := microphone.read(0.5)) is not None:
            chunks.append(chunk)
    return chunks


def read_until_quiet(microphone: Microphone) -> list[AudioChunk]:
    """Chunks until nothing comes for half a second."""
    deadline = time.monotonic() + PATIENCE_S
    chunks: list[AudioChunk] = []
    while (chunk := microphone.read(0.5)) is not None:
        assert time.monotonic() < deadline
        chunks.append(chunk)
    return chunks


def joined(chunks: list[AudioChunk]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(0, np.float32), *(chunk.samples for chunk in chunks)])


def read_error(microphone: Microphone) -> str:
    """What `read` raises in the end."""
    deadline = time.monotonic() + PATIENCE_S
    with pytest.raises(DeviceError) as caught:  # noqa: PT012 - it has to come, sooner or later
        while time.monotonic() < deadline:
            microphone.read(0.5)
    return str(caught.value)


def noise(n_samples: int, channels: int = 1) -> NDArray[np.int16]:
    """Full-scale noise that begins and ends with a loud sample, so that it can be found in silence."""
    shape = n_samples if channels == 1 else (n_samples, channels)
    samples = np.random.default_rng(7).integers(-32_768, 32_768, shape).astype(np.int16)
    samples[0] = samples[-1] = 12_345
    return samples


def heard_in(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is left without the silence around."""
    loud = np.flatnonzero(samples)
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples[:0]


@both_backends
def test_samples_are_those_that_were_played(
    backend: BackendName, virtual_microphone: VirtualMicrophone
) -> None:
    played = noise(2 * RATE)
    with opened(backend) as microphone:
        silence = read_until(microphone, lambda chunks: len(chunks) > 1)
        virtual_microphone.play_array(played)
        chunks = silence + read_until(microphone, lambda chunks: len(heard_in(joined(chunks))) >= len(played))
    assert np.array_equal(heard_in(joined(chunks)), played / np.float32(32_768))
    assert not any(chunk.overflowed for chunk in chunks)
    assert [chunk.first_sample for chunk in chunks[1:]] == [chunk.end_sample for chunk in chunks[:-1]]
    assert {chunk.sample_rate for chunk in chunks} == {RATE}


@both_backends
def test_a_device_that_stalls_gives_nothing_and_is_no_error(
    backend: BackendName, virtual_microphone: VirtualMicrophone
) -> None:
    with opened(backend, device="fifo") as microphone:
        assert [microphone.read(0.2) for _ in range(5)] == [None] * 5


@both_backends
def test_a_muted_microphone_gives_zeros(backend: BackendName, virtual_microphone: VirtualMicrophone) -> None:
    virtual_microphone.mute()
    virtual_microphone.play_array(noise(4 * RATE))
    with opened(backend) as microphone:
        chunks = read_until(microphone, lambda chunks: len(joined(chunks)) >= RATE)
    assert not joined(chunks).any()


@both_backends
def test_a_lost_server_is_an_error_and_the_next_one_is_found(
    backend: BackendName, virtual_microphone: VirtualMicrophone
) -> None:
    with opened(backend) as microphone:
        read_until(microphone, lambda chunks: len(chunks) > 1)
        virtual_microphone.kill()
        assert "is gone" in read_error(microphone)
        microphone.close()
        with pytest.raises(DeviceError, match="no microphone found"):
            microphone.open()
        virtual_microphone.start()
        assert microphone.open() == RATE
        assert read_until(microphone, lambda chunks: len(chunks) > 1)[0].first_sample == 0


@both_backends
def test_an_unplugged_microphone_gives_nothing_and_works_when_plugged_in_again(
    backend: BackendName, virtual_microphone: VirtualMicrophone
) -> None:
    with opened(backend) as microphone:
        read_until(microphone, lambda chunks: len(chunks) > 1)
        virtual_microphone.unload()
        with suppress(DeviceError):  # some say so, others just stall
            read_until_quiet(microphone)
        microphone.close()
        virtual_microphone.plug_in()
        microphone.open()
        assert read_until(microphone, lambda chunks: len(chunks) > 1)


@both_backends
def test_a_frozen_server_holds_nobody_up(
    backend: BackendName, virtual_microphone: VirtualMicrophone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portaudio, "ANSWER_S", 0.5)
    with opened(backend) as microphone:
        read_until(microphone, lambda chunks: len(chunks) > 1)
        virtual_microphone.freeze()
        read_until_quiet(microphone)
        microphone.close()  # returns although the server does not answer
        with pytest.raises(DeviceError, match="does not answer"):
            microphone.open()
        virtual_microphone.thaw()
        assert microphone.open() == RATE
        assert read_until(microphone, lambda chunks: len(chunks) > 1)


@both_backends
def test_a_server_that_is_frozen_from_the_first_holds_nobody_up(
    backend: BackendName, virtual_microphone: VirtualMicrophone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portaudio, "ANSWER_S", 0.5)
    microphone = Microphone("mic", MicrophoneOptions(backend=backend))
    virtual_microphone.freeze()
    with pytest.raises(DeviceError, match="does not answer"):
        microphone.open()
    with pytest.raises(DeviceError, match="does not answer"):
        list_devices([backend], probe=True)
    virtual_microphone.thaw()
    try:
        monkeypatch.setattr(portaudio, "ANSWER_S", PATIENCE_S)
        assert microphone.open() == RATE
        assert read_until(microphone, lambda chunks: len(chunks) > 1)
    finally:
        microphone.close()


@both_backends
def test_one_that_comes_while_another_is_open_is_found(
    backend: BackendName, virtual_microphone: VirtualMicrophone
) -> None:
    """PortAudio reads its list anew for that: the other one says how much it missed."""
    played = noise(60 * RATE)
    late = Microphone("late", MicrophoneOptions(backend=backend, device="late"))
    with opened(backend, device="room") as microphone, ThreadPoolExecutor(1) as reader:
        read_until(microphone, lambda chunks: len(chunks) > 1)
        virtual_microphone.play_array(played)
        read_until(microphone, lambda chunks: len(heard_in(joined(chunks))) > RATE)
        reading = reader.submit(
            read_until, microphone, lambda chunks: any(chunk.overflowed for chunk in chunks[:-10])
        )
        with pytest.raises(DeviceError, match="no microphone is called 'late'"):
            late.open()
        virtual_microphone.add_device("late", first=True)
        try:
            assert late.open() == RATE
            chunks = reading.result(PATIENCE_S)
            heard_late = read_until(late, lambda chunks: len(chunks) > 1)
        finally:
            late.close()
    assert position_of(heard_late[0].samples, played)
    assert [chunk.overflowed for chunk in chunks].count(True) == 1
    index = [chunk.overflowed for chunk in chunks].index(True)
    before, after = chunks[index - 1], chunks[index]
    told = after.first_sample - before.end_sample
    true = position_of(after.samples, played) - position_of(before.samples, played) - len(before.samples)
    assert 0 < told < RATE
    assert abs(told - true) < RATE / 4


def position_of(samples: NDArray[np.float32], played: NDArray[np.int16]) -> int:
    """Where a piece of what was played lies."""
    piece = np.round(samples * 32_768).astype(np.int16)
    for position in np.flatnonzero(played == piece[0]):
        if np.array_equal(played[position : position + len(piece)], piece):
            return int(position)
    raise AssertionError("that was never played")


@both_backends
def test_one_that_comes_back_under_another_number_is_found(
    backend: BackendName, virtual_microphone: VirtualMicrophone
) -> None:
    virtual_microphone.add_device("usb")
    with opened(backend, device="usb") as microphone:
        read_until(microphone, lambda chunks: len(chunks) > 1)
        before = number_of("usb", backend)
    virtual_microphone.remove_device("usb")
    with pytest.raises(DeviceError, match="no microphone is called 'usb'"):
        microphone.open()
    virtual_microphone.add_device("usb", first=True)
    try:
        microphone.open()
        read_until(microphone, lambda chunks: len(chunks) > 1)
    finally:
        microphone.close()
    assert number_of("usb", backend) != before


def number_of(name: str, backend: BackendName) -> int:
    return next(device.index for device in list_devices([backend]) if device.name == name)


@both_backends
def test_it_is_worth_an_attempt_when_a_device_has_come(
    backend: BackendName, virtual_microphone: VirtualMicrophone
) -> None:
    microphone = Microphone("mic", MicrophoneOptions(backend=backend, device="late"))
    with pytest.raises(DeviceError):
        microphone.open()
    with ThreadPoolExecutor(1) as waiter:
        stopping = threading.Event()
        waiting = waiter.submit(microphone.await_return, 1_000, stopping)
        virtual_microphone.add_device("late")
        waiting.result(PATIENCE_S)
        waiting = waiter.submit(microphone.await_return, 1_000, stopping)
        microphone.open()
        microphone.close()
        waiting.result(PATIENCE_S)  # soon again, as it may not be ready yet
        microphone._eager_until = 0.0
        waiting = waiter.submit(microphone.await_return, 1_000, stopping)
        stopping.set()
        waiting.result(PATIENCE_S)


@pytest.mark.parametrize("arguments", [["devices"], ["record", "--out", "a.wav"]], ids=lambda each: each[0])
def test_ctrl_c_ends_a_command_that_waits_for_a_frozen_server(
    arguments: list[str], virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    virtual_microphone.freeze()
    process = subprocess.Popen(command(*arguments), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    await_true(lambda: is_asking(process.pid))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_frozen_server_is_named(virtual_microphone: VirtualMicrophone, tmp_path: Path) -> None:
    virtual_microphone.freeze()
    for arguments in (["devices"], ["record", "--out", "a.wav"]):
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr == f"listener: {NO_ANSWER}\n"


def is_asking(process: int) -> bool:
    """Whether a process waits for a sound server: libpulse has made its thread for that."""
    names = [path.read_text().strip() for path in Path(f"/proc/{process}/task").glob("*/comm")]
    return "threaded-ml" in names


def await_true(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@both_backends
def test_one_microphone_comes_and_goes_while_another_goes_on(
    backend: BackendName, virtual_microphone: VirtualMicrophone
) -> None:
    played = noise(2 * RATE)
    other = BACKENDS[1 - BACKENDS.index(backend)]
    # Read on a thread of its own, as in the program: nothing may wait here for the others to open.
    with opened(backend) as microphone, ThreadPoolExecutor(1) as reader:
        read_until(microphone, lambda chunks: len(chunks) > 1)
        reading = reader.submit(
            read_until, microphone, lambda chunks: len(heard_in(joined(chunks))) >= len(played)
        )
        virtual_microphone.play_array(played)
        for each in (backend, other, backend, other):
            with opened(each, device="room") as passing:
                read_until(passing, lambda chunks: len(chunks) > 1)
            list_devices([each])
        heard = heard_in(joined(reading.result()))
    assert np.array_equal(heard, played / np.float32(32_768))


@both_backends
def test_who_reads_too_late_loses_the_oldest_and_is_told(
    backend: BackendName, virtual_microphone: VirtualMicrophone
) -> None:
    with opened(backend, device="fifo") as microphone:
        virtual_microphone.feed(np.arange(30_000, dtype=np.int16))
        # 96,000 samples are three times what the queue holds; the pipe is empty when all were taken.
        virtual_microphone.feed(np.ones(96_000, dtype=np.int16))
        await_quiet(microphone)
        chunks = read_until(microphone, lambda chunks: len(chunks) > 1)
        while (chunk := microphone.read(0.2)) is not None:
            chunks.append(chunk)
    assert chunks[0].first_sample > 0
    assert chunks[0].overflowed
    assert not any(chunk.overflowed for chunk in chunks[1:])
    assert len(joined(chunks)) <= 1.1 * QUEUE_S * RATE
    assert [chunk.first_sample for chunk in chunks[1:]] == [chunk.end_sample for chunk in chunks[:-1]]


def await_quiet(microphone: Microphone) -> None:
    """Wait until nothing more arrives: the audio thread has taken all that there was."""
    deadline = time.monotonic() + PATIENCE_S
    seen = -1
    assert microphone._connection is not None
    blocks = microphone._connection.blocks
    while (position := blocks._position) != seen or position == 0:
        assert time.monotonic() < deadline
        seen = position
        time.sleep(0.3)


@both_backends
@pytest.mark.parametrize(("channel", "expected"), [("mix", "mean"), (1, 0), (2, 1)])
def test_channels_are_mixed_or_picked(
    backend: BackendName, channel: str | int, expected: str | int, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = np.repeat(np.array([[20_000, -10_000]], np.int16), RATE, axis=0)
    with VirtualMicrophone(channels=2) as stereo:
        for name, value in stereo.environment.items():
            monkeypatch.setenv(name, value)
        with opened(backend, channel=channel) as microphone:
            read_until(microphone, lambda chunks: len(chunks) > 1)
            stereo.play_array(played)
            chunks = read_until(microphone, lambda chunks: len(heard_in(joined(chunks))) >= RATE // 2)
    value = played.mean() if expected == "mean" else played[0, int(expected)]
    middle = heard_in(joined(chunks))[RATE // 4 : RATE // 2]
    assert np.allclose(middle, value / 32_768, atol=1 / 32_768)


@both_backends
def test_another_rate_can_be_asked_for(backend: BackendName, virtual_microphone: VirtualMicrophone) -> None:
    with opened(backend, sample_rate=48_000) as microphone:
        assert read_until(microphone, lambda chunks: len(chunks) > 1)[0].sample_rate == 48_000


@pytest.fixture
def jack(no_audio_system: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A device that knows one rate, 48 kHz, and refuses every other: JACK without a sound card."""
    with jack_server(monkeypatch):
        yield


@contextmanager
def jack_server(monkeypatch: pytest.MonkeyPatch) -> "Iterator[subprocess.Popen[bytes]]":
    name = f"test-{os.getpid()}"
    monkeypatch.setenv("JACK_DEFAULT_SERVER", name)
    command = ["jackd", "--no-realtime", "-n", name, "-d", "dummy", "-r", "48000", "-p", "512"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not any(device.name == "system" for device in list_devices(["pyaudio"])):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield server
    finally:
        server.terminate()
        server.wait()


@both_backends
def test_a_device_that_refuses_the_rate_is_opened_at_its_own(backend: BackendName, jack: None) -> None:
    microphone = Microphone("mic", MicrophoneOptions(backend=backend))
    try:
        assert microphone.open() == 48_000
        chunks = read_until(microphone, lambda chunks: len(joined(chunks)) >= 4_800)
    finally:
        microphone.close()
    assert {chunk.sample_rate for chunk in chunks} == {48_000}


JACK_PROGRAM = """
import os, sys, time
from listener.errors import DeviceError
from listener.sources.devices import list_devices
from listener.sources.jack import server_died
from listener.sources.microphone import Microphone, MicrophoneOptions
from listener.sources.portaudio import LOCK
backend, device, server = sys.argv[1:]
microphone = Microphone("mic", MicrophoneOptions(backend=backend, device=device))
microphone.open()
assert microphone.read(9)
assert not server_died()
os.kill(int(server), 15)
while not server_died():
    time.sleep(0.05)
try:
    for _ in range(4):
        microphone.read(0.5)
except DeviceError as error:
    print(error)
microphone.close()
assert not LOCK.locked()
try:
    microphone.open()
    assert microphone.read(9)
except DeviceError as error:
    print(error)
microphone.close()
list_devices(probe=False)
print("the end")
"""


@both_backends
@pytest.mark.parametrize(
    ("device", "told"),
    [("system", ["microphone of source 'mic' is gone", "no microphone is called 'system'"]), ("room", [])],
    ids=["its own", "another"],
)
def test_a_dead_jack_server_ends_neither_the_process_nor_other_microphones(
    backend: BackendName,
    device: str,
    told: list[str],
    virtual_microphone: VirtualMicrophone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with jack_server(monkeypatch) as server:
        command = [sys.executable, "-c", JACK_PROGRAM, backend, device, str(server.pid)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for line, expected in zip(done.stdout.splitlines(), [*told, "the end"], strict=True):
        assert line.startswith(expected)


class FakeBackend:
    """One device that cannot be opened as often as told."""

    def __init__(self, *failures: DeviceError) -> None:
        self.failures = list(failures)
        self.asked: list[int] = []
        self.users = 0

    def initialise(self) -> None:
        self.users += 1

    def terminate(self) -> None:
        self.users -= 1

    def devices(self) -> list[DeviceInfo]:
        return [DeviceInfo("fake", 0, "pyaudio", channels=1, default_rate_hz=44_100, default=True)]

    def open(
        self, device: DeviceInfo, channels: int, rate_hz: int, block_samples: int, on_block: object
    ) -> "FakeBackend":
        self.asked.append(rate_hz)
        if self.failures:
            raise self.failures.pop(0)
        return self

    def is_active(self) -> bool:
        return False

    def close(self) -> None:
        assert self.users == 1


@pytest.mark.parametrize(
    ("failures", "asked"),
    [
        ([], [16_000]),
        ([DeviceError("busy")], [16_000, 16_000]),
        ([RateRefusedError("no")], [16_000, 44_100]),
        ([DeviceError("busy"), RateRefusedError("no")], [16_000, 16_000, 44_100]),
        ([DeviceError("busy")] * 3, [16_000, 16_000, 16_000, 44_100]),
    ],
)
def test_its_own_rate_is_the_last_resort(
    failures: list[DeviceError], asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = FakeBackend(*failures)
    monkeypatch.setattr("listener.sources.connection.load_backend", lambda name: backend)
    microphone = Microphone("mic", MicrophoneOptions())
    assert microphone.open() == asked[-1]
    assert backend.asked == asked
    microphone.close()
    assert backend.users == 0


def test_a_device_that_never_opens_says_why_and_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FakeBackend(*[DeviceError("Device unavailable")] * 9)
    monkeypatch.setattr("listener.sources.connection.load_backend", lambda name: backend)
    with pytest.raises(DeviceError, match="microphone 'fake' cannot be opened: Device unavailable"):
        Microphone("mic", MicrophoneOptions()).open()
    assert backend.users == 0


@both_backends
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": 99}, "no microphone is called '99': there are 0: 'room'"),
        ({"device": -1}, "no microphone is called '-1'"),
        ({"device": "nothing like it"}, "no microphone is called 'nothing like it'"),
        ({"device": "*o*"}, "microphone '\\*o\\*' is ambiguous"),
        ({"channel": 33}, "channel 33 is not there"),
    ],
)
def test_impossible_devices_are_refused(
    backend: BackendName, options: dict[str, object], message: str, virtual_microphone: VirtualMicrophone
) -> None:
    microphone = Microphone("mic", MicrophoneOptions.model_validate({"backend": backend, **options}))
    with pytest.raises(DeviceError, match=message):
        microphone.open()


@both_backends
def test_without_any_audio_system_there_is_one_clear_line(
    backend: BackendName, no_audio_system: None
) -> None:
    microphone = Microphone("mic", MicrophoneOptions(backend=backend))
    with pytest.raises(DeviceError, match="no microphone found"):
        microphone.open()
    microphone.close()


def test_reading_and_closing_what_was_never_opened() -> None:
    microphone = Microphone("mic", MicrophoneOptions())
    microphone.close()
    with pytest.raises(DeviceError, match="is not open"):
        microphone.read(0.0)


PROGRAM = """
import os, sys, threading
from listener.errors import DeviceError
from listener.sources.microphone import Microphone, MicrophoneOptions
microphone = Microphone("mic", MicrophoneOptions(backend=sys.argv[1]))
try:
    microphone.open()
    microphone.read(5)
    os.kill(int(sys.argv[2]), 9)
    while True:
        microphone.read(1)
except DeviceError as error:
    print(error)
microphone.close()
"""


@both_backends
def test_libraries_print_nothing_when_the_server_dies(
    backend: BackendName, virtual_microphone: VirtualMicrophone
) -> None:
    assert virtual_microphone.pid
    done = run_program(backend, virtual_microphone.pid)
    assert done == (0, "microphone of source 'mic' is gone: was it unplugged?\n", "")


@both_backends
def test_libraries_print_nothing_where_there_is_no_audio(backend: BackendName, no_audio_system: None) -> None:
    code, out, err = run_program(backend, 0)
    assert (code, err) == (0, "")
    assert out.startswith("no microphone found")


@both_backends
def test_a_missing_alsa_configuration_does_not_abort_the_process(
    backend: BackendName, no_audio_system: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "missing.conf"))
    code, out, err = run_program(backend, 0)
    assert (code, err) == (0, "")
    assert "ALSA has no configuration" in out


@both_backends
def test_a_broken_alsa_configuration_does_not_end_the_process(
    backend: BackendName, no_audio_system: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken.conf").write_text("pcm.usb 1 { type hw card 0\n")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "broken.conf"))
    code, out, err = run_program(backend, 0)
    assert (code, err) == (0, "")
    assert out.startswith("ALSA's configuration cannot be read (Invalid argument): mend /")


def run_program(backend: BackendName, server: int) -> tuple[int, str, str]:
    command = [sys.executable, "-c", PROGRAM, backend, str(server)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr
