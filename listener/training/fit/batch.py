"""What the loop is fed with."""

from typing import NamedTuple, Protocol

from torch import Tensor


class Batch(NamedTuple):
    """Some windows, on the device that trains."""

    inputs: Tensor
    """What the network reads: log-mel, shape (n, n_mels, n_frames)."""

    targets: Tensor
    """Of each label whether it is in there, from 0 to 1; nan where nobody knows. Shape (n, n_labels)."""

    shares: Tensor | None = None
    """How much of a window each label makes, where sounds were mixed: what ``softmax`` learns. None: what is
    there, in equal shares. Shape (n, n_labels)."""


class Draw(Protocol):
    """Draws windows."""

    def __call__(self, step: int, rows: range) -> Batch:
        """Draw windows of one step: always the same for the same number.

        Parameters
        ----------
        step
            Which one, from 0 on.
        rows
            Which of its windows: all of them, or this process's share.
        """
