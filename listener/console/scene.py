"""Everything that one picture shows, put together by whoever wants it drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from listener.actions.runner.account import ActionStats
from listener.types import Decision, Event, ModelCard, PipelineStats, Prediction, Reason

GOING_ON = (Reason.ONSET, Reason.ONGOING, Reason.RELEASING)
"""Reasons that say: an event of this label lasts."""


@dataclass(frozen=True, slots=True)
class TopClass:
    """A label with its newest score."""

    label: str
    """The model's label."""

    score: float
    """In [0, 1]."""

    threshold: float | None
    """What the event logic compares it with now; None where the label makes no events."""

    active: bool
    """An event of it lasts."""


@dataclass(frozen=True, slots=True)
class Step:
    """The newest window of a source."""

    prediction: Prediction
    """Its scores."""

    decisions: Sequence[Decision]
    """What was made of them; a label that makes no events has none."""

    def top(self, labels: Sequence[str], count: int) -> list[TopClass]:
        """Give the labels with the highest scores, highest first.

        Parameters
        ----------
        labels
            The model's, in the order of the scores.
        count
            How many.
        """
        scores = self.prediction.scores
        decided = {decision.label: decision for decision in self.decisions}
        return [
            _top_class(labels[index], float(scores[index]), decided.get(labels[index]))
            for index in (-scores).argsort(kind="stable")[:count].tolist()
        ]


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is to show."""

    version: str
    """The program's."""

    card: ModelCard
    """The model's."""

    hop_s: float
    """Time between windows, in seconds."""

    stats: PipelineStats
    """The engine."""

    windows_per_s: float = 0.0
    """Over the last seconds."""

    steps: Mapping[str, Step] = field(default_factory=dict)
    """By name of the source."""

    events: Sequence[Event] = ()
    """Newest first, each event once."""

    actions: Mapping[str, ActionStats] = field(default_factory=dict)
    """By name of the action."""


def _top_class(label: str, score: float, decision: Decision | None) -> TopClass:
    if decision is None:
        return TopClass(label, score, None, active=False)
    return TopClass(label, score, decision.threshold, active=decision.reason in GOING_ON)
