"""Small bundles whose scores a test can foretell."""

from pathlib import Path

import torch
from torch import Tensor, nn

from listener.classifiers.bundle import write_bundle
from listener.types import ModelCard, Thresholds

LOUD_RMS = 0.1


class Loudness(nn.Module):
    """``loud``: the RMS of the window's loudest tenth of a second, 1 at -20 dBFS and above."""

    def forward(self, waveform: Tensor) -> Tensor:
        power = waveform.reshape(waveform.shape[0], -1, 1600).square().mean(dim=2)
        loud = (power.amax(dim=1).sqrt() / 0.1).clamp(0.0, 1.0)
        return torch.stack([loud, 1 - loud], dim=1)


def loudness_bundle(path: Path) -> Path:
    """Write a bundle that tells loud from quiet: labels ``loud`` and ``quiet``, windows of 1 s at 16 kHz."""
    card = ModelCard(
        name="loudness",
        version="1.0.0",
        labels=("loud", "quiet"),
        sample_rate=16_000,
        window_s=1.0,
        hop_s=0.5,
        input="waveform",
        activation="none",
        thresholds={"loud": Thresholds(0.5, 0.5), "quiet": Thresholds(1.0, 1.0)},
    )
    write_bundle(path, torch.jit.script(Loudness().eval()), card)
    return path
