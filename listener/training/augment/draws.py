"""Random numbers that depend on where they are used, not on what was drawn before."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_COLUMNS = 64
_WORDS_IN_BLOCK = 4
"""Philox makes its numbers four at a time, and can go to any block at once."""


class Draws:
    """Random numbers of some windows of a step, one of each kind for every window.

    What a window gets is a function of the seed, what for, the step, and its number: however many
    windows are drawn together, on however many machines (a counter-based generator: Salmon et al.,
    "Parallel random numbers: as easy as 1, 2, 3", 2011). Every call takes the next column, so the
    calls have to be the same ones for every window.

    Parameters
    ----------
    seed
        Of the training.
    purpose
        Different ones get different numbers.
    step
        Number of the batch.
    first
        Number of the first window.
    size
        How many windows.
    """

    def __init__(self, seed: int, purpose: str, step: int, first: int, size: int) -> None:
        entropy = (seed % (1 << 64), step, *purpose.encode())
        key = np.random.SeedSequence(entropy).generate_state(2, np.uint64)
        bits = np.random.Philox(key=key).advance(first * _COLUMNS // _WORDS_IN_BLOCK)
        # Column by column, as they are used; each in one piece.
        self._columns = np.ascontiguousarray(np.random.Generator(bits).random((size, _COLUMNS)).T)
        self._taken = 0

    def uniform(self, low: ArrayLike = 0.0, high: ArrayLike = 1.0) -> NDArray[np.float64]:
        """Draw from [low, high), shape (size,)."""
        column = self._columns[self._taken]
        self._taken += 1
        return np.asarray(low + (np.asarray(high) - low) * column)

    def log_uniform(self, low: float, high: float) -> NDArray[np.float64]:
        """Draw from [low, high), evenly on a logarithmic scale."""
        return np.exp(self.uniform(np.log(low), np.log(high)))

    def chance(self, probability: float) -> NDArray[np.bool_]:
        """Draw true with this probability: never where it is 0, always where it is 1."""
        return self.uniform() < probability

    def below(self, n: ArrayLike) -> NDArray[np.int64]:
        """Draw whole numbers from 0 to n - 1; 0 where ``n`` is 0."""
        return np.floor(self.uniform(0, n)).astype(np.int64)

    def one_of(self, cumulative: NDArray[np.float64]) -> NDArray[np.int64]:
        """Draw indices by weight.

        Parameters
        ----------
        cumulative
            Sums of the weights, shape (n,); the last is that of all.
        """
        return pick(cumulative, self.uniform(0, cumulative[-1]))


def pick(cumulative: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.int64]:
    """Give the index into whose share each value falls."""
    return np.minimum(np.searchsorted(cumulative, at, side="right"), len(cumulative) - 1)
