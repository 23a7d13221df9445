"""What a network costs."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True, slots=True)
class Description:
    """What a network costs."""

    n_parameters: int
    """Numbers that are learnt."""

    n_states: int
    """All numbers that are kept with it: what is learnt, and the statistics of its normalisation."""

    multiply_adds: int
    """Of convolutions and matrix products, for one window."""

    def __str__(self) -> str:
        millions = self.n_parameters / 1e6, self.n_states * 4 / 1e6, self.multiply_adds / 1e6
        return "{:.2f} million parameters ({:.1f} MB), {:.0f} million multiply-adds a window".format(
            *millions
        )


def describe(network: nn.Module, n_mels: int, n_frames: int) -> Description:
    """Count a network's parameters and its work.

    Parameters
    ----------
    network
        Reads (n, n_mels, n_frames); it is left as it is.
    n_mels, n_frames
        Shape of a window's spectrogram.
    """
    was_training = network.training
    example = next(network.parameters(), torch.zeros(1))
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), torch.random.fork_rng(), counter:
        network.eval()(torch.zeros(1, n_mels, n_frames, device=example.device))
    network.train(was_training)
    n_parameters = sum(one.numel() for one in network.parameters())
    n_buffers = sum(one.numel() for one in network.buffers())
    return Description(n_parameters, n_parameters + n_buffers, counter.get_total_flops() // 2)
