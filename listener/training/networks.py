"""The network: a ResNet18 of narrow width that reads log-mel spectrograms."""

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCKS = (2, 2, 2, 2)
"""Of each stage: with two convolutions a block, the stem and the last layer that makes 18 layers."""


AUDIBLE_RANGE = 23.0
"""What is further below the power of a whole window (100 dB, in logarithms) is as good as silent."""


class Block(nn.Module):
    """Two convolutions and a way around them (He et al., "Deep residual learning", 2015)."""

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


class ResNet18(nn.Module):
    """Log-mel (n, n_mels, n_frames) to logits (n, n_labels), whatever its level.

    It is shown the spectrogram twice: as it is, since only its level tells faint noise from
    rain, and relative to the window's power, so that a dog is a dog at any distance.

    Parameters
    ----------
    n_mels
        Mel bands of the spectrogram: each is normalised by itself.
    n_labels
        Length of the output.
    width
        Channels of the first stage; the other three have 2, 4 and 8 times as many.
    dropout
        Chance that a channel is left out before the last layer.
    """

    def __init__(self, n_mels: int, n_labels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.audible_range = AUDIBLE_RANGE
        self.absolute = nn.BatchNorm1d(n_mels)
        self.relative = nn.BatchNorm1d(n_mels)
        self.stem = nn.Conv2d(2, width, (5, 7), stride=(2, 4), padding=(2, 3), bias=False)
        self.norm = nn.BatchNorm2d(width)
        blocks, n_in = [], width
        for stage, n_blocks in enumerate(BLOCKS):
            for number in range(n_blocks):
                n_out = width * 2**stage
                blocks.append(Block(n_in, n_out, 2 if stage > 0 and number == 0 else 1))
                n_in = n_out
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        # A matrix product would be rounded differently in a batch than for one window alone.
        self.head = nn.Conv2d(n_in, n_labels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(module, Block):
                nn.init.zeros_(module.norm2.weight)  # every block begins as the way around it
        # The first guess is that every label is absent, as most are most of the time.
        nn.init.normal_(self.head.weight, std=0.01)
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias, -3.0)

    def forward(self, log_mel: Tensor) -> Tensor:
        """(n, n_mels, n_frames) to (n, n_labels)."""
        power = log_mel.logsumexp(dim=[1, 2], keepdim=True)
        relative = (log_mel - power).clamp(-self.audible_range, 0.0)
        x = torch.stack((self.absolute(log_mel), self.relative(relative)), dim=1)
        x = functional.relu(self.norm(self.stem(x)))
        x = functional.max_pool2d(x, 3, stride=2, padding=1)
        x = self.blocks(x).mean(dim=2)
        # The mean hears what lasts, the maximum what is short.
        x = x.mean(dim=2) + x.amax(dim=2)
        logits: Tensor = self.head(self.dropout(x)[:, :, None, None])
        return logits.flatten(1)
