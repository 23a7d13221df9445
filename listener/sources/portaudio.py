"""PortAudio: what its two Python bindings have in common, and the seam that each of them fills.

PortAudio reads the list of devices once, when it is initialised, and counts how often
that was done. Every microphone initialises it when it opens and terminates it when it
closes. So the list is read anew whenever no other microphone of the process is open,
which is how one that was plugged in again is found; and no stream is ever cut by another
one that comes or goes. None of this is thread-safe in the library: one lock guards it. A sound
server that does not answer holds whoever asked it, and with them the lock: others give
up after a while, with an error, and may try again.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from listener.errors import DeviceError
from listener.sources.alsa import check_alsa
from listener.sources.quiet import silence_c_libraries

BackendName = Literal["pyaudio", "sounddevice"]
"""The Python bindings of PortAudio."""

BACKENDS: tuple[BackendName, ...] = ("pyaudio", "sounddevice")

LOCK = threading.Lock()
"""Held while PortAudio is initialised or terminated, and while streams are opened or closed."""

ANSWER_S = 5.0
"""How long to wait for the lock, in seconds. A device that is well opens and closes in a tenth of one."""

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
        """Undo one `initialise`."""

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
    """Import a binding of PortAudio.

    Raises
    ------
    DeviceError
        It, or PortAudio itself, is not installed.
    """
    silence_c_libraries()
    check_alsa()
    try:
        with locked():
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


@contextmanager
def locked() -> Iterator[None]:
    """Hold the lock.

    Raises
    ------
    DeviceError
        Another device keeps it: its sound server does not answer.
    """
    if not LOCK.acquire(timeout=ANSWER_S):
        raise DeviceError(
            "PortAudio still waits for a sound server that does not answer: restart that server"
        )
    try:
        yield
    finally:
        LOCK.release()


@contextmanager
def initialised(backend: Backend) -> Iterator[Backend]:
    """Hold PortAudio for a moment, to look at the devices."""
    with locked():
        backend.initialise()
        try:
            yield backend
        finally:
            backend.terminate()
