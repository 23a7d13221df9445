"""Windows to train on, no two alike, made out of whole recordings, many at once.

A window is drawn as a stream would bring it: a sound that begins and ends at any time,
at any speed, through some room and some microphone, perhaps with a second one, over
some background, at any level. Of each label it says whether it is in there (1), is not
(0), to which share (two events that are mixed), or cannot be judged (nan): too little of
it can be heard, or nobody knows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from listener.training.augment import colour
from listener.training.augment.bank import SoundBank, on_device
from listener.training.augment.codec import Codec
from listener.training.augment.placing import Placing
from listener.training.augment.plan import Noise, Plan, Planner
from listener.training.augment.speed import SpeedChange
from listener.training.data.sounds import FULL_SCALE, Sound
from listener.training.recipe import Recipe
from listener.types import FeatureParameters

_AT_ONCE_ON_CPU = 16
"""So many windows stay in the caches."""


@dataclass(frozen=True, slots=True)
class Scenes:
    """Windows, and what is heard in them."""

    waveforms: Tensor
    """Float32 in [-1, 1], shape (size, window_samples)."""
    presence: Tensor
    """Float32, shape (size, n_labels): 1, 0, the share of a mixed event, or nan: cannot be judged."""


class SceneMaker:
    """Draws windows.

    Everything that chance decides is decided on the processor, by the seed, the step and the number
    of the window alone; the device moves and multiplies samples, and nobody waits for it.

    Parameters
    ----------
    recipe
        What is wanted, and how likely.
    labels
        Those of the model, in the order of its scores.
    sounds
        Everything there is to draw from: events, backgrounds, beeps; at the rate of ``features``.
    features
        The front end: it says how long a window is.
    device
        Where the windows are made; the sounds are kept there.
    sizes
        How many rooms, bands and noises are made; None: `colour.SIZES`.
    """

    def __init__(
        self,
        recipe: Recipe,
        labels: Sequence[str],
        sounds: Sequence[Sound],
        features: FeatureParameters,
        device: torch.device | str = "cpu",
        sizes: colour.Sizes | None = None,
    ) -> None:
        self._recipe = recipe
        self._device = torch.device(device)
        chances, rate = recipe.augmentation, features.sample_rate
        sizes = sizes or colour.SIZES
        self._n_samples = features.window_samples
        most_percent = round(100 * chances.speed)
        self._speed = SpeedChange(most_percent, self._n_samples, self._device)
        self._bank = SoundBank(sounds, self._speed.n_needed, self._device)
        placing = Placing(chances, self._bank, rate, self._n_samples, sizes.rooms, sizes.bands)
        self._planner = Planner(recipe, labels, sounds, self._bank, placing, rate)
        self._colours = colour.Colours(recipe.seed, rate, self._n_samples, self._device, sizes)
        self._codec = Codec(rate, self._device)

    @torch.no_grad()
    def batch(self, step: int, size: int, first: int = 0, total: int | None = None) -> Scenes:
        """Draw windows of one step.

        Parameters
        ----------
        step
            Number of the batch.
        size
            How many windows.
        first
            Number of the first one in the batch: one of several devices draws its own part of it.
        total
            Windows in the whole batch, on all devices together; None: up to the last of these.

        Returns
        -------
        Scenes
            On the device.
        """
        total = first + size if total is None else total
        at_once = _AT_ONCE_ON_CPU if self._device.type == "cpu" else size
        waveforms = torch.zeros((size, self._n_samples), device=self._device)
        presence = []
        with torch.autocast(self._device.type, enabled=False):
            for begin in range(0, size, at_once):
                some = waveforms[begin : begin + at_once]
                plan = self._planner.plan(step, first + begin, len(some), total)
                self._mix(plan, some)
                self._record(plan, some)
                presence.append(plan.presence)
        return Scenes(waveforms, on_device(np.concatenate(presence), self._device))

    def _mix(self, plan: Plan, windows: Tensor) -> None:
        """Add the parts of each window."""
        slots, numbers = np.nonzero(np.stack([part.sounds for part in plan.parts]) >= 0)
        if len(slots) == 0:
            return
        every = _Parts(plan, slots, numbers)
        rows = self._played(every)
        self._send_through(every, rows)
        rms = torch.linalg.vector_norm(rows, dim=1) / self._tensor(np.sqrt(np.maximum(every.sounding, 1.0)))
        rows *= self._gains(every, plan, rms)[:, None]
        for slot in range(len(plan.parts)):
            (some,) = np.nonzero(every.slots == slot)
            if len(some):  # of each window there is at most one: sums have one order
                where = on_device(every.windows[some], self._device)
                windows.index_add_(0, where, rows.index_select(0, on_device(some, self._device)))

    def _gains(self, every: "_Parts", plan: Plan, rms: Tensor) -> Tensor:
        """What brings each part to its level; silence stays silence."""
        gains = self._tensor(plan.gains[every.windows, every.slots]) / rms.clamp(min=1e-20)
        if self._recipe.augmentation.level_db is not None:
            return gains
        # The first part keeps the level that it was recorded with, to the bit.
        own = torch.ones(len(plan.gains), device=self._device)
        (first,) = np.nonzero(every.slots == 0)
        where = on_device(every.windows[first], self._device)
        own.index_copy_(0, where, rms.index_select(0, on_device(first, self._device)))
        own = own.index_select(0, on_device(every.windows, self._device))
        relative = own / rms.clamp(min=1e-20)
        return relative * self._tensor(plan.gains[every.windows, every.slots]) / FULL_SCALE

    def _played(self, every: "_Parts") -> Tensor:
        """Cut the parts out of their sounds, at their speeds; those at their own speed come first."""
        n_plain = int(np.count_nonzero(every.percent == 0))
        repeat = not self._recipe.augmentation.shift
        plain = self._bank.rows(every.sounds[:n_plain], every.origins[:n_plain], self._n_samples, repeat)
        if n_plain == len(every.sounds):
            return plain
        origins = every.origins[n_plain:] - self._speed.before
        rows = self._bank.rows(every.sounds[n_plain:], origins, self._speed.n_needed, repeat)
        changed = self._speed(rows, on_device(every.percent[n_plain:], self._device))
        return torch.cat((plain, changed)) if n_plain else changed.contiguous()

    def _send_through(self, every: "_Parts", rows: Tensor) -> None:
        """Pass those parts through rooms and bands that have any, in place."""
        (some,) = np.nonzero((every.rooms >= 0) | (every.bands >= 0))
        if len(some):
            begin, end = int(some[0]), int(some[-1]) + 1  # `_Parts` keeps them together
            self._colours.send_through(rows[begin:end], every.rooms[begin:end], every.bands[begin:end])

    def _record(self, plan: Plan, windows: Tensor) -> None:
        """Set the level, and add what a microphone, a converter and a coder add or take."""
        self._add_noise(windows, plan.noise)
        windows *= self._level_gains(plan, windows)[:, None]
        self._add_noise(windows, plan.faint_noise)
        windows.clamp_(-1, 1)
        (coded,) = np.nonzero(plan.is_coded)
        if len(coded):
            at = on_device(coded, self._device)
            decoded = self._codec(windows.index_select(0, at), plan.losses.of(coded))
            windows.index_copy_(0, at, decoded.clamp_(-1, 1))
        (rounded,) = np.nonzero(plan.is_rounded)
        if len(rounded):
            at = on_device(rounded, self._device)
            steps = windows.index_select(0, at).mul_(FULL_SCALE).round_().clamp_(max=FULL_SCALE - 1)
            windows.index_copy_(0, at, steps.div_(FULL_SCALE))

    def _level_gains(self, plan: Plan, windows: Tensor) -> Tensor:
        levels = self._tensor(plan.levels)
        rms = torch.linalg.vector_norm(windows, dim=1) / np.sqrt(self._n_samples)
        gains = torch.where(levels.isnan(), 1.0, levels / rms.clamp(min=1e-20))
        peaks = gains * windows.abs().amax(dim=1)
        is_clipped = on_device(plan.is_clipped, self._device)
        return torch.where(is_clipped, gains, gains / peaks.clamp(min=1.0))

    def _add_noise(self, windows: Tensor, noise: Noise) -> None:
        (some,) = np.nonzero(noise.colours >= 0)
        if len(some):
            rows = self._colours.noise(noise.colours[some], noise.firsts[some])
            rows *= self._tensor(noise.gains[some])[:, None]
            windows.index_add_(0, on_device(some, self._device), rows)

    def _tensor(self, values: NDArray[np.float64]) -> Tensor:
        return on_device(values.astype(np.float32), self._device)


class _Parts:
    """The sounds of all windows: first those at their own speed; all coloured ones together."""

    def __init__(self, plan: Plan, slots: NDArray[np.int64], windows: NDArray[np.int64]) -> None:
        def joined(name: str) -> NDArray[np.int64]:
            return np.stack([getattr(part, name) for part in plan.parts])[slots, windows]

        is_changed, is_coloured = (
            joined("percent") != 0,
            (joined("rooms") >= 0) | (joined("bands") >= 0),
        )
        order = np.argsort(2 * is_changed + (is_changed ^ is_coloured), kind="stable")
        slots, windows = slots[order], windows[order]
        self.slots, self.windows = slots, windows
        self.sounds, self.origins, self.percent = joined("sounds"), joined("origins"), joined("percent")
        self.rooms, self.bands, self.sounding = joined("rooms"), joined("bands"), joined("sounding")
