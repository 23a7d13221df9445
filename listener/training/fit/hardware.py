"""What a training runs on."""

import atexit
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from listener.errors import ConfigError, one_line

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]

VECTOR = 8
"""Float32 numbers that AVX2 handles at once."""


def start(
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto",
    device: Literal["auto", "cpu", "gpu"] = "auto",
) -> "Fabric":
    """Get ready to train; once in a process.

    Started by ``torchrun``, this process is one of many: on each host there is one for each device.

    Parameters
    ----------
    precision
        As in `listener.training.recipe.Fit`.
    device
        What to train on; ``auto``: an accelerator where there is one.

    Returns
    -------
    Fabric
        Its ``device`` is where windows are to be drawn; `listener.training.fit.fit` takes it.

    Raises
    ------
    ConfigError
        Lightning Fabric is not installed, or there is no such device or precision.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise ConfigError(
            "training needs the package lightning-fabric: pip install 'listener[train]'"
        ) from error
    accelerator = _accelerator(device)
    n_local, n_hosts = _processes()
    try:
        fabric = Fabric(
            accelerator=accelerator,
            devices=n_local,
            num_nodes=n_hosts,
            strategy="ddp" if n_local * n_hosts > 1 else "auto",
            precision=_precision(precision, accelerator),
        )
        fabric.launch()
    except (RuntimeError, ValueError) as error:  # Fabric's own errors are such
        raise ConfigError(f"the training cannot start on '{accelerator}': {one_line(error)}") from error
    if fabric.world_size > 1:
        atexit.register(_leave)
    return fabric


def _leave() -> None:
    """Take leave of the other processes, which would complain else."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def may_lie_channels_last(network: nn.Module) -> bool:
    """Tell whether a network's weights may be kept with their channels last, which is faster.

    On a processor with AVX2 but no AVX-512, oneDNN (3.x, in torch 2.13) overwrites what is not its own in the
    backward pass of a 1x1 convolution with stride and fewer than eight input channels that lie last.
    """
    return not any(
        isinstance(module, nn.Conv2d)
        and all(side == 1 for side in module.kernel_size)
        and any(step > 1 for step in module.stride)
        and 1 < module.in_channels < VECTOR
        for module in network.modules()
    )


def _accelerator(device: str) -> str:
    has_cuda = torch.cuda.is_available()
    if device == "gpu" and not (has_cuda or torch.backends.mps.is_available()):
        raise ConfigError("there is no accelerator that torch can use: train with --device cpu")
    if device == "cpu" or not (has_cuda or torch.backends.mps.is_available()):
        return "cpu"
    return "cuda" if has_cuda else "mps"


def _processes() -> tuple[int, int]:
    """How many processes there are on this host, and how many hosts."""
    if not torch.distributed.is_available() or not torch.distributed.is_torchelastic_launched():
        return 1, 1
    n_local = int(os.environ["LOCAL_WORLD_SIZE"])
    return n_local, max(1, int(os.environ["WORLD_SIZE"]) // n_local)


def _precision(wanted: str, accelerator: str) -> Precision:
    if wanted == "16-mixed" and accelerator == "cpu":
        raise ConfigError(
            "fit.precision: 16-mixed needs an accelerator: take auto, 32-true or, where the processor is "
            "fast at it, bf16-mixed"
        )
    if wanted == "auto":
        return "bf16-mixed" if _is_fast_at_bfloat16(accelerator) else "32-true"
    return wanted  # type: ignore[return-value]


def _is_fast_at_bfloat16(accelerator: str) -> bool:
    if accelerator == "cuda":
        # Before Ampere, bfloat16 is imitated.
        return torch.cuda.get_device_capability() >= (8, 0)
    return accelerator == "cpu" and not {"avx512_bf16", "amx_bf16"}.isdisjoint(_processor_flags())


def _processor_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return set()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(line.split())
