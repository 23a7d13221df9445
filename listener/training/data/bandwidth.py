"""Up to which frequency a recording holds sound, whatever its sample rate promises."""

import numpy as np
from numpy.typing import NDArray

from listener.types import Samples

N_FFT = 2_048
"""Samples in a frame."""

BELOW_PEAK_DB = 70.0
"""Where the mean spectrum has fallen this far below its strongest band, there is no sound any more."""

MOST_SILENT = 0.05
"""Share of a frame: with more digital silence, sound that is cut off there would count as every frequency."""


class Bandwidth:
    """The mean power spectrum of what it is given, in frames that lie side by side.

    Parameters
    ----------
    silent_below
        Magnitude under which a sample is digital silence.
    """

    def __init__(self, silent_below: float) -> None:
        self._silent_below = silent_below
        self._window = np.hanning(N_FFT).astype(np.float32)
        self._rest: Samples = np.zeros(0, np.float32)
        self._power = np.zeros(N_FFT // 2 + 1)
        self._power_with_silence = np.zeros(N_FFT // 2 + 1)

    def add(self, mono: Samples) -> None:
        """Take the next samples."""
        mono = np.concatenate((self._rest, mono))
        n_whole = len(mono) - len(mono) % N_FFT
        self._rest = mono[n_whole:]
        self._add_frames(mono[:n_whole].reshape(-1, N_FFT), self._window)

    def highest_hz(self, sample_rate: int) -> float:
        """Give the highest frequency that is less than `BELOW_PEAK_DB` below the strongest; 0 of silence."""
        if not self._power.any() and len(self._rest):  # it is shorter than a frame: its window is, too
            frame = np.zeros((1, N_FFT), np.float32)
            frame[0, : len(self._rest)] = self._rest * np.hanning(len(self._rest))
            self._power_with_silence += _powers(frame)
        power = self._power if self._power.any() else self._power_with_silence
        if not power.any():
            return 0.0
        floor = power.max() * 10 ** (-BELOW_PEAK_DB / 10)
        return float(np.flatnonzero(power >= floor)[-1] * sample_rate / N_FFT)

    def _add_frames(self, frames: Samples, window: Samples) -> None:
        sounds = np.mean(np.abs(frames) < self._silent_below, axis=1) <= MOST_SILENT
        self._power += _powers(frames[sounds] * window)
        self._power_with_silence += _powers(frames[~sounds] * window)


def _powers(frames: Samples) -> NDArray[np.float64]:
    """Sum of the power spectra of frames, shape (N_FFT / 2 + 1,)."""
    spectra = np.fft.rfft(frames, axis=1)
    total: NDArray[np.float64] = (np.square(spectra.real) + np.square(spectra.imag)).sum(axis=0)
    return total
