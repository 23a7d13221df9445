"""A training of seconds."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from listener.training.fit import Batch, Report, fit, start
from listener.training.networks import build_network
from listener.training.recipe import Fit, NetworkSettings

N_MELS, N_FRAMES, N_LABELS = 8, 8, 3
STEPS = 7

Weights = dict[str, torch.Tensor]


def draw(step: int, rows: range) -> Batch:
    """Windows with a loud band, whose number is the label; of some, one label is not known."""
    inputs, targets = [], []
    for row in rows:
        generator = torch.Generator().manual_seed(1000 * step + row)
        label = int(torch.randint(N_LABELS, (), generator=generator))
        window = torch.randn(N_MELS, N_FRAMES, generator=generator) - 8
        window[2 * label] += 3
        inputs.append(window)
        targets.append(functional.one_hot(torch.tensor(label), N_LABELS).float())
        if row % 3 == 0:
            targets[-1][(label + 1) % N_LABELS] = math.nan
    return Batch(torch.stack(inputs), torch.stack(targets))


def network(dropout: float = 0.2, use: str = "resnet18", **own: Any) -> nn.Module:
    settings = NetworkSettings.model_validate({"use": use, "width": 2, "dropout": dropout, **own})
    return build_network(settings, N_MELS, N_FRAMES, N_LABELS, seed=3)


def options(**changes: Any) -> Fit:
    usual = {"steps": STEPS, "batch_size": 6, "checkpoint_steps": 2, "average_decay": 0.9}
    return Fit.model_validate({**usual, **changes})


def train(checkpoint: Path, what: str = "{}", dropout: float = 0.2, **arguments: Any) -> Weights:
    given_options = arguments.pop("options", options())
    usual: dict[str, Any] = {"n_clips": 12, "seed": 5, "fabric": start("32-true", "cpu")}
    trained = fit(
        network(dropout),
        arguments.pop("draw", draw),
        given_options,
        checkpoint=checkpoint,
        what=what,
        **(usual | arguments),
    )
    assert not trained.training
    return dict(trained.state_dict())


def same(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class KilledError(Exception):
    """Nothing after it runs."""


def until(last: int, error: type[Exception] = KilledError) -> Callable[[Report], None]:
    """What is told how a training goes, and ends it."""

    def progress(report: Report) -> None:
        if report.step == last:
            raise error

    return progress
