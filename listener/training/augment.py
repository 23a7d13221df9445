"""Windows to train on, no two alike, made out of whole recordings.

A window is drawn as a stream would bring it: a sound that begins and ends at any time,
at any speed, through some room and some microphone, perhaps with a second one, over
some background, at any level. Of each label it says whether it is in there (1), is not
(0), or cannot be judged (nan): too little of it can be heard, or nobody knows.

Every window is a function of the seed and its number alone, whoever draws it and when:
a training that was interrupted goes on with the very windows that it would have met.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
import soxr
from numpy.typing import NDArray

from listener import synthesis
from listener.features import LogMel
from listener.training.recipe import Recipe
from listener.training.data.sounds import BEEP, Sound, by_label
from listener.types import FeatureParameters, Samples

AUDIBLE_S = 0.35
"""An event counts as present if it sounds for this long within the window..."""

AUDIBLE_PART = 0.6
"""... or for this part of all its sound, where that is shorter."""

DRAWN_S = (2.5, 10.0)
"""A recording is drawn in proportion to its length, which for this counts as within these bounds."""

NOISE_DB = (-90.0, -45.0)
"""Level of noise that is a negative: louder, it could be rain or wind, and nobody could tell."""

_ROOMS = 200
_ROOM_SAMPLES = 12_000
_BANDS = 400
_NOISES = 7
_NOISE_SAMPLES = 1 << 19
_SECOND_GAIN_DB = 10.0
_NEGATIVE_KINDS = ("recording", "beep", "noise", "silence")
_NEGATIVE_CHANCES = (0.6, 0.2, 0.12, 0.08)


@dataclass(frozen=True, slots=True)
class Part:
    """One sound as it lies in a window."""

    samples: Samples
    """As long as the window; its RMS while it sounds is 1."""
    sound: Sound
    presence: float
    """1: it can be heard; 0: it cannot; nan: hardly."""


class WindowMaker:
    """Draws windows.

    Parameters
    ----------
    recipe
        What is wanted, and how likely.
    parameters
        The front end.
    sounds
        Everything there is to draw from: events, backgrounds, beeps.
    """

    def __init__(self, recipe: Recipe, parameters: FeatureParameters, sounds: Sequence[Sound]) -> None:
        self._recipe = recipe
        self._chances = recipe.augmentation
        self._log_mel = LogMel(parameters)
        self._rate = parameters.sample_rate
        self._n_samples = parameters.window_samples
        groups = by_label(sounds)
        self._events = [groups[label] for label in recipe.labels if label in groups]
        self._beeps = groups.get(BEEP, [])
        bounds = np.multiply(DRAWN_S, self._rate)
        self._shares = {
            label: _shares([np.clip(len(sound.samples), *bounds) for sound in group])
            for label, group in groups.items()
        }
        others = [label for label in sorted(groups) if label not in recipe.labels and label != BEEP]
        self._backgrounds = [groups[label] for label in others]
        self._background_weights = _shares([self._weight(group) for group in self._backgrounds])
        self._n_transform = scipy.fft.next_fast_len(self._n_samples + _ROOM_SAMPLES, real=True)
        # Made once, as each takes longer than all the rest of a window.
        self._rooms = [self._make_room(number) for number in range(_ROOMS)]
        self._bands = [self._make_band(number) for number in range(_BANDS)]
        self._noises = [self._make_noise(number) for number in range(_NOISES)]

    def batch(self, step: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Draw the windows of one step.

        Returns
        -------
        tuple
            Log-mel (size, n_mels, n_frames) and presence (size, n_labels): 1, 0 or nan.
        """
        rngs = [np.random.default_rng((self._recipe.seed, step, number)) for number in range(size)]
        windows = [self.window(rng) for rng in rngs]
        log_mel = self._log_mel(np.stack([samples for samples, _ in windows]))
        for spectrogram, rng in zip(log_mel, rngs, strict=True):
            self._mask(rng, spectrogram)
        return log_mel, np.stack([presence for _, presence in windows])

    def window(self, rng: np.random.Generator) -> tuple[Samples, NDArray[np.float32]]:
        """Draw one window: its samples and, per label, its presence."""
        if rng.random() >= self._chances.event_chance:
            return self._negative(rng)
        parts = self._event_parts(rng)
        samples = parts[0].samples
        for second in parts[1:]:
            samples = samples + second.samples * _gain(rng.uniform(-_SECOND_GAIN_DB, _SECOND_GAIN_DB))
        if self._backgrounds and rng.random() < self._chances.background_chance:
            parts.append(self._background(rng))
            samples = samples + parts[-1].samples * _gain(-rng.uniform(*self._chances.snr_db))
        return self._recorded(rng, samples), self._presence(parts)

    def _event_parts(self, rng: np.random.Generator) -> list[Part]:
        n_events = 2 if rng.random() < self._chances.second_event_chance else 1
        labels = rng.choice(len(self._events), size=min(n_events, len(self._events)), replace=False)
        return [self.place(rng, self._drawn(rng, self._events[label])) for label in labels]

    def _background(self, rng: np.random.Generator) -> Part:
        group = self._backgrounds[rng.choice(len(self._backgrounds), p=self._background_weights)]
        return self.place(rng, self._drawn(rng, group))

    def _negative(self, rng: np.random.Generator) -> tuple[Samples, NDArray[np.float32]]:
        kind = rng.choice(_NEGATIVE_KINDS, p=_NEGATIVE_CHANCES)
        if kind == "noise" or not self._backgrounds:
            return self._recorded(rng, self._noise(rng), NOISE_DB), self._presence(())
        if kind == "silence":
            return self._recorded(rng, np.zeros(self._n_samples, np.float32)), self._presence(())
        parts = [self._background(rng)]
        samples = parts[0].samples
        if kind == "beep" and self._beeps:
            parts.append(self.place(rng, self._drawn(rng, self._beeps)))
            samples = parts[1].samples + samples * _gain(-rng.uniform(*self._chances.snr_db))
        return self._recorded(rng, samples), self._presence(parts)

    def _drawn(self, rng: np.random.Generator, group: Sequence[Sound]) -> Sound:
        return group[rng.choice(len(group), p=self._shares[group[0].label])]

    def place(self, rng: np.random.Generator, sound: Sound) -> Part:
        """Lay a sound into a window: at some time, at some speed, in some room."""
        speed = 1.0 + self._chances.speed * rng.uniform(-1, 1) * (rng.random() < 0.7)
        length = len(sound.samples) / speed
        shortest = min(length, AUDIBLE_S * self._rate)
        if rng.random() < 0.5:  # as much of it as there is room for
            start = rng.uniform(min(0, self._n_samples - length), max(0, self._n_samples - length))
        else:  # as a stream brings it: it may have begun before, or end after
            start = rng.uniform(shortest - length, self._n_samples - shortest)
        first, last = max(0.0, -start) * speed, min(length, self._n_samples - start) * speed
        cut = sound.samples[round(first) : round(last)].astype(np.float32)
        cut = _at_speed(cut, speed)[: self._n_samples - max(0, round(start))]
        samples = np.zeros(self._n_samples, np.float32)
        samples[max(0, round(start)) :][: len(cut)] = cut
        sounding = sound.sounding_samples(first, last) / speed
        whole = sound.sounding_samples(0, len(sound.samples)) / speed
        samples = self._coloured(rng, samples)
        power = float(np.dot(samples, samples)) / max(sounding, 1.0)
        needed = min(AUDIBLE_S * self._rate, AUDIBLE_PART * whole)
        presence = 1.0 if sounding >= needed else np.nan if samples.any() else 0.0
        return Part(samples / np.float32(np.sqrt(power) if power > 0 else 1.0), sound, presence)

    def _coloured(self, rng: np.random.Generator, samples: Samples) -> Samples:
        """Pass a sound through a room and a filter, each by chance."""
        in_room, filtered = rng.random(2) < (self._chances.room_chance, self._chances.filter_chance)
        if not (in_room or filtered):
            return samples
        spectrum = scipy.fft.rfft(samples, self._n_transform)
        if in_room:
            spectrum *= self._rooms[rng.integers(len(self._rooms))]
        if filtered:
            spectrum *= self._bands[rng.integers(len(self._bands))]
        return np.asarray(scipy.fft.irfft(spectrum, self._n_transform)[: self._n_samples])

    def _recorded(
        self, rng: np.random.Generator, samples: Samples, level_db: tuple[float, float] | None = None
    ) -> Samples:
        """Set the level, and add what a microphone and a converter add."""
        power = float(np.dot(samples, samples)) / len(samples)
        if power > 0:
            gain = _gain(rng.uniform(*(level_db or self._chances.level_db))) / np.float32(np.sqrt(power))
            peak = float(gain * np.abs(samples).max())
            if rng.random() < 0.9:  # most recordings are not clipped
                gain = gain / np.float32(max(1.0, peak))
            samples = samples * gain
        if rng.random() < 0.5:
            samples = samples + self._noise(rng) * _gain(rng.uniform(-95, -65))
        samples = np.clip(samples, -1, 1)
        if rng.random() < 0.5:
            samples = np.round(samples * 32_768) / np.float32(32_768)
        return samples.astype(np.float32, copy=False)

    def _noise(self, rng: np.random.Generator) -> Samples:
        noise = self._noises[rng.integers(len(self._noises))]
        first = rng.integers(len(noise) - self._n_samples)
        return noise[first : first + self._n_samples]

    def _presence(self, parts: Sequence[Part]) -> NDArray[np.float32]:
        labels = self._recipe.labels
        presence = np.zeros(len(labels), np.float32)
        for part in parts:
            for label in self._recipe.data.uncertain.get(part.sound.label, ()):
                presence[labels.index(label)] = np.nan
        for part in parts:
            if part.sound.label in labels:
                presence[labels.index(part.sound.label)] = part.presence
        return presence

    def _mask(self, rng: np.random.Generator, spectrogram: NDArray[np.float32]) -> None:
        """Cover bands and times by the mean (Park et al., "SpecAugment", 2019)."""
        mean = spectrogram.mean()
        for axis, widest in enumerate((self._chances.masked_bands, self._chances.masked_frames)):
            for _ in range(2):
                if rng.random() < self._chances.mask_chance:
                    width = rng.integers(widest + 1)
                    first = rng.integers(spectrogram.shape[axis] - width + 1)
                    covered = [slice(None), slice(None)]
                    covered[axis] = slice(first, first + width)
                    spectrogram[tuple(covered)] = mean

    def _rng(self, what: str, number: int) -> np.random.Generator:
        return np.random.default_rng((self._recipe.seed, number, *what.encode()))

    def _make_room(self, number: int) -> NDArray[np.complex64]:
        click = np.zeros(_ROOM_SAMPLES, np.float32)
        click[0] = 1.0
        response = synthesis.room(self._rng("room", number), click, self._rate)
        return np.asarray(scipy.fft.rfft(response, self._n_transform))

    def _make_band(self, number: int) -> NDArray[np.float32]:
        """What a loudspeaker, a wall or a bad microphone leaves of the spectrum: two slopes and a tilt."""
        rng = self._rng("band", number)
        frequency_hz = np.maximum(scipy.fft.rfftfreq(self._n_transform, 1 / self._rate), 1.0)
        low_hz, high_hz = np.exp(rng.uniform(np.log((20, 2_500)), np.log((500, 10_000))))
        response = 1 / np.sqrt(1 + (frequency_hz / high_hz) ** (2 * rng.integers(1, 5)))
        response /= np.sqrt(1 + (low_hz / frequency_hz) ** (2 * rng.integers(1, 3)))
        return np.asarray(response * (frequency_hz / 1_000) ** rng.uniform(-0.4, 0.4), np.float32)

    def _make_noise(self, number: int) -> Samples:
        """White to brown noise, RMS 1."""
        noise = synthesis.coloured_noise(
            self._rng("noise", number), _NOISE_SAMPLES, 2 * number / (_NOISES - 1)
        )
        return np.asarray(noise / np.sqrt(np.mean(np.square(noise))))

    def _weight(self, group: Sequence[Sound]) -> float:
        """Of a background: the root of its length, so that the longest do not drown the others."""
        length_s = sum(len(sound.samples) for sound in group) / self._rate
        return float(np.sqrt(length_s)) * self._recipe.data.weights.get(group[0].label, 1.0)


def _shares(weights: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.sum(weights)
    return np.asarray(weights, float) / (total if total else 1.0)


def _gain(level_db: float) -> np.float32:
    return np.float32(10 ** (level_db / 20))


def _at_speed(samples: Samples, speed: float) -> Samples:
    if speed == 1.0 or len(samples) < 2:
        return samples
    return np.asarray(soxr.resample(samples, speed, 1.0, quality="QQ"), np.float32)
