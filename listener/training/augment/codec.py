"""What a lossy coder leaves of a sound: an imitation of its losses, not of any bit stream."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from listener.training.augment.bank import on_device
from listener.training.augment.draws import Draws

_FRAME_S = 0.02
_BARK_HZ = (
    *(100, 200, 300, 400, 510, 630, 770, 920, 1_080, 1_270, 1_480, 1_720, 2_000, 2_320, 2_700, 3_150),
    *(3_700, 4_400, 5_300, 6_400, 7_700, 9_500, 12_000, 15_500),
)
"""Upper edges of the critical bands (Zwicker, "Subdivision of the audible frequency range", 1961)."""

_MU = 255.0
_ROUND_UP_FROM = 0.6
"""A coefficient is rounded up from here on, as MP3 and AAC do: what is faint becomes nothing."""

_NO_LOSS_DB = 120.0


@dataclass(frozen=True, slots=True)
class Losses:
    """What is lost in each window; every field has shape (size,)."""

    cutoff_hz: NDArray[np.float64]
    """Nothing above is left."""
    accuracy_db: NDArray[np.float64]
    """Of a band: its power above that of the steps that it is rounded to."""
    masked_db: NDArray[np.float64]
    """A band that is so far below the loudest one of its frame is left out."""
    levels: NDArray[np.float64]
    """Of a sample, on either side of zero, after mu-law companding; 0: it is not companded."""

    def of(self, windows: NDArray[np.int64]) -> "Losses":
        """Those of some windows."""
        fields = (self.cutoff_hz, self.accuracy_db, self.masked_db, self.levels)
        return Losses(*(field[windows] for field in fields))


def draw_losses(draws: Draws) -> Losses:
    """Draw a coder for each window.

    Six of ten are transform coders at a low rate (MP3, AAC, Opus for music): bands are rounded to
    0 to 18 dB, masked ones left out, and nothing is left above 3 to 12 kHz. The others keep 6 to 8
    companded bits of each sample (G.711 and worse); every second of these is a telephone, 3.4 kHz.
    """
    transform = draws.chance(0.6)
    telephone = draws.chance(0.5)
    cutoff_hz = draws.log_uniform(3_000, 12_000)
    accuracy_db, masked_db = draws.uniform(0, 18), draws.uniform(25, 60)
    levels = 2.0 ** (draws.below(3) + 5) - 1
    return Losses(
        np.where(transform, cutoff_hz, np.where(telephone, 3_400.0, np.inf)),
        np.where(transform, accuracy_db, _NO_LOSS_DB),
        np.where(transform, masked_db, 2 * _NO_LOSS_DB),
        np.where(transform, 0.0, levels),
    )


class Codec:
    """Takes from windows what coders take: (n, n_samples) in [-1, 1] to the same.

    A window goes through a lapped transform with frames of 20 ms (the modified discrete cosine
    transform: Princen, Johnson and Bradley, 1987; 20 ms as in G.722.1 and CELT). In each frame each
    critical band is rounded in steps that follow its own power, and the faintest are left out: what
    makes coded sound gurgle. Then samples may be companded by mu-law and rounded to few levels.

    Parameters
    ----------
    sample_rate
        Hz.
    device
        Where the windows are.
    """

    def __init__(self, sample_rate: int, device: torch.device) -> None:
        self._device = device
        self._hop = max(8, round(_FRAME_S * sample_rate))
        time, band = np.arange(2 * self._hop)[:, None], np.arange(self._hop)
        cosine = np.cos(np.pi / self._hop * (time + 0.5 + self._hop / 2) * (band + 0.5))
        window = np.sin(np.pi * (time + 0.5) / (2 * self._hop))
        self._transform = self._constant(math.sqrt(2 / self._hop) * window * cosine)
        frequency_hz = (band + 0.5) * sample_rate / (2 * self._hop)
        self._frequency_hz = self._constant(frequency_hz)
        of_bin = np.searchsorted(_BARK_HZ, frequency_hz)
        self._band_of_bin = torch.from_numpy(of_bin).to(device)
        belongs = (of_bin[:, None] == np.arange(of_bin.max() + 1)).astype(float)
        # A narrow band of a low rate may hold no bin.
        self._mean_of_band = self._constant(belongs / np.maximum(belongs.sum(axis=0), 1))

    def __call__(self, windows: Tensor, losses: Losses) -> Tensor:
        """Code and decode; ``losses`` has as many windows."""
        decoded = self._coded_bands(windows, losses)
        (some,) = np.nonzero(losses.levels)
        if len(some):
            at = on_device(some, self._device)
            levels = self._constant(losses.levels[some])[:, None]
            decoded.index_copy_(0, at, _companded(decoded.index_select(0, at), levels))
        return decoded

    def _coded_bands(self, windows: Tensor, losses: Losses) -> Tensor:
        n_samples = windows.shape[1]
        n_frames = -(-n_samples // self._hop) + 1
        padded = functional.pad(windows, [self._hop, n_frames * self._hop - n_samples])
        frames = padded.unfold(1, 2 * self._hop, self._hop) @ self._transform
        halves = (self._rounded(frames, losses) @ self._transform.T).view(
            len(windows), n_frames, 2, self._hop
        )
        # What one frame adds in its first half cancels what the one before made up in its second.
        whole = halves[:, 1:, 0] + halves[:, :-1, 1]
        return whole.reshape(len(windows), -1)[:, :n_samples]

    def _rounded(self, coefficients: Tensor, losses: Losses) -> Tensor:
        """Round each band of each frame, (n, n_frames, n_bins) to the same."""
        cutoff_hz, step_db, masked_db = (
            self._constant(values)[:, None, None]
            for values in (losses.cutoff_hz, 10 * np.log10(12) - losses.accuracy_db, losses.masked_db)
        )
        power = coefficients.square() @ self._mean_of_band
        is_heard = power > power.amax(dim=2, keepdim=True) * 10 ** (-masked_db / 10)
        step = (power * is_heard * 10 ** (step_db / 10)).sqrt().index_select(2, self._band_of_bin)
        step = step * (self._frequency_hz < cutoff_hz)
        steps = (coefficients.abs() / step.clamp(min=1e-30) + (1 - _ROUND_UP_FROM)).floor()
        return coefficients.sign() * steps * step

    def _constant(self, values: NDArray[np.float64]) -> Tensor:
        return on_device(np.asarray(values, np.float32), self._device)


def _companded(samples: Tensor, levels: Tensor) -> Tensor:
    compressed = (samples.abs() * _MU).log1p() / math.log1p(_MU)
    rounded = (compressed * levels).round() / levels
    return samples.sign() * (rounded * math.log1p(_MU)).expm1() / _MU
