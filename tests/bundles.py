"""Small bundles whose scores a test can foretell."""

from pathlib import Path

import torch
from torch import Tensor, nn

from listener.classifiers.bundle import write_bundle
from listener.types import ModelCard, Thresholds

LOUD_RMS = 0.1


class Loudness(nn.Module):
    """``loud``: the RMS of the window's loudest tenth of a second, 1 at -20 dBFS and above.

    Before it and its opposite stand ``n_unheard`` labels that are never heard.
    """

    def __init__(self, n_unheard: int = 0) -> None:
        super().__init__()
        self.n_unheard = n_unheard

    def forward(self, waveform: Tensor) -> Tensor:
        power = waveform.reshape(waveform.shape[0], -1, 1600).square().mean(dim=2)
        loud = (power.amax(dim=1).sqrt() / 0.1).clamp(0.0, 1.0)
        unheard = torch.zeros(waveform.shape[0], self.n_unheard)
        return torch.cat([unheard, torch.stack([loud, 1 - loud], dim=1)], dim=1)


def loudness_bundle(
    path: Path, version: str = "1.0.0", unheard: tuple[str, ...] = (), sample_rate: int = 16_000
) -> Path:
    """Write a bundle that tells loud from quiet: labels ``loud`` and ``quiet``, windows of 1 s.

    Parameters
    ----------
    path
        Of the bundle.
    version
        Of the model.
    unheard
        Labels before the two that are never heard.
    sample_rate
        Hz, a multiple of 1600.
    """
    card = ModelCard(
        name="loudness",
        version=version,
        labels=(*unheard, "loud", "quiet"),
        sample_rate=sample_rate,
        window_s=1.0,
        hop_s=0.5,
        input="waveform",
        activation="none",
        thresholds={"loud": Thresholds(0.5, 0.5), "quiet": Thresholds(1.0, 1.0)},
    )
    write_bundle(path, torch.jit.script(Loudness(len(unheard)).eval()), card)
    return path
