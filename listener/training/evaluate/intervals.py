"""How far a figure is to be trusted: 95 % intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Share of such intervals that hold the true figure."""

RESAMPLES = 1_000
"""Times that the data are drawn anew, for a bootstrap."""

Z = 1.959964
"""Quantile of the normal distribution that belongs to `LEVEL`."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure."""

    value: float
    """nan where there was nothing to measure."""

    low: float
    """Lower end of its 95 % interval; nan where nothing can be said of it."""

    high: float
    """Upper end."""

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "-"
        if np.isnan(self.low):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


def resampled(groups: Sequence[str], seed: int, n_resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """Draw groups with replacement, as many as there are (Efron, 1979).

    What shares a group is drawn together: two pieces of one recording are not two recordings.

    Parameters
    ----------
    groups
        Group of each item.
    seed
        Decides what is drawn.
    n_resamples
        How often.

    Returns
    -------
    ndarray
        How often each item counts, shape (1 + n_resamples, n_items); in the first row, once.
    """
    names, members = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_resamples)
    return np.concatenate([np.ones((1, len(groups))), drawn[:, members].astype(np.float64)])


def figure(values: NDArray[np.float64]) -> Figure:
    """Make a figure of its values under `resampled` weights: the first is the figure itself."""
    value = float(values[0])
    known = values[1:][~np.isnan(values[1:])]
    if np.isnan(value) or not len(known):
        return Figure(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if low == high:  # what never varies says nothing of what was not drawn
        return Figure(value, float("nan"), float("nan"))
    return Figure(value, float(low), float(high))


def wider(figure: Figure, other: Figure) -> Figure:
    """Give a figure the wider of its interval and another's."""
    return Figure(
        figure.value, float(np.fmin(figure.low, other.low)), float(np.fmax(figure.high, other.high))
    )


def share(successes: int, trials: int) -> Figure:
    """Give a share with Wilson's interval (1927)."""
    if trials == 0:
        return Figure(float("nan"), 0.0, 1.0)
    part = successes / trials
    spread = Z * np.sqrt(part * (1 - part) / trials + Z**2 / (4 * trials**2))
    middle, scale = part + Z**2 / (2 * trials), 1 + Z**2 / trials
    low = 0.0 if successes == 0 else float((middle - spread) / scale)
    high = 1.0 if successes == trials else float((middle + spread) / scale)
    return Figure(part, low, high)


def rate(events: int, hours: float) -> Figure:
    """Give events an hour, with the exact interval for a Poisson process (Garwood, 1936).

    Of no event in T hours the upper end is 3.7 / T.
    """
    from scipy.stats import chi2

    if hours <= 0:
        return Figure(float("nan"), 0.0, float("inf"))
    tail = (1 - LEVEL) / 2
    low = 0.0 if events == 0 else float(chi2.ppf(tail, 2 * events)) / 2 / hours
    return Figure(events / hours, low, float(chi2.ppf(1 - tail, 2 * events + 2)) / 2 / hours)


def rate_bound(events: int, hours: float) -> float:
    """Give the rate an hour that so few events rule out, with 95 % certainty.

    Of none in T hours it is 3 / T: the rule of three.
    """
    from scipy.stats import chi2

    return float(chi2.ppf(LEVEL, 2 * events + 2)) / 2 / hours if hours > 0 else float("inf")
