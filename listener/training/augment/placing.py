"""Where in a window a sound lies, at which speed, and whether it can be heard there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from listener.training.augment.bank import SoundBank
from listener.training.augment.draws import Draws
from listener.training.augment.speed import BLOCK
from listener.training.recipe import Augmentation

AUDIBLE_S = 0.35
"""An event counts as present if it sounds for this long within the window..."""

AUDIBLE_PART = 0.6
"""... or for this part of all its sound, where that is shorter."""

_OWN_SPEED_CHANCE = 0.7


@dataclass(frozen=True, slots=True)
class Placed:
    """One sound in each window; every field has shape (size,)."""

    sounds: NDArray[np.int64]
    """Which; -1 where there is none."""
    origins: NDArray[np.int64]
    """Position in the sound of the window's first sample; below 0 where the window begins earlier."""
    percent: NDArray[np.int64]
    """How much faster it is played."""
    rooms: NDArray[np.int64]
    """-1: none."""
    bands: NDArray[np.int64]
    """-1: none."""
    sounding: NDArray[np.float64]
    """Samples of the window in which it sounds."""
    presence: NDArray[np.float64]
    """1: it can be heard; 0: it cannot; nan: hardly."""


class Placing:
    """Lays sounds into windows: at some time, at some speed, in some room.

    A sound lies in the window as a stream would bring it: it may have begun before, or end after; in
    every second window there is as much of it as there is room for. Without ``shift`` the window is
    filled from any point of the sound on that leaves enough; a sound that is shorter is repeated.

    Parameters
    ----------
    chances
        How likely everything is.
    bank
        The sounds.
    sample_rate
        Hz.
    n_samples
        Length of a window.
    n_rooms
        How many there are to draw from.
    n_bands
        How many there are to draw from.
    """

    def __init__(
        self,
        chances: Augmentation,
        bank: SoundBank,
        sample_rate: int,
        n_samples: int,
        n_rooms: int,
        n_bands: int,
    ) -> None:
        self._chances = chances
        self._bank = bank
        self._audible = AUDIBLE_S * sample_rate
        self._n_samples = n_samples
        self._n_rooms = n_rooms
        self._n_bands = n_bands
        self.most_percent = round(BLOCK * chances.speed)
        """Largest change of speed."""

    def __call__(self, draws: Draws, sounds: NDArray[np.int64]) -> Placed:
        """Place one sound in each window; eight columns are taken."""
        percent = np.round(draws.uniform(-1, 1) * BLOCK * self._chances.speed).astype(np.int64)
        percent = np.where(draws.chance(_OWN_SPEED_CHANCE), percent, 0)
        speed = 1 + percent / BLOCK
        whole = draws.chance(self._chances.whole_chance)
        at = draws.uniform()
        starts = self._starts(self._bank.lengths[sounds] / speed, whole, at)
        origins = np.round(-starts * speed).astype(np.int64)
        sounding, presence = self._heard(sounds, origins, speed)
        rooms = np.where(draws.chance(self._chances.room_chance), draws.below(self._n_rooms), -1)
        bands = np.where(draws.chance(self._chances.filter_chance), draws.below(self._n_bands), -1)
        return Placed(sounds, origins, percent, rooms, bands, sounding, presence)

    def _starts(
        self, lengths: NDArray[np.float64], whole: NDArray[np.bool_], at: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Where in the window each begins; ``at`` says how far between the earliest and the latest."""
        room = self._n_samples - lengths
        if not self._chances.shift:
            # Of a sound that fills the window, any piece; else it begins anywhere, and goes round.
            return np.asarray(np.where(room > 0, -lengths, room) * at)
        shortest = np.minimum(lengths, self._audible)
        earliest = np.where(whole, np.minimum(0, room), shortest - lengths)
        latest = np.where(whole, np.maximum(0, room), self._n_samples - shortest)
        return np.asarray(earliest + (latest - earliest) * at)

    def _heard(
        self, sounds: NDArray[np.int64], origins: NDArray[np.int64], speed: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """For how many samples of the window each sounds, and what that means."""
        ends = origins + self._n_samples * speed
        lengths = self._bank.lengths[sounds].astype(float)
        if self._chances.shift:
            sounding = self._bank.sounding_samples(sounds, np.maximum(origins, 0), ends)
            silent = self._bank.is_silent(sounds, np.maximum(origins, 0), np.minimum(ends, lengths))
        else:
            sounding = self._since_start(sounds, ends) - self._since_start(sounds, origins.astype(float))
            silent = sounding <= 0
        whole = self._since_start(sounds, lengths)
        needed = np.minimum(self._audible * speed, AUDIBLE_PART * whole)
        presence = np.where((sounding >= needed) & (whole > 0), 1.0, np.where(silent, 0.0, np.nan))
        return sounding / speed, presence

    def _since_start(self, sounds: NDArray[np.int64], position: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much has sounded since a sound began, which begins again whenever it is over."""
        lengths = self._bank.lengths[sounds].astype(float)
        zero = np.zeros_like(lengths)
        rounds, rest = np.divmod(position, lengths)
        whole = self._bank.sounding_samples(sounds, zero, lengths)
        return np.asarray(rounds * whole + self._bank.sounding_samples(sounds, zero, rest))
