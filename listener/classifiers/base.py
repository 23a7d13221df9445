"""What every classifier is: windows in, scores out, and a card that says what it wants."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from listener.types import Features, ModelCard


class Classifier(ABC):
    """A loaded model."""

    card: ModelCard
    """What it says of itself."""

    max_batch: int = 8
    """Most windows that are worth giving at once: beyond it nothing is gained."""

    @abstractmethod
    def predict(self, batch: Sequence[Features]) -> NDArray[np.float32]:
        """Score windows.

        A window's scores are the same to the bit, whatever else is in the batch.

        Parameters
        ----------
        batch
            Windows in the form that the card's ``input`` names.

        Returns
        -------
        ndarray
            Shape (n_windows, n_classes), in [0, 1].

        Raises
        ------
        ModelError
            The model failed or gave something that is no score.
        """

    def warm_up(self, n_sources: int) -> None:
        """Do now what would make the first windows of ``n_sources`` sources late."""

    def close(self) -> None:
        """Let go of what it holds."""
