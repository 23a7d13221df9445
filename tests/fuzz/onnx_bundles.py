"""ONNX bundles and their cards: as `tests.fuzz.bundles`, for ONNX Runtime."""

import json
from pathlib import Path
from random import Random

import numpy as np

from listener.classifiers import onnx_file
from listener.classifiers.bundle import read_card
from listener.classifiers.onnx import OnnxClassifier
from listener.errors import ModelError
from listener.features import LogMel
from listener.testing import TINY_FEATURES
from listener.types import Features
from tests.fuzz.bundles import _spoilt_value
from tests.fuzz.mutate import damaged
from tests.fuzz.target import Input, Target, assert_told_well
from tests.onnx_models import resealed, tiny_onnx

NAME, CARD = "model.onnx", "card.yaml"
SILENCE = np.zeros(TINY_FEATURES.window_samples, np.float32)


class OnnxBundles(Target):
    """Model files with their cards."""

    memory_mib = 1024

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        tiny_onnx(folder / NAME)
        self._whole = (folder / NAME).read_bytes()
        self._plain = onnx_file.bare(self._whole)
        self._card = json.loads(onnx_file.card_text(folder / NAME, 2**22) or b"")
        # The first run of a model is slow: it is not what is looked for here.
        OnnxClassifier(folder / NAME, read_card(folder / NAME))

    def make(self, random: Random) -> Input:
        """Spoil the file, the network under a right check sum, the card, or a foreign file."""
        choice = random.random()
        if choice < 0.2:
            return Input({NAME: damaged(random, self._whole)})
        if choice < 0.5:
            return Input({NAME: resealed(damaged(random, self._whole))})
        if choice < 0.7:
            files = {NAME: damaged(random, self._plain), CARD: json.dumps(self._card).encode()}
            return Input(files)
        if choice < 0.92:
            card = dict(self._card)
            for _ in range(random.choice((1, 1, 2))):
                key = random.choice(list(card))
                card[key] = _spoilt_value(random, card[key])
            content = json.dumps(card).encode()
            body = self._plain + _entry(onnx_file.CARD_KEY, content)
            return Input({NAME: resealed(body + _entry(onnx_file.SUM_KEY, 64 * b"0"))})
        return Input({NAME: random.choice((self._whole, self._whole, b"", b"words", self._plain))})

    def feed(self, made: Input) -> bool:
        """Read the card, load the model, and use it."""
        self.write(made)
        try:
            card = read_card(self.folder / NAME, self.folder / CARD if CARD in made.files else None)
            classifier = OnnxClassifier(self.folder / NAME, card)
            if card.features != TINY_FEATURES or card.input != "log_mel":
                return True
            window = Features("fuzz", LogMel(TINY_FEATURES)(SILENCE), 0, len(SILENCE), 16_000)
            scores = classifier.predict([window])
        except ModelError as error:
            assert_told_well(error)
            return False
        assert scores.shape == (1, len(card.labels))
        assert ((scores >= 0) & (scores <= 1)).all()
        return True


def _entry(key: str, value: bytes) -> bytes:
    return onnx_file._entry(key, value.decode())
