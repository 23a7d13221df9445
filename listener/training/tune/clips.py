"""Thresholds of the event logic, chosen from what a model said to clips that it did not know."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from listener.training.evaluate.judge import Judged
from listener.types import Thresholds

FALSE_EVENTS_PER_HOUR = 1.0
"""Of one label, over recordings in which none of the labels is heard."""

PRECISION = 0.8
"""Least share of right ones among the clips that a label is announced in, if it can be had."""

CANDIDATES = np.round(1 - np.geomspace(0.05, 0.01, 20), 3)
"""Scores of sounds that a network has never met reach far up: at 0.9 there were twice as many false events
as at 0.95, for one event in 46 more; see ``docs/models.md``."""

SYNTHETIC_ON = 0.8
"""For a label without recordings there is nothing to choose by but the others: in two hours of recordings
none was taken for a smoke alarm at this score. Only beeps made to resemble one were, and who hears an alarm
late is worse off than who hears a beep for an alarm."""

OFF_SHARE = 0.6
"""``threshold_off`` over ``threshold_on``: a sound that fades is still the same event."""


def calibrate(
    judged: Sequence[Judged],
    labels: Sequence[str],
    hop_s: float,
    synthetic: Collection[str] = (),
    uncertain: Mapping[str, Collection[str]] | None = None,
) -> dict[str, Thresholds]:
    """Choose each label's thresholds: the lowest at which it is seldom announced in error.

    Parameters
    ----------
    judged
        Clips of the labels, and recordings in which none of them is heard.
    labels
        The model's, in the order of its scores.
    hop_s
        Time between windows, in seconds.
    synthetic
        Labels for which there are no recordings.
    uncertain
        Label of a recording: the model's labels that may well be heard in it, and raise no threshold.
    """
    return {
        label: Thresholds(SYNTHETIC_ON, round(SYNTHETIC_ON * OFF_SHARE, 3))
        if label in synthetic
        else _thresholds(label, judged, labels, hop_s, uncertain or {})
        for label in labels
    }


def _thresholds(
    label: str,
    judged: Sequence[Judged],
    labels: Sequence[str],
    hop_s: float,
    uncertain: Mapping[str, Collection[str]],
) -> Thresholds:
    column = labels.index(label)
    events = [one for one in judged if one.clip.label in labels]
    others = [one for one in judged if one.clip.label not in labels]
    negatives = [one.scores[:, column] for one in others if label not in uncertain.get(one.clip.label, ())]
    highest = np.array([one.scores[:, column].max() for one in events])
    true = np.array([one.clip.label == label for one in events])
    hours = sum(len(scores) for scores in negatives) * hop_s / 3600
    allowed = max(1.0, FALSE_EVENTS_PER_HOUR * hours)
    on = float(CANDIDATES[-1])
    for candidate in CANDIDATES[::-1]:
        announced = highest >= candidate
        false_events = sum(_runs(scores >= candidate) for scores in negatives)
        precise = not announced.any() or true[announced].mean() >= PRECISION
        if false_events > allowed or not precise:
            break
        on = float(candidate)
    return Thresholds(on, round(on * OFF_SHARE, 3))


def _runs(above: NDArray[np.bool_]) -> int:
    """How many times a series goes above a threshold."""
    return int(above[0]) + int(np.count_nonzero(above[1:] & ~above[:-1]))
