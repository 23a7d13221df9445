"""Small models of every kind, and sound to ask them about."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from listener.classifiers.base import Classifier
from listener.features import LogMel, wav_bytes
from listener.testing import TINY_FEATURES, tiny_card
from listener.types import Features, ModelCard, Samples


def sounds(n_sounds: int = 16) -> list[Samples]:
    """Make sounds of one window each: tones in noise, loud and faint."""
    random = np.random.default_rng(0)
    time_s = np.arange(TINY_FEATURES.window_samples) / 16_000
    return [
        (
            0.5 * np.sin(2 * np.pi * random.uniform(100, 7000) * time_s) * 10 ** random.uniform(-3, 0)
            + 0.3 * random.standard_normal(len(time_s)) * 10 ** random.uniform(-4, 0)
        ).astype(np.float32)
        for _ in range(n_sounds)
    ]


def windows(card: ModelCard) -> list[Features]:
    """Give the sounds as a model wants them."""

    def form(samples: Samples) -> NDArray[np.float32] | bytes:
        if card.input == "log_mel":
            return LogMel(TINY_FEATURES)(samples)
        return samples if card.input == "waveform" else wav_bytes(samples, 16_000)

    return [Features("mic", form(samples), 0, len(samples), 16_000) for samples in sounds()]


def waveform_card() -> ModelCard:
    """Give the card of a model that takes samples and gives scores."""
    return replace(tiny_card(), input="waveform", features=None, activation="none")


def assert_same_in_any_batch(classifier: Classifier) -> None:
    """See that scores do not depend on what else is asked, before and after a warm-up."""
    batch = windows(classifier.card)
    alone = np.concatenate([classifier.predict([window]) for window in batch])
    classifier.warm_up(8)
    for size in (*range(1, 9), 16):
        parts = [classifier.predict(batch[first : first + size]) for first in range(0, len(batch), size)]
        np.testing.assert_array_equal(np.concatenate(parts), alone)


class Mixing(nn.Module):
    """What it says of a window depends on the others."""

    def forward(self, x: Tensor) -> Tensor:
        level = x.mean(dim=[1, 2])
        return (level - level.mean()).unsqueeze(1).expand(-1, 3)


class WithMatrix(nn.Module):
    """Its last layer may be rounded differently in a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(16 * 32, 64)
        self.last = nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(torch.relu(self.hidden(x.flatten(1))))
        return out


class Channels(nn.Module):
    """An image network: it wants (n, 1, n_mels, n_frames)."""

    def __init__(self, n_labels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3)
        self.head = nn.Conv2d(4, n_labels, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(torch.relu(self.stem(x)).mean(dim=(2, 3), keepdim=True)).flatten(1)
        return out


class Levels(nn.Module):
    """The share of samples above three levels; its input is a waveform."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([(x.abs() > level).float().mean(dim=1) for level in (0.1, 0.2, 0.3)], dim=1)


def shares(samples: Samples) -> list[float]:
    """Give what `Levels` says."""
    return [float((np.abs(samples) > level).mean()) for level in (0.1, 0.2, 0.3)]


class Gives(nn.Module):
    """Gives what it was told, whatever it gets."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.tensor(scores))

    def forward(self, x: Tensor) -> Tensor:
        return self.scores.expand(x.shape[0], -1) + 0 * x.flatten(1)[:, :1]


class Reciprocal(nn.Module):
    """What it gives for silence is no number."""

    def forward(self, x: Tensor) -> Tensor:
        peak = x.abs().amax(dim=1, keepdim=True)
        return (0.1 * peak / peak).expand(-1, 3)
