"""A whole recording, or a part of one, as an array."""

import math

import numpy as np
import soxr
from numpy.typing import NDArray

from listener.audio.info import AudioInfo, DecodedAudio
from listener.audio.opening import open_reader, read_header
from listener.audio.origin import AudioSource
from listener.audio.reader import Reader
from listener.audio.room import Room
from listener.config import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from listener.errors import AudioFileError

BLOCK_VALUES = 2**20
"""Samples of all channels that are decoded at once: each call has its price, of the system above all."""

PIECE = 2**15
"""Samples that are resampled at once: of more, the filter's own buffers no longer fit into the cache."""

BEYOND = 2**10
"""Samples for which it is tried whether a recording goes on where it should have ended."""


def probe(source: AudioSource, *, track: int = 0) -> AudioInfo:
    """Say what a recording is, without decoding it.

    Parameters
    ----------
    source
        A path, a whole file in memory, or an open binary file (read from its beginning, left open).
    track
        Which audio track, from 0.

    Raises
    ------
    AudioFileError
        It is missing, unreadable, empty or no audio; the message names it. That it breaks off is
        seen by `decode` only.
    """
    return read_header(source, track)


def decode(
    source: AudioSource,
    *,
    sample_rate: int | None = None,
    mono: bool = True,
    first_s: float = 0.0,
    duration_s: float | None = None,
    out: NDArray[np.float32] | None = None,
    filters: str | None = None,
    track: int = 0,
) -> DecodedAudio:
    """Decode a recording.

    Parameters
    ----------
    source
        A path, a whole file in memory, or an open binary file (read from its beginning, left open).
    sample_rate
        Rate of the result in Hz, made by soxr in its quality HQ; None: the file's own, whatever filters do.
    mono
        Give the mean of all channels; else every channel.
    first_s
        Where to begin, in seconds.
    duration_s
        How much at most, in seconds; None: to the end.
    out
        A buffer to decode into: float32, C-contiguous, (n_samples,) or, unless ``mono``, (n_channels,
        n_samples). It may be longer than the recording.
    filters
        A chain of FFmpeg's filters that the file's sound is sent through first: ``highpass=f=100,loudnorm``.
    track
        Which audio track, from 0.

    Returns
    -------
    DecodedAudio
        Its ``samples`` are float32 in [-1, 1], and the beginning of ``out`` where that was given; what is no
        number became 0, what is too loud was cut off. Another ``sample_rate`` may overshoot a little, as it
        does live. ``torch.from_dlpack(samples)`` shares them.

    Raises
    ------
    AudioFileError
        It is missing, unreadable, empty, no audio, or breaks off within what was asked for; it ends before
        ``first_s``, does not fit into ``out``, or the filters cannot be used. One line, which names it.
    ValueError
        An argument is impossible.
    """
    _check_arguments(sample_rate, first_s, duration_s)
    with open_reader(source, track=track, filters=filters) as reader:
        first = round(first_s * reader.sample_rate)
        if first:
            reader.skip(first)
        n_wanted = None if duration_s is None else max(1, round(duration_s * reader.sample_rate))
        rate = sample_rate or reader.info.sample_rate
        room = Room(out, None if mono else reader.channels, _expected(reader, n_wanted, rate), reader.name)
        n_not_finite = _fill(room, reader, n_wanted, rate, mono)
        if reader.taken <= first and first > 0:
            ended = f"{reader.name} is {reader.taken / reader.sample_rate:.2f} s long"
            raise AudioFileError(f"{ended}: there is nothing at {first_s:g} s")
        return DecodedAudio(room.filled(), rate, reader.info, n_not_finite)


def _check_arguments(sample_rate: int | None, first_s: float, duration_s: float | None) -> None:
    if sample_rate is not None and not LOWEST_RATE_HZ <= sample_rate <= HIGHEST_RATE_HZ:
        raise ValueError(f"sample_rate must be {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz, not {sample_rate}")
    if not 0 <= first_s < math.inf:
        raise ValueError(f"first_s must be 0 or more, not {first_s}")
    if duration_s is not None and not 0 < duration_s < math.inf:
        raise ValueError(f"duration_s must be more than 0, not {duration_s}")


def _expected(reader: Reader, n_wanted: int | None, rate: int) -> int | None:
    """Samples of the result, as far as that can be told before."""
    n_samples = reader.info.n_samples
    left = None if n_samples is None else max(0, n_samples - reader.taken)
    known = [n for n in (left, n_wanted) if n is not None]
    return round(min(known) * rate / reader.sample_rate) if known else None


def _fill(room: Room, reader: Reader, n_wanted: int | None, rate: int, mono: bool) -> int:
    """Decode into ``room``; give the number of values that were no numbers."""
    shape = () if mono else (reader.channels,)
    block = max(1, BLOCK_VALUES // reader.channels)
    if rate == reader.sample_rate:
        return _copy(room, reader, n_wanted, block, np.empty((*shape, BEYOND), np.float32))
    native = np.empty((*shape, min(block, n_wanted or block)), np.float32)
    resampling = _Resampling(reader.sample_rate, rate, shape)
    n_not_finite, left = 0, math.inf if n_wanted is None else n_wanted
    while left > 0:
        n, broken = reader.read_into(native[..., : int(min(block, left))])
        if n == 0:
            break
        left -= n
        n_not_finite += broken
        for begin in range(0, n, PIECE):
            room.add(resampling.push(native[..., begin : min(begin + PIECE, n)]))
    room.add(resampling.push(native[..., :0], last=True))
    return n_not_finite


def _copy(room: Room, reader: Reader, n_wanted: int | None, block: int, beyond: NDArray[np.float32]) -> int:
    """Decode where nothing is resampled, straight to where the samples belong: see `_fill`."""
    n_not_finite, left = 0, math.inf if n_wanted is None else n_wanted
    while left > 0:
        space = room.space(int(min(block, left)))
        is_full = not space.shape[-1]
        n, broken = reader.read_into(beyond[..., : int(min(BEYOND, left))] if is_full else space)
        if n == 0:
            break
        left -= n
        n_not_finite += broken
        if is_full:
            room.add(beyond[..., :n])
        else:
            room.advance(n)
    return n_not_finite


class _Resampling:
    """The same for every channel; to the bit what one call with the whole recording gives."""

    def __init__(self, from_hz: int, to_hz: int, shape: tuple[int, ...]) -> None:
        channels = shape[0] if shape else 1
        self._stream = soxr.ResampleStream(from_hz, to_hz, channels, dtype="float32", quality="HQ")

    def push(self, samples: NDArray[np.float32], last: bool = False) -> NDArray[np.float32]:
        """Take (n_samples,) or (n_channels, n_samples), give the same at the other rate."""
        ready: NDArray[np.float32] = self._stream.resample_chunk(np.ascontiguousarray(samples.T), last=last)
        return ready.T
