"""Figures on clips: how often the verdict is right, and what the scores are worth.

The verdict on a clip is the label of the highest pooled score, among those labels that some
of the clips have. Average precision (AP) asks, for one label, how well its score sorts the
clips that have it before those that have not, and needs no verdict.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from listener.training.evaluate.calibration import Calibration, calibration
from listener.training.evaluate.intervals import Figure, figure, resampled, share, wider
from listener.training.evaluate.judge import Judged

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """How one label fares."""

    clips: int
    """That have it."""
    precision: Figure
    """Share of right verdicts among those that name it."""
    recall: Figure
    """Share of its clips that were given it as verdict."""
    f1: Figure
    """Harmonic mean of the two."""
    average_precision: Figure
    """As `sklearn.metrics.average_precision_score` has it."""


@dataclass(frozen=True, slots=True)
class ClipFigures:
    """How a set of clips was told apart."""

    clips: int
    groups: int
    """Recordings that they come from, where that is known: intervals are drawn from these."""
    labels: tuple[str, ...]
    """Those among which the verdict was chosen, in the model's order."""
    accuracy: Figure
    macro_f1: Figure
    """Mean of the labels' F1."""
    mean_average_precision: Figure
    """Mean of the labels' AP."""
    per_label: Mapping[str, LabelFigures]
    confusion: tuple[tuple[int, ...], ...]
    """Clips by true label (row) and verdict (column), in the order of ``labels``."""
    calibration: Calibration


def clip_figures(judged: Sequence[Judged], labels: Sequence[str], seed: int = 0) -> ClipFigures:
    """Measure how well clips are told apart.

    Parameters
    ----------
    judged
        One or more clips, each of which has one of the labels.
    labels
        The model's, in the order of its scores.
    seed
        Decides what the bootstrap draws.
    """
    present = {one.clip.label for one in judged}
    known = tuple(label for label in labels if label in present)
    scores = np.stack([one.pooled for one in judged])[:, [labels.index(label) for label in known]]
    true = np.array([known.index(one.clip.label) for one in judged])
    said = scores.argmax(axis=1)
    groups = [one.clip.group or f"{one.clip.path}@{one.clip.first_s}" for one in judged]
    weights = resampled(groups, seed)
    matrices = _confusions(true, said, len(known), weights)
    precision, recall, f1 = _rates(matrices)
    ap = np.stack([average_precision(true == n, scores[:, n], weights) for n in range(len(known))], axis=1)
    each = {
        label: LabelFigures(
            int((true == n).sum()),
            wider(figure(precision[:, n]), share(*_right_of(said == n, true == n))),
            wider(figure(recall[:, n]), share(*_right_of(true == n, said == n))),
            figure(f1[:, n]),
            figure(ap[:, n]),
        )
        for n, label in enumerate(known)
    }
    return ClipFigures(
        clips=len(judged),
        groups=len(set(groups)),
        labels=known,
        accuracy=wider(
            figure(matrices.trace(axis1=1, axis2=2) / weights.sum(axis=1)),
            share(int((true == said).sum()), len(true)),
        ),
        macro_f1=figure(_mean(f1)),
        mean_average_precision=figure(_mean(ap)),
        per_label=each,
        confusion=tuple(tuple(int(n) for n in row) for row in matrices[0]),
        calibration=calibration(scores.max(axis=1), true == said),
    )


def average_precision(true: NDArray[np.bool_], scores: NDArray[np.float32], weights: Array) -> Array:
    """Average precision of one label under several weights at once.

    The sum, over the thresholds from the highest score down, of the recall that each adds
    times the precision at it; equal scores are one threshold.

    Parameters
    ----------
    true
        Whether each clip has the label, shape (n_clips,).
    scores
        Shape (n_clips,).
    weights
        How often each clip counts, shape (n_weightings, n_clips).

    Returns
    -------
    ndarray
        Shape (n_weightings,), in [0, 1]; nan where no clip that counts has the label.
    """
    order = np.argsort(-scores, kind="stable")
    last_of_equal = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    weighted = weights[:, order]
    announced = np.cumsum(weighted, axis=1)[:, last_of_equal]
    right = np.cumsum(weighted * true[order], axis=1)[:, last_of_equal]
    gained = np.diff(right, axis=1, prepend=0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(announced > 0, right / announced, 0.0)
        return np.asarray((gained * precision).sum(axis=1) / right[:, -1])


def _confusions(true: NDArray[np.intp], said: NDArray[np.intp], n_labels: int, weights: Array) -> Array:
    """Confusion matrices, shape (n_weightings, n_labels, n_labels)."""
    cells = np.zeros((len(true), n_labels * n_labels))
    cells[np.arange(len(true)), true * n_labels + said] = 1.0
    return np.asarray((weights @ cells).reshape(len(weights), n_labels, n_labels))


def _rates(matrices: Array) -> tuple[Array, Array, Array]:
    """Precision, recall and F1 of each label; nan where no clip that counts has it."""
    right = np.diagonal(matrices, axis1=1, axis2=2)
    of_it, called_it = matrices.sum(axis=2), matrices.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = right / of_it
        precision = np.where(called_it > 0, right / called_it, 0.0)
        f1 = np.where(of_it > 0, 2 * right / (of_it + called_it), np.nan)
    return precision, recall, f1


def _right_of(named: NDArray[np.bool_], right: NDArray[np.bool_]) -> tuple[int, int]:
    """How many of those that are named are right, and how many there are."""
    return int((named & right).sum()), int(named.sum())


def _mean(values: Array) -> Array:
    """Mean over the labels that occur."""
    return np.asarray(np.nanmean(values, axis=1))
