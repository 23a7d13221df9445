"""The loop itself."""

import math
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from listener.errors import DatasetError, printable
from listener.training.fit.average import Average
from listener.training.fit.batch import Batch, Draw
from listener.training.fit.checkpoint import CheckpointFile
from listener.training.fit.hardware import may_lie_channels_last, start
from listener.training.fit.loss import summed_loss
from listener.training.fit.optimise import learning_rate, make_optimiser
from listener.training.fit.patience import Patience
from listener.training.fit.progress import Progress, Report, Speed
from listener.training.fit.scalars import Scalars
from listener.training.fit.shared_norm import share_norms
from listener.training.recipe import Fit

if TYPE_CHECKING:
    from lightning_fabric import Fabric

HeldOut = Callable[[nn.Module], Mapping[str, float]]
"""Judges a network, in evaluation mode, by what is held out: ``loss``, and whatever else is worth a curve."""

TOLD_EVERY = 10
"""Steps, on an accelerator: to look at a loss is to wait for it."""

SETTLING_BATCHES, SETTLING_PART = 64, 20
"""The average's statistics are measured on so many batches, but no more than this part of all."""


def fit(
    network: nn.Module,
    draw: Draw,
    options: Fit,
    *,
    n_clips: int,
    seed: int,
    checkpoint: Path,
    what: str,
    fabric: "Fabric | None" = None,
    progress: Progress = lambda report: None,
    held_out: HeldOut | None = None,
    scalars: Path | None = None,
) -> nn.Module:
    """Train a network, from its checkpoint on if there is one.

    Parameters
    ----------
    network
        As it was built; it is changed.
    draw
        Where the windows come from: see `Draw`.
    options
        How.
    n_clips
        How many clips have a label: what an epoch is.
    seed
        Decides dropout; the windows are the affair of ``draw``.
    checkpoint
        File to go on from, and to write to.
    what
        The training's `identity`: a checkpoint of another one is refused.
    fabric
        What it runs on: see `start`, which is called unless told.
    progress
        Is told how it goes; in one process only, if there are several.
    held_out
        Asked at every checkpoint, about the average; in one process only.
    scalars
        Folder for TensorBoard's figures; None writes none.

    Returns
    -------
    nn.Module
        The network with the moving average of its weights, on the processor, ready to be used.

    Raises
    ------
    ConfigError
        Lightning Fabric is not installed, or cannot do what the recipe asks for.
    DatasetError
        The checkpoint belongs to another recipe or to other data, is broken, or cannot be written; or the
        loss or a weight is no number any more.
    """
    training = _Training(network, draw, options, n_clips, seed, fabric or start(options.precision))
    file = CheckpointFile(checkpoint, what)
    training.resume(file)
    if not training.is_finished:
        with Scalars(scalars if training.is_first else None, training.done + 1) as figures:
            _train(training, file, progress, held_out, figures)
    return training.trained


def _train(
    training: "_Training",
    file: CheckpointFile,
    progress: Progress,
    held_out: HeldOut | None,
    scalars: Scalars,
) -> None:
    options, n_steps = training.options, training.n_steps
    every = 1 if training.device.type == "cpu" else TOLD_EVERY
    speed, told = Speed(), training.done
    while not training.is_over:
        loss = training.step()
        done = training.done
        is_due = done % options.checkpoint_steps == 0
        if done % every == 0 or is_due or training.is_over:
            value = training.mean_of_all(loss)
            if not math.isfinite(value):
                raise DatasetError(_diverged(done, file.path))
            step_s, told = speed.after(done - told), done
            report = Report(done, n_steps, value, options.batch_size / step_s, (n_steps - done) * step_s)
            figures = {"loss": value, "learning_rate": training.rate, "windows_per_s": report.windows_per_s}
            scalars.add(done, figures)
            if training.is_first:
                progress(report)
        if (is_due or training.is_over) and not training.is_sound:
            raise DatasetError(_diverged(done, file.path))
        if held_out is not None and (is_due or training.is_over):
            scalars.add(done, training.judge(held_out))
        if is_due and not training.is_over:
            training.save(file)
    training.finish(file)


def _diverged(done: int, path: Path) -> str:
    return (
        f"the loss, or a weight, is no number after {done} steps: a lower fit.learning_rate may help, or "
        f"fit.precision '32-true'; {printable(path)} is of before"
    )


class _Training:
    """A network on its way."""

    def __init__(
        self, network: nn.Module, draw: Draw, options: Fit, n_clips: int, seed: int, fabric: "Fabric"
    ) -> None:
        self.options = options
        self.n_steps = options.n_steps(n_clips)
        self.done = 0
        self.is_finished = False
        self.rate = 0.0
        self._epoch = options.steps_per_epoch(n_clips)
        self._draw = draw
        self._seed = seed
        self._fabric = fabric
        self._patience = Patience(options.early_stop)
        if may_lie_channels_last(network):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = Average(network, options.average_decay)
        if self._is_shared:
            share_norms(network)
        self._optimiser = make_optimiser(network, options)
        self._network = network
        self._fast, self._stepper = fabric.setup(network, self._optimiser)
        average.module.to(fabric.device).load_state_dict(network.state_dict())
        self._average = average

    @property
    def device(self) -> torch.device:
        return self._fabric.device

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that tells and writes."""
        return bool(self._fabric.is_global_zero)

    @property
    def is_over(self) -> bool:
        return self.done >= self.n_steps or self._patience.is_over

    @property
    def is_sound(self) -> bool:
        """Whether all weights are numbers still: the last step was taken after the last loss was known."""
        return all(bool(parameter.isfinite().all()) for parameter in self._network.parameters())

    @property
    def trained(self) -> nn.Module:
        return self._average.module.cpu().eval()

    @property
    def _is_shared(self) -> bool:
        return self._fabric.world_size > 1

    @property
    def _rows(self) -> range:
        """What this process draws of a batch."""
        size, rank, n = self.options.batch_size, self._fabric.global_rank, self._fabric.world_size
        return range(size * rank // n, size * (rank + 1) // n)

    def step(self) -> Tensor:
        """Do one; give this process's part of the loss."""
        self.rate = learning_rate(self.done, self.options, self.n_steps, self._epoch)
        for group in self._optimiser.param_groups:
            group["lr"] = self.rate
        batch = self._drawn(self.done)
        torch.manual_seed(_chance(self._seed, self.done, self._fabric.global_rank))
        self._fast.train()
        total, weight = summed_loss(self._fast(batch.inputs).float(), batch, self.options)
        # The mean weight, since the processes' gradients are averaged.
        loss = total / torch.as_tensor(self._fabric.all_reduce(weight)).clamp(min=1e-9)
        self._stepper.zero_grad()
        self._fabric.backward(loss)
        if self.options.clip_gradient is not None:
            self._fabric.clip_gradients(
                self._fast, self._stepper, max_norm=self.options.clip_gradient, error_if_nonfinite=False
            )
        self._stepper.step()
        self._average.follow(self._network, self.done)
        self.done += 1
        return loss.detach()

    def mean_of_all(self, value: Tensor) -> float:
        return float(torch.as_tensor(self._fabric.all_reduce(value.clone())))

    def judge(self, held_out: HeldOut) -> dict[str, float]:
        """Ask how good the average is; one process does, and all know."""
        figures: dict[str, float] = {}
        if self.is_first:
            with torch.no_grad():
                judged = held_out(self._average.module.eval())
            figures = {f"held_out/{name}": float(value) for name, value in judged.items()}
        figures = self._fabric.broadcast(figures)
        if self._patience.notes(figures["held_out/loss"]):
            self._patience.keep(self._average.module)
        return figures

    def finish(self, file: CheckpointFile) -> None:
        """Choose the weights that are kept, and settle them."""
        if self._patience.best is not None:
            self._average.module.load_state_dict(self._patience.best)
        if self.options.average_decay > 0:
            self._average.settle(self._settling(), self._is_shared)
        self.is_finished = True
        if self.is_first:
            file.write({"done": self.done, "is_finished": True, "average": self._average.module.state_dict()})
        self._fabric.barrier()

    def save(self, file: CheckpointFile) -> None:
        """Keep all that is needed to go on; the processes have the same."""
        if self.is_first:
            file.write(
                {
                    "done": self.done,
                    "is_finished": False,
                    "network": self._network.state_dict(),
                    "average": self._average.module.state_dict(),
                    "optimiser": self._optimiser.state_dict(),
                    "precision": self._fabric.strategy.precision.state_dict(),
                    "patience": self._patience.state(),
                }
            )
        self._fabric.barrier()

    def resume(self, file: CheckpointFile) -> None:
        """Go on from a checkpoint; one process reads it, on other hosts it need not be."""
        content: dict[str, Any] | None = self._fabric.broadcast(file.read() if self.is_first else None)
        if content is None:
            return
        self.done, self.is_finished = content["done"], content["is_finished"]
        self._average.module.load_state_dict(content["average"])
        if self.is_finished:
            return
        self._network.load_state_dict(content["network"])
        self._optimiser.load_state_dict(content["optimiser"])
        self._fabric.strategy.precision.load_state_dict(content["precision"])
        self._patience.load(content["patience"])

    def _settling(self) -> Iterator[Tensor]:
        n = max(1, min(SETTLING_BATCHES, self.done // SETTLING_PART))
        return (self._drawn(step).inputs for step in range(max(0, self.done - n), self.done))

    def _drawn(self, step: int) -> Batch:
        batch = self._draw(step, self._rows)
        shares = None if batch.shares is None else batch.shares.to(self.device)
        return Batch(batch.inputs.to(self.device), batch.targets.to(self.device), shares)


def _chance(seed: int, step: int, rank: int) -> int:
    return int.from_bytes(sha256(f"{seed} {step} {rank}".encode()).digest()[:8], "little")
