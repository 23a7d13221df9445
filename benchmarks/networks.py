"""The networks that both sides run: residual networks of full width, with random weights.

What a network costs does not depend on what it has learnt.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from listener.classifiers.bundle import write_bundle
from listener.features import PRESETS
from listener.types import ModelCard

BLOCKS = {"ResNet18": (2, 2, 2, 2), "ResNet34": (3, 4, 6, 3)}
"""Blocks of each stage."""

LABELS = tuple(f"label_{number}" for number in range(50))


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.around: nn.Module = nn.Identity()
        if stride != 1:
            self.around = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in, height, width) to (n, n_out, height / stride, width / stride)."""
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.around(x))


class ResNet(nn.Module):
    """He et al., "Deep residual learning" (2015), for images of one channel.

    Parameters
    ----------
    blocks
        Blocks of each stage.
    width
        Channels of the first stage.
    """

    def __init__(self, blocks: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 7, stride=2, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(width)
        stages, n_in = [], width
        for stage, n_blocks in enumerate(blocks):
            for number in range(n_blocks):
                n_out = width * 2**stage
                stages.append(Block(n_in, n_out, 2 if stage > 0 and number == 0 else 1))
                n_in = n_out
        self.stages = nn.Sequential(*stages)
        # The last layer as a 1x1 convolution: a matrix product is rounded differently in a batch.
        self.head = nn.Conv2d(n_in, len(LABELS), 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, height, width) to logits (n, n_labels)."""
        x = functional.relu(self.norm(self.stem(x)))
        x = self.stages(functional.max_pool2d(x, 3, stride=2, padding=1))
        logits: Tensor = self.head(functional.adaptive_avg_pool2d(x, 1))
        return logits.flatten(1)


def make_network(name: str, width: int) -> ResNet:
    """Make one of `BLOCKS`, ready to run."""
    torch.manual_seed(0)
    return ResNet(BLOCKS[name], width).eval()


def write_network(name: str, folder: Path, width: int) -> Path:
    """Make a bundle of a network that reads the tutorial's windows; both sides load this one file.

    Parameters
    ----------
    name
        One of `BLOCKS`.
    folder
        Where to.
    width
        Channels of the first stage; 64 is the real thing.
    """
    features = PRESETS["tutorial"]
    card = ModelCard(
        name=name.lower(),
        version="0",
        labels=LABELS,
        sample_rate=features.sample_rate,
        window_s=features.window_samples / features.sample_rate,
        hop_s=0.5,
        input="log_mel",
        activation="softmax",
        features=features,
    )
    path = folder / f"{name.lower()}.pt"
    write_bundle(path, torch.jit.script(make_network(name, width)), card)
    return path


def noise(n_samples: int) -> NDArray[np.float32]:
    """Make sound to measure with: what anything costs does not depend on what is heard."""
    return (0.1 * np.random.default_rng(0).standard_normal(n_samples)).astype(np.float32)
