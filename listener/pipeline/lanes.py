"""From the rings to the model: one thread for all sources."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from queue import Full, Queue

from listener.classifiers.base import Classifier
from listener.events import LabelRule
from listener.pipeline.capture import Capture
from listener.pipeline.overload import Overload
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


@dataclass(frozen=True, slots=True)
class Unheard:
    """A source is away: there will be no window for a while."""

    source: str
    """Name of the source."""

    until_s: float
    """Stream time up to which there is nothing to hear, in seconds."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What makes events of windows; flows to the model as windows do, and is in force behind itself."""

    classifier: Classifier
    """The model."""

    rules: Sequence[LabelRule | None]
    """One for each of its labels."""

    hop_s: float
    """Time between windows, in seconds."""

    in_force: threading.Event = field(default_factory=threading.Event)
    """Set when the next window is judged by it."""

    withdrawn: threading.Event = field(default_factory=threading.Event)
    """Set when whoever wanted it has given up waiting: it never comes into force then."""

    _decision: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> bool:
        """Let it be in force, unless it was withdrawn; say whether it is."""
        with self._decision:
            if not self.withdrawn.is_set():
                self.in_force.set()
            return self.in_force.is_set()

    def withdraw(self) -> bool:
        """Let it never be in force, unless it is already; say whether it never will be."""
        with self._decision:
            if not self.in_force.is_set():
                self.withdrawn.set()
            return self.withdrawn.is_set()


Inbox = Queue[Features | Unheard | EndOfStream | Analysis]
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
    overload
        Says how far apart the windows of a source are that cannot wait.
    """

    def __init__(
        self, capture: Capture, card: ModelCard, hop_s: float, most_waiting: int, overload: Overload
    ) -> None:
        self.ended = False
        self.thinned = 0
        self.skipped = 0
        self._capture = capture
        self._name = capture.source.name
        self._waits = capture.source.waits
        self._ring = capture.ring
        self._mark = capture.ring.bookmark(0, round(HISTORY_S * card.sample_rate))
        self._most_waiting = most_waiting
        self._overload = overload
        self._card, self._hop_s = card, hop_s
        self._stage = FeatureStage(self._name, card, hop_s)
        self._longest = round(LONGEST_READ * capture.ring.capacity)
        self._since_handed = 0
        self._gap = False
        self._unheard_until_s = 0.0

    @property
    def position(self) -> int:
        """Position up to which sound was taken."""
        return self._mark.position

    @property
    def is_due(self) -> bool:
        """There is sound that completes a window."""
        wanted = min(self._stage.samples_to_window, self._longest)
        return not self.ended and self._ring.end_sample >= self._mark.position + wanted

    def change(self, card: ModelCard, hop_s: float) -> None:
        """Cut windows for another model, or with another hop; no sound is left out between the two."""
        if (card.input, card.features, card.window_samples, hop_s) == (
            self._card.input,
            self._card.features,
            self._card.window_samples,
            self._hop_s,
        ):
            return
        self._card, self._hop_s = card, hop_s
        if self.ended:
            return
        # The first new window ends a hop after the last old one did.
        begin = self._stage.seen_until + round(hop_s * card.sample_rate) - card.window_samples
        begin = max(begin, self._stage.origin, self._ring.start_sample, 0)
        self._stage = FeatureStage(self._name, card, hop_s, begin)
        self._mark.close()
        self._mark = self._ring.bookmark(begin, round(HISTORY_S * card.sample_rate))

    def pump(self, inbox: Inbox, stopping: threading.Event) -> bool:
        """Move on what completes a window; say whether there was anything."""
        if self.ended or (self._waits and inbox.qsize() >= self._most_waiting):
            return False
        wanted = min(self._stage.samples_to_window, self._longest)
        # Said before looking: what is written from now on rings the bell.
        self._capture.wake_at_sample = self._mark.position + wanted
        # Asked before reading: what is written just before closing is not missed.
        closed, unheard_until_s = self._ring.closed, self._capture.unheard_until_s
        if not closed and self._ring.end_sample < self._mark.position + wanted:
            # Frames are computed a hop's worth at once: a few at a time cost ten times as much.
            self._tell_unheard(unheard_until_s, inbox)
            return False
        chunk = self._ring.read(self._mark, wanted)
        if chunk is not None:
            captured_at = self._ring.written_at
            if not self._waits:
                captured_at -= (self._ring.end_sample - chunk.end_sample) / chunk.sample_rate
            for window in self._stage.push(chunk, captured_at):
                self._hand_over(window, inbox, stopping)
            return True
        if not closed:
            return False
        for window in self._stage.finish():
            put(window, inbox, stopping)
        put(EndOfStream(self._name), inbox, stopping)
        self._mark.close()
        self.ended = True
        return True

    def _tell_unheard(self, until_s: float | None, inbox: Inbox) -> None:
        """Let the events of a source that is away end in time, behind its last window."""
        if until_s is None or until_s == self._unheard_until_s:
            return
        try:
            inbox.put_nowait(Unheard(self._name, until_s))
            self._unheard_until_s = until_s
        except Full:
            return

    def _hand_over(self, window: Features, inbox: Inbox, stopping: threading.Event) -> None:
        if self._waits:
            put(window, inbox, stopping)
            return
        self._since_handed += 1
        self._gap |= window.after_gap
        if self._since_handed < self._overload.step:
            self.thinned += 1
            return
        try:
            inbox.put_nowait(replace(window, after_gap=self._gap))
            self._since_handed, self._gap = 0, False
        except Full:
            self.skipped += 1
            self._gap = True
            self._overload.skip(time.monotonic())


def put(item: Features | EndOfStream | Analysis, inbox: Inbox, stopping: threading.Event) -> None:
    """Put something into the inbox, as soon as there is room."""
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
    overload
        Told of other windows.
    """

    def __init__(
        self, lanes: Sequence[FeatureLane], inbox: Inbox, doorbell: threading.Event, overload: Overload
    ) -> None:
        self.turns = 0
        """Grows for as long as the thread is well."""
        self._lanes = lanes
        self._inbox = inbox
        self._doorbell = doorbell
        self._overload = overload
        self._changes: deque[Analysis] = deque()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Make `run` return soon, though there may be more."""
        self._stopping.set()
        self._doorbell.set()

    def change(self, analysis: Analysis) -> None:
        """Cut all further windows for another analysis, and send it to the model behind those before."""
        self._changes.append(analysis)
        self._doorbell.set()

    def run(self) -> None:
        """Work until every source has ended or `stop` is called."""
        while not self._stopping.is_set() and not all(lane.ended for lane in self._lanes):
            self.turns += 1
            self._doorbell.clear()
            while self._changes:
                self._apply(self._changes.popleft())
            moved = [lane.pump(self._inbox, self._stopping) for lane in self._lanes]
            if not any(moved):
                self._doorbell.wait(PUT_TIMEOUT_S)

    def _apply(self, analysis: Analysis) -> None:
        if analysis.withdrawn.is_set():
            return
        card = analysis.classifier.card
        for lane in self._lanes:
            lane.change(card, analysis.hop_s)
        self._overload.set_windows(analysis.hop_s, card.window_samples / card.sample_rate)
        put(analysis, self._inbox, self._stopping)
