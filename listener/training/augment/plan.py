"""What is in each window of a batch: everything that chance decides, before a sample is moved."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from listener.training.augment.bank import SoundBank
from listener.training.augment.cast import Cast
from listener.training.augment.codec import Losses, draw_losses
from listener.training.augment.colour import N_NOISES
from listener.training.augment.draws import Draws
from listener.training.augment.hearing import loudness_offset_db, lowest_hz
from listener.training.augment.placing import Placed, Placing
from listener.training.augment.speed import BLOCK
from listener.training.data.sounds import Sound
from listener.training.recipe import Recipe

NOISE_DB = (-90.0, -45.0)
"""Level of noise that is a negative: louder, it could be rain or wind, and nobody could tell."""

FAINT_NOISE_DB = (-95.0, -65.0)
"""Level of the noise of a microphone."""

SECOND_GAIN_DB = 10.0
"""A second event is so much louder or fainter than the first, at most."""

_UNCLIPPED_CHANCE = 0.9
_NEGATIVES = np.cumsum((0.6, 0.2, 0.12, 0.08))
_RECORDING, _BEEP, _NOISE, _SILENCE = range(4)


@dataclass(frozen=True, slots=True)
class Noise:
    """A piece of noise in each window; every field has shape (size,)."""

    colours: NDArray[np.int64]
    """-1: none."""
    firsts: NDArray[np.float64]
    """Where in all noise of that colour it begins, in [0, 1)."""
    gains: NDArray[np.float64]
    """Its RMS; where it is all that is heard, 1."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The windows of a batch; every field has one entry for each."""

    parts: tuple[Placed, Placed, Placed]
    """The sounds: what the window is of, what is there as well, the background."""
    gains: NDArray[np.float64]
    """Of each part, where 1 is the level of the first: shape (size, 3)."""
    noise: Noise
    """Noise in place of sounds."""
    levels: NDArray[np.float64]
    """RMS of the window; nan leaves it."""
    is_clipped: NDArray[np.bool_]
    """It may be so loud that its peaks are cut off."""
    faint_noise: Noise
    """Noise on top."""
    is_rounded: NDArray[np.bool_]
    """To 16 bits."""
    is_coded: NDArray[np.bool_]
    losses: Losses
    presence: NDArray[np.float32]
    """Of each label: 1, 0, a share or nan; shape (size, n_labels)."""


class Planner:
    """Plans windows; the device has nothing to do with it.

    Parameters
    ----------
    recipe
        What is wanted, and how likely.
    labels
        Those of the model.
    sounds
        Everything there is to draw from: events, backgrounds, beeps.
    bank
        The same ones.
    placing
        Lays them into windows.
    sample_rate
        Hz.
    """

    def __init__(
        self,
        recipe: Recipe,
        labels: Sequence[str],
        sounds: Sequence[Sound],
        bank: SoundBank,
        placing: Placing,
        sample_rate: int,
    ) -> None:
        self._recipe = recipe
        self._chances = recipe.augmentation
        self._cast = Cast(recipe, labels, sounds, sample_rate)
        self._placing = placing
        column = {label: number for number, label in enumerate(labels)}
        self._columns = np.array([column.get(sound.label, -1) for sound in sounds], np.int64)
        self._uncertain = np.zeros((len(sounds), len(labels)), bool)
        for number, sound in enumerate(sounds):
            for label in recipe.data.uncertain.get(sound.label, ()):
                self._uncertain[number, column[label]] = True
        is_mixed, is_coded = self._chances.mixup_chance > 0, self._chances.codec_chance > 0
        self._loudness_db = np.array(
            [loudness_offset_db(sound.samples, sample_rate) if is_mixed else 0.0 for sound in sounds]
        )
        self._lowest_hz = np.array(
            [lowest_hz(sound.samples, sample_rate) if is_coded else 0.0 for sound in sounds]
        )
        self._is_one_of_many = recipe.fit.loss == "softmax"

    def plan(self, step: int, first: int, size: int, total: int) -> Plan:
        """Plan some windows of a batch.

        Parameters
        ----------
        step
            Number of the batch.
        first
            Number of the first window.
        size
            How many.
        total
            Windows in the whole batch.
        """
        draws = Draws(self._recipe.seed, "scenes", step, first, size)
        numbers = step * total + np.arange(first, first + size)
        sounds, gains, shares, is_noise = self._chosen(draws, numbers)
        parts = (
            self._placing(draws, sounds[0]),
            self._placing(draws, sounds[1]),
            self._placing(draws, sounds[2]),
        )
        is_coded, losses = draws.chance(self._chances.codec_chance), draw_losses(draws)
        highest_hz = np.where(is_coded, losses.cutoff_hz, np.inf)
        return Plan(
            parts=parts,
            gains=gains,
            noise=Noise(np.where(is_noise, draws.below(N_NOISES), -1), draws.uniform(), np.ones(size)),
            levels=self._levels(draws, is_noise),
            is_clipped=~draws.chance(_UNCLIPPED_CHANCE),
            faint_noise=Noise(
                np.where(draws.chance(self._chances.noise_chance), draws.below(N_NOISES), -1),
                draws.uniform(),
                _gain(draws.uniform(*FAINT_NOISE_DB)),
            ),
            is_rounded=draws.chance(self._chances.noise_chance),
            is_coded=is_coded,
            losses=losses,
            presence=self._presence(parts, shares, highest_hz),
        )

    def _chosen(
        self, draws: Draws, numbers: NDArray[np.int64]
    ) -> tuple[list[NDArray[np.int64]], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Which sounds are in each window, how loud, and with what share of their labels."""
        chances, cast = self._chances, self._cast
        size = len(numbers)
        is_event = draws.chance(chances.event_chance) | self._is_one_of_many
        is_event &= cast.n_labels > 0
        first, second = cast.events(draws, numbers) if cast.n_labels else (np.full(size, -1),) * 2
        is_mixed = draws.chance(chances.mixup_chance) & (cast.n_labels > 1)
        has_second = draws.chance(0.0 if self._is_one_of_many else chances.second_event_chance)
        has_second = (has_second | is_mixed) & (cast.n_labels > 1) & is_event
        has_background = draws.chance(chances.background_chance)
        background, beep = cast.backgrounds(draws), cast.beeps(draws)
        kind = draws.one_of(_NEGATIVES)
        is_beep = ~is_event & (kind == _BEEP) & cast.has_beeps
        is_noise = ~is_event & (kind == _NOISE)
        if not cast.has_backgrounds:
            is_noise |= ~is_event & ~is_beep & (kind != _SILENCE)
        is_recording = ~is_event & ~is_beep & ~is_noise & (kind != _SILENCE)
        has_background = (is_event & has_background | is_beep) & cast.has_backgrounds
        sounds = [
            np.where(is_event, first, np.where(is_beep, beep, np.where(is_recording, background, -1))),
            np.where(has_second, second, -1),
            np.where(has_background, background, -1),
        ]
        share = np.where(is_mixed, draws.uniform(), np.nan)
        gains = np.ones((size, 3))
        gains[:, 1] = _gain(draws.uniform(-SECOND_GAIN_DB, SECOND_GAIN_DB))
        gains[:, 2] = _gain(-draws.uniform(*chances.snr_db))
        mixed = is_event & is_mixed
        gains[mixed, :2] = self._mixed(share[mixed], first[mixed], second[mixed])
        shares = np.where(mixed[:, None], np.stack((share, 1 - share), axis=1), 1.0)
        return sounds, gains, shares, is_noise

    def _mixed(
        self, share: NDArray[np.float64], first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Gains of two sounds that are to be heard in the ratio share to 1 - share, shape (n, 2).

        Tokozume, Ushiku and Harada, "Learning from between-class examples for deep sound recognition",
        2018, equation 2: the ratio is one of loudness, so levels are A-weighted; together they have
        the power of one.
        """
        louder_db = self._loudness_db[first] - self._loudness_db[second]
        odds = _gain(louder_db) * (1 - share) / np.maximum(share, 1e-9)
        part = 1 / (1 + odds)
        gains = np.stack((part, 1 - part), axis=1)
        return np.asarray(gains / np.sqrt(np.square(gains).sum(axis=1, keepdims=True)))

    def _levels(self, draws: Draws, is_noise: NDArray[np.bool_]) -> NDArray[np.float64]:
        at = draws.uniform()
        wanted = self._chances.level_db
        level_db = np.nan if wanted is None else wanted[0] + (wanted[1] - wanted[0]) * at
        noise_db = NOISE_DB[0] + (NOISE_DB[1] - NOISE_DB[0]) * at
        return _gain(np.where(is_noise, noise_db, level_db))

    def _presence(
        self,
        parts: tuple[Placed, Placed, Placed],
        shares: NDArray[np.float64],
        highest_hz: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        presence = np.zeros((len(shares), self._uncertain.shape[1]), np.float32)
        for part in parts:
            presence[self._uncertain[part.sounds] & (part.sounds >= 0)[:, None]] = np.nan
        for part, share in zip(parts, shares.T, strict=False):
            column = self._columns[part.sounds]
            said = part.presence * share
            # Of what lies above a coder's band next to nothing is left.
            is_cut = self._lowest_hz[part.sounds] * (1 + part.percent / BLOCK) > highest_hz
            # Where one sound has to be named, that there is none of it says nothing about what there is.
            is_unknown = np.where(part.presence == 0, self._is_one_of_many, is_cut)
            said = np.where(is_unknown, np.nan, said)
            told = (part.sounds >= 0) & (column >= 0) & ~(said == 0)
            presence[told, column[told]] = said[told]
        return presence


def _gain(level_db: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(10 ** (level_db / 20))
