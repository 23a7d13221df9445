"""From windows to events: one thread for the model and what follows from its scores."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from queue import Empty

from listener.classifiers.base import Classifier
from listener.events import EventDetector
from listener.pipeline.capture import Capture
from listener.pipeline.lanes import Analysis, EndOfStream, Inbox, Unheard
from listener.pipeline.overload import LATEST_S, OLDEST_S, Overload
from listener.stages import predictions
from listener.types import Decision, Event, Features, Phase, Prediction

GET_TIMEOUT_S = 0.25
LATENCIES_KEPT = 1000


class InferenceWorker:
    """Scores what waits, as one batch, and lets the event logic decide.

    Parameters
    ----------
    analysis
        The model, and what makes events of its scores.
    captures
        By name of the source; for the clock of its events.
    inbox
        Windows of all sources.
    doorbell
        Set when there is room in the inbox again.
    overload
        Told how the model keeps up.
    on_event, on_step
        Called with each event, and with each window's scores and decisions. They must not block.
    """

    def __init__(
        self,
        analysis: Analysis,
        captures: Mapping[str, Capture],
        inbox: Inbox,
        doorbell: threading.Event,
        overload: Overload,
        on_event: Callable[[Event], None],
        on_step: Callable[[Prediction, list[Decision]], None],
    ) -> None:
        self.windows = 0
        self.events = 0
        self.latencies_s: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self.skipped: Counter[str] = Counter()
        """Windows of each source that had become too old."""
        self.is_busy = False
        """It has taken windows that it has not judged yet."""
        self._analysis = analysis
        self._captures = captures
        self._inbox = inbox
        self._doorbell = doorbell
        self._overload = overload
        self._on_event = on_event
        self._on_step = on_step
        self._stopping = threading.Event()
        card = analysis.classifier.card
        self._detectors = {
            source: EventDetector(source, card.identity, card.labels, analysis.rules) for source in captures
        }
        self._heard_s = dict.fromkeys(captures, 0.0)
        self._gaps: set[str] = set()
        self._skips = False
        self._started_at: dict[str, datetime] = {}

    @property
    def classifier(self) -> Classifier:
        """The model in force."""
        return self._analysis.classifier

    def stop(self) -> None:
        """Make `run` return soon, though more may wait."""
        self._stopping.set()

    def run(self) -> None:
        """Work until every source has ended or `stop` is called; then end the events that go on."""
        try:
            while self._detectors and not self._stopping.is_set():
                batch, other = self._due()
                if batch:
                    self.is_busy = True
                    self._classify(batch)
                    self.is_busy = False
                if other is not None:
                    self._do(other)
        finally:
            for source in list(self._detectors):
                self._finish(source)

    def _due(self) -> tuple[list[Features], Unheard | EndOfStream | Analysis | None]:
        """Take what waits, up to a batch or something that is no window."""
        batch: list[Features] = []
        try:
            while len(batch) < self.classifier.max_batch:
                item = self._inbox.get(timeout=GET_TIMEOUT_S) if not batch else self._inbox.get_nowait()
                if not isinstance(item, Features):
                    return batch, item
                if self._skips:
                    self._skip(item)
                elif not self._is_late(item, OLDEST_S):
                    batch.append(item)
        except Empty:
            if not batch:
                self._overload.rest(time.monotonic())
        finally:
            self._doorbell.set()
        return batch, None

    def _do(self, other: Unheard | EndOfStream | Analysis) -> None:
        if isinstance(other, Analysis):
            self._change(other)
        elif isinstance(other, EndOfStream):
            self._finish(other.source)
        else:
            for event in self._detectors[other.source].cut_off(other.until_s):
                self._announce(event)

    def _is_late(self, window: Features | Prediction, limit_s: float) -> bool:
        """Say whether a window of a source that does not wait is too old; count it if so."""
        waits = self._captures[window.source].source.waits
        now = time.monotonic()
        if waits or not window.captured_at or now - window.captured_at <= limit_s:
            return False
        self._skip(window)
        self._overload.skip(now)
        return True

    def _skip(self, window: Features | Prediction) -> None:
        self.skipped[window.source] += 1
        self._gaps.add(window.source)

    def _classify(self, batch: list[Features]) -> None:
        started_at = time.monotonic()
        waited_s = max(started_at - self._since(window) for window in batch)
        scores = self.classifier.predict(batch)
        ended_at = time.monotonic()
        self._overload.note(waited_s, ended_at - started_at, len(batch), ended_at)
        for prediction in predictions(batch, scores, ended_at - started_at):
            if not self._is_late(prediction, LATEST_S):
                self._decide(prediction)

    def _since(self, window: Features) -> float:
        waits = self._captures[window.source].source.waits
        return float("inf") if waits or not window.captured_at else window.captured_at

    def _decide(self, prediction: Prediction) -> None:
        if prediction.source in self._gaps:
            self._gaps.discard(prediction.source)
            prediction = replace(prediction, after_gap=True)
        events, decisions = self._detectors[prediction.source].step(prediction)
        self._heard_s[prediction.source] = prediction.end_s
        self.windows += 1
        if prediction.captured_at:
            self.latencies_s.append(time.monotonic() - prediction.captured_at)
        self._on_step(prediction, decisions)
        for event in events:
            self._announce(event)

    def _change(self, analysis: Analysis) -> None:
        """Judge what follows by another analysis; events that it knows too go on."""
        # Windows behind one that was withdrawn are cut for a model that will never be.
        self._skips = not analysis.take()
        if self._skips:
            return
        self._analysis = analysis
        card = analysis.classifier.card
        for detector in self._detectors.values():
            for event in detector.change(card.identity, card.labels, analysis.rules):
                self._announce(event)

    def _finish(self, source: str) -> None:
        for event in self._detectors.pop(source).finish(self._heard_s[source]):
            self._announce(event)

    def _announce(self, event: Event) -> None:
        self.events += event.phase is Phase.ONSET
        self._on_event(self._with_clock(event))

    def _with_clock(self, event: Event) -> Event:
        """Add the time of day; what was once said of an onset stays, though the clock be set meanwhile."""
        anchor = self._captures[event.source].anchor
        if event.offset_s is None:
            if anchor is None:
                return event
            self._started_at[event.id] = anchor.at(event.onset_s)
            return replace(event, started_at=self._started_at[event.id])
        started_at = self._started_at.pop(event.id, None)
        if started_at is None:
            return event
        lasted = timedelta(seconds=event.offset_s - event.onset_s)
        return replace(event, started_at=started_at, ended_at=started_at + lasted)
