"""A network for small machines: depthwise-separable convolutions.

A depthwise convolution looks around in each channel by itself, a pointwise one mixes the channels of each
point: together they do with about a ninth of the work what one 3x3 convolution does (Howard et al.,
"MobileNets", 2017; for sound: Zhang et al., "Hello Edge", 2017).
"""

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from listener.training.networks.parts import Head, Network, NetworkOptions, Stem, initialise

N_STAGES = 4


class SeparableOptions(NetworkOptions):
    """Of a depthwise-separable network."""

    depth: int = Field(default=2, ge=1, le=32)
    """Blocks of each of the four stages."""


class SeparableBlock(nn.Module):
    """A depthwise and a pointwise convolution, and a way around them where the shape stays as it is."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(n_in, n_in, 3, stride, padding=1, groups=n_in, bias=False)
        self.norm1 = nn.BatchNorm2d(n_in)
        self.pointwise = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.has_way_around = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in, height, width) to (n, n_out, height / stride, width / stride)."""
        y = functional.relu(self.norm1(self.depthwise(x)))
        y = functional.relu(self.norm2(self.pointwise(y)))
        return y + x if self.has_way_around else y


class DepthwiseSeparable(Network):
    """A stem, and four stages of blocks, each with a picture half as high and wide as the one before."""

    Options = SeparableOptions

    def __init__(self, n_mels: int, n_frames: int, n_labels: int, options: SeparableOptions) -> None:
        super().__init__(n_mels, n_frames, n_labels, options)
        blocks, n_in = [], options.width
        for stage in range(N_STAGES):
            for number in range(options.depth):
                n_out = options.width * 2**stage
                blocks.append(SeparableBlock(n_in, n_out, 2 if number == 0 else 1))
                n_in = n_out
        self.stem = Stem(n_mels, options)
        self.blocks = nn.Sequential(*blocks)
        self.head = Head(n_in, n_labels, options)
        initialise(self, self.head)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.groups > 1:
                # What counts is what flows into a channel, not into all of them.
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")

    def forward(self, log_mel: Tensor) -> Tensor:
        """(n, n_mels, n_frames) to logits (n, n_labels)."""
        logits: Tensor = self.head(self.blocks(self.stem(log_mel)))
        return logits
