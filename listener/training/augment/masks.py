"""Covered bands and times of a spectrogram."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from listener.training.augment.bank import on_device
from listener.training.augment.draws import Draws
from listener.training.recipe import Augmentation

_MASKS = 2


class Masks:
    """Covers bands and frames, each twice by chance (Park et al., "SpecAugment", 2019).

    What is covered gets the mean of its spectrogram. Which bands and frames is a function of the
    seed, the step and the number of the window.

    Parameters
    ----------
    augmentation
        How likely, how many bands and how many frames.
    seed
        Of the training.
    """

    def __init__(self, augmentation: Augmentation, seed: int) -> None:
        self._augmentation = augmentation
        self._seed = seed

    def __call__(self, log_mel: Tensor, step: int, first: int = 0) -> Tensor:
        """Cover some of it.

        Parameters
        ----------
        log_mel
            Shape (n, n_mels, n_frames); left as it is.
        step
            Number of the batch.
        first
            Number of the first window in the batch.

        Returns
        -------
        Tensor
            Of the same shape, on the same device.
        """
        chances = self._augmentation
        if chances.mask_chance == 0:
            return log_mel
        size, n_mels, n_frames = log_mel.shape
        draws = Draws(self._seed, "masks", step, first, size)
        bands = _covered(draws, chances.mask_chance, chances.masked_bands, n_mels)
        frames = _covered(draws, chances.mask_chance, chances.masked_frames, n_frames)
        covered = on_device(bands, log_mel.device)[:, :, None] | on_device(frames, log_mel.device)[:, None]
        return torch.where(covered, log_mel.mean(dim=(1, 2), keepdim=True), log_mel)


def _covered(draws: Draws, chance: float, widest: int, length: int) -> NDArray[np.bool_]:
    """Which of ``length`` places are covered in each window, shape (size, length)."""
    place = np.arange(length)
    covered: NDArray[np.bool_] | bool = False
    for _ in range(_MASKS):
        width = draws.below(min(widest, length) + 1) * draws.chance(chance)
        begin = draws.below(length - width + 1)
        covered = covered | ((place >= begin[:, None]) & (place < (begin + width)[:, None]))
    return np.asarray(covered)
