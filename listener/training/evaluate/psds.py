"""Polyphonic sound detection score, PSDS.

Bilen et al., "A framework for the robust evaluation of sound event detection" (ICASSP 2020).

One figure for all thresholds at once: the share of events that are found, as a function of the false
events an hour that go with it, its mean from 0 to 100 of them. The two settings are those of the DCASE
challenges since 2021: the first wants events in their place, the second wants the right label.

The authors' own program, psds_eval 0.5.3, gives the same scores where it runs: not with pandas 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from listener.events import LabelRule
from listener.training.evaluate.listening import JudgedStream, LabelTrack
from listener.training.evaluate.references import Happening
from listener.training.evaluate.streams import known_targets

Array = NDArray[np.float64]
Spans = Array
"""Onset and offset of events, shape (n, 2), in seconds; those of true ones do not overlap."""

OPERATING_POINTS = np.concatenate([np.linspace(0.02, 0.9, 40), 1 - np.geomspace(0.09, 0.001, 10)])
"""Values of ``threshold_on``; ``threshold_off`` keeps its share of it."""

MOST_FALSE_PER_HOUR = 100.0


@dataclass(frozen=True, slots=True)
class Setting:
    """What is asked of events, and how confusions are weighed."""

    detection: float
    """Share of a found event that must lie within true ones of its label; else it is false."""
    truth: float
    """Share of a true event that must be covered by such."""
    cross: float
    """Share of a false event within true ones of another label that makes it a confusion."""
    confusions: float
    """How much a confusion weighs, over and above being false."""
    spread: float = 1.0
    """How much the standard deviation over the labels weighs."""


SETTINGS: Mapping[str, Setting] = {
    "psds1": Setting(0.7, 0.7, 0.0, 0.0),
    "psds2": Setting(0.1, 0.1, 0.3, 0.5),
}


def psds(heard: Sequence[JudgedStream], rules: Sequence[LabelRule | None]) -> dict[str, float]:
    """Compute the scores of both settings, in [0, 1], over the labels that are to be found.

    Parameters
    ----------
    heard
        Streams, through one model.
    rules
        Of the event logic; their thresholds are moved, all else stays.

    Returns
    -------
    dict
        By name of the setting; empty where nothing is to be found.
    """
    labels = sorted({target.label for one in heard for target in known_targets(one)})
    if not labels:
        return {}
    ruled = {label: rule for label, rule in zip(heard[0].labels, rules, strict=True) if rule is not None}
    truth = [
        [joined([target for target in known_targets(one) if target.label == label]) for one in heard]
        for label in labels
    ]
    found = [[_found(one, label, ruled.get(label)) for one in heard] for label in labels]
    duration_s = sum(one.duration_s for one in heard)
    return {name: score(truth, found, duration_s, setting) for name, setting in SETTINGS.items()}


def score(
    truth: Sequence[Sequence[Spans]],
    found: Sequence[Sequence[Sequence[Spans]]],
    duration_s: float,
    setting: Setting,
) -> float:
    """Compute one score.

    Parameters
    ----------
    truth
        Events of each label, in each stream.
    found
        Those found, of each label, in each stream, at each operating point.
    duration_s
        Of all streams.
    setting
        What is asked of them.
    """
    n_points = len(found[0][0])
    curves = []
    for label in range(len(truth)):
        rates = [_rates(label, point, truth, found, duration_s, setting) for point in range(n_points)]
        curves.append(np.array([(0.0, 0.0), *rates]))
    places = np.unique(np.concatenate([curve[:, 0] for curve in curves] + [[MOST_FALSE_PER_HOUR]]))
    places = places[places <= MOST_FALSE_PER_HOUR]
    heights = np.array([[curve[curve[:, 0] <= place, 1].max() for place in places] for curve in curves])
    effective = np.maximum(0.0, heights.mean(axis=0) - setting.spread * heights.std(axis=0))
    return float((np.diff(places) * effective[:-1]).sum() / MOST_FALSE_PER_HOUR)


def joined(targets: Sequence[Happening]) -> Spans:
    """Make one of events of a label that overlap: the score knows no two of them at once."""
    spans: list[tuple[float, float]] = []
    for target in sorted(targets, key=lambda one: one.onset_s):
        if spans and target.onset_s < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], target.offset_s))
        else:
            spans.append((target.onset_s, target.offset_s))
    return np.array(spans, np.float64).reshape(-1, 2)


def _rates(
    label: int,
    point: int,
    truth: Sequence[Sequence[Spans]],
    found: Sequence[Sequence[Sequence[Spans]]],
    duration_s: float,
    setting: Setting,
) -> tuple[float, float]:
    """Effective false events an hour, and share of the true ones that are found, of one label."""
    n_found = n_false = 0
    n_confused = np.zeros(len(truth))
    for stream, true in enumerate(truth[label]):
        spans = found[label][stream][point]
        lengths = np.maximum(spans[:, 1] - spans[:, 0], 1e-12)
        shared = _shared(spans, true)
        relevant = shared.sum(axis=1) / lengths >= setting.detection
        covered = shared[relevant].sum(axis=0) / (true[:, 1] - true[:, 0])
        n_found += int((covered >= setting.truth).sum())
        n_false += int((~relevant).sum())
        for other in range(len(truth)):
            within = _shared(spans[~relevant], truth[other][stream]).sum(axis=1) / lengths[~relevant]
            n_confused[other] += int(((within >= setting.cross) & (within > 0)).sum())
    seconds = np.array([sum(float((s[:, 1] - s[:, 0]).sum()) for s in of_label) for of_label in truth])
    others = [n_confused[n] / seconds[n] for n in range(len(truth)) if n != label]
    confusions = setting.confusions * float(np.mean(others)) if others else 0.0
    n_true = sum(len(true) for true in truth[label])
    return (n_false / duration_s + confusions) * 3600, n_found / n_true


def _shared(spans: Spans, others: Spans) -> Array:
    """Time that each of some spans shares with each of others, shape (n, m), in seconds."""
    ends = np.minimum(spans[:, np.newaxis, 1], others[np.newaxis, :, 1])
    return np.asarray(np.maximum(0.0, ends - np.maximum(spans[:, np.newaxis, 0], others[np.newaxis, :, 0])))


def _found(heard: JudgedStream, label: str, rule: LabelRule | None) -> list[Spans]:
    """Events of a label at each operating point."""
    if rule is None:
        return [np.empty((0, 2))] * len(OPERATING_POINTS)
    ratio = rule.threshold_off / rule.threshold_on
    track = LabelTrack(heard, label, float(OPERATING_POINTS[0]) * ratio, rule.smooth, rule.release_s)
    rules = [replace(rule, threshold_on=on, threshold_off=on * ratio) for on in OPERATING_POINTS.tolist()]
    return [
        np.array([(one.onset_s, one.offset_s) for one in track.events(moved)], np.float64).reshape(-1, 2)
        for moved in rules
    ]
