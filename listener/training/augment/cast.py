"""Which sounds there are to draw from, and how likely each is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from listener.training.augment.draws import Draws, pick
from listener.training.data.sounds import BEEP, Sound, by_label
from listener.training.recipe import Recipe

DRAWN_S = (2.5, 10.0)
"""A recording is drawn in proportion to its length, which for this counts as within these bounds."""

Sounds = NDArray[np.int64]
"""Places of sounds in the list of all, shape (size,)."""


class Cast:
    """Events, backgrounds and beeps.

    Parameters
    ----------
    recipe
        Its seed, ``fit.balance`` and ``data`` decide.
    labels
        Those of the model: whose sounds are events. Any other's are backgrounds, but for beeps.
    sounds
        All of them.
    sample_rate
        Of the sounds, in Hz.
    """

    def __init__(
        self, recipe: Recipe, labels: Sequence[str], sounds: Sequence[Sound], sample_rate: int
    ) -> None:
        self._seed = recipe.seed % (1 << 64)
        self._balance = recipe.fit.balance
        self._bounds = np.multiply(DRAWN_S, sample_rate)
        self._lengths = np.array([len(sound.samples) for sound in sounds], float)
        at = {id(sound): number for number, sound in enumerate(sounds)}
        groups = {
            label: np.array([at[id(sound)] for sound in group]) for label, group in by_label(sounds).items()
        }
        events = [groups[label] for label in labels if label in groups]
        weights = [1.0 if self._balance else float(len(group)) for group in events]
        self._events, self._event_weights = self._joined(events, weights)
        # From where to where the sounds of one label reach, for each of them.
        ends = np.cumsum(weights)
        self._label_begin, self._label_weight = (
            np.repeat(values, [len(group) for group in events])
            for values in (ends - weights, np.array(weights))
        )
        self.n_labels = len(events)
        """Labels of which there is a sound."""
        self._backgrounds, self._background_weights = self._joined(
            *self._described(
                groups, [label for label in sorted(groups) if label not in {*labels, BEEP}], recipe
            )
        )
        beeps = [groups[BEEP]] if BEEP in groups and BEEP not in labels else []
        self._beeps, self._beep_weights = self._joined(beeps, [1.0] * len(beeps))
        self._epoch: tuple[int, Sounds] = (-1, self._events)

    @property
    def has_backgrounds(self) -> bool:
        """Whether there is any background."""
        return len(self._backgrounds) > 0

    @property
    def has_beeps(self) -> bool:
        """Whether there is any tone that is no alarm."""
        return len(self._beeps) > 0

    def events(self, draws: Draws, numbers: NDArray[np.int64]) -> tuple[Sounds, Sounds]:
        """Draw two events of different labels for each window; the second is one of any if there is no other.

        Parameters
        ----------
        draws
            Two columns are taken.
        numbers
            Of the windows, counted through the whole training, in ascending order. Where labels are not
            balanced, every event comes once before any comes again, in an order that is new each time.
        """
        first = draws.one_of(self._event_weights)
        if not self._balance:
            first = self._in_turn(numbers)
        own = self._label_weight[first] if self.n_labels > 1 else np.zeros(len(first))
        at = draws.uniform(0, self._event_weights[-1] - own)
        second = pick(self._event_weights, np.where(at >= self._label_begin[first], at + own, at))
        return self._events[first], self._events[second]

    def backgrounds(self, draws: Draws) -> Sounds:
        """Draw a background for each window: an empty one's is 0 everywhere."""
        return _drawn(draws, self._backgrounds, self._background_weights)

    def beeps(self, draws: Draws) -> Sounds:
        """Draw a beep for each window."""
        return _drawn(draws, self._beeps, self._beep_weights)

    def _in_turn(self, numbers: NDArray[np.int64]) -> Sounds:
        epochs, places = np.divmod(numbers, len(self._events))
        drawn = np.empty(len(numbers), np.int64)
        for epoch in np.unique(epochs):
            if self._epoch[0] != epoch:
                rng = np.random.default_rng((self._seed, int(epoch), *b"epoch"))
                self._epoch = (int(epoch), rng.permutation(len(self._events)))
            drawn[epochs == epoch] = self._epoch[1][places[epochs == epoch]]
        return drawn

    def _described(
        self, groups: dict[str, Sounds], labels: Sequence[str], recipe: Recipe
    ) -> tuple[list[Sounds], list[float]]:
        """Backgrounds and their weights: the root of the length, lest the longest drown the others."""
        some = [groups[label] for label in labels]
        more = [recipe.data.weights.get(label, 1.0) for label in labels]
        return some, [
            float(np.sqrt(self._lengths[group].sum())) * weight
            for group, weight in zip(some, more, strict=True)
        ]

    def _joined(
        self, groups: Sequence[Sounds], weights: Sequence[float]
    ) -> tuple[Sounds, NDArray[np.float64]]:
        """All sounds of some labels, and the sums of their weights."""
        if not groups:
            return np.zeros(0, np.int64), np.zeros(0)
        shares = [self._shares(group) * weight for group, weight in zip(groups, weights, strict=True)]
        return np.concatenate(groups), np.cumsum(np.concatenate(shares))

    def _shares(self, group: Sounds) -> NDArray[np.float64]:
        """Of each sound among those of its label."""
        even = np.ones(len(group))
        lengths = np.clip(self._lengths[group], *self._bounds) if self._balance else even
        return np.asarray(lengths / lengths.sum())


def _drawn(draws: Draws, some: Sounds, cumulative: NDArray[np.float64]) -> Sounds:
    at = draws.uniform()
    if len(some) == 0:
        return np.zeros(len(at), np.int64)
    return np.asarray(some[pick(cumulative, at * cumulative[-1])])
