"""Recordings through the very stages that run live, in one thread and as fast as it goes."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from listener.classifiers.base import Classifier
from listener.errors import SourceError
from listener.events import EventDetector, LabelRule
from listener.sources.base import EndOfSource, Source
from listener.stages import FeatureStage, RateStage, predictions
from listener.types import AudioChunk, Decision, Event, Features, Phase, Prediction, Samples

FOREVER_S = 3600.0
"""A file never makes anybody wait this long."""

SILENT_BELOW_PEAK = 1e-3
"""The ends of a recording are silent where they are 60 dB below its peak."""


def analyze(
    source: Source, classifier: Classifier, rules: Sequence[LabelRule | None], hop_s: float
) -> Iterator[tuple[list[Event], list[Decision]]]:
    """Run a source to its end.

    Parameters
    ----------
    source
        A source that ends; it is opened and closed here.
    classifier
        The model.
    rules
        The event logic's rules, one for each label, None for a label that makes no events.
    hop_s
        Time between windows, in seconds.

    Yields
    ------
    tuple
        What `EventDetector.step` made of each window, and in the end what was still going on.

    Raises
    ------
    SourceError
        The source cannot be read, or not to its end; what was heard until then is yielded first.
    ModelError
        The model failed.
    """
    card = classifier.card
    detector = EventDetector(source.name, card.identity, card.labels, rules)
    end_s = 0.0
    problem = None
    try:
        for prediction in predict_source(source, classifier, hop_s):
            end_s = prediction.end_s
            yield detector.step(prediction)
    except SourceError as error:
        problem = error
    yield detector.finish(end_s), []
    if problem is not None:
        raise problem


def finished_events(
    source: Source, classifier: Classifier, rules: Sequence[LabelRule | None], hop_s: float
) -> list[Event]:
    """Give the events of a recording that have ended, sorted by onset: see `analyze`."""
    steps = analyze(source, classifier, rules, hop_s)
    ended = [event for events, _ in steps for event in events if event.phase is Phase.OFFSET]
    return sorted(ended, key=lambda event: (event.onset_s, event.label))


def predict_source(source: Source, classifier: Classifier, hop_s: float) -> Iterator[Prediction]:
    """Score every window of a source that ends: see `analyze`."""
    stage = FeatureStage(source.name, classifier.card, hop_s)
    problems: list[SourceError] = []
    windows = _windows(_chunks(source, classifier.card.sample_rate, problems), stage)
    for batch in _batches(windows, classifier.max_batch):
        yield from predictions(batch, classifier.predict(batch))
    if problems:
        raise problems[0]


def predict_whole(source: Source, classifier: Classifier) -> tuple[NDArray[np.float32], float]:
    """Score a whole recording, as ``listener predict`` does: `score_windows`, joined by `pool`.

    Returns
    -------
    tuple
        Scores, shape (n_classes,), in [0, 1], and the recording's duration in seconds.
    """
    try:
        rate = source.open()
        chunks = [chunk.samples for chunk in _read(source)]
    finally:
        source.close()
    samples = np.concatenate([np.empty(0, np.float32), *chunks])
    return pool(score_windows(samples, rate, classifier)), len(samples) / rate


def score_windows(samples: Samples, rate: int, classifier: Classifier) -> NDArray[np.float32]:
    """Score the windows of a whole recording, one hop of the card apart.

    What is silent at both ends is cut off first: wherever a sound lies in its file, it is
    seen in the same windows.

    Parameters
    ----------
    samples
        Mono, shape (n_samples,), in [-1, 1].
    rate
        Hz.
    classifier
        The model.

    Returns
    -------
    ndarray
        Shape (n_windows, n_classes), in [0, 1]; at least one window.
    """
    card = classifier.card
    resampling, stage = RateStage(rate, card.sample_rate), FeatureStage("recording", card, card.hop_s)
    # Cut before it is resampled: how much silence there is must not move the sound between two samples.
    sound = AudioChunk(_without_silent_ends(samples), 0, rate)
    windows = _windows(chain(resampling.push(sound), resampling.finish()), stage)
    scores = [classifier.predict(batch) for batch in _batches(windows, classifier.max_batch)]
    # Digital silence: there is nothing to hear, and so nothing to score.
    silence = np.zeros((1, len(card.labels)), np.float32)
    return np.concatenate(scores or [silence])


def pool(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Join the scores of windows, (n_windows, n_classes), to those of the whole recording: the highest."""
    return np.asarray(scores.max(axis=0))


def _batches(windows: Iterator[Features], size: int) -> Iterator[list[Features]]:
    while batch := list(islice(windows, size)):
        yield batch


def _without_silent_ends(samples: Samples) -> Samples:
    loudness = np.abs(samples)
    heard = np.flatnonzero(loudness > SILENT_BELOW_PEAK * loudness.max(initial=0.0))
    return samples[heard[0] : heard[-1] + 1] if len(heard) else samples[:0]


def _windows(chunks: Iterable[AudioChunk], stage: FeatureStage) -> Iterator[Features]:
    for chunk in chunks:
        yield from stage.push(chunk)
    yield from stage.finish()


def _chunks(source: Source, sample_rate: int, problems: list[SourceError]) -> Iterator[AudioChunk]:
    """Read a source at the model's rate, as far as it goes; what ends it early is put into ``problems``."""
    source.preferred_rate = sample_rate
    try:
        stage = RateStage(source.open(), sample_rate)
        try:
            for chunk in _read(source):
                yield from stage.push(chunk)
        except SourceError as error:
            problems.append(error)
        yield from stage.finish()
    finally:
        source.close()


def _read(source: Source) -> Iterator[AudioChunk]:
    while True:
        try:
            chunk = source.read(FOREVER_S)
        except EndOfSource:
            return
        if chunk is not None:
            yield chunk
