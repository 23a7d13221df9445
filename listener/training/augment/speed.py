"""Playing sounds faster or slower, many rows at once."""

import numpy as np
import torch
from torch import Tensor

from listener.training.augment.bank import overlapping

BLOCK = 100
"""Speeds come in steps of one per cent: so many samples out are a whole number of samples in."""

_HALF = 16
_CUTOFF = 0.93
_KAISER_BETA = 7.0


class SpeedChange:
    """Resamples rows, each at a speed of its own: pitch and tempo change together, as with a tape.

    A hundred samples out are a linear function of some hundred samples in, the same for every
    hundred: so a row is cut into overlapping pieces, and all pieces of all rows are multiplied with
    the matrices of their speeds. A matrix holds a windowed sinc (Kaiser, 32 taps) that lets pass
    what both rates can hold, up to 0.93 of their Nyquist frequency: nothing folds back.

    Parameters
    ----------
    most
        Largest change, in per cent, below 100.
    n_samples
        Length of a row that comes out.
    device
        Where the rows are.
    """

    def __init__(self, most: int, n_samples: int, device: torch.device) -> None:
        self._most = most
        self._n_samples = n_samples
        self._n_blocks = -(-n_samples // BLOCK)
        self._width = BLOCK + most + 2 * _HALF
        self.before = _HALF - 1
        """So many samples before the first one are needed."""
        self.n_needed = (self._n_blocks - 1) * (BLOCK + most) + self._width
        """Length of a row that goes in."""
        matrices = np.stack([self._matrix(percent) for percent in range(-most, most + 1)])
        self._matrices = torch.from_numpy(matrices).to(device)

    def __call__(self, rows: Tensor, percent: Tensor) -> Tensor:
        """Resample.

        Parameters
        ----------
        rows
            Shape (n, ``n_needed``), contiguous; they begin ``before`` samples early.
        percent
            How much faster each is, shape (n,), whole numbers.

        Returns
        -------
        Tensor
            Shape (n, n_samples).
        """
        n_rows = len(rows)
        row = torch.arange(n_rows, device=rows.device)[:, None] * rows.shape[1]
        block = torch.arange(self._n_blocks, device=rows.device)
        firsts = row + block * (BLOCK + percent[:, None])
        pieces = overlapping(rows.view(-1), self._width).index_select(0, firsts.view(-1))
        matrices = self._matrices.index_select(0, percent + self._most)
        played = torch.bmm(pieces.view(n_rows, self._n_blocks, self._width), matrices)
        return played.view(n_rows, -1)[:, : self._n_samples]

    def _matrix(self, percent: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """Weights of each sample in for each sample out, shape (width, `BLOCK`)."""
        speed = 1 + percent / 100
        behind = np.arange(self._width)[:, None] - self.before - np.arange(BLOCK) * speed
        cutoff = _CUTOFF / max(1.0, speed)
        window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(0, 1 - (behind / _HALF) ** 2)))
        weights = np.where(np.abs(behind) < _HALF, np.sinc(cutoff * behind) * window, 0.0)
        return np.asarray(weights / weights.sum(axis=0), np.float32)
