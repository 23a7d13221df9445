"""The sound on which an export is compared with its original: real recordings, cut into windows."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from listener.errors import AudioFileError, DatasetError, printable
from listener.features import LogMel, wav_bytes
from listener.sources.audiofile import find_recordings
from listener.sources.demo import SAMPLE_RATE, render_scene
from listener.stages import RateStage
from listener.training.data.manifest import find_manifest, read_manifest
from listener.training.data.problems import refuse
from listener.training.data.reading import Recording
from listener.types import AudioChunk, Features, ModelCard, Samples

MOST_RECORDING_S = 30.0
"""Of a longer recording, its beginning is enough."""

_SEED = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One recording that may be asked for."""

    path: Path
    label: str | None
    """What is heard in it, if that is known and the model knows it."""
    first_s: float = 0.0
    """Where to begin, in seconds."""
    active_s: float | None = None
    """How much of it counts, in seconds; None: all."""
    group: str = ""
    """What it shares with others: a source, a voice, else the fold; empty where nothing of that is known."""


@dataclass(frozen=True, slots=True)
class CutRecording:
    """The windows of one recording."""

    label: str | None
    """As in `Sample`."""
    windows: tuple[Samples, ...]
    """Each as long as the model wants it, the last one filled up with silence."""


def find_samples(folders: Sequence[Path], card: ModelCard, n_most: int) -> list[Sample]:
    """Choose recordings from folders: the same ones each time, of every label alike.

    A folder's manifest names its clips; without one all recordings below it are taken, and the name
    of the folder that one lies in is its label, if the model has such a label.

    Parameters
    ----------
    folders
        Where to look.
    card
        Of the model.
    n_most
        How many are chosen at most.

    Raises
    ------
    DatasetError
        A folder is missing, its manifest is broken, or it holds no recordings.
    """
    found = [sample for folder in folders for sample in _in_folder(folder, card)]
    by_label: dict[str, list[Sample]] = {}
    for sample in found:
        by_label.setdefault(sample.label or "", []).append(sample)
    for group in by_label.values():
        random.Random(_SEED).shuffle(group)
    # Of each label one, then of each a second, ...
    turns = [(turn, label) for label, group in by_label.items() for turn in range(len(group))]
    return [by_label[label][turn] for turn, label in sorted(turns)[:n_most]]


def split(samples: Sequence[Sample], n_first: int) -> tuple[list[Sample], list[Sample]]:
    """Put recordings on two sides; groups stay whole, and where none is known, the pieces of a file.

    Parameters
    ----------
    samples
        In the order in which they are asked for.
    n_first
        How many the first side is to have, half of them at most; with groups it may get more, or too few.

    Returns
    -------
    first, second
        Neither is empty.

    Raises
    ------
    DatasetError
        All of them are of one group.
    """
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(_whole(sample), []).append(sample)
    if len(groups) < 2:
        raise DatasetError(
            f"--data: all {len(samples)} recordings are of one source, voice or fold, and --to int8 is "
            "judged by others than it is calibrated with: give a folder with more of them, or a second --data"
        )
    first: list[Sample] = []
    rest = dict(groups)
    for name, group in groups.items():
        if len(first) < n_first and len(first) + len(group) <= len(samples) // 2:
            first += rest.pop(name)
    if len(first) < n_first and len(rest) > 1:
        first += rest.pop(min(rest, key=lambda name: len(rest[name])))
    return first, [sample for sample in samples if _whole(sample) in rest]


def _whole(sample: Sample) -> str:
    return sample.group or str(sample.path)


def hear(samples: Sequence[Sample], card: ModelCard) -> list[CutRecording]:
    """Read recordings and cut them into windows, one hop of the card apart.

    Raises
    ------
    DatasetError
        Some cannot be read; each is named.
    """
    heard, problems = [], []
    for sample in samples:
        try:
            heard.append(CutRecording(sample.label, tuple(_cut(_read(sample, card.sample_rate), card))))
        except AudioFileError as error:
            problems.append(str(error))
    refuse(problems)
    return heard


def hear_demo(card: ModelCard) -> list[CutRecording]:
    """Cut the demo scene into windows: made-up sounds, for who has no recordings at hand."""
    stage = RateStage(SAMPLE_RATE, card.sample_rate)
    chunks = [*stage.push(AudioChunk(render_scene(), 0, SAMPLE_RATE)), *stage.finish()]
    samples = np.concatenate([chunk.samples for chunk in chunks])
    at_once = round(5.0 * card.sample_rate)
    parts = (samples[first : first + at_once] for first in range(0, len(samples), at_once))
    return [CutRecording(None, tuple(_cut(part, card))) for part in parts]


def as_features(card: ModelCard, window: Samples) -> Features:
    """Give a window in the form that a model eats."""
    if card.input == "log_mel" and card.features is not None:
        return Features("export", LogMel(card.features)(window), 0, len(window), card.sample_rate)
    data = wav_bytes(window, card.sample_rate) if card.input == "wav_bytes" else window
    return Features("export", data, 0, len(window), card.sample_rate)


def _in_folder(folder: Path, card: ModelCard) -> Iterator[Sample]:
    if not folder.is_dir():
        raise DatasetError(
            f"{printable(folder)}: there is no such folder: --data names one that holds recordings"
        )
    if find_manifest(folder) is not None:
        for clip in read_manifest(folder).clips:
            label = clip.label if clip.label in card.labels else None
            group = clip.group or (f"{folder}: fold {clip.fold}" if clip.fold else "")
            yield Sample(folder / clip.path, label, clip.first_s, clip.active_s, group)
        return
    try:
        paths = find_recordings(folder)
    except AudioFileError as error:
        raise DatasetError(str(error)) from error
    for path in paths:
        yield Sample(path, path.parent.name if path.parent.name in card.labels else None)


def _read(sample: Sample, rate: int) -> Samples:
    """The sound of a recording at the model's rate, cut to what counts."""
    with Recording(sample.path, rate) as recording:
        recording.skip(round(sample.first_s * rate))
        return recording.read(round(min(sample.active_s or MOST_RECORDING_S, MOST_RECORDING_S) * rate))


def _cut(samples: Samples, card: ModelCard) -> Iterator[Samples]:
    """Cut into windows that share their memory: they overlap, and there are hundreds of recordings."""
    n_window, hop = card.window_samples, round(card.hop_s * card.sample_rate)
    n_windows = 1 + max(0, -(-(len(samples) - n_window) // hop))
    filled_up = np.zeros((n_windows - 1) * hop + n_window, np.float32)
    filled_up[: len(samples)] = samples
    for first in range(0, n_windows * hop, hop):
        yield filled_up[first : first + n_window]
