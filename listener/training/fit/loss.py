"""What is made small.

Both losses give a sum and its weight, so that several processes may sum up before they divide: the result
does not depend on who had which windows.
"""

import torch
from torch import Tensor
from torch.nn import functional

from listener.training.fit.batch import Batch
from listener.training.recipe import Fit


def summed_loss(logits: Tensor, batch: Batch, options: Fit) -> tuple[Tensor, Tensor]:
    """Sum the loss of a batch.

    Parameters
    ----------
    logits
        Shape (n, n_labels), float32.
    batch
        What would have been right.
    options
        Which loss.

    Returns
    -------
    tuple
        The sum and its weight, two scalars; the loss is their quotient.
    """
    if options.loss == "softmax":
        return _softmax(logits, batch, options.label_smoothing)
    return _sigmoid(logits, batch.targets, options.label_smoothing)


def _sigmoid(logits: Tensor, targets: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each label by itself, over those that can be judged; a window's labels are summed."""
    known = ~targets.isnan()
    wanted = targets.nan_to_num() * (1 - smoothing) + smoothing / 2
    losses = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (losses * known).sum() * logits.shape[1], known.sum().float()


def _softmax(logits: Tensor, batch: Batch, smoothing: float) -> tuple[Tensor, Tensor]:
    """Cross-entropy between the labels that can be judged; a window that holds none teaches nothing."""
    known = ~batch.targets.isnan()
    shares = batch.targets if batch.shares is None else batch.shares
    shares = shares.nan_to_num().clamp(min=0) * known
    whole = shares.sum(dim=1, keepdim=True)
    spread = smoothing * known / known.sum(dim=1, keepdim=True).clamp(min=1)
    wanted = shares / whole.clamp(min=torch.finfo(whole.dtype).tiny) * (1 - smoothing) + spread
    # The lowest number and not minus infinity, which times 0 would be none.
    rivals = logits.masked_fill(~known, torch.finfo(logits.dtype).min)
    losses = -(wanted * functional.log_softmax(rivals, dim=1) * known).sum(dim=1)
    is_heard = (whole > 0).squeeze(1)
    return (losses * is_heard).sum(), is_heard.sum().float()
