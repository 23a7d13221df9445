"""Batch normalisation over all processes: what comes out does not depend on how many share a batch.

torch's own `SyncBatchNorm` does so on accelerators only.
"""

from typing import Any, cast

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SharedNorm(_BatchNorm):
    """A batch normalisation whose mean and variance are those of all processes' windows together."""

    @classmethod
    def of(cls, norm: _BatchNorm) -> "SharedNorm":
        """Make one that shares parameters and statistics with a norm of torch."""
        shared = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        for name, parameter in norm.named_parameters(recurse=False):
            shared.register_parameter(name, parameter)
        for name, buffer in norm.named_buffers(recurse=False):
            shared.register_buffer(name, buffer)
        return shared.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, ...) to the same shape."""
        if not self.training:
            return super().forward(x)
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(x.dim())]
        values = x.float()
        n = _sum_of_all(torch.tensor(float(x.numel() // x.shape[1]), device=x.device))
        mean = _sum_of_all(values.sum(axes)) / n
        centred = values - mean.view(shape)
        variance = _sum_of_all(centred.square().sum(axes)) / n
        self._follow(mean.detach(), variance.detach() * n / (n - 1).clamp(min=1))
        given = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            given = given * self.weight.view(shape) + self.bias.view(shape)
        return given.to(x.dtype)

    def _check_input_dim(self, x: Tensor) -> None:
        """Take any number of axes."""

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


def share_norms(network: nn.Module) -> None:
    """Replace every batch normalisation within a network."""
    for name, module in network.named_children():
        if isinstance(module, _BatchNorm):
            setattr(network, name, SharedNorm.of(module))
        else:
            share_norms(module)


class _Sum(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        summed = values.contiguous().clone()
        torch.distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        summed = gradients[0].contiguous().clone()
        torch.distributed.all_reduce(summed)
        return summed


def _sum_of_all(values: Tensor) -> Tensor:
    return cast(Tensor, _Sum.apply(values))  # type: ignore[no-untyped-call]
