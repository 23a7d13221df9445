"""Every value that flows through the engine, in the order in which it flows.

All are immutable. Positions in a stream are integers named ``*_sample``, counted
from the source's first sample; durations are floats named ``*_s``; levels end in
``_db`` (full scale is 0), frequencies in ``_hz``. Wall-clock time appears once, in
`StreamAnchor`; nothing before the finished `Event` looks at it. An array inside of
one of these values belongs to all who hold it: nobody writes to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Mono audio in [-1, 1], shape (n_samples,)."""


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """What a source hands over at once: any number of consecutive samples."""

    samples: Samples
    """Mono, float32, in [-1, 1]."""

    first_sample: int
    """Position of ``samples[0]``; past the end of the chunk before it where samples were lost."""

    sample_rate: int
    """Hz."""

    overflowed: bool = False
    """Samples just before this chunk were lost: an unknown number, unless ``first_sample`` says how many."""

    @property
    def end_sample(self) -> int:
        """Position just past the last sample."""
        return self.first_sample + len(self.samples)


@dataclass(frozen=True, slots=True)
class StreamAnchor:
    """The only bridge from sample positions to the clock."""

    utc: datetime
    """When sample 0 was taken (timezone-aware, UTC)."""

    def at(self, stream_s: float) -> datetime:
        """UTC time of a stream time in seconds."""
        return self.utc + timedelta(seconds=stream_s)


@dataclass(frozen=True, slots=True)
class Window:
    """What the classifier sees at once, still as samples."""

    source: str
    """Name of the source."""

    samples: Samples
    """Mono, float32, in [-1, 1], exactly as long as the model wants it."""

    start_sample: int
    """Position of ``samples[0]``, counted at the model's rate."""

    sample_rate: int
    """Hz, the model's."""

    after_gap: bool = False
    """Samples were lost inside of this window or since the window before it."""

    @property
    def end_sample(self) -> int:
        """Position just past the last sample."""
        return self.start_sample + len(self.samples)


@dataclass(frozen=True, slots=True)
class Features:
    """A window in the form that the model's card asks for."""

    source: str
    """Name of the source."""

    data: NDArray[np.float32] | bytes
    """Log-mel (n_mels, n_frames), waveform (n_samples,), or a whole WAV file as bytes."""

    start_sample: int
    """Position of the window's first sample."""

    end_sample: int
    """Position just past the window's last sample."""

    sample_rate: int
    """Hz."""

    after_gap: bool = False
    """Samples were lost inside of this window or since the window before it."""

    captured_at: float = 0.0
    """``time.monotonic()`` when the window's last sample was at hand; measures latency only."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model thinks of one window."""

    source: str
    """Name of the source."""

    scores: NDArray[np.float32]
    """Shape (n_classes,), in [0, 1], in the order of the card's labels."""

    start_s: float
    """Stream time of the window's first sample, in seconds."""

    end_s: float
    """Stream time just past the window's last sample, in seconds."""

    after_gap: bool = False
    """Samples were lost inside of this window or since the window before it."""

    inference_s: float = 0.0
    """The model's time for this window: its share of the batch."""

    captured_at: float = 0.0
    """As in `Features`."""


class Reason(StrEnum):
    """Why a window did or did not announce an event for a label."""

    QUIET = "quiet"
    """The score is below ``threshold_on`` and nothing is going on."""
    TOO_SHORT = "too short"
    """Above ``threshold_on``, but not yet for ``min_duration_s``."""
    COOLDOWN = "cooldown"
    """Above ``threshold_on``, but the last event ended less than ``cooldown_s`` ago."""
    ONSET = "onset"
    """The event was announced with this window."""
    ONGOING = "ongoing"
    """The event goes on: the score is at or above ``threshold_off``."""
    RELEASING = "releasing"
    """Below ``threshold_off``, but not yet for ``release_s``."""
    OFFSET = "offset"
    """The event ended with this window."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the event logic made of one label in one window."""

    source: str
    """Name of the source."""

    label: str
    """The model's label."""

    end_s: float
    """Stream time at which the decision could first be made: the window's end, in seconds."""

    score: float
    """The model's score, in [0, 1]."""

    smoothed_score: float
    """Mean of the last ``smooth`` scores: what is compared with the thresholds."""

    threshold: float
    """The threshold that it was compared with."""

    reason: Reason
    """Why it did or did not fire."""


class Phase(StrEnum):
    """Which part of an event."""

    ONSET = "onset"
    """It begins."""
    UPDATE = "update"
    """It goes on: only actions that ask for it are told."""
    OFFSET = "offset"
    """It is over."""


@dataclass(frozen=True, slots=True)
class Event:
    """A sound that began, or that began and ended."""

    id: str
    """Unique; the same for both phases."""

    phase: Phase
    """ONSET when it is announced, UPDATE while it lasts, OFFSET when it is over."""

    source: str
    """Name of the source."""

    label: str
    """The model's label."""

    onset_s: float
    """Stream time of its beginning, in seconds since the source's first sample."""

    offset_s: float | None
    """Stream time of its end; None while it lasts."""

    score: float
    """Smoothed score of the window that announced the event, in [0, 1]; of the newest one in an update."""

    peak_score: float
    """Highest smoothed score so far, in [0, 1]."""

    model: str
    """Name and version of the model: ``household/1.0.0``."""

    after_gap: bool = False
    """The window that announced it came after lost samples: the true onset may be earlier."""

    started_at: datetime | None = None
    """UTC time of the onset; None where the source has no clock (a file)."""

    ended_at: datetime | None = None
    """UTC time of the offset."""


InputForm = Literal["log_mel", "waveform", "wav_bytes"]
"""What a model eats."""


@dataclass(frozen=True, slots=True)
class FeatureParameters:
    """Every parameter of a front end that makes spectrograms: a log-mel one unless told otherwise."""

    preset: str = "tutorial"
    """Name under which these parameters are known."""

    sample_rate: int = 16_000
    """Hz."""

    n_fft: int = 2048
    """Samples in a frame, and points of its transform."""

    hop_length: int = 256
    """Samples between frames."""

    n_mels: int = 128
    """Rows of a spectrogram: mel bands; where ``bands`` is ``linear``, 1 + ``n_fft`` // 2."""

    n_frames: int = 128
    """Frames in a window."""

    f_min_hz: float = 0.0
    """Lower edge of the lowest mel band."""

    f_max_hz: float = 8_000.0
    """Upper edge of the highest mel band."""

    floor: float = 1e-10
    """Power (magnitude, where ``power`` is 1) below which the logarithm is cut."""

    normalisation: Literal["none", "frame", "min_max"] = "frame"
    """``frame``: each frame less its mean, over its standard deviation. ``min_max``: each window, its
    least value at 0 and its greatest at 1. ``none``: the logarithm as it is."""

    bands: Literal["mel", "linear"] = "mel"
    """``linear``: the transform's own bins, all of them."""

    padding: Literal["none", "centre", "reflect"] = "none"
    """What is put on both ends of a window. ``centre``: ``n_fft`` // 2 zeros, so that each frame's middle
    is at a multiple of ``hop_length``. ``reflect``: (``n_fft`` - ``hop_length``) // 2 mirrored samples."""

    power: Literal[1, 2] = 2
    """What the bands add up. 2: power; 1: magnitude."""

    scale: Literal["log", "db"] = "log"
    """``log``: natural logarithm. ``db``: decibels."""

    @property
    def padding_samples(self) -> int:
        """Samples that are put on each end of a window."""
        widths = {"none": 0, "centre": self.n_fft // 2, "reflect": (self.n_fft - self.hop_length) // 2}
        return widths[self.padding]

    @property
    def window_samples(self) -> int:
        """Samples in a window: with its padding, as many as its frames cover."""
        return self.n_fft + (self.n_frames - 1) * self.hop_length - 2 * self.padding_samples


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where an event of a label begins and ends."""

    on: float
    """Score at which it begins, in (0, 1]."""

    off: float
    """Score under which it ends, in (0, ``on``]."""

    smooth: int | None = None
    """Windows whose mean score is compared, 1 or more; None: the card does not say."""

    release_s: float | None = None
    """For how long the score stays below ``off`` until the event is over, in seconds; None: as above."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A signal that the program makes itself, and what the model said to it."""

    signal: str
    """Name of the signal: see `listener.classifiers.reference`."""

    scores: tuple[float, ...]
    """The expected scores, in the order of the labels."""

    tolerance: float = 1e-3
    """Largest difference of a score that still counts as the same."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a bundle says of itself: stored in it as ``card.json``."""

    name: str
    """``household``."""

    version: str
    """``1.0.0``."""

    labels: tuple[str, ...]
    """In the order of the scores."""

    sample_rate: int
    """Hz."""

    window_s: float
    """Length of a window, in seconds."""

    hop_s: float
    """Time between windows that the model was evaluated with, in seconds."""

    input: InputForm
    """What the model eats."""

    activation: Literal["sigmoid", "softmax", "none"]
    """What turns the network's output into scores; ``none``: it is done inside."""

    features: FeatureParameters | None = None
    """The front end of a ``log_mel`` model."""

    thresholds: Mapping[str, Thresholds] = field(default_factory=dict)
    """Per label; a label without an entry uses 0.5 / 0.35."""

    reference: Reference | None = None
    """The self-check; None in a card written by hand for a foreign model."""

    figures: Mapping[str, float] = field(default_factory=dict)
    """Measured figures: ``accuracy``, ``esc10_accuracy``, ..."""

    figures_per_label: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Measured figures of each label: ``recall``, ``precision``, ..."""

    confusion: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Label: how many of its clips were taken for each label, itself included."""

    subset_confusion: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    """The same of each subset of the clips, by its name, where only its own labels could be said."""

    evaluation: str = ""
    """How the figures were measured: data, split, command."""

    licence: str = ""
    """SPDX name of the weights' licence."""

    attribution: str = ""
    """Whom to thank, and where the full list is."""

    training_data: str = ""
    """What it was trained on, in words."""

    manifest_sha256: str = ""
    """Hash of the training manifest."""

    notes: str = ""
    """What a user should know before trusting it."""

    @property
    def identity(self) -> str:
        """``name/version``, as it stands in events."""
        return f"{self.name}/{self.version}"

    @property
    def window_samples(self) -> int:
        """Samples in a window."""
        if self.features is not None:
            return self.features.window_samples
        return round(self.window_s * self.sample_rate)


class SourceState(StrEnum):
    """How a source is. `listener.health` has the rules; docs/operating.md explains each."""

    ABSENT = "absent"
    """It has not been there since the start; it is tried again and again."""
    OPENING = "opening"
    """It is being opened for the first time."""
    LIVE = "live"
    """Its sound comes in."""
    STALLED = "stalled"
    """It is open, and gives nothing."""
    SILENT = "silent"
    """It gives the same value again and again: muted, switched off, or its cable is broken."""
    CLIPPING = "clipping"
    """It is driven too loud: many samples are at full scale."""
    LAGGING = "lagging"
    """Less sound comes than time goes by: some of it is lost on the way, and nobody says so."""
    LOST = "lost"
    """It is gone; it is tried again and again."""
    ENDED = "ended"
    """It has no more sound to give."""

    @property
    def is_heard(self) -> bool:
        """Sound comes in, for what it is worth."""
        return self in _HEARD

    @property
    def is_trouble(self) -> bool:
        """Somebody should be told."""
        return self not in (SourceState.OPENING, SourceState.LIVE, SourceState.ENDED)


_HEARD = frozenset((SourceState.LIVE, SourceState.SILENT, SourceState.CLIPPING, SourceState.LAGGING))


STATUS = "@"
"""What the labels of events begin with that no model has heard."""

OVERLOAD = "@overload"
"""The label of an event that lasts as long as the model cannot keep up."""


def source_label(state: SourceState) -> str:
    """Label of the event that lasts as long as a source is in a state of trouble: ``@source.lost``."""
    return f"{STATUS}source.{state.value}"


STATUS_LABELS = (*(source_label(state) for state in SourceState if state.is_trouble), OVERLOAD)
"""All such labels."""


@dataclass(frozen=True, slots=True)
class SourceChange:
    """A source came to be in another state."""

    source: str
    """Name of the source."""

    before: SourceState
    """How it was."""

    state: SourceState
    """How it is now."""

    problem: str
    """Why, in words; empty where all is well."""

    at_s: float
    """Stream time at which it happened, in seconds."""

    utc: datetime
    """When it happened."""


@dataclass(frozen=True, slots=True)
class SourceStats:
    """One source since the start."""

    name: str
    """Name of the source."""

    state: SourceState
    """How it is now."""

    problem: str = ""
    """What is wrong with it, in words; empty where all is well."""

    since_s: float = 0.0
    """How long it has been in this state, in seconds."""

    sample_rate: int = 0
    """Hz, the source's own; 0 before it was opened."""

    level_db: float = float("-inf")
    """RMS of the newest chunk, below full scale; digital silence is minus infinity."""

    peak_db: float = float("-inf")
    """Peak of the newest chunk, below full scale."""

    heard_s: float = 0.0
    """Seconds of sound that came in."""

    lost_s: float = 0.0
    """Seconds of sound that are known to be missing."""

    overflows: int = 0
    """How often the device lost samples."""

    overruns: int = 0
    """How often sound was overwritten before it was looked at."""

    thinned: int = 0
    """Windows that were left out because the model is slow; all of their sound is in the others."""

    skipped: int = 0
    """Windows whose sound nobody looked at, because the model could not keep up."""

    troubles: Mapping[SourceState, int] = field(default_factory=dict)
    """How often it came to be in each state that is a trouble."""


@dataclass(frozen=True, slots=True)
class PipelineStats:
    """The whole engine since the start."""

    elapsed_s: float
    """Time since the start."""

    sources: tuple[SourceStats, ...]
    """Each source."""

    windows: int
    """Windows that were classified."""

    events: int
    """Events that began."""

    queued: int
    """Windows that wait for the model."""

    hop_s: float
    """Time between windows as it is now, in seconds: longer than configured under overload."""

    latency_s: tuple[float, float, float]
    """From a window's last sample to its decision: p50, p95, p99 of the newest thousand; nan before any."""

    cpu_share: float
    """CPU time of the process over elapsed time; 1 is one core."""


@dataclass(frozen=True, slots=True)
class StageProgress:
    """How far a stage of the engine is; one that has work and stays where it is stands still."""

    name: str
    """Of its thread, and of the source where one thread works for several."""

    position: int
    """Grows with whatever it does."""

    has_work: bool = True
    """There is something for it to do."""

    is_waiting: bool = False
    """It may be held up by something outside that is known to be away: a microphone that is not there."""
