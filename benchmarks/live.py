"""The engine as it runs: its own pipeline and threads, fed at the pace of a microphone."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from listener.classifiers.base import Classifier
from listener.classifiers.bundle import read_card
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.config import Options
from listener.events import LabelRule
from listener.pipeline import Pipeline
from listener.sources.base import Source
from listener.sources.connection import BLOCK_S
from listener.sources.pacing import Pacer
from listener.types import AudioChunk, Decision, Features, PipelineStats, Prediction, Samples

HOP_S = 0.5
TIMEOUT_S = 300.0


class PacedSource(Source):
    """A microphone that hears the same sound over and over, as time goes by.

    Parameters
    ----------
    sound
        What it hears.
    sample_rate
        Hz.
    speed
        Seconds of sound in a second. Where that is infinite, nothing may be skipped: it waits.
    """

    def __init__(self, sound: Samples, sample_rate: int, speed: float) -> None:
        super().__init__("paced", Options())
        self._block_samples = round(BLOCK_S * sample_rate)
        self._sound = sound[: len(sound) // self._block_samples * self._block_samples]
        self._sample_rate = sample_rate
        self._speed = speed
        self.live = math.isfinite(speed)
        self._position = 0
        self._pacer = Pacer(sample_rate, speed)
        self.opened_at = 0.0
        """``time.monotonic()`` at which sample 0 is heard."""

    def open(self) -> int:
        """Begin to hear."""
        self._position = 0
        self._pacer = Pacer(self._sample_rate, self._speed)
        self.opened_at = time.monotonic()
        return self._sample_rate

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Give the next block when its last sample has been heard."""
        if not self._pacer.wait(self._position + self._block_samples, timeout_s):
            return None
        first = self._position % len(self._sound)
        block = self._sound[first : first + self._block_samples]
        chunk = AudioChunk(block, self._position, self._sample_rate)
        self._position = chunk.end_sample
        return chunk

    def close(self) -> None:
        """There is nothing to let go of."""


class Metered(Classifier):
    """A classifier that counts its processor time.

    Parameters
    ----------
    classifier
        It does the work.
    """

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.card = classifier.card
        self.max_batch = classifier.max_batch
        self.cpu_s = 0.0

    def predict(self, batch: Sequence[Features]) -> NDArray[np.float32]:
        """Score windows: see `Classifier.predict`."""
        started = time.thread_time()
        scores = self._classifier.predict(batch)
        self.cpu_s += time.thread_time() - started
        return scores


def load(path: Path) -> Classifier:
    """Load a bundle as the engine does, and run it in."""
    classifier = TorchScriptClassifier(path, read_card(path))
    classifier.warm_up(1)
    return classifier


@dataclass(frozen=True, slots=True)
class Step:
    """One window's way through the engine."""

    start_s: float
    """Stream time of the window's first sample."""

    end_s: float
    """Stream time just past its last one."""

    scored_after_s: float
    """When its scores were out, in seconds since sample 0 was heard."""

    cpu_s: float
    """Processor time of the whole process up to then."""

    model_cpu_s: float
    """Processor time of the model up to then."""


def listen(
    classifier: Classifier, sound: Samples, n_windows: int, speed: float = 1.0
) -> tuple[list[Step], PipelineStats]:
    """Let the engine listen until ``n_windows`` windows are scored.

    Returns
    -------
    tuple
        Each window's way, and how the engine was at the end.
    """
    source = PacedSource(sound, classifier.card.sample_rate, speed)
    metered = Metered(classifier)
    steps: list[Step] = []

    def on_step(prediction: Prediction, decisions: list[Decision]) -> None:
        now_s = time.monotonic() - source.opened_at
        steps.append(Step(prediction.start_s, prediction.end_s, now_s, time.process_time(), metered.cpu_s))
        if len(steps) >= n_windows:
            pipeline.done.set()

    rules = [LabelRule(0.5, 0.35)] * len(classifier.card.labels)
    pipeline = Pipeline([source], metered, rules, HOP_S, on_step=on_step)
    pipeline.start()
    try:
        if not pipeline.done.wait(TIMEOUT_S):
            raise TimeoutError(f"{len(steps)} of {n_windows} windows after {TIMEOUT_S:g} s")
        stats = pipeline.stats()
    finally:
        pipeline.stop()
    if pipeline.failure is not None:
        raise pipeline.failure[1]
    return steps[:n_windows], stats
