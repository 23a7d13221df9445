"""Residual networks (He et al., "Deep residual learning for image recognition", 2015), of any width."""

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from listener.training.networks.parts import Head, Network, NetworkOptions, Stem, initialise


class ResNetOptions(NetworkOptions):
    """Of a residual network.

    The tutorial's ResNet34 is ``width: 64``, ``dropout: 0``, ``inputs: absolute``, ``normalise: false``,
    ``stem_kernel: 7``, ``stem_stride: 2``, ``pooling: mean``, ``zero_blocks: false``.
    """

    zero_blocks: bool = True
    """Every block begins as the way around it (Goyal et al., "Accurate, large minibatch SGD", 2017)."""


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.around: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.around = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in, height, width) to (n, n_out, height / stride, width / stride)."""
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.around(x))


class ResNet(Network):
    """A stem that makes the picture four times smaller or more, and four stages of blocks."""

    Options = ResNetOptions

    BLOCKS: ClassVar[tuple[int, int, int, int]]
    """Of each stage: two convolutions a block, the stem and the last layer make the number in a name."""

    def __init__(self, n_mels: int, n_frames: int, n_labels: int, options: ResNetOptions) -> None:
        super().__init__(n_mels, n_frames, n_labels, options)
        blocks, n_in = [], options.width
        for stage, n_blocks in enumerate(self.BLOCKS):
            for number in range(n_blocks):
                n_out = options.width * 2**stage
                blocks.append(Block(n_in, n_out, 2 if stage > 0 and number == 0 else 1))
                n_in = n_out
        self.stem = Stem(n_mels, options)
        self.blocks = nn.Sequential(*blocks)
        self.head = Head(n_in, n_labels, options)
        initialise(self, self.head)
        if options.zero_blocks:
            for block in blocks:
                nn.init.zeros_(block.norm2.weight)

    def forward(self, log_mel: Tensor) -> Tensor:
        """(n, n_mels, n_frames) to logits (n, n_labels)."""
        x = functional.max_pool2d(self.stem(log_mel), 3, stride=2, padding=1)
        logits: Tensor = self.head(self.blocks(x))
        return logits


class ResNet18(ResNet):
    """Two blocks in each stage; of width 32, the network of the shipped model."""

    BLOCKS = (2, 2, 2, 2)


class ResNet34(ResNet):
    """Three, four, six and three blocks; of width 64, the tutorial's network."""

    BLOCKS = (3, 4, 6, 3)
