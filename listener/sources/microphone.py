"""The microphone.

The audio thread of PortAudio leaves blocks of bytes in a short queue and does nothing
else; `Microphone.read` makes samples of them. Who reads too late loses the oldest
blocks: the position of the next chunk jumps over them and it is marked. So it is when
the device had to be let go for a moment because another microphone came.
"""

import logging
import threading
import time
from typing import Annotated

import numpy as np
from pydantic import Field

from listener.config import Options
from listener.errors import DeviceError
from listener.sources.base import Source
from listener.sources.connection import Connection, Wish
from listener.sources.device_set import DeviceSet
from listener.sources.hotplug import await_change
from listener.sources.library import LIBRARY, Library
from listener.sources.pcm import Channel, mono_from_int16
from listener.sources.portaudio import BackendName
from listener.types import AudioChunk

CLOSE_S = 2.0
"""Longest wait for a device to close, in seconds."""

EAGER_S = 5.0
"""After a sound device came or went it may take this long until all is ready, in seconds."""

EAGER_PAUSE_S = 0.5
"""Longest pause between attempts until then, in seconds."""

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
    """A microphone, through PortAudio.

    Parameters
    ----------
    name
        Under which its events appear.
    options
        The source's part of the configuration.
    library
        PortAudio, as it is shared.
    """

    Options = MicrophoneOptions
    options: MicrophoneOptions

    def __init__(self, name: str, options: MicrophoneOptions, library: Library = LIBRARY) -> None:
        super().__init__(name, options)
        self._library = library
        self._connection: Connection | None = None
        self._tried_with: DeviceSet = ()
        self._eager_until = 0.0

    def open(self) -> int:
        """Open the device.

        Returns
        -------
        int
            The rate that it really runs at, in Hz.

        Raises
        ------
        DeviceError
            It is unknown, ambiguous, busy or refuses; there is none at all; or its sound server
            does not answer.
        """
        self.close()
        options = self.options
        wish = Wish(
            source=self.name,
            backend=options.backend,
            device=options.device,
            channel=options.channel,
            rate_hz=options.sample_rate or self.preferred_rate,
        )
        self._tried_with = self._library.around()
        self._connection = self._library.connect(wish)
        return self._connection.rate_hz

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Give the next block of sound, or None if there was none within ``timeout_s`` seconds.

        Raises
        ------
        DeviceError
            The device is gone.
        """
        connection = self._connection
        if connection is None:
            raise DeviceError(f"microphone of source '{self.name}' is not open")
        block = connection.blocks.get(timeout_s)
        if block is None:
            connection.check()
            return None
        position, data, lost = block
        frames = np.frombuffer(data, dtype=np.int16).reshape(-1, connection.channels)
        samples = mono_from_int16(frames, self.options.channel)
        return AudioChunk(samples, position, connection.rate_hz, overflowed=lost)

    def close(self) -> None:
        """Let go of the device; one that does not let itself be closed is left behind."""
        connection, self._connection = self._connection, None
        if connection is not None and not self._library.disconnect(connection, CLOSE_S):
            logger.warning(
                "microphone of source '%s' does not close: its sound server does not answer", self.name
            )

    def await_return(self, timeout_s: float, stopping: threading.Event) -> None:
        """Wait until it may be worth opening again: less than ``timeout_s`` when a sound device has come."""
        if time.monotonic() < self._eager_until:
            timeout_s = min(timeout_s, EAGER_PAUSE_S)
        if await_change(self._tried_with, timeout_s, stopping, look=self._library.around):
            self._eager_until = time.monotonic() + EAGER_S
