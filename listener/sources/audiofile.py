"""One recording, read block by block, and not taken for whole when it is not.

The decoder is generous: of a WAV file that was cut it plays what is left and says
nothing. Here all that can be read is given, and then the error: nothing that can be
heard is lost, and nobody takes half a recording for a quiet one.
"""

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np
import soundfile

from listener.config import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from listener.errors import AudioFileError, one_line, printable
from listener.files import is_file
from listener.sources.pcm import mono_from_float, mono_from_int16
from listener.sources.quiet import silence_c_libraries
from listener.types import Samples

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"})
"""What counts as a recording in a folder."""

SMALL_BLOCK = 1_024
"""Samples in a block where a file is damaged: at most as many are lost before the break."""

MOST_VALUES = 2**22
"""Samples of all channels that are decoded at once: a header may claim a thousand channels at any rate."""

_EXACT_IN_INT16 = frozenset({"PCM_16", "PCM_U8", "PCM_S8", "ULAW", "ALAW"})
"""Encodings that 16 bits hold. Reading integers is quicker, but cuts others short, and floats to zero."""

_UNKNOWN_BYTES = 0x7FFF_0000
"""A WAV file that was written to a pipe claims this or more; it did not know its length."""

_UNKNOWN_FRAMES = 1 << 62
"""A FLAC file that was written to a pipe claims more."""

_BREAKS = (soundfile.LibsndfileError, ValueError)
"""What reading a damaged file raises; the second where the decoder has gone on past the file's own end."""

_CUT_SHORT = re.compile(r"^\s*(?:data|SSND)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_CUT_OGG = "lacks an end-of-stream bit"


class AudioFile:
    """A recording that is being read; a context manager that closes it.

    Parameters
    ----------
    path
        WAV, FLAC, OGG, MP3, or whatever else libsndfile knows.

    Raises
    ------
    AudioFileError
        It is missing, unreadable, empty or no audio; the message names it.
    """

    def __init__(self, path: Path) -> None:
        silence_c_libraries()
        self.path = path
        self._name = printable(path)
        self._file = _open(path)
        self.rate_hz: int = self._file.samplerate
        self._taken = 0
        self._is_int16 = self._file.subtype in _EXACT_IN_INT16
        try:
            self._promised = self._count_promised()
        except AudioFileError:
            self.close()
            raise

    def read(self, n_samples: int) -> Samples:
        """The next samples, at most ``n_samples`` and the mean of all channels; none at the end.

        Raises
        ------
        AudioFileError
            The rest is missing or damaged; all before it has been given.
        """
        n_samples = max(1, min(n_samples, MOST_VALUES // self._file.channels))
        try:
            samples = self._decode(n_samples)
        except _BREAKS:
            samples = self._decode_to_the_break(n_samples)
        if len(samples) == 0 and self._taken < self._promised:
            raise self._cut()
        return samples

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _decode(self, n_samples: int) -> Samples:
        dtype = "int16" if self._is_int16 else "float32"
        frames = self._file.read(n_samples, dtype=dtype, always_2d=True)
        self._taken += len(frames)
        return mono_from_int16(frames) if self._is_int16 else mono_from_float(frames)

    def _decode_to_the_break(self, n_samples: int) -> Samples:
        """What a block that could not be decoded still holds; nothing if the break is right here."""
        parts = [np.zeros(0, np.float32)]
        end = self._taken + n_samples
        with suppress(*_BREAKS):
            self._file.seek(self._taken)
            while self._taken < end and len(part := self._decode(SMALL_BLOCK)):
                parts.append(part)
        return np.concatenate(parts)

    def _count_promised(self) -> float:
        """Samples that the file claims to hold; infinitely many where it says only that there were more."""
        frames: int = self._file.frames
        log: str = self._file.extra_info
        if not LOWEST_RATE_HZ <= self.rate_hz <= HIGHEST_RATE_HZ:
            raise AudioFileError(f"{self._name} is no sound, or damaged: its rate is {self.rate_hz} Hz")
        if frames > _UNKNOWN_FRAMES:
            raise AudioFileError(f"{self._name} does not say how long it is: convert it, to WAV for instance")
        if found := _CUT_SHORT.search(log):
            claimed, there = map(int, found.groups())
            return frames if claimed >= _UNKNOWN_BYTES else frames * claimed // max(there, 1)
        if _CUT_OGG in log:
            return np.inf
        if frames == 0:
            raise AudioFileError(f"{self._name} holds no sound")
        return frames

    def _cut(self) -> AudioFileError:
        there = f"{self._taken / self.rate_hz:.1f}"
        if np.isinf(self._promised):
            return AudioFileError(f"{self._name} is truncated: it breaks off after {there} s")
        whole = f"{self._promised / self.rate_hz:.1f}"
        return AudioFileError(f"{self._name} is truncated or damaged: {there} of {whole} s can be read")


def find_recordings(folder: Path) -> list[Path]:
    """All recordings below a folder, sorted by path; hidden ones are left out.

    Raises
    ------
    AudioFileError
        There are none.
    """
    try:
        found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and is_file(path)]
    except OSError as error:
        raise AudioFileError(f"{printable(folder)} cannot be read: {error.strerror}") from error
    visible = [
        path
        for path in sorted(found)
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not visible:
        raise AudioFileError(f"{printable(folder)} holds no recordings ({', '.join(sorted(SUFFIXES))})")
    return visible


def _open(path: Path) -> soundfile.SoundFile:
    name = printable(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe may never begin, and a device never end
            raise AudioFileError(f"{name} is no file; sound from a pipe is read as raw PCM: --source -")
        with open(path, "rb") as file:
            if not file.read(1):
                raise AudioFileError(f"{name} is empty")
    except OSError as error:
        raise AudioFileError(f"{name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise AudioFileError(f"{name} cannot be read: {one_line(error)}") from error
    try:
        return soundfile.SoundFile(os.fsencode(path))  # a name need not be UTF-8
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: .raw would need a format
        raise AudioFileError(f"{name} is not an audio file that can be read") from error
