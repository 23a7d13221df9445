"""The microphone.

The audio thread of PortAudio leaves blocks of bytes in a short queue and does nothing
else; `Microphone.read` makes samples of them. Who reads too late loses the oldest
blocks: the position of the next chunk jumps over them and it is marked.
"""

import logging
import threading
import time
from collections import deque
from typing import Annotated

import numpy as np
from pydantic import Field

from listener.config import Options
from listener.errors import DeviceError
from listener.sources.base import Source
from listener.sources.devices import channels_to_open, find_device
from listener.sources.pcm import Channel, mono_from_int16
from listener.sources.portaudio import (
    LOCK,
    Backend,
    BackendName,
    DeviceInfo,
    InputStream,
    RateRefusedError,
    load_backend,
    locked,
)
from listener.types import AudioChunk

BLOCK_S = 0.064
"""Length of a block in seconds. PortAudio keeps four in the device: 0.26 s to survive a busy machine.
Each block wakes three threads that find their caches cold; half as long, the daemon costs a quarter more."""

QUEUE_S = 2.0
"""Sound that waits for `read` at most, in seconds."""

STALL_S = 3.0
"""A device that delivers nothing for so long is taken for lost: some do not say so."""


ATTEMPTS = 3
"""How often the wanted rate is tried: on a busy machine PortAudio's own thread may start too late."""

CLOSE_S = 2.0
"""Longest wait for a device to close, in seconds."""

logger = logging.getLogger(__name__)


class MicrophoneOptions(Options):
    """Settings of a microphone."""

    backend: BackendName = "pyaudio"
    """Python binding of PortAudio: ``pyaudio`` or ``sounddevice``."""

    device: str | int = "default"
    """``default``, an index, a name, a part of a name or a pattern such as ``*USB*``."""

    channel: Channel = "mix"
    """``mix``: the mean of all channels; or one of them, counted from 1."""

    sample_rate: Annotated[int, Field(ge=1_000, le=768_000)] | None = None
    """Rate in Hz that the device is asked for first; none: the model's. If refused, its own is taken."""


class Microphone(Source):
    """A microphone, through PortAudio."""

    Options = MicrophoneOptions
    options: MicrophoneOptions

    def __init__(self, name: str, options: MicrophoneOptions) -> None:
        super().__init__(name, options)
        self._backend: Backend | None = None
        self._stream: InputStream | None = None
        self._blocks = _Blocks(1, 1)
        self._channels = 1
        self._rate_hz = 0
        self._last_block_at = 0.0

    def open(self) -> int:
        """Open the device.

        Returns
        -------
        int
            The rate that it really runs at, in Hz.

        Raises
        ------
        DeviceError
            It is unknown, ambiguous, busy or refuses; or there is none at all.
        """
        self.close()
        backend = load_backend(self.options.backend)
        with locked():
            backend.initialise()
            try:
                device = find_device(backend.devices(), self.options.device)
                self._stream = self._open_stream(backend, device)
            except BaseException:
                backend.terminate()
                raise
        self._backend = backend
        self._last_block_at = time.monotonic()
        return self._rate_hz

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Give the next block of sound, or None if there was none within ``timeout_s`` seconds.

        Raises
        ------
        DeviceError
            The device is gone, or has delivered nothing for three seconds.
        """
        block = self._blocks.get(timeout_s)
        if block is None:
            self._check_alive()
            return None
        self._last_block_at = time.monotonic()
        position, data, lost = block
        frames = np.frombuffer(data, dtype=np.int16).reshape(-1, self._channels)
        return AudioChunk(
            mono_from_int16(frames, self.options.channel), position, self._rate_hz, overflowed=lost
        )

    def close(self) -> None:
        """Let go of the device; one that does not let itself be closed is left behind."""
        if self._stream is None or self._backend is None:
            return
        # Not on this thread: a frozen sound server holds it until it thaws, a dead JACK for ever.
        closing = threading.Thread(
            target=_let_go, args=(self._stream, self._backend), name=f"close:{self.name}", daemon=True
        )
        self._stream = self._backend = None
        closing.start()
        closing.join(CLOSE_S)
        if closing.is_alive():
            logger.warning(
                "microphone of source '%s' does not close: its sound server does not answer", self.name
            )

    def _open_stream(self, backend: Backend, device: DeviceInfo) -> InputStream:
        self._channels = channels_to_open(device, self.options.channel)
        wanted = self.options.sample_rate or self.preferred_rate
        problem: DeviceError | None = None
        refused: set[int] = set()
        for rate_hz in (*[wanted] * ATTEMPTS, device.default_rate_hz):
            if rate_hz in refused:
                continue
            self._rate_hz = rate_hz
            self._blocks = _Blocks(self._channels, round(QUEUE_S / BLOCK_S))
            try:
                return backend.open(
                    device, self._channels, rate_hz, round(BLOCK_S * rate_hz), self._blocks.put
                )
            except RateRefusedError as error:
                refused.add(rate_hz)
                problem = error
            except DeviceError as error:
                problem = error
        raise DeviceError(f"microphone '{device.name}' cannot be opened: {problem}")

    def _check_alive(self) -> None:
        if self._stream is None:
            raise DeviceError(f"microphone of source '{self.name}' is not open")
        active = self._stream.is_active()
        if self._blocks:  # asked last: what came before the end is to be read first
            return
        if not active:
            raise DeviceError(f"microphone of source '{self.name}' is gone: was it unplugged?")
        if time.monotonic() - self._last_block_at > STALL_S:
            raise DeviceError(f"microphone of source '{self.name}' has delivered nothing for {STALL_S:g} s")


def _let_go(stream: InputStream, backend: Backend) -> None:
    with LOCK:
        stream.close()
        backend.terminate()


class _Blocks:
    """Blocks between the audio thread, which must never wait, and the one thread that reads."""

    def __init__(self, channels: int, capacity: int) -> None:
        self._frame_bytes = 2 * channels
        self._position = 0
        self._taken = 0
        self._arrived = threading.Event()
        self._queue: deque[tuple[int, bytes, bool]] = deque(maxlen=capacity)

    def put(self, data: bytes, overflowed: bool) -> None:
        """Audio thread: add a block; the oldest falls out of a full queue."""
        self._queue.append((self._position, data, overflowed))
        self._position += len(data) // self._frame_bytes
        self._arrived.set()

    def get(self, timeout_s: float) -> tuple[int, bytes, bool] | None:
        """Take the oldest block: its position, its bytes, and whether samples are missing before it."""
        if not self._queue:
            self._arrived.clear()
            if not self._queue:  # it may have come just before the event was cleared
                self._arrived.wait(timeout_s)
        try:
            position, data, overflowed = self._queue.popleft()
        except IndexError:
            return None
        lost = overflowed or position != self._taken
        self._taken = position + len(data) // self._frame_bytes
        return position, data, lost

    def __bool__(self) -> bool:
        return bool(self._queue)
