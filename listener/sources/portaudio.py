"""PortAudio: what its two Python bindings have in common, and the seam that each of them fills.

None of it is thread-safe in the library: one lock guards it. And whoever asks it may have
to wait for a sound server that does not answer, for as long as that one is frozen. So it is
asked on a thread that can be left behind, with the lock, which is given back when the answer
comes; others give up after a while, with an error, and may try again. What it is asked is in
`listener.sources.library`.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from listener.errors import DeviceError
from listener.quiet import silence_c_libraries
from listener.sources.alsa import check_alsa
from listener.sources.jack import server_died

BackendName = Literal["pyaudio", "sounddevice"]
"""The Python bindings of PortAudio."""

BACKENDS: tuple[BackendName, ...] = ("pyaudio", "sounddevice")

LOCK = threading.Lock()
"""Held while PortAudio is initialised or terminated, and while streams are opened or closed."""

ANSWER_S = 5.0
"""How long to wait for an answer, in seconds. A device that is well opens and closes in a tenth of one."""

NO_ANSWER = (
    "PortAudio waits for a sound server that does not answer: restart that server, "
    "and the listener if that does not help"
)

T = TypeVar("T")

OnBlock = Callable[[bytes, bool], None]
"""Called from the audio thread with interleaved 16-bit samples, and whether some were lost before them."""


INVALID_SAMPLE_RATE = -9997
"""PortAudio's error code."""


class RateRefusedError(DeviceError):
    """The device does not run at this rate; it may at another."""


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device that sound can be taken from, as one back end sees it."""

    name: str
    """As PortAudio reports it."""

    index: int
    """Its number; it may change whenever devices come and go."""

    backend: BackendName
    """The back end that sees it."""

    channels: int
    """The most channels it offers; sound servers and converters claim many."""

    default_rate_hz: int
    """Sample rate that it suggests."""

    api: str = "ALSA"
    """The sound system behind it, as PortAudio calls it."""

    default: bool = False
    """It is the one that the system would choose."""

    opens: bool | None = None
    """Whether it could be opened; None where nobody tried."""

    problem: str | None = None
    """Why it could not."""


class InputStream(Protocol):
    """A device that is delivering blocks."""

    def is_active(self) -> bool:
        """Whether more blocks may come; False for good once the device is lost."""

    def close(self) -> None:
        """Stop, wait for the audio thread, let go. Waits for a sound server that does not answer."""


class Backend(Protocol):
    """One Python binding of PortAudio. All calls are made with `LOCK` held."""

    def initialise(self) -> None:
        """Start PortAudio, or count one user more."""

    def terminate(self) -> None:
        """Undo one `initialise`: see `release`."""

    def devices(self) -> list[DeviceInfo]:
        """All devices with at least one input channel."""

    def open(
        self, device: DeviceInfo, channels: int, rate_hz: int, block_samples: int, on_block: OnBlock
    ) -> InputStream:
        """Open a device of `devices` and let it run.

        Raises
        ------
        RateRefusedError
            It does not run at this rate.
        DeviceError
            It is busy or refuses for another reason; the message is PortAudio's.
        """


def load_backend(name: BackendName) -> Backend:
    """Import a binding of PortAudio; to be called with `LOCK` held, for that may ask the sound server.

    Raises
    ------
    DeviceError
        It, or PortAudio itself, is not installed.
    """
    silence_c_libraries()
    check_alsa()
    try:
        return _import(name)
    except (ImportError, OSError) as error:
        raise DeviceError(
            f"backend '{name}' cannot be used ({error}): is PortAudio installed (Debian: libportaudio2)?"
        ) from error


def _import(name: BackendName) -> Backend:
    if name == "pyaudio":
        from listener.sources.pyaudio_backend import PyAudioBackend

        return PyAudioBackend()
    from listener.sources.sounddevice_backend import SoundDeviceBackend

    return SoundDeviceBackend()


def opening_error(error: Exception) -> DeviceError:
    """What a binding's error means: PyAudio and sounddevice give text and code in either order."""
    codes = [part for part in error.args if isinstance(part, int)]
    texts = [part for part in error.args if isinstance(part, str)]
    kind = RateRefusedError if INVALID_SAMPLE_RATE in codes else DeviceError
    return kind(texts[0] if texts else str(error))


def release(backend: Backend) -> None:
    """Undo one `Backend.initialise`, unless that would end the process."""
    if not server_died():
        backend.terminate()


def ask(
    work: Callable[[], T],
    undo: Callable[[T], object] = lambda result: None,
    answer_s: float | None = None,
    name: str = "portaudio",
) -> T:
    """Do what needs `LOCK`, for as long as somebody can be kept waiting.

    Parameters
    ----------
    work
        What to do. It runs on a thread of its own, with the lock held.
    undo
        Called with the result, the lock still held, if it comes when nobody waits any more.
    answer_s
        Longest wait in seconds, that for the lock included; `ANSWER_S` unless told.
    name
        Of the thread.

    Raises
    ------
    DeviceError
        There was no answer; or whatever ``work`` raises.
    """
    deadline = time.monotonic() + (ANSWER_S if answer_s is None else answer_s)
    if not LOCK.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise DeviceError(NO_ANSWER)
    answer: Future[T] = Future()

    def run() -> None:
        try:
            _answer(answer, work, undo)
        finally:
            LOCK.release()

    try:
        threading.Thread(target=run, name=name, daemon=True).start()
    except RuntimeError as error:  # no thread to be had
        LOCK.release()
        raise DeviceError(f"PortAudio cannot be asked: {error}") from error
    return _await(answer, deadline)


def _answer(answer: "Future[T]", work: Callable[[], T], undo: Callable[[T], object]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - goes to who asked
        with suppress(InvalidStateError):
            answer.set_exception(error)
        return
    try:
        answer.set_result(result)
    except InvalidStateError:
        undo(result)


def _await(answer: "Future[T]", deadline: float) -> T:
    try:
        answer.exception(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        if answer.cancel():
            raise DeviceError(NO_ANSWER) from None
    except BaseException:  # Ctrl-C
        answer.cancel()
        raise
    return answer.result()
