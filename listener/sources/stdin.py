"""Raw PCM on standard input: whatever another program can record or receive.

The writer is made to wait where nobody reads: a pipe from a file loses nothing, and one
from a recorder holds what its own buffer holds.
"""

import logging
import os
import select
import time
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from listener.config import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, Options
from listener.errors import SourceError
from listener.sources.base import EndOfSource, Source
from listener.sources.pcm import Channel, mono_from_float, mono_from_int16
from listener.types import AudioChunk, Samples

CHUNK_S = 0.1
"""Longest chunk in seconds."""

SampleFormat = Literal["u8", "s16le", "s32le", "f32le"]
"""Unsigned 8, signed 16 or 32 bit integers, or 32 bit floats with full scale at 1; little-endian."""

_DTYPES: dict[SampleFormat, np.dtype[Any]] = {
    "u8": np.dtype("u1"),
    "s16le": np.dtype("<i2"),
    "s32le": np.dtype("<i4"),
    "f32le": np.dtype("<f4"),
}

logger = logging.getLogger(__name__)


class StdinOptions(Options):
    """Settings of raw PCM on standard input: nothing in the data says what it is."""

    rate: Annotated[int, Field(ge=LOWEST_RATE_HZ, le=HIGHEST_RATE_HZ)] = 16_000
    """Sample rate in Hz."""

    channels: Annotated[int, Field(ge=1, le=512)] = 1
    """Channels, interleaved."""

    sample_format: SampleFormat = "s16le"
    """Encoding of a sample."""

    channel: Channel = "mix"
    """``mix``: the mean of all channels; or one of them, counted from 1."""

    @model_validator(mode="after")
    def _channel_is_there(self) -> "StdinOptions":
        if self.channel != "mix" and self.channel > self.channels:
            raise ValueError(f"channel {self.channel} is not there: channels is {self.channels}")
        return self


class StdinSource(Source):
    """Raw PCM from a file descriptor.

    Parameters
    ----------
    name
        Under which its events appear.
    options
        What the data is.
    descriptor
        Where to read; standard input unless told.
    """

    Options = StdinOptions
    options: StdinOptions
    live = False

    def __init__(self, name: str, options: StdinOptions, descriptor: int = 0) -> None:
        super().__init__(name, options)
        self._descriptor = descriptor
        self._dtype = _DTYPES[options.sample_format]
        self._frame_bytes = options.channels * self._dtype.itemsize
        self._rest = b""
        self._position = 0
        self._invalid = 0

    def open(self) -> int:
        """Look whether something is connected.

        Returns
        -------
        int
            The sample rate as told, in Hz.

        Raises
        ------
        SourceError
            Standard input is closed, or a terminal.
        """
        try:
            os.fstat(self._descriptor)
        except OSError as error:
            raise SourceError(f"standard input cannot be read: {error.strerror}") from error
        if os.isatty(self._descriptor):
            raise SourceError(
                "standard input is a terminal: pipe raw PCM into it, or choose another --source"
            )
        return self.options.rate

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Give what has come, up to a tenth of a second, or None if nothing came in time.

        Raises
        ------
        EndOfSource
            The writer has closed its end.
        SourceError
            It did so without having written a single sample, or what is connected cannot be read.
        """
        deadline = time.monotonic() + timeout_s
        while len(self._rest) < self._frame_bytes:
            if not self._readable(deadline - time.monotonic()):
                return None
            self._rest += self._read_some()
        whole = len(self._rest) - len(self._rest) % self._frame_bytes
        data, self._rest = self._rest[:whole], self._rest[whole:]
        chunk = AudioChunk(self._decode(data), self._position, self.options.rate)
        self._position = chunk.end_sample
        return chunk

    def close(self) -> None:
        """Nothing to let go: standard input belongs to the process."""

    def _readable(self, timeout_s: float) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout_s) * 1000))

    def _read_some(self) -> bytes:
        wanted = max(1, round(CHUNK_S * self.options.rate)) * self._frame_bytes
        try:
            data = os.read(self._descriptor, wanted - len(self._rest))
        except BlockingIOError:  # somebody else who reads there was quicker
            return b""
        except OSError as error:
            raise SourceError(f"standard input cannot be read: {error.strerror}") from error
        if data:
            return data
        if self._position == 0:
            raise SourceError(
                f"standard input ended without a sample ({self.options.sample_format} expected)"
            )
        if self._rest:
            logger.warning(
                "standard input: %d bytes at the end make no whole frame: are channels and format right?",
                len(self._rest),
            )
            self._rest = b""
        raise EndOfSource

    def _decode(self, data: bytes) -> Samples:
        frames = np.frombuffer(data, self._dtype).reshape(-1, self.options.channels)
        channel = self.options.channel
        match self.options.sample_format:
            case "u8":
                return mono_from_int16((frames.astype(np.int16) - 128) * np.int16(256), channel)
            case "s16le":
                return mono_from_int16(frames, channel)
            case "s32le":
                return mono_from_float(frames / 2.0**31, channel)
            case "f32le":
                self._count_invalid(frames)
                return mono_from_float(frames, channel)

    def _count_invalid(self, frames: NDArray[np.float32]) -> None:
        invalid = frames.size - int(np.count_nonzero(np.isfinite(frames)))
        if invalid and not self._invalid:
            logger.warning("standard input: samples that are no numbers are taken for silence")
        self._invalid += invalid
