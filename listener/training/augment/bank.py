"""All sounds of a training in one tensor, so that a batch is drawn by a few gathers."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from listener.training.data.sounds import BLOCK_SAMPLES, Sound

Positions = NDArray[np.float64]


class SoundBank:
    """Sounds on a device, one behind the other, and what is known of each.

    Parameters
    ----------
    sounds
        In any order; they are known by their place in it.
    longest
        Most samples that `rows` will be asked for.
    device
        Where the samples lie; what is known of them stays with the processor.
    """

    def __init__(self, sounds: Sequence[Sound], longest: int, device: torch.device) -> None:
        self.longest = longest
        self.lengths = np.array([len(sound.samples) for sound in sounds], np.int64)
        """Samples of each sound, shape (n_sounds,)."""
        # A row may begin before the first sound, and end behind the last.
        self._firsts = longest + np.concatenate(([0], np.cumsum(self.lengths)))[:-1]
        flat = np.zeros(2 * longest + int(self.lengths.sum()), np.int16)
        for first, sound in zip(self._firsts, sounds, strict=True):
            flat[first : first + len(sound.samples)] = sound.samples
        self._flat = torch.from_numpy(flat).to(device)
        self._sounding = _Blocks([np.diff(sound.sounding) for sound in sounds])
        self._not_zero = _Blocks([_not_zero(sound.samples) for sound in sounds])

    def sounding_samples(self, sounds: NDArray[np.int64], first: Positions, last: Positions) -> Positions:
        """Length of what sounds between two positions in each sound; a position past its end is its end."""
        begin, end = (self._sounding.before(sounds, np.round(at / BLOCK_SAMPLES)) for at in (first, last))
        return np.asarray((end - begin) * float(BLOCK_SAMPLES))

    def is_silent(self, sounds: NDArray[np.int64], first: Positions, last: Positions) -> NDArray[np.bool_]:
        """Say whether there are only digital zeros between two positions, whole blocks looked at."""
        begin = self._not_zero.before(sounds, np.floor(first / BLOCK_SAMPLES))
        end = self._not_zero.before(sounds, np.ceil(last / BLOCK_SAMPLES))
        return np.asarray((end <= begin) | (last <= first))

    def rows(
        self, sounds: NDArray[np.int64], origins: NDArray[np.int64], n_samples: int, repeat: bool
    ) -> Tensor:
        """Cut a row out of each sound.

        Parameters
        ----------
        sounds
            Which, shape (n,).
        origins
            Where each row begins in its sound, shape (n,); may be before it.
        n_samples
            Length of the rows.
        repeat
            What lies outside of a sound: the sound again, or zeros.

        Returns
        -------
        Tensor
            Float32, in units of 16-bit samples, shape (n, n_samples).
        """
        device = self._flat.device
        if repeat:
            offset = torch.arange(n_samples, device=device)
            firsts, lengths, begins = (
                on_device(values, device)[:, None]
                for values in (self._firsts[sounds], self.lengths[sounds], origins)
            )
            return self._flat[firsts + torch.remainder(begins + offset, lengths)].float()
        firsts = on_device(self._firsts[sounds] + origins, device)
        rows = overlapping(self._flat, n_samples).index_select(0, firsts).float()
        begin, end = (
            np.clip(edge, 0, n_samples) / 1.0 for edge in (-origins, self.lengths[sounds] - origins)
        )
        return rows.mul_(_gate(begin, end, n_samples, device))


def _gate(
    begin: NDArray[np.float64], end: NDArray[np.float64], n_samples: int, device: torch.device
) -> Tensor:
    """1 from ``begin`` to before ``end``, else 0: shape (n, n_samples).

    How far inside each sample is, cut to [0, 1]: in floats, which is several times as fast as in truths.
    """
    middle, half = (
        on_device(values.astype(np.float32), device)[:, None]
        for values in ((begin + end - 1) / 2, (end - begin + 1) / 2)
    )
    from_middle = (torch.arange(n_samples, device=device, dtype=torch.float32) - middle).abs_()
    return from_middle.neg_().add_(half).clamp_(0, 1)


class _Blocks:
    """How many blocks of a kind lie before any block of any sound."""

    def __init__(self, blocks: Sequence[NDArray[np.generic]]) -> None:
        counts = np.array([len(some) for some in blocks], np.int64)
        self._lasts = counts
        self._firsts = np.concatenate(([0], np.cumsum(counts)))[:-1]
        self._before = np.concatenate(([0], np.cumsum(np.concatenate([np.zeros(0), *blocks])))).astype(
            np.int64
        )

    def before(self, sounds: NDArray[np.int64], block: Positions) -> NDArray[np.int64]:
        """Count from the beginning of all sounds, so that only differences within a sound mean anything."""
        at = np.clip(block, 0, self._lasts[sounds]).astype(np.int64)
        return np.asarray(self._before[self._firsts[sounds] + at])


def overlapping(flat: Tensor, n_samples: int) -> Tensor:
    """Every row of ``n_samples`` values that follow each other in a vector; nothing is copied."""
    return flat.as_strided((len(flat) - n_samples + 1, n_samples), (1, 1))


def on_device(values: NDArray[np.generic], device: torch.device) -> Tensor:
    """Bring an array to a device, without waiting for what the device is busy with."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _not_zero(samples: NDArray[np.int16]) -> NDArray[np.bool_]:
    n_blocks = -(-len(samples) // BLOCK_SAMPLES)
    padded = np.zeros(n_blocks * BLOCK_SAMPLES, bool)
    padded[: len(samples)] = samples != 0
    return np.asarray(padded.reshape(n_blocks, BLOCK_SAMPLES).any(axis=1))
