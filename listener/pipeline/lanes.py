"""From the rings to the model: one thread for all sources."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from queue import Full, Queue

from listener.pipeline.capture import Capture
from listener.stages import FeatureStage
from listener.types import Features, ModelCard

PUT_TIMEOUT_S = 0.25
WINDOWS_WAITING = 4
"""Windows of a source that may wait for the model: 2 s at the default hop; what comes later is skipped."""
HISTORY_S = 20.0
"""What a source that can wait keeps behind what was looked at: an event is decided later than it began, and
an action may want what was before it."""
LONGEST_READ = 0.25
"""Share of the ring: where a window is longer than this, it is taken in pieces."""


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """A source has given its last window."""

    source: str
    """Name of the source."""


Inbox = Queue[Features | EndOfStream]
"""What waits for the model."""


class FeatureLane:
    """One source's way from its ring to the model.

    Parameters
    ----------
    capture
        The source's capture.
    card
        The model's card.
    hop_s
        Time between windows, in seconds.
    most_waiting
        A source that can wait does so where this many windows wait for the model.
    """

    def __init__(self, capture: Capture, card: ModelCard, hop_s: float, most_waiting: int) -> None:
        self.ended = False
        self.skipped = 0
        self._capture = capture
        self._name = capture.source.name
        self._live = capture.source.live
        self._ring = capture.ring
        self._mark = capture.ring.bookmark(0, round(HISTORY_S * card.sample_rate))
        self._most_waiting = most_waiting
        self._stage = FeatureStage(self._name, card, hop_s)
        self._longest = round(LONGEST_READ * capture.ring.capacity)
        self._skipped_last = False

    def pump(self, inbox: Inbox, stopping: threading.Event) -> bool:
        """Move on what completes a window; say whether there was anything."""
        if self.ended or (not self._live and inbox.qsize() >= self._most_waiting):
            return False
        wanted = min(self._stage.samples_to_window, self._longest)
        # Said before looking: what is written from now on rings the bell.
        self._capture.wake_at_sample = self._mark.position + wanted
        # Asked before reading: what is written just before closing is not missed.
        closed = self._ring.closed
        if not closed and self._ring.end_sample < self._mark.position + wanted:
            # Frames are computed a hop's worth at once: a few at a time cost ten times as much.
            return False
        chunk = self._ring.read(self._mark, wanted)
        if chunk is not None:
            captured_at = self._ring.written_at
            if self._live:
                captured_at -= (self._ring.end_sample - chunk.end_sample) / chunk.sample_rate
            for window in self._stage.push(chunk, captured_at):
                self._hand_over(window, inbox, stopping)
            return True
        if not closed:
            return False
        for window in self._stage.finish():
            self._put(window, inbox, stopping)
        self._put(EndOfStream(self._name), inbox, stopping)
        self._mark.close()
        self.ended = True
        return True

    def _hand_over(self, window: Features, inbox: Inbox, stopping: threading.Event) -> None:
        if self._skipped_last:
            window = replace(window, after_gap=True)
        if not self._live:
            self._put(window, inbox, stopping)
            return
        try:
            inbox.put_nowait(window)
            self._skipped_last = False
        except Full:
            self.skipped += 1
            self._skipped_last = True

    def _put(self, item: Features | EndOfStream, inbox: Inbox, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                inbox.put(item, timeout=PUT_TIMEOUT_S)
                return
            except Full:
                continue


class FeatureWorker:
    """Keeps all lanes moving.

    Parameters
    ----------
    lanes
        One for each source.
    inbox
        Where windows wait for the model.
    doorbell
        Set when a ring holds what a lane waits for, or when there is room in the inbox.
    """

    def __init__(self, lanes: Sequence[FeatureLane], inbox: Inbox, doorbell: threading.Event) -> None:
        self._lanes = lanes
        self._inbox = inbox
        self._doorbell = doorbell
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Make `run` return soon, though there may be more."""
        self._stopping.set()
        self._doorbell.set()

    def run(self) -> None:
        """Work until every source has ended or `stop` is called."""
        while not self._stopping.is_set() and not all(lane.ended for lane in self._lanes):
            self._doorbell.clear()
            moved = [lane.pump(self._inbox, self._stopping) for lane in self._lanes]
            if not any(moved):
                self._doorbell.wait(PUT_TIMEOUT_S)
