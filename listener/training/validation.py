"""How a network does while it is trained, on clips that are held out: for early stopping, and for a curve."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from listener.features.layers import LogMelLayer
from listener.training.data.sounds import Sound, as_float
from listener.training.fit import Batch
from listener.training.fit.loss import summed_loss
from listener.training.recipe import Recipe

_WINDOWS_AT_ONCE = 64


class Validation:
    """Cuts clips into windows, side by side and as they are, and compares what a network says to them.

    Parameters
    ----------
    sounds
        The clips; those of other labels than the model's hold none of them.
    labels
        The model's.
    recipe
        Its front end, its loss, and what is uncertain.
    """

    def __init__(self, sounds: Sequence[Sound], labels: Sequence[str], recipe: Recipe) -> None:
        self._recipe = recipe
        front_end = LogMelLayer(recipe.features)
        windows, targets = [], []
        for sound in sounds:
            target = torch.zeros(len(labels))
            for label in recipe.data.uncertain.get(sound.label, ()):
                target[labels.index(label)] = torch.nan
            if sound.label in labels:
                target[labels.index(sound.label)] = 1.0
            for window in _cut(torch.from_numpy(as_float(sound.samples)), recipe.features.window_samples):
                windows.append(window)
                targets.append(target)
        with torch.no_grad():
            self._inputs = torch.cat([front_end(torch.stack(list(some))) for some in _some(windows)])
        self._targets = torch.stack(targets)

    def __call__(self, network: nn.Module) -> Mapping[str, float]:
        """Give ``loss``, the mean over all windows, and ``accuracy`` on those that hold a label."""
        device = next(network.parameters()).device
        total, weight, right, n_heard = 0.0, 0.0, 0, 0
        for first in range(0, len(self._inputs), _WINDOWS_AT_ONCE):
            some = slice(first, first + _WINDOWS_AT_ONCE)
            inputs, targets = self._inputs[some].to(device), self._targets[some].to(device)
            logits = network(inputs).float()
            part, part_weight = summed_loss(logits, Batch(inputs, targets), self._recipe.fit)
            total, weight = total + float(part), weight + float(part_weight)
            is_heard = targets.nan_to_num().sum(dim=1) > 0
            verdicts = logits.argmax(dim=1) == targets.nan_to_num().argmax(dim=1)
            right, n_heard = right + int((verdicts & is_heard).sum()), n_heard + int(is_heard.sum())
        return {"loss": total / max(weight, 1e-9), "accuracy": right / max(1, n_heard)}


def _cut(samples: Tensor, length: int) -> Iterator[Tensor]:
    """Cut into windows; the last, or the only one, is filled up with silence."""
    for first in range(0, max(1, len(samples) - length // 2), length):
        window = torch.zeros(length)
        part = samples[first : first + length]
        window[: len(part)] = part
        yield window


def _some(windows: Sequence[Tensor]) -> Iterator[Sequence[Tensor]]:
    return (windows[first : first + _WINDOWS_AT_ONCE] for first in range(0, len(windows), _WINDOWS_AT_ONCE))
