"""From scores to events: one state machine with two thresholds for each label.

Pure, and in stream time only: the same predictions give the same events, live, replayed
or offline.

When a sound begins, it first shows in the newest hop of a window, so an event's onset is
the end of the last window that did not show it. When it has ended, it is last seen in the
oldest hop, so the offset is the start of the first window that no longer shows it. Both
are exact to about one hop, however long the window is.

::

              smoothed >= on           for min_duration_s
      QUIET ------------------> PENDING ------------------> ACTIVE (onset announced)
        ^  ^---- below on ---------'                         |   ^
        |                                      below off     v   | at or above off
        '---------- for release_s (offset announced) ----- RELEASING

After an offset, a label stays quiet for ``cooldown_s``. What went on before a gap of
``release_s`` or more has ended with the sound before it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from listener.types import Decision, Event, Phase, Prediction, Reason


@dataclass(frozen=True, slots=True)
class LabelRule:
    """When a label makes an event."""

    threshold_on: float
    """Score at which it begins, in (0, 1]."""

    threshold_off: float
    """Score under which it ends, in (0, ``threshold_on``]."""

    smooth: int = 1
    """Number of windows whose mean score is compared."""

    min_duration_s: float = 0.0
    """A shorter sound is no event; a longer one is announced this long, and a window, after it began."""

    release_s: float = 1.0
    """An event is over when the score has stayed below ``threshold_off`` for this long."""

    cooldown_s: float = 5.0
    """No new event of the label begins for this long after the end of the last one."""


def new_id() -> str:
    """Make an id that no other event has."""
    return uuid4().hex


class EventDetector:
    """The event logic of one source.

    Parameters
    ----------
    source
        Name of the source.
    model
        ``name/version`` of the model.
    labels
        The model's labels, in the order of its scores.
    rules
        One for each label; None for a label that makes no events.
    make_id
        Called for the id of each event.
    """

    def __init__(
        self,
        source: str,
        model: str,
        labels: Sequence[str],
        rules: Sequence[LabelRule | None],
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self._source = source
        self._make_id = make_id
        self._trackers: list[tuple[int, _LabelTracker]] = []
        self._set_up(model, labels, rules)
        self._heard_until_s = 0.0
        self._first = True

    def change(self, model: str, labels: Sequence[str], rules: Sequence[LabelRule | None]) -> list[Event]:
        """Decide by other rules, or on another model's scores, from the next window on.

        What goes on for a label that still makes events goes on; the others end with what was heard.

        Returns
        -------
        list
            The events that ended.
        """
        kept = {label for label, rule in zip(labels, rules, strict=True) if rule is not None}
        gone = [tracker for _, tracker in self._trackers if tracker.label not in kept]
        self._set_up(model, labels, rules)
        ended = [tracker.finish(self._heard_until_s) for tracker in gone]
        return [event for event in ended if event is not None]

    def step(self, prediction: Prediction) -> tuple[list[Event], list[Decision]]:
        """Take the next window's scores.

        Returns
        -------
        tuple
            Events that began or ended with it, and what was made of each label.
        """
        # Windows that do not touch: nothing is known of the time between them.
        apart = self._first or prediction.start_s > self._heard_until_s
        possible_onset_s = prediction.start_s if apart else self._heard_until_s
        afresh = self._first or (apart and prediction.after_gap)
        events: list[Event] = []
        decisions: list[Decision] = []
        scores = prediction.scores.tolist()
        for index, tracker in self._trackers:
            if afresh and (event := tracker.cut_off(prediction.start_s)) is not None:
                events.append(event)
            decision, event = tracker.step(scores[index], prediction, possible_onset_s, afresh)
            decisions.append(decision)
            if event is not None:
                events.append(event)
        self._heard_until_s = prediction.end_s
        self._first = False
        return events, decisions

    def cut_off(self, until_s: float) -> list[Event]:
        """Nothing is heard, and nothing will be before the stream time ``until_s``, in seconds.

        Returns
        -------
        list
            What has ended by that: see `LabelRule.release_s`.
        """
        ended = (tracker.cut_off(until_s) for _, tracker in self._trackers)
        return [event for event in ended if event is not None]

    def finish(self, end_s: float) -> list[Event]:
        """The source has ended at stream time ``end_s``: end what is still going on."""
        ended = (tracker.finish(end_s) for _, tracker in self._trackers)
        return [event for event in ended if event is not None]

    def _set_up(self, model: str, labels: Sequence[str], rules: Sequence[LabelRule | None]) -> None:
        before = {tracker.label: tracker for _, tracker in self._trackers}
        self._trackers = []
        for index, (label, rule) in enumerate(zip(labels, rules, strict=True)):
            if rule is None:
                continue
            if label in before:
                before[label].change(model, rule)
            tracker = before.get(label) or _LabelTracker(self._source, model, label, rule, self._make_id)
            self._trackers.append((index, tracker))


class _LabelTracker:
    """The state machine of one label."""

    def __init__(
        self,
        source: str,
        model: str,
        label: str,
        rule: LabelRule,
        make_id: Callable[[], str],
    ) -> None:
        self.label = label
        self._source = source
        self._model = model
        self._rule = rule
        self._make_id = make_id
        self._recent: deque[float] = deque(maxlen=rule.smooth)
        self._pending_since_s: float | None = None
        self._pending_peak = 0.0
        self._event: Event | None = None
        self._earliest_offset_s = 0.0
        self._active_until_s = 0.0
        self._faded_at_s: float | None = None
        self._quiet_until_s = 0.0

    def change(self, model: str, rule: LabelRule) -> None:
        self._model, self._rule = model, rule
        self._recent = deque(self._recent, maxlen=rule.smooth)

    def step(
        self,
        score: float,
        prediction: Prediction,
        possible_onset_s: float,
        afresh: bool,
    ) -> tuple[Decision, Event | None]:
        if afresh:
            self._recent.clear()
            self._pending_since_s = None
        self._recent.append(score)
        smoothed = sum(self._recent) / len(self._recent)
        if self._event is None:
            threshold = self._rule.threshold_on
            reason = self._waiting(smoothed, prediction, possible_onset_s, afresh)
        else:
            threshold = self._rule.threshold_off
            reason = self._sounding(smoothed, prediction)
        event = self._event
        if reason is Reason.OFFSET:
            event = self._end(prediction.start_s)
        decision = Decision(
            self._source,
            self.label,
            prediction.end_s,
            score,
            smoothed,
            threshold,
            reason,
        )
        return decision, event if reason in (Reason.ONSET, Reason.OFFSET) else None

    def cut_off(self, resumed_at_s: float) -> Event | None:
        """Nothing was heard until ``resumed_at_s``: end what cannot have been heard for too long."""
        if resumed_at_s - self._active_until_s < self._rule.release_s:
            return None
        return self.finish(self._active_until_s)

    def finish(self, end_s: float) -> Event | None:
        if self._event is None:
            return None
        return self._end(end_s)

    def _waiting(
        self,
        smoothed: float,
        prediction: Prediction,
        possible_onset_s: float,
        afresh: bool,
    ) -> Reason:
        if smoothed < self._rule.threshold_on:
            self._pending_since_s = None
            return Reason.QUIET
        if possible_onset_s < self._quiet_until_s:
            return Reason.COOLDOWN
        if self._pending_since_s is None:
            self._pending_since_s = possible_onset_s
            self._pending_peak = 0.0
            # It was heard in the newest hop; in a first window it may have been anywhere.
            self._earliest_offset_s = possible_onset_s if afresh else prediction.end_s
        self._pending_peak = max(self._pending_peak, smoothed)
        # A window shows what any part of it holds: only what it begins with has lasted until then.
        lasted_s = max(0.0, prediction.start_s - self._pending_since_s)
        if lasted_s < self._rule.min_duration_s:
            return Reason.TOO_SHORT
        self._event = Event(
            id=self._make_id(),
            phase=Phase.ONSET,
            source=self._source,
            label=self.label,
            onset_s=self._pending_since_s,
            offset_s=None,
            score=smoothed,
            peak_score=self._pending_peak,
            model=self._model,
            after_gap=prediction.after_gap,
        )
        self._pending_since_s = None
        self._active_until_s = prediction.end_s
        self._faded_at_s = None
        return Reason.ONSET

    def _sounding(self, smoothed: float, prediction: Prediction) -> Reason:
        assert self._event is not None
        if smoothed >= self._rule.threshold_off:
            self._event = replace(self._event, peak_score=max(self._event.peak_score, smoothed))
            self._active_until_s = prediction.end_s
            self._faded_at_s = None
            return Reason.ONGOING
        if self._faded_at_s is None:
            self._faded_at_s = prediction.start_s
        if prediction.end_s - self._active_until_s < self._rule.release_s:
            return Reason.RELEASING
        return Reason.OFFSET

    def _end(self, end_s: float) -> Event:
        assert self._event is not None
        faded_at_s = end_s if self._faded_at_s is None else self._faded_at_s
        offset_s = max(faded_at_s, self._earliest_offset_s)
        ended = replace(self._event, phase=Phase.OFFSET, offset_s=offset_s)
        self._event = None
        self._quiet_until_s = offset_s + self._rule.cooldown_s
        return ended
