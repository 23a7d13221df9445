"""``use: level``: tells loud from quiet, and has learnt nothing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from listener.classifiers.base import Classifier
from listener.errors import ModelError
from listener.types import Features, ModelCard


class Level(Classifier):
    """Scores the level of a window: ``loud`` is 1 from -20 dB of full scale on."""

    def __init__(self, path: Path, card: ModelCard, precision: str, threads: int) -> None:
        if card.input != "waveform" or card.labels != ("loud", "quiet"):
            raise ModelError(f"{path}: level takes a card with input waveform and labels [loud, quiet]")
        self.card = card

    def predict(self, batch: Sequence[Features]) -> NDArray[np.float32]:
        """Score windows, each by itself."""
        rms = [float(np.sqrt(np.mean(np.square(window.data)))) for window in batch]
        loud = np.minimum(np.array(rms, np.float32) / 0.1, 1)
        return np.stack([loud, 1 - loud], axis=1)
