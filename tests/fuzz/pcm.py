"""Raw PCM on standard input: any bytes, in pieces of any size, that end anywhere."""

import os
import threading
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from listener.errors import SourceError
from listener.sources.base import EndOfSource
from listener.sources.stdin import StdinOptions, StdinSource
from listener.types import Samples
from tests.fuzz.target import Input, Target, assert_told_well

NAME = "sound.pcm"
PIPE_BYTES = 65_536
"""What a pipe holds: more is written by a thread, as the reader would never come to read."""

FORMATS: dict[str, tuple[str, float, float]] = {
    "u8": ("u1", 128.0, 128.0),
    "s16le": ("<i2", 0.0, 2.0**15),
    "s32le": ("<i4", 0.0, 2.0**31),
    "f32le": ("<f4", 0.0, 1.0),
}
"""Type of a sample, its zero, and its full scale."""


class Pcm(Target):
    """Standard input."""

    def make(self, random: Random) -> Input:
        """Make up a format, bytes, and how they are cut."""
        channels = random.choice((1, 1, 1, 1, 2, 2, 2, 3, 6, random.randint(1, 512)))
        settings: dict[str, Any] = {
            "rate": random.choice(
                (1_000, 8_000, 16_000, 44_100, 48_000, 768_000, random.randint(1_000, 768_000))
            ),
            "channels": channels,
            "sample_format": random.choice(list(FORMATS)),
            "channel": random.choice(("mix", "mix", random.randint(1, channels))),
        }
        data = _bytes(random)
        cuts = sorted(random.randint(0, len(data)) for _ in range(random.choice((0, 1, 3, 20))))
        return Input({NAME: data}, {"options": settings, "cuts": cuts})

    def feed(self, made: Input) -> bool:
        """Pipe the pieces in, one for each read, and compare what comes out with what numpy makes of it."""
        data = made.files[NAME]
        options = StdinOptions.model_validate(made.settings["options"])
        edges = [0, *made.settings["cuts"], len(data)]
        pieces = [data[first:last] for first, last in pairwise(edges)]
        reading, writing = os.pipe()
        try:
            heard = _heard(StdinSource("stdin", options, reading), pieces, writing)
        except SourceError as error:
            assert_told_well(error)
            frame_bytes = options.channels * np.dtype(FORMATS[options.sample_format][0]).itemsize
            assert len(data) < frame_bytes, "sound was refused"
            return False
        finally:
            os.close(reading)
        wanted = _decoded(data, options)
        assert heard.dtype == np.float32
        assert heard.shape == wanted.shape
        assert np.abs(heard - wanted).max(initial=0.0) < 1e-6
        return True


def _bytes(random: Random) -> bytes:
    size = random.choice((0, 1, 2, 3, 4, 7, 8, 100, random.randrange(3_000), random.randrange(20_000)))
    match random.randrange(6):
        case 0:
            return bytes(size)
        case 1:
            return b"\xff" * size
        case 2:
            floats = (np.nan, np.inf, -np.inf, 1e38, -3e38, 1e-45, -0.0, 0.5, 1.0, -1.0)
            return np.array(random.choices(floats, k=size // 4), "<f4").tobytes() + bytes(size % 4)
        case 3:  # not numbers of all kinds, signalling ones too
            odd = (0x7F800001, 0xFFBFFFFF, 0x7FC00000, 0x7F800000, 0x00000001, 0x80000000, 0x7F7FFFFF)
            return np.array(random.choices(odd, k=size // 4), "<u4").tobytes()
        case 4:
            return (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + bytes(28) + random.randbytes(size))[:size]
    return random.randbytes(size)


def _heard(source: StdinSource, pieces: list[bytes], writing: int) -> Samples:
    """Read to the end; a chunk lies where the one before it ended."""
    assert source.open() == source.options.rate
    writer = None
    if sum(map(len, pieces)) > PIPE_BYTES:
        writer = threading.Thread(target=_write_all, args=(pieces, writing))
        writer.start()
        pieces = []
    collected = [np.zeros(0, np.float32)]
    position = 0
    try:
        while True:
            if pieces:
                os.write(writing, pieces.pop(0))
            elif writer is None and writing >= 0:
                os.close(writing)
                writing = -1
            chunk = source.read(0.0 if pieces or writer is None else 10.0)
            if chunk is not None:
                assert chunk.first_sample == position
                assert len(chunk.samples)
                position = chunk.end_sample
                collected.append(chunk.samples)
    except EndOfSource:
        return np.concatenate(collected)
    finally:
        source.close()
        if writer is not None:
            writer.join()
        elif writing >= 0:
            os.close(writing)


def _write_all(pieces: list[bytes], writing: int) -> None:
    with os.fdopen(writing, "wb", buffering=0) as pipe:
        for piece in pieces:
            pipe.write(piece)


def _decoded(data: bytes, options: StdinOptions) -> NDArray[np.float64]:
    """What the bytes mean, in the plainest words."""
    kind, zero, full_scale = FORMATS[options.sample_format]
    size = np.dtype(kind).itemsize * options.channels
    frames = np.frombuffer(data[: len(data) // size * size], kind).reshape(-1, options.channels)
    with np.errstate(invalid="ignore"):
        array = (frames.astype(np.float64) - zero) / full_scale
    array = np.where(np.isfinite(array), array, 0.0)
    chosen = array.mean(axis=1) if options.channel == "mix" else array[:, options.channel - 1]
    return np.asarray(np.clip(chosen, -1, 1))
