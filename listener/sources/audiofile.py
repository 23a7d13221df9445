"""One recording, read block by block as mono, and not taken for whole when it is not."""

from pathlib import Path
from typing import Self

import numpy as np

from listener.audio import RECORDING_SUFFIXES, open_reader
from listener.errors import AudioFileError, printable
from listener.files import is_file
from listener.types import Samples


class AudioFile:
    """A recording that is being read; a context manager that closes it.

    Parameters
    ----------
    path
        Whatever libsndfile knows (WAV, FLAC, OGG, MP3), or FFmpeg's libraries where they are installed:
        M4A, the first audio track of a film.

    Raises
    ------
    AudioFileError
        It is missing, unreadable, empty or no audio; the message names it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = open_reader(path)
        self.rate_hz: int = self._reader.sample_rate

    def read(self, n_samples: int) -> Samples:
        """The next samples, at most ``n_samples`` and the mean of all channels; none at the end.

        Raises
        ------
        AudioFileError
            The rest is missing or damaged; all before it has been given.
        """
        samples = np.empty(n_samples, np.float32)
        n, _ = self._reader.read_into(samples)
        return samples[:n]

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def find_recordings(folder: Path) -> list[Path]:
    """All recordings below a folder, sorted by path; hidden ones are left out.

    Raises
    ------
    AudioFileError
        There are none.
    """
    try:
        found = [path for path in folder.rglob("*") if _is_recording(path)]
    except OSError as error:
        raise AudioFileError(f"{printable(folder)} cannot be read: {error.strerror}") from error
    visible = [
        path
        for path in sorted(found)
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not visible:
        known = ", ".join(sorted(RECORDING_SUFFIXES))
        raise AudioFileError(f"{printable(folder)} holds no recordings ({known})")
    return visible


def _is_recording(path: Path) -> bool:
    return path.suffix.lower() in RECORDING_SUFFIXES and is_file(path)
