"""From windows to events: one thread for the model and what follows from its scores."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from queue import Empty

from listener.classifiers.base import Classifier
from listener.events import EventDetector
from listener.pipeline.capture import Capture
from listener.pipeline.lanes import EndOfStream, Inbox
from listener.stages import predictions
from listener.types import Decision, Event, Features, Phase, Prediction

GET_TIMEOUT_S = 0.25
LATENCIES_KEPT = 1000


class InferenceWorker:
    """Scores what waits, as one batch, and lets the event logic decide.

    Parameters
    ----------
    classifier
        The model.
    captures
        By name of the source; for the clock of its events.
    detectors
        By name of the source.
    inbox
        Windows of all sources.
    doorbell
        Set when there is room in the inbox again.
    on_event, on_step
        Called with each event, and with each window's scores and decisions. They must not block.
    """

    def __init__(
        self,
        classifier: Classifier,
        captures: Mapping[str, Capture],
        detectors: Mapping[str, EventDetector],
        inbox: Inbox,
        doorbell: threading.Event,
        on_event: Callable[[Event], None],
        on_step: Callable[[Prediction, list[Decision]], None],
    ) -> None:
        self._classifier = classifier
        self._captures = captures
        self._detectors = dict(detectors)
        self._inbox = inbox
        self._doorbell = doorbell
        self._on_event = on_event
        self._on_step = on_step
        self._stopping = threading.Event()
        self._end_s = dict.fromkeys(detectors, 0.0)
        self.windows = 0
        self.events = 0
        self.latencies_s: deque[float] = deque(maxlen=LATENCIES_KEPT)

    def stop(self) -> None:
        """Make `run` return soon, though more may wait."""
        self._stopping.set()

    def run(self) -> None:
        """Work until every source has ended or `stop` is called; then end the events that go on."""
        try:
            while self._detectors and not self._stopping.is_set():
                batch, ended = self._due()
                if batch:
                    self._classify(batch)
                if ended is not None:
                    self._finish(ended.source)
        finally:
            for source in list(self._detectors):
                self._finish(source)

    def _due(self) -> tuple[list[Features], EndOfStream | None]:
        """Take what waits, up to a batch or the end of a source."""
        batch: list[Features] = []
        try:
            while len(batch) < self._classifier.max_batch:
                item = self._inbox.get(timeout=GET_TIMEOUT_S) if not batch else self._inbox.get_nowait()
                if isinstance(item, EndOfStream):
                    return batch, item
                batch.append(item)
        except Empty:
            pass
        finally:
            self._doorbell.set()
        return batch, None

    def _classify(self, batch: list[Features]) -> None:
        started = time.perf_counter()
        scores = self._classifier.predict(batch)
        inference_s = time.perf_counter() - started
        for prediction in predictions(batch, scores, inference_s):
            events, decisions = self._detectors[prediction.source].step(prediction)
            self._end_s[prediction.source] = prediction.end_s
            self.windows += 1
            if prediction.captured_at:
                self.latencies_s.append(time.monotonic() - prediction.captured_at)
            self._on_step(prediction, decisions)
            for event in events:
                self._announce(event)

    def _finish(self, source: str) -> None:
        for event in self._detectors.pop(source).finish(self._end_s[source]):
            self._announce(event)

    def _announce(self, event: Event) -> None:
        self.events += event.phase is Phase.ONSET
        anchor = self._captures[event.source].anchor
        if anchor is not None:
            ended_at = None if event.offset_s is None else anchor.at(event.offset_s)
            event = replace(event, started_at=anchor.at(event.onset_s), ended_at=ended_at)
        self._on_event(event)
