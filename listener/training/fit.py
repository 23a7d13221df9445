"""The training loop.

It may be killed at any moment and goes on from the last checkpoint to the same
weights: windows and dropout are drawn anew for each step from the seed and the step's
number, and nothing else is left to chance. (To the bit on one thread; sums over
several threads may round differently.)
"""

import io
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from listener.errors import DatasetError
from listener.files import whole_file
from listener.training.augment import WindowMaker
from listener.training.data.clip import Manifest
from listener.training.recipe import Fit, Recipe

Progress = Callable[[int, float], None]
"""Is told the steps done and the loss, once for each step."""


def fit(
    network: nn.Module,
    maker: WindowMaker,
    recipe: Recipe,
    checkpoint: Path,
    what: str,
    progress: Progress,
    workers: int = 0,
) -> nn.Module:
    """Train a network, from its checkpoint on if there is one.

    Parameters
    ----------
    network
        As its constructor made it; it is changed.
    maker
        Where the windows come from.
    recipe
        The seed, and what stands under ``fit``.
    checkpoint
        File to go on from, and to write to.
    what
        The training's `identity`: a checkpoint of another one is refused.
    progress
        Is told how it goes.
    workers
        Processes that draw windows; 0: this one does.

    Returns
    -------
    nn.Module
        The network with the moving average of its weights, ready to be used.

    Raises
    ------
    DatasetError
        The checkpoint belongs to another recipe or to other data, or cannot be written.
    """
    options = recipe.fit
    average = torch.optim.swa_utils.AveragedModel(network, use_buffers=True, multi_avg_fn=_average(options))
    optimiser = torch.optim.AdamW(_parameter_groups(network, options), lr=options.learning_rate)
    state = {"network": network, "average": average, "optimiser": optimiser}
    done = _resume(checkpoint, what, state)
    network.train()
    batches = _batches(maker, range(done, options.steps), options.batch_size, workers)
    for step, (log_mel, presence) in enumerate(batches, start=done):
        torch.manual_seed(hash((recipe.seed, step)))
        for group in optimiser.param_groups:
            group["lr"] = _learning_rate(step, options)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16):
            logits = network(log_mel)
        loss = _loss(logits.float(), presence)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        average.update_parameters(network)
        progress(step + 1, loss.item())
        if (step + 1) % options.checkpoint_steps == 0 or step + 1 == options.steps:
            _save(checkpoint, what, step + 1, state)
    trained: nn.Module = average.module
    return trained.eval()


def _loss(logits: Tensor, presence: Tensor) -> Tensor:
    """Cross-entropy of each label by itself, over those that can be judged."""
    known = ~presence.isnan()
    losses = functional.binary_cross_entropy_with_logits(logits, presence.nan_to_num(), reduction="none")
    return (losses * known).sum() / known.sum() * logits.shape[1]


def _learning_rate(step: int, options: Fit) -> float:
    if step < options.warmup_steps:
        return options.learning_rate * (step + 1) / options.warmup_steps
    done = (step - options.warmup_steps) / max(1, options.steps - options.warmup_steps)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def _parameter_groups(network: nn.Module, options: Fit) -> list[dict[str, Any]]:
    """Weights decay; biases and norms, which are vectors, do not."""
    matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": options.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def _average(options: Fit) -> Callable[..., None]:
    """Exponential moving average, shorter at first, so that the random beginning is soon forgotten."""

    def update(averaged: list[Tensor], current: list[Tensor], n_averaged: Tensor) -> None:
        done = float(n_averaged)
        share = 1 - min(options.average_decay, (1 + done) / (10 + done))
        for old, new in zip(averaged, current, strict=True):
            if old.is_floating_point():
                old.lerp_(new, share)
            else:
                old.copy_(new)

    return update


class _Batches(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, maker: WindowMaker, size: int) -> None:
        self._maker = maker
        self._size = size

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        log_mel, presence = self._maker.batch(step, self._size)
        return torch.from_numpy(log_mel), torch.from_numpy(presence)


def _batches(maker: WindowMaker, steps: range, size: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    return iter(
        DataLoader(
            _Batches(maker, size),
            batch_size=None,
            sampler=list(steps),
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            # A child shares the recordings with its parent only if it is forked.
            multiprocessing_context="fork" if workers else None,
        )
    )


def _save(checkpoint: Path, what: str, done: int, state: dict[str, Any]) -> None:
    """Write in full, then rename: whoever is killed meanwhile leaves the old one."""
    parts = {name: part.state_dict() for name, part in state.items()}
    content = io.BytesIO()
    torch.save({"what": what, "done": done, **parts}, content)
    try:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(checkpoint) as half_written:
            half_written.write_bytes(content.getbuffer())
    except OSError as error:
        raise DatasetError(f"{checkpoint}: the checkpoint cannot be written: {error.strerror}") from error


def _resume(checkpoint: Path, what: str, state: dict[str, Any]) -> int:
    if not checkpoint.exists():
        return 0
    content = torch.load(checkpoint, weights_only=True)
    if content["what"] != what:
        raise DatasetError(
            f"{checkpoint}: is of another recipe or other data: --fresh starts over, --runs keeps both"
        )
    for name, part in state.items():
        part.load_state_dict(content[name])
    return int(content["done"])


def identity(recipe: Recipe, manifest: Manifest) -> str:
    """What a training is of, as text: whatever in the recipe and the data decides its outcome."""
    decisive = recipe.model_dump(
        mode="json",
        include={"seed", "preset", "labels", "synthetic", "data", "augmentation", "network", "fit"},
    )
    return json.dumps({"recipe": decisive, "manifest_sha256": manifest.sha256})
