"""Recordings as a source: a file, or all below a folder one after another."""

import logging
from pathlib import Path

import numpy as np

from listener.config import Options
from listener.errors import AudioFileError
from listener.files import is_folder
from listener.sources.audiofile import AudioFile, find_recordings
from listener.sources.base import EndOfSource, Source
from listener.sources.pacing import Pacer, Speed
from listener.sources.resample import StreamResampler
from listener.types import AudioChunk, Samples

CHUNK_S = 0.1
"""Length of a chunk in seconds."""

BLOCK_S = 5.0
"""What is decoded at once, in seconds: each call of the decoder has its price."""

logger = logging.getLogger(__name__)


class FileOptions(Options):
    """Settings of a source that reads recordings."""

    path: Path
    """A recording (WAV, FLAC, OGG, MP3), or a folder: all recordings below it, sorted, as one stream."""

    speed: Speed = 1.0
    """How many seconds of sound pass in a second, or ``max``."""


class FileSource(Source):
    """Recordings, at any speed.

    A single recording is given at its own rate, those of a folder are all brought to the
    model's. A chunk that begins another recording is marked as an overflow is: what is
    found across the joint says ``after_gap``. A recording that is broken does not keep the
    others from being heard; it is reported at the end.
    """

    Options = FileOptions
    options: FileOptions
    live = False
    has_clock = False

    def __init__(self, name: str, options: FileOptions) -> None:
        super().__init__(name, options)
        self._waiting: list[Path] = []
        self._file: AudioFile | None = None
        self._resampler = StreamResampler(1, 1)
        self._pacer = Pacer(1)
        self._rate_hz = 0
        self._position = 0
        self._pending: AudioChunk | None = None
        self._block: Samples = np.zeros(0, np.float32)
        self._joint = False
        self._problems: list[AudioFileError] = []

    def open(self) -> int:
        """Open the first recording that can be opened.

        Returns
        -------
        int
            Its sample rate in Hz.

        Raises
        ------
        AudioFileError
            There is none; the message names the file and what is wrong.
        """
        self.close()
        path = self.options.path
        self._waiting = find_recordings(path) if is_folder(path) else [path]
        self._problems = []
        self._position, self._rate_hz, self._joint, self._pending = 0, 0, False, None
        self._block = self._block[:0]
        if not self._open_next():
            raise self._all_problems()
        self._pacer = Pacer(self._rate_hz, self.options.speed)
        return self._rate_hz

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Give the next tenth of a second, when it is due.

        Raises
        ------
        EndOfSource
            All recordings are at their end.
        AudioFileError
            All are at their end, and some could not be read to it.
        """
        if self._pending is None:
            self._pending = self._next_chunk()
        if not self._pacer.wait(self._pending.end_sample, timeout_s):
            return None
        chunk, self._pending = self._pending, None
        return chunk

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _next_chunk(self) -> AudioChunk:
        if not len(self._block):
            self._block = self._next_block()
        n_samples = max(1, round(CHUNK_S * self._rate_hz))
        samples, self._block = self._block[:n_samples], self._block[n_samples:]
        chunk = AudioChunk(samples, self._position, self._rate_hz, overflowed=self._joint)
        self._position = chunk.end_sample
        self._joint = False
        return chunk

    def _next_block(self) -> Samples:
        while True:
            if self._file is None and not self._open_next():
                raise self._all_problems() if self._problems else EndOfSource
            samples = self._read_file()
            if len(samples):
                return samples

    def _read_file(self) -> Samples:
        """The next samples of the open file, at the stream's rate; closes it at its end."""
        assert self._file is not None
        try:
            samples = self._file.read(round(BLOCK_S * self._file.rate_hz))
        except AudioFileError as error:
            self._note(error)
            samples = np.zeros(0, np.float32)
        ended = len(samples) == 0
        samples = self._resampler.push(samples, last=ended)
        if ended:
            self.close()
        return samples

    def _open_next(self) -> bool:
        while self._waiting:
            try:
                self._file = AudioFile(self._waiting.pop(0))
            except AudioFileError as error:
                self._note(error)
                continue
            if not self._rate_hz:
                # Recordings in a folder differ: the best that all can be brought to is what the model wants.
                is_one = self.options.path == self._file.path
                self._rate_hz = self._file.rate_hz if is_one else self.preferred_rate
            self._resampler = StreamResampler(self._file.rate_hz, self._rate_hz)
            self._joint = self._position > 0
            return True
        return False

    def _note(self, error: AudioFileError) -> None:
        if is_folder(self.options.path):  # the others go on: say it now
            logger.warning("%s", error)
        self._problems.append(error)

    def _all_problems(self) -> AudioFileError:
        first, *others = self._problems
        return AudioFileError(f"{first} (and {len(others)} more)") if others else first
