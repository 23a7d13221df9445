"""Rooms, loudspeakers and microphones, and the noise of the latter: made once, then drawn from."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from listener import synthesis
from listener.training.augment.bank import on_device, overlapping

N_NOISES = 7
"""Colours of noise, from white to brown."""

_ROOM_S = 0.75

_AT_ONCE_ON_CPU = 4
"""Always so many transforms together: how MKL rounds depends on that number, and a window must not."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is to draw from."""

    rooms: int = 200
    bands: int = 400
    noise_samples: int = 1 << 19
    """Of each colour; at least two windows are made."""


SIZES = Sizes()


class Colours:
    """What changes a sound on its way, on a device.

    Parameters
    ----------
    seed
        Decides what is made.
    sample_rate
        Hz.
    n_samples
        Length of a window.
    device
        Where the windows are.
    sizes
        How many of each.
    """

    def __init__(
        self, seed: int, sample_rate: int, n_samples: int, device: torch.device, sizes: Sizes
    ) -> None:
        self._n_samples = n_samples
        self._n_noise = max(sizes.noise_samples, 2 * n_samples)
        n_room = round(_ROOM_S * sample_rate)
        # A length whose only factors are 2, 3 and 5 is fast everywhere.
        self._n_fft = int(scipy.fft.next_fast_len(n_samples + n_room, real=True))
        made = _made(seed % (1 << 64), sample_rate, self._n_fft, n_room, self._n_noise, sizes)
        self._rooms, self._bands, self._noises = (torch.from_numpy(some).to(device) for some in made)

    def send_through(self, rows: Tensor, rooms: NDArray[np.int64], bands: NDArray[np.int64]) -> None:
        """Pass each row, shape (n, n_samples), through a room and a band, in place; -1 is none."""
        at_once = _AT_ONCE_ON_CPU if rows.device.type == "cpu" else len(rows)
        for begin in range(0, len(rows), at_once):
            end = begin + at_once
            some = rows[begin:end]
            padded = functional.pad(some, [0, 0, 0, at_once - len(some)])
            spectrum = torch.fft.rfft(padded, self._n_fft)
            _multiply(spectrum, self._rooms, rooms[begin:end])
            _multiply(spectrum, self._bands, bands[begin:end])
            some.copy_(torch.fft.irfft(spectrum, self._n_fft)[: len(some), : self._n_samples])

    def noise(self, colours: NDArray[np.int64], firsts: NDArray[np.float64]) -> Tensor:
        """Cut out noise of RMS 1.

        Parameters
        ----------
        colours
            Of each row, below `N_NOISES`.
        firsts
            Where each begins, as a share of where it could.
        """
        last = self._n_noise - self._n_samples
        at = colours * self._n_noise + np.floor(firsts * last).astype(np.int64)
        every = overlapping(self._noises, self._n_samples)
        rows: Tensor = every.index_select(0, on_device(at, self._noises.device))
        return rows


def _multiply(spectrum: Tensor, bank: Tensor, wanted: NDArray[np.int64]) -> None:
    """Multiply those rows of a spectrum with a response of the bank that want one."""
    (some,) = np.nonzero(wanted >= 0)
    if spectrum.device.type == "cpu":
        # Row by row: what is left over at the end of a vectorised product is rounded otherwise.
        for row in some.tolist():
            spectrum[row] *= bank[wanted[row]]
    elif len(some):
        at = on_device(some, spectrum.device)
        responses = bank.index_select(0, on_device(wanted[some], spectrum.device))
        spectrum.index_copy_(0, at, spectrum.index_select(0, at) * responses)


@lru_cache(maxsize=1)
def _made(
    seed: int, sample_rate: int, n_fft: int, n_room: int, n_noise: int, sizes: Sizes
) -> tuple[NDArray[np.complex64], NDArray[np.float32], NDArray[np.float32]]:
    """Make everything; kept, as the networks of a cross-validation share it, and it takes seconds."""
    rooms = [_room(_rng(seed, "room", n), sample_rate, n_fft, n_room) for n in range(sizes.rooms)]
    bands = [_band(_rng(seed, "band", n), sample_rate, n_fft) for n in range(sizes.bands)]
    noises = [_noise(_rng(seed, "noise", n), n_noise, 2 * n / (N_NOISES - 1)) for n in range(N_NOISES)]
    return np.stack(rooms), np.stack(bands), np.concatenate(noises)


def _rng(seed: int, what: str, number: int) -> np.random.Generator:
    return np.random.default_rng((seed, number, *what.encode()))


def _room(rng: np.random.Generator, sample_rate: int, n_fft: int, n_room: int) -> NDArray[np.complex64]:
    click = np.zeros(n_room, np.float32)
    click[0] = 1.0
    return np.asarray(scipy.fft.rfft(synthesis.room(rng, click, sample_rate), n_fft), np.complex64)


def _band(rng: np.random.Generator, sample_rate: int, n_fft: int) -> NDArray[np.float32]:
    """What a loudspeaker, a wall or a bad microphone leaves of the spectrum: two slopes and a tilt."""
    frequency_hz = np.maximum(scipy.fft.rfftfreq(n_fft, 1 / sample_rate), 1.0)
    low_hz, high_hz = np.exp(rng.uniform(np.log((20, 2_500)), np.log((500, 10_000))))
    response = 1 / np.sqrt(1 + (frequency_hz / high_hz) ** (2 * rng.integers(1, 5)))
    response /= np.sqrt(1 + (low_hz / frequency_hz) ** (2 * rng.integers(1, 3)))
    return np.asarray(response * (frequency_hz / 1_000) ** rng.uniform(-0.4, 0.4), np.float32)


def _noise(rng: np.random.Generator, n_samples: int, exponent: float) -> NDArray[np.float32]:
    noise = synthesis.coloured_noise(rng, n_samples, exponent)
    return np.asarray(noise / np.sqrt(np.mean(np.square(noise))), np.float32)
