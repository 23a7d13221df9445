"""What a recording is, sample by sample: how long, how loud, where digital silence surrounds it.

A recording is read once, block by block, so an hour takes no more memory than a second.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from listener.errors import AudioFileError, DatasetError, printable
from listener.levels import decibels
from listener.training.data.bandwidth import Bandwidth
from listener.training.data.frames import Frames
from listener.types import Samples

SILENT_BELOW = 1.5 / 32_768
"""A sample is digitally silent below this: zero, or one step of 16 bits, as dither and resamplers leave."""

BLOCK_S = 0.01
"""Levels within a recording are those of blocks of this length, in seconds."""

QUIET_BELOW_LOUDEST_DB = 40.0
"""A block is quiet if it is further below the loudest: `listener.training.data.sounds` says why."""

_READ_SAMPLES = 1 << 19


@dataclass(frozen=True, slots=True)
class Measured:
    """One recording; levels are those of the mean of its channels, as a model hears it."""

    sample_rate: int
    """In Hz."""
    channels: int
    """How many."""
    encoding: str
    """How its samples are kept: ``pcm_16``, ``float``, ``vorbis``."""
    n_samples: int
    """In each channel."""
    first_sample: int
    """The first that is not digital silence; ``n_samples`` where there is none."""
    end_sample: int
    """One after the last that is not digital silence; ``n_samples`` where there is none."""
    peak_db: float
    """Highest sample of any channel, in dBFS; minus infinity where all is zero."""
    rms_db: float
    """From the first to the last sample that is no digital silence, in dBFS."""
    silent_share: float
    """Of its time, 0 to 1: blocks of `BLOCK_S` that are all digital silence, at the edges or within."""
    quiet_share: float
    """Of its time, 0 to 1: blocks `QUIET_BELOW_LOUDEST_DB` below the loudest, and more; silent ones, too."""
    bandwidth_hz: float
    """Highest frequency that holds sound: see `Bandwidth`; 0 where it is silent."""
    sha256: str
    """Of the file."""
    sound_sha256: str
    """Of what is heard, whatever header, encoding or digital silence is around it."""

    @property
    def duration_s(self) -> float:
        """Length of the file, in seconds."""
        return self.n_samples / self.sample_rate

    @property
    def first_s(self) -> float:
        """Where its sound begins, in seconds, exact to the sample."""
        return round(self.first_sample / self.sample_rate, 6)

    @property
    def active_s(self) -> float:
        """How long it lasts from there, in seconds, exact to the sample."""
        return round((self.end_sample - self.first_sample) / self.sample_rate, 6)

    @property
    def is_silent(self) -> bool:
        """Say whether there is nothing but digital silence."""
        return self.end_sample == self.first_sample


def measure(path: Path, spectrum: bool = False) -> Measured:
    """Measure a recording.

    Parameters
    ----------
    path
        Of the file.
    spectrum
        Find its bandwidth as well, which costs as much again; else that is 0.

    Raises
    ------
    DatasetError
        It cannot be read to its end, is empty, or holds samples that are no numbers; the message does not
        name the file.
    """
    try:
        with Frames(path) as recording:  # which refuses what is no file: a pipe might never end
            content = _hash(path)
            sums = _Sums(recording.sample_rate, spectrum)
            while (frames := recording.read(_READ_SAMPLES)).shape[1]:
                sums.add(frames)
            return sums.measured(recording, content)
    except AudioFileError as error:
        raise DatasetError(str(error).removeprefix(printable(path)).lstrip(": ")) from error
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}") from error


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Sums:
    """What is gathered from block to block."""

    def __init__(self, sample_rate: int, spectrum: bool) -> None:
        self._block = max(1, round(BLOCK_S * sample_rate))
        self._rest = np.zeros(0, np.float32)
        self._n_samples, self._first, self._end = 0, -1, 0
        self._peak = self._energy = 0.0
        self._powers: list[NDArray[np.float64]] = []
        self._silent: list[NDArray[np.bool_]] = []
        self._bandwidth = Bandwidth(SILENT_BELOW) if spectrum else None
        self._sound = hashlib.sha256(str(sample_rate).encode())

    def add(self, frames: NDArray[np.float32]) -> None:
        """Take samples, shape (n_channels, n)."""
        if not np.isfinite(frames).all():
            bad = int(np.argmin(np.isfinite(frames).all(axis=0)))
            raise DatasetError(f"sample {self._n_samples + bad} is no number (NaN or infinite)")
        self._peak = max(self._peak, float(np.abs(frames).max()))
        mono = frames[0] if len(frames) == 1 else frames.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._note_edges(mono)
        if self._bandwidth is not None:
            self._bandwidth.add(mono)
        self._n_samples += len(mono)
        self._add_blocks(np.concatenate((self._rest, mono)))

    def _note_edges(self, mono: Samples) -> None:
        """Find where sound begins and ends, and hash what lies between: silence once sound follows it."""
        is_heard = np.abs(mono) >= SILENT_BELOW
        heard = np.flatnonzero(is_heard)
        if not len(heard):
            return
        first, end = int(heard[0]), int(heard[-1]) + 1
        if self._first < 0:
            self._first = self._n_samples + first
        else:
            self._hash_silence(self._n_samples + first - self._end)
        self._end = self._n_samples + end
        self._sound.update(np.where(is_heard, mono, np.float32(0))[first:end].tobytes())

    def _hash_silence(self, n_samples: int) -> None:
        while n_samples > 0:
            self._sound.update(bytes(4 * min(n_samples, _READ_SAMPLES)))
            n_samples -= _READ_SAMPLES

    def _add_blocks(self, mono: Samples) -> None:
        whole = len(mono) - len(mono) % self._block
        self._note_blocks(mono[:whole].reshape(-1, self._block))
        self._rest = mono[whole:]

    def _note_blocks(self, blocks: Samples) -> None:
        powers = np.einsum("ij,ij->i", blocks, blocks, dtype=np.float64) / blocks.shape[1]
        self._energy += float(powers.sum()) * blocks.shape[1]
        self._powers.append(powers)
        self._silent.append(np.max(np.abs(blocks), axis=1, initial=0.0) < SILENT_BELOW)

    def measured(self, recording: Frames, content: str) -> Measured:
        """Give the figures of all that was taken."""
        if not self._n_samples:
            raise DatasetError("holds no sound")
        if len(self._rest):
            self._note_blocks(self._rest[None])
        powers, silent = np.concatenate(self._powers), np.concatenate(self._silent)
        first = self._n_samples if self._first < 0 else self._first
        end = max(self._end, first)
        loudest = powers.max()
        quiet = silent | (powers < loudest * 10 ** (-QUIET_BELOW_LOUDEST_DB / 10))
        return Measured(
            sample_rate=recording.sample_rate,
            channels=recording.channels,
            encoding=recording.encoding,
            n_samples=self._n_samples,
            first_sample=first,
            end_sample=end,
            peak_db=decibels(self._peak),
            rms_db=decibels(np.sqrt(self._energy / (end - first)) if end > first else 0.0),
            silent_share=float(silent.mean()),
            quiet_share=float(quiet.mean()),
            bandwidth_hz=0.0
            if self._bandwidth is None
            else self._bandwidth.highest_hz(recording.sample_rate),
            sha256=content,
            sound_sha256=self._sound.hexdigest(),
        )
