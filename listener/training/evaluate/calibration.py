"""Whether a score of 0.8 is right eight times in ten."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from listener.training.evaluate.intervals import Figure, share

N_BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Verdicts of about the same score."""

    low: float
    """Scores from here, exclusive but for 0, ..."""
    high: float
    """... to here."""
    clips: int
    mean_score: float
    """nan if there is no clip."""
    right: Figure
    """Share of right verdicts."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the score of the verdict goes with its being right."""

    expected_error: float
    """Expected calibration error (Guo et al., 2017): distance of mean score and share of right verdicts,
    averaged over the clips, in ten bins of equal width."""
    bins: Sequence[Bin]


def calibration(scores: NDArray[np.float32], right: NDArray[np.bool_]) -> Calibration:
    """Compare the scores of verdicts, in [0, 1], with whether they were right."""
    edges = np.linspace(0.0, 1.0, N_BINS + 1)
    place = np.clip(np.ceil(scores * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    bins = []
    error = 0.0
    for n in range(N_BINS):
        within = place == n
        count, n_right = int(within.sum()), int(right[within].sum())
        mean = float(scores[within].mean()) if count else float("nan")
        bins.append(Bin(float(edges[n]), float(edges[n + 1]), count, mean, share(n_right, count)))
        if count:
            error += count / len(scores) * abs(n_right / count - mean)
    return Calibration(error, tuple(bins))
