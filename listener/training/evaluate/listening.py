"""Streams through the live engine: scored once, and then asked for their events by any rules."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from listener.classifiers.base import Classifier
from listener.errors import SourceError, printable
from listener.events import EventDetector, LabelRule
from listener.offline import predict_source
from listener.sources.file import FileOptions, FileSource
from listener.training.data.manifest import refuse
from listener.training.evaluate.judge import Progress
from listener.training.evaluate.references import Stream
from listener.types import Event, Phase, Prediction


@dataclass(frozen=True, slots=True)
class Found:
    """An event that the engine made."""

    label: str
    onset_s: float
    offset_s: float
    told_s: float
    """End of the window with which it was told: it cannot be known sooner."""
    peak_score: float


@dataclass(frozen=True, slots=True)
class JudgedStream:
    """What a bundle said to a stream."""

    stream: Stream
    predictions: tuple[Prediction, ...]
    labels: tuple[str, ...]
    """The model's, in the order of the scores."""

    @property
    def duration_s(self) -> float:
        """Of the recording."""
        return self.predictions[-1].end_s if self.predictions else 0.0

    def scores(self, label: str) -> NDArray[np.float32]:
        """Scores of one label, shape (n_windows,)."""
        column = self.labels.index(label)
        return np.array([prediction.scores[column] for prediction in self.predictions], np.float32)

    def events(self, rules: Sequence[LabelRule | None]) -> list[Found]:
        """Find the events: the live event logic, label by label.

        Parameters
        ----------
        rules
            One for each label, None for one that makes no events.
        """
        detector = EventDetector(self.stream.name, "", self.labels, rules)
        return _events(detector, self.predictions, self.duration_s)


class LabelTrack:
    """One label of a stream, for asking again and again under other rules.

    The state machine has nothing to do while nothing is going on: windows that lie apart from all
    that reaches ``lowest`` are left out, and the events are the same (there is a test that says so).

    Parameters
    ----------
    heard
        The stream.
    label
        Which one.
    lowest
        Least score that any of the rules will ask for.
    most_smooth, longest_release_s
        Most that they will.
    """

    def __init__(
        self, heard: JudgedStream, label: str, lowest: float, most_smooth: int, longest_release_s: float
    ) -> None:
        self.label = label
        self.duration_s = heard.duration_s
        scores = heard.scores(label)
        windows = heard.predictions
        kept = np.array([window.after_gap for window in windows], dtype=bool)
        begins = np.array([window.start_s for window in windows])
        ends = np.array([window.end_s for window in windows])
        for n in np.flatnonzero(scores >= lowest).tolist():
            # From a mean of quiet windows to one of quiet windows, and on until what went on is over.
            first = max(0, n - most_smooth)
            quiet = min(len(windows) - 1, n + most_smooth)
            kept[first : np.searchsorted(begins, ends[quiet] + longest_release_s, side="right") + 1] = True
        self._windows = tuple(
            replace(window, scores=scores[n : n + 1]) for n, window in enumerate(windows) if kept[n]
        )

    def events(self, rule: LabelRule) -> list[Found]:
        """Find the events by one rule."""
        return _events(EventDetector("stream", "", (self.label,), (rule,)), self._windows, self.duration_s)


def listen(
    classifier: Classifier, streams: Sequence[Stream], progress: Progress | None = None
) -> list[JudgedStream]:
    """Run streams through the engine, window by window, one hop of the card apart.

    Raises
    ------
    DatasetError
        Recordings cannot be read, or end before something happens in them; all are named.
    ModelError
        The model failed.
    """
    heard, problems = [], []
    for number, stream in enumerate(streams, start=1):
        source = FileSource(stream.name, FileOptions(path=stream.path, speed="max"))
        try:
            predictions = tuple(predict_source(source, classifier, classifier.card.hop_s))
            heard.append(JudgedStream(stream, predictions, tuple(classifier.card.labels)))
            problems += _beyond_the_end(heard[-1], classifier.card.window_s)
        except SourceError as error:
            problems.append(str(error))
        if progress is not None:
            progress("streams", number / len(streams))
    refuse(problems)
    return heard


def _beyond_the_end(heard: JudgedStream, window_s: float) -> list[str]:
    """Tell of what nobody could find: the reference is not that of this recording."""
    late = [one for one in heard.stream.happenings if one.onset_s > heard.duration_s + window_s]
    if not late:
        return []
    told = f"'{printable(late[0].label)}' at {late[0].onset_s:g} s: is it that of another recording?"
    name = printable(heard.stream.path)
    return [f"{name}: is over at {heard.duration_s:.1f} s, and its reference has {told}"]


def _events(detector: EventDetector, windows: Sequence[Prediction], duration_s: float) -> list[Found]:
    told: dict[str, float] = {}
    found = []
    for event, time_s in _steps(detector, windows, duration_s):
        if event.phase is Phase.ONSET:
            told[event.id] = time_s
        elif event.offset_s is not None:
            at = told.pop(event.id)
            found.append(Found(event.label, event.onset_s, event.offset_s, at, event.peak_score))
    return sorted(found, key=lambda one: (one.onset_s, one.label))


def _steps(
    detector: EventDetector, windows: Sequence[Prediction], duration_s: float
) -> Iterator[tuple[Event, float]]:
    for window in windows:
        for event in detector.step(window)[0]:
            yield event, window.end_s
    for event in detector.finish(duration_s):
        yield event, duration_s
