"""One open device: the stream, and what it takes to have it back after PortAudio was started anew."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from listener.errors import DeviceError
from listener.sources.blocks import Blocks
from listener.sources.devices import channels_to_open, find_device
from listener.sources.jack import HOST_API, RESTART, leave_behind, server_died
from listener.sources.pcm import Channel
from listener.sources.portaudio import (
    NO_ANSWER,
    Backend,
    BackendName,
    DeviceInfo,
    InputStream,
    RateRefusedError,
    load_backend,
    release,
)

BLOCK_S = 0.064
"""Length of a block in seconds. PortAudio keeps four in the device: 0.26 s to survive a busy machine.
Each block wakes three threads that find their caches cold; half as long, the daemon costs a quarter more."""

QUEUE_S = 2.0
"""Sound that waits for its reader at most, in seconds."""

ATTEMPTS = 3
"""How often the wanted rate is tried: on a busy machine PortAudio's own thread may start too late."""

AWAY_S = 5.0
"""Longest time for which the device may be let go, in seconds, before it is taken for lost."""

LATEST_BLOCK_S = 0.5
"""A device whose newest block is older than that does not deliver."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The device that somebody wants."""

    source: str
    """Whose microphone it will be."""

    backend: BackendName
    """Through which binding of PortAudio."""

    device: str | int
    """See `listener.sources.devices.find_device`."""

    channel: Channel
    """``mix``, or one of its channels, counted from 1."""

    rate_hz: int
    """The sample rate that it is asked for first."""


class Connection:
    """A device in use. `read`'s thread takes from `blocks`; all else is done with PortAudio's lock held.

    Parameters
    ----------
    wish
        What is wanted.
    """

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.rate_hz = 0
        """Sample rate that the device runs at."""
        self.channels = 1
        """Channels that it was opened with."""
        self.blocks = Blocks(1, 1, 1)
        """What it delivered."""
        self.name = ""
        """Of the device."""
        self._backend: Backend = load_backend(wish.backend)
        self._initialised = False
        self._is_jack = False
        self._stream: InputStream | None = None
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self._problem: DeviceError | None = None
        self._wanted = True

    def devices(self) -> list[DeviceInfo]:
        """All that PortAudio lists; it is initialised for that."""
        if not self._initialised:
            self._backend.initialise()
            self._initialised = True
        return self._backend.devices()

    def begin(self, device: DeviceInfo) -> None:
        """Open a device of `devices`.

        Raises
        ------
        DeviceError
            It refuses.
        """
        if device.api == HOST_API and server_died():
            raise DeviceError(f"microphone '{device.name}' cannot be opened: {RESTART}")
        self.name = device.name
        self._is_jack = device.api == HOST_API
        self.channels = channels_to_open(device, self.wish.channel)
        problem: DeviceError | None = None
        refused: set[int] = set()
        for rate_hz in (*[self.wish.rate_hz] * ATTEMPTS, device.default_rate_hz):
            if rate_hz in refused:
                continue
            self.rate_hz = rate_hz
            self.blocks = Blocks(self.channels, rate_hz, round(QUEUE_S / BLOCK_S))
            try:
                self._stream = self._open(device)
                return
            except RateRefusedError as error:
                refused.add(rate_hz)
                problem = error
            except DeviceError as error:
                problem = error
        raise DeviceError(f"microphone '{device.name}' cannot be opened: {problem}")

    def let_go(self) -> None:
        """Close the device, and give PortAudio up. Waits for a sound server that does not answer."""
        with self._lock:  # nobody may be looking at it while it is closed
            stream, self._stream, self._away_since = self._stream, None, time.monotonic()
        if stream is not None:
            if self._is_jack and server_died():
                leave_behind(stream)
            else:
                stream.close()
            self.blocks.interrupt()
        if self._initialised:
            release(self._backend)
            self._initialised = False

    def take_again(self) -> None:
        """Open the same device as before at the same rate, under whatever number it has now.

        A device that is not to be had any more is lost: `check` says so.
        """
        if not self._wanted:
            return
        stream: InputStream | None = None
        problem: DeviceError | None = None
        try:
            stream = self._open_again()
        except DeviceError as error:
            problem = error
        with self._lock:
            self._stream, self._problem, self._away_since = stream, problem, None

    def abandon(self) -> None:
        """Say that it will not be wanted again; can be called without the lock."""
        self._wanted = False

    @property
    def is_delivering(self) -> bool:
        """Whether sound has come just now."""
        return time.monotonic() - self.blocks.put_at < LATEST_BLOCK_S

    def check(self) -> None:
        """See, from any thread, that more may come.

        Raises
        ------
        DeviceError
            It will not.
        """
        with self._lock:
            is_active = self._stream is not None and self._stream.is_active()
            problem, away_since = self._problem, self._away_since
        if self.blocks or is_active:  # what came before the end is to be read first
            return
        if problem is not None:
            raise problem
        if away_since is None:
            raise DeviceError(f"microphone of source '{self.wish.source}' is gone: was it unplugged?")
        if time.monotonic() - away_since > AWAY_S:
            raise DeviceError(NO_ANSWER)

    def _open_again(self) -> InputStream:
        devices = self.devices()
        device = same_device(devices, self.name) or find_device(devices, self.wish.device)
        problem: DeviceError | None = None
        for _ in range(ATTEMPTS):
            try:
                return self._open(device)
            except DeviceError as error:
                problem = error
        raise DeviceError(f"microphone '{device.name}' cannot be opened again: {problem}")

    def _open(self, device: DeviceInfo) -> InputStream:
        block_samples = round(BLOCK_S * self.rate_hz)
        return self._backend.open(device, self.channels, self.rate_hz, block_samples, self.blocks.put)


def same_device(devices: Sequence[DeviceInfo], name: str) -> DeviceInfo | None:
    """Give the device of this name; those of ALSA say in it where they are plugged in."""
    return next((device for device in devices if device.name == name), None)
