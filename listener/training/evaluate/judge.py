"""What a bundle says to clips, as ``listener predict`` would say it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from listener.audio import DecodedAudio
from listener.classifiers.base import Classifier
from listener.errors import AudioFileError
from listener.offline import pool, score_windows
from listener.training.data.clip import Clip, Manifest
from listener.training.data.manifest import refuse
from listener.training.data.reading import read_clip
from listener.types import Samples

Progress = Callable[[str, float], None]
"""Is told what is being listened to, and the share that is done, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said to one clip."""

    clip: Clip

    scores: NDArray[np.float32]
    """Of its windows, shape (n_windows, n_labels), in [0, 1]."""

    @property
    def pooled(self) -> NDArray[np.float32]:
        """Scores of the clip as a whole, shape (n_labels,): see `listener.offline.pool`."""
        return pool(self.scores)


def judge(classifier: Classifier, manifest: Manifest, progress: Progress | None = None) -> Iterator[Judged]:
    """Score clips one after another; no more than one is held in memory.

    Parameters
    ----------
    classifier
        The model.
    manifest
        The clips; each is cut to what is heard in it, as in training.
    progress
        Is told how it goes.

    Raises
    ------
    DatasetError
        Clips cannot be read, or hold nothing: all of them are named, after the last.
    ModelError
        The model failed.
    """
    problems = []
    for number, clip in enumerate(manifest, start=1):
        try:
            heard = _read(manifest.folder / clip.path, clip)
        except AudioFileError as error:
            problems.append(str(error))
        else:
            yield judge_samples(classifier, clip, heard.samples, heard.sample_rate)
        if progress is not None:
            progress("clips", number / len(manifest.clips))
    refuse(problems)


def judge_samples(classifier: Classifier, clip: Clip, samples: Samples, rate: int) -> Judged:
    """Score what is in memory: mono samples in [-1, 1] at ``rate`` Hz."""
    return Judged(clip, score_windows(samples, rate, classifier))


def _read(path: Path, clip: Clip) -> DecodedAudio:
    """Read what is heard in a clip; raises `AudioFileError` where that is nothing."""
    decoded = read_clip(path, clip)
    if not decoded.samples.any():
        where = f"from {clip.first_s:g} s on" if clip.first_s else "at all"
        raise AudioFileError(f"{path}: there is no sound {where}, only silence")
    return decoded
