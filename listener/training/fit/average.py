"""The moving average of the weights: a network that is better than the last one of its training."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from listener.training.fit.shared_norm import share_norms


class Average:
    """A copy of a network that follows it slowly.

    Parameters
    ----------
    network
        Whom it follows.
    decay
        Part that it keeps of itself at each step; 0: it is always the network as it is.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay

    def follow(self, network: nn.Module, done: int) -> None:
        """Take a step towards the network; the first ones are large, so that its beginning is forgotten."""
        share = 1 - min(self._decay, (1 + done) / (10 + done)) if self._decay else 1.0
        with torch.no_grad():
            for old, new in zip(_states(self.module), _states(network), strict=True):
                if old.is_floating_point() and share < 1:
                    old.lerp_(new, share)
                else:
                    old.copy_(new)

    def settle(self, inputs: Iterable[Tensor], is_shared: bool) -> None:
        """Measure the statistics of its normalisation anew, on some batches.

        Those of the network that it followed are not its own: with averaged weights, less noise flows through
        (Izmailov et al., "Averaging weights leads to wider optima", 2018).

        Parameters
        ----------
        inputs
            What the network reads, as in training.
        is_shared
            Several processes do so together, each with its share.
        """
        measured = copy.deepcopy(self.module)
        if is_shared:
            share_norms(measured)
        norms = [module for module in measured.modules() if isinstance(module, _BatchNorm)]
        norms = [norm for norm in norms if norm.track_running_stats]
        if not norms:
            return
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all batches
            norm.train()
        with torch.no_grad():
            for some in inputs:
                measured(some)
        self.module.load_state_dict(measured.state_dict())


def _states(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
