"""What the networks have in common: what they are shown, how they begin, and how they answer."""

from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor, nn

from listener.config import Options

AUDIBLE_RANGE = 23.0
"""What is further below the power of a whole window (100 dB, in logarithms) is as good as silent."""

FIRST_GUESS = -3.0
"""Logit of every label at first: it is absent, as most are most of the time."""

MOST_PIXELS = 63
"""Of a kernel's side: more than any window of the presets has to spare."""


def _pair(given: Any) -> Any:
    """One number stands for both sides."""
    sides = [given, given] if isinstance(given, int) else given
    if not isinstance(sides, list | tuple) or len(sides) != 2:
        raise ValueError("must be one number, or two: of mel bands and of frames")
    if any(type(side) is not int or not 1 <= side <= MOST_PIXELS for side in sides):
        raise ValueError(f"must be whole numbers from 1 to {MOST_PIXELS}")
    return tuple(sides)


def _odd(sides: tuple[int, int]) -> tuple[int, int]:
    if any(side % 2 == 0 for side in sides):
        raise ValueError("must be odd, so that it has a middle")
    return sides


Stride = Annotated[tuple[int, int], BeforeValidator(_pair)]
Kernel = Annotated[tuple[int, int], BeforeValidator(lambda given: _odd(_pair(given)))]


class NetworkOptions(Options):
    """What can be told to every network of the program."""

    width: int = Field(default=32, ge=1, le=1024)
    """Channels of the first stage; the other three have 2, 4 and 8 times as many."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Chance that a channel is left out before the last layer."""
    inputs: Literal["both", "absolute", "relative"] = "both"
    """The spectrogram as it is, relative to the window's power, or both, side by side."""
    normalise: bool = True
    """Each mel band is brought to mean 0 and variance 1 over the training windows."""
    stem_kernel: Kernel = (5, 7)
    """Size of the first convolution, in mel bands and frames."""
    stem_stride: Stride = (2, 4)
    """Steps of the first convolution, in mel bands and frames."""
    pooling: Literal["mean+max", "mean"] = "mean+max"
    """Over the frames: the mean hears what lasts, the maximum what is short."""


class Network(nn.Module):
    """A network that a recipe may name.

    Parameters
    ----------
    n_mels
        Mel bands of the spectrogram.
    n_frames
        Its frames.
    n_labels
        Length of the output.
    options
        Its own options, of the class ``Options``.
    """

    Options = NetworkOptions

    def __init__(self, n_mels: int, n_frames: int, n_labels: int, options: NetworkOptions) -> None:
        super().__init__()


class Absolute(nn.Module):
    """The spectrogram as it is, since only its level tells faint noise from rain."""

    def __init__(self, n_mels: int, normalise: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(n_mels) if normalise else nn.Identity()

    def forward(self, log_mel: Tensor) -> Tensor:
        """(n, n_mels, n_frames) to (n, 1, n_mels, n_frames)."""
        shown: Tensor = self.norm(log_mel)
        return shown.unsqueeze(1)


class Relative(nn.Module):
    """The spectrogram relative to the window's power, so that a dog is a dog at any distance."""

    def __init__(self, n_mels: int, normalise: bool) -> None:
        super().__init__()
        self.audible_range = AUDIBLE_RANGE
        self.norm = nn.BatchNorm1d(n_mels) if normalise else nn.Identity()

    def forward(self, log_mel: Tensor) -> Tensor:
        """(n, n_mels, n_frames) to (n, 1, n_mels, n_frames)."""
        power = log_mel.logsumexp(dim=[1, 2], keepdim=True)
        shown: Tensor = self.norm((log_mel - power).clamp(-self.audible_range, 0.0))
        return shown.unsqueeze(1)


class Both(nn.Module):
    """Both, side by side."""

    def __init__(self, n_mels: int, normalise: bool) -> None:
        super().__init__()
        self.absolute = Absolute(n_mels, normalise)
        self.relative = Relative(n_mels, normalise)

    def forward(self, log_mel: Tensor) -> Tensor:
        """(n, n_mels, n_frames) to (n, 2, n_mels, n_frames)."""
        return torch.cat((self.absolute(log_mel), self.relative(log_mel)), dim=1)


class Stem(nn.Sequential):
    """From the spectrogram to ``width`` channels, and a smaller picture."""

    def __init__(self, n_mels: int, options: NetworkOptions) -> None:
        views = {"both": Both, "absolute": Absolute, "relative": Relative}[options.inputs]
        n_views = 2 if options.inputs == "both" else 1
        middle = (options.stem_kernel[0] // 2, options.stem_kernel[1] // 2)
        super().__init__(
            views(n_mels, options.normalise),
            nn.Conv2d(
                n_views, options.width, options.stem_kernel, options.stem_stride, padding=middle, bias=False
            ),
            nn.BatchNorm2d(options.width),
            nn.ReLU(),
        )


class Mean(nn.Module):
    """The mean over mel bands and frames."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, height, width) to (n, channels)."""
        return x.mean(dim=3).mean(dim=2)


class MeanAndMaximum(nn.Module):
    """The mean over mel bands; over the frames, the mean and the maximum."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, height, width) to (n, channels)."""
        x = x.mean(dim=2)
        # The mean hears what lasts, the maximum what is short.
        return x.mean(dim=2) + x.amax(dim=2)


class Head(nn.Module):
    """From channels to logits."""

    def __init__(self, n_in: int, n_labels: int, options: NetworkOptions) -> None:
        super().__init__()
        self.pool = MeanAndMaximum() if options.pooling == "mean+max" else Mean()
        self.dropout = nn.Dropout(options.dropout)
        # A matrix product would be rounded differently in a batch than for one window alone.
        self.last = nn.Conv2d(n_in, n_labels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in, height, width) to (n, n_labels)."""
        pooled: Tensor = self.dropout(self.pool(x))
        logits: Tensor = self.last(pooled[:, :, None, None])
        return logits.flatten(1)


def initialise(network: nn.Module, head: Head) -> None:
    """Begin so that layers keep the size of what flows through (He et al., 2015), and no label is heard."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    nn.init.normal_(head.last.weight, std=0.01)
    assert head.last.bias is not None
    nn.init.constant_(head.last.bias, FIRST_GUESS)
