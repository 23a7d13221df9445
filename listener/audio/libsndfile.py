"""WAV, FLAC, OGG, MP3 and whatever else libsndfile knows.

The decoder is generous: of a WAV file that was cut it plays what is left and says
nothing. Here all that can be read is given, and then the error: nothing that can be
heard is lost, and nobody takes half a recording for a quiet one.
"""

import os
import re
from contextlib import suppress

import numpy as np
import soundfile
from numpy.typing import NDArray

from listener.audio.info import AudioInfo
from listener.audio.mixing import Frames, mend
from listener.audio.origin import Origin
from listener.audio.reader import MOST_VALUES, Reader
from listener.errors import AudioFileError
from listener.quiet import silence_c_libraries

SMALL_BLOCK = 1_024
"""Samples in a block where a file is damaged: at most as many are lost before the break."""

_IN_INT16 = frozenset({"PCM_16", "PCM_U8", "PCM_S8", "ULAW", "ALAW"})
"""Encodings that 16 bits hold. Reading integers is much quicker, but cuts others short, floats to zero."""

_IN_INT32 = frozenset({"PCM_24", "PCM_32"})

_EXACT = _IN_INT16 | _IN_INT32 | {"FLOAT", "DOUBLE"}
"""Encodings whose samples are counted, and of which any can be decoded without those before it."""

_UNKNOWN_BYTES = 0x7FFF_0000
"""A WAV file that was written to a pipe claims this or more; it did not know its length."""

_UNKNOWN_FRAMES = 1 << 62
"""A FLAC file that was written to a pipe claims more."""

_BREAKS = (soundfile.LibsndfileError, ValueError)
"""What reading a damaged file raises; the second where the decoder has gone on past the file's own end."""

_CUT_SHORT = re.compile(r"^\s*(?:data|SSND)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_CUT_OGG = "lacks an end-of-stream bit"


class NotForLibsndfileError(Exception):
    """libsndfile does not know what this is; FFmpeg may."""


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from one end to the other.

    `soundfile` seeks to where it is after every read. That costs time, and in MP3 it costs
    sound: a decoder that was told to seek forgets the bits that a frame borrows from
    those before it, and the first frames of every block come out wrong.
    """

    def seekable(self) -> bool:
        return False


class SndfileReader(Reader):
    """A recording that libsndfile reads.

    Parameters
    ----------
    origin
        Where it lies.

    Raises
    ------
    NotForLibsndfileError
        libsndfile cannot read it.
    AudioFileError
        It could, but there is no sound in it, or none that can be.
    """

    def __init__(self, origin: Origin) -> None:
        silence_c_libraries()
        self.name = origin.name
        self._file = _open(origin)
        self._is_exact = self._file.subtype in _EXACT
        self._holds_floats = self._file.subtype not in _IN_INT16 | _IN_INT32
        self._dtype = _dtype(self._file)
        self._buffer: NDArray[np.generic] = np.empty((0, self._file.channels), self._dtype)
        try:
            self._promised = self._count_promised()
        except AudioFileError:
            self.close()
            raise
        self.sample_rate, self.channels = self._file.samplerate, self._file.channels
        known = np.isfinite(self._promised)
        self.info = AudioInfo(
            sample_rate=self.sample_rate,
            channels=self.channels,
            n_samples=int(self._promised) if known else None,
            duration_s=self._promised / self.sample_rate if known else None,
            container=self._file.format.lower(),
            codec=self._file.subtype.lower(),
        )

    def read(self, n_samples: int) -> Frames:
        """See `Reader.read`."""
        if self._is_exact and self.taken >= self._promised:
            return self._buffer[:0].T
        n_samples = max(1, min(n_samples, MOST_VALUES // self.channels, self._left()))
        try:
            frames = self._decode(n_samples)
        except _BREAKS:
            frames = self._decode_to_the_break(n_samples)
        if len(frames) == 0 and self.taken < self._promised:
            raise self.cut(None if np.isinf(self._promised) else self._promised / self.sample_rate)
        return frames.T

    def read_into(self, out: NDArray[np.float32]) -> tuple[int, int]:
        """See `Reader.read_into`; what is decoded to floats of one channel lies where it belongs at once."""
        if out.ndim > 1 or self.channels > 1 or self._dtype != "float32" or not out.flags.c_contiguous:
            return super().read_into(out)
        own, self._buffer = self._buffer, out[:, np.newaxis]
        try:
            frames = self.read(len(out))
        finally:
            self._buffer = own
        n = frames.shape[1]
        if not np.may_share_memory(frames, out):  # the end of a damaged file
            np.copyto(out[:n], frames[0], casting="unsafe")
        return n, mend(out[:n]) if self._holds_floats else 0

    def skip(self, n_samples: int) -> None:
        """See `Reader.skip`; without decoding where that gives the same samples."""
        target = self.taken + n_samples
        if n_samples and self._is_exact and target < self._promised < np.inf:
            with suppress(*_BREAKS):
                self._file.seek(target)
                self.taken = target
                return
        super().skip(n_samples)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _left(self) -> int:
        """Samples for which a buffer is worth while; one more shows whether there are more than was said."""
        return max(1, int(self._file.frames) - self.taken + (not self._is_exact))

    def _decode(self, n_samples: int) -> NDArray[np.generic]:
        if len(self._buffer) < n_samples:
            self._buffer = np.empty((n_samples, self.channels), self._dtype)
        frames: NDArray[np.generic] = self._file.read(out=self._buffer[:n_samples])
        self.taken += len(frames)
        return frames

    def _decode_to_the_break(self, n_samples: int) -> NDArray[np.generic]:
        """What a block that could not be decoded still holds; nothing if the break is right here."""
        parts = [self._buffer[:0].copy()]
        end = self.taken + n_samples
        with suppress(*_BREAKS):
            self._file.seek(self.taken)
            while self.taken < end and len(part := self._decode(SMALL_BLOCK)):
                parts.append(part.copy())
        return np.concatenate(parts)

    def _count_promised(self) -> float:
        """Samples that the file claims to hold; infinitely many where it says only that there were more."""
        frames: int = self._file.frames
        log: str = self._file.extra_info
        self.check_rate(self._file.samplerate)
        if frames > _UNKNOWN_FRAMES:
            raise AudioFileError(f"{self.name} does not say how long it is: convert it, to WAV for instance")
        if "should be" in log and (found := _CUT_SHORT.search(log)):
            claimed, there = map(int, found.groups())
            return frames if claimed >= _UNKNOWN_BYTES else frames * claimed // max(there, 1)
        if _CUT_OGG in log:
            return np.inf
        if frames == 0:
            raise AudioFileError(f"{self.name} holds no sound")
        return frames


def _open(origin: Origin) -> _Forward:
    what = origin.file if origin.path is None else os.fsencode(origin.path)  # a name need not be UTF-8
    try:
        return _Forward(what)
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: .raw would need a format
        raise NotForLibsndfileError from error


def _dtype(file: soundfile.SoundFile) -> str:
    if file.format == "FLAC" and file.channels == 1:  # no slower than integers, and the mean of one is itself
        return "float32"
    if file.subtype in _IN_INT16:
        return "int16"
    return "int32" if file.subtype in _IN_INT32 else "float32"
