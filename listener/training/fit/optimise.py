"""Optimisers, and how fast they go."""

import math
from typing import Any

import torch
from torch import nn

from listener.training.recipe import Fit

WARMUP_STEPS = 200
WARMUP_PART = 10
"""Where the recipe says nothing: so many steps, but no more than this part of all."""


def make_optimiser(network: nn.Module, options: Fit) -> torch.optim.Optimizer:
    """Make the optimiser that a recipe asks for."""
    groups = _parameter_groups(network, options)
    if options.optimiser == "sgd":
        momentum = options.momentum
        return torch.optim.SGD(groups, lr=options.learning_rate, momentum=momentum, nesterov=momentum > 0)
    kind = torch.optim.AdamW if options.optimiser == "adamw" else torch.optim.Adam
    return kind(groups, lr=options.learning_rate)


def learning_rate(step: int, options: Fit, n_steps: int, steps_per_epoch: int) -> float:
    """How fast to go at a step, from 0 on: a function of its number alone."""
    warmup = _warmup_steps(options, n_steps)
    if step < warmup:
        return options.learning_rate * (step + 1) / warmup
    if options.schedule == "constant":
        return options.learning_rate
    if options.schedule == "step":
        return options.learning_rate * options.step_factor ** (step // steps_per_epoch)
    done = (step - warmup) / max(1, n_steps - warmup)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def _warmup_steps(options: Fit, n_steps: int) -> int:
    if options.warmup_steps is not None:
        return options.warmup_steps
    return min(WARMUP_STEPS, n_steps // WARMUP_PART) if options.schedule == "cosine" else 0


def _parameter_groups(network: nn.Module, options: Fit) -> list[dict[str, Any]]:
    """Weights decay; biases and norms, which are vectors, do not."""
    matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": options.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
